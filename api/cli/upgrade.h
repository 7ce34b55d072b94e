/**
 * @file upgrade.h
 * A byte stream out of the API: GET /v1/connect with HTTP Upgrade, on a socket of our own.
 *
 * Spec:    RFC 9110 section 7.8, schemas/openapi.json connect_open
 * Layer:   api
 * Limits:  an answer's head is at most VX6_UPGRADE_HEAD, a problem's body VX6_UPGRADE_BODY
 * Threads: any thread, one stream each
 */
#ifndef VX6_API_CLI_UPGRADE_H
#define VX6_API_CLI_UPGRADE_H

#include "api/cli/where.h"

enum { VX6_UPGRADE_HEAD = 16384, VX6_UPGRADE_BODY = 65536 };

struct vx6_cli_stream {
	int fd; /* owned; blocking */
	size_t early_n;
	char early[VX6_UPGRADE_HEAD]; /* bytes of the stream that came with the answer */
};

/** @param path with its query @return exit status; the error is reported, out->fd is then -1 */
int vx6_cli_upgrade(const struct vx6_cli *cli, const struct vx6_cli_where *where, const char *path,
		    struct vx6_cli_stream *out);

#endif
