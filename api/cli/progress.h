/**
 * @file progress.h
 * What is happening, while something takes long: a line that turns on a terminal, a line now and then elsewhere; on stderr.
 *
 * Layer:   api
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_PROGRESS_H
#define VX6_API_CLI_PROGRESS_H

#include <stdint.h>

#include "api/cli/cli.h"

/** Zero-initialise. */
struct vx6_progress {
	unsigned turns;
	uint64_t began_ms, said_ms;
	bool shown; /* something stands on the terminal's line */
};

/** @param text cleaned of what could steer a terminal; nothing is said with --quiet */
void vx6_progress_step(const struct vx6_cli *cli, struct vx6_progress *p, const char *text);
/** Takes the line away. */
void vx6_progress_end(const struct vx6_cli *cli, struct vx6_progress *p);

#endif
