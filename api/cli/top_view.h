/**
 * @file top_view.h
 * One picture of an agent for `vx6 top`, as text.
 *
 * Layer:   api
 * Trust:   answers of the agent may hold text of peers: it is cleaned
 * Threads: pure, any thread
 */
#ifndef VX6_API_CLI_TOP_VIEW_H
#define VX6_API_CLI_TOP_VIEW_H

#include <stdint.h>
#include <stdio.h>

#include "api/cli/cli.h"
#include "api/json/tree.h"

enum vx6_top_table {
	VX6_TOP_PEERS,
	VX6_TOP_CIRCUITS,
	VX6_TOP_SERVICES,
	VX6_TOP_FORWARDS,
	VX6_TOP_TABLES,
};

/** What the agent said at one moment; vx6_top_fini(). */
struct vx6_top {
	uint64_t at_ms; /* monotonic; 0: nothing yet */
	struct vx6_value *node, *lists[VX6_TOP_TABLES];
};

struct vx6_top_view {
	const struct vx6_top *now,
		*before; /* before: to tell how fast it goes; at_ms 0: not known */
	enum vx6_top_table table;
	size_t scroll; /* rows of the table that are above what is seen */
	size_t rows;   /* of the window; 0: all tables, one after the other */
	bool stale;    /* the agent does not answer any more */
};

void vx6_top_fini(struct vx6_top *top);

/** The noun whose list a table is: "peer". */
const char *vx6_top_noun(enum vx6_top_table table);

/** Bytes a second of all sessions between two pictures; one that began anew counts from 0. */
void vx6_top_rate(const struct vx6_top *before, const struct vx6_top *now, double *rx, double *tx);

/** @param cli whether in colour */
void vx6_top_print(const struct vx6_cli *cli, const struct vx6_top_view *view, FILE *to);

/** How far a table may be scrolled. */
size_t vx6_top_scroll_max(const struct vx6_top_view *view);

#endif
