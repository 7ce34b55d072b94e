/**
 * @file grid.h
 * Text in aligned columns.
 *
 * Layer:   api
 * Threads: none of its own
 */
#ifndef VX6_API_CLI_GRID_H
#define VX6_API_CLI_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum vx6_tint {
	VX6_TINT_NONE,
	VX6_TINT_GOOD,
	VX6_TINT_BAD,
	VX6_TINT_BUSY,
	VX6_TINT_DIM,
	VX6_TINT_HEAD
};

/** Zero-initialise with the number of columns; vx6_grid_fini(). */
struct vx6_grid {
	size_t columns;
	bool colour;
	struct vx6_grid_cell {
		char *text; /* owned */
		enum vx6_tint tint;
		bool right; /* aligned there */
	} *cells;
	size_t n, cap;
};

/** The next cell, row by row. @param text taken */
void vx6_grid_add(struct vx6_grid *g, char *text, enum vx6_tint tint, bool right);
/** Takes away a column. */
void vx6_grid_drop(struct vx6_grid *g, size_t column);
/** Prints the full rows; two spaces between columns, none after the last. */
void vx6_grid_print(const struct vx6_grid *g, FILE *to);
void vx6_grid_fini(struct vx6_grid *g);

#endif
