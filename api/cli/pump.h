/**
 * @file pump.h
 * Bytes between two pairs of descriptors, both ways, with the end of each direction passed on by itself.
 *
 * Layer:   api
 * Threads: blocks its caller; starts one thread for the other direction, so neither waits for the other
 */
#ifndef VX6_API_CLI_PUMP_H
#define VX6_API_CLI_PUMP_H

#include <stdbool.h>
#include <stddef.h>

struct vx6_pump {
	/* The local end, borrowed: one socket, ended on return; or two other descriptors, of which `out` is closed and `in`
	 * may still be read by the thread for as long as the process lives. */
	int in, out;
	int sock;          /* the far end; borrowed */
	const char *early; /* goes to `out` first */
	size_t early_n;
	bool in_is_person; /* no one waits at a terminal for the other direction to end */
};

/** @return 0, or the errno of what cut the far end's direction short */
int vx6_pump_run(const struct vx6_pump *p);

#endif
