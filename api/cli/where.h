/**
 * @file where.h
 * Which agent to talk to: socket or address, and the token.
 *
 * Layer:   api
 * Trust:   a token never goes in the clear to another machine
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_WHERE_H
#define VX6_API_CLI_WHERE_H

#include "api/cli/cli.h"

enum { VX6_WHERE_TEXT = 256, VX6_WHERE_HOST = 128 };

/** Where the agent is; wipe with vx6_cli_where_wipe(). */
struct vx6_cli_where {
	char socket[VX6_WHERE_TEXT];        /* path, or empty: by address */
	char base[VX6_WHERE_TEXT];          /* "http://localhost", "http://127.0.0.1:4866" */
	char host[VX6_WHERE_HOST], port[8]; /* of an address */
	char token[VX6_WHERE_TEXT];         /* empty: none */
};

/**
 * --socket, --url, VX6_SOCKET, VX6_URL, $XDG_RUNTIME_DIR/vx6/api.sock, /run/vx6/api.sock, api.sock of the default state
 * directory: the first that is there.
 * @return an exit status; the error is reported
 */
int vx6_cli_where(const struct vx6_cli *cli, struct vx6_cli_where *out);
void vx6_cli_where_wipe(struct vx6_cli_where *w);

#endif
