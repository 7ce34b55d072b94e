/**
 * @file request.h
 * The request that a command and its arguments stand for, by the command table and the contract's routes.
 *
 * Layer:   api
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_REQUEST_H
#define VX6_API_CLI_REQUEST_H

#include "api/cli/cli.h"
#include "api/contract/contract.h"

/** Path and body are owned: vx6_cli_request_fini(). */
struct vx6_cli_request {
	const struct vx6_route *route;
	char *path; /* with its query */
	char *body; /* NULL: none */
	const char *if_match;
};

/** @return NULL: the contract has no such operation */
const struct vx6_route *vx6_cli_route(const char *op);

/** @param op operationId @return an exit status; a fault of the arguments is reported */
int vx6_cli_request_make(const struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char *op,
			 struct vx6_cli_request *out);
void vx6_cli_request_fini(struct vx6_cli_request *r);

/** Adds "name=value" to the query of a path. @param path taken @return owned */
char *vx6_cli_path_add(char *path, const char *name, const char *value);

#endif
