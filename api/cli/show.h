/**
 * @file show.h
 * One field of an answer as one cell for people.
 *
 * Layer:   api
 * Threads: pure, any thread
 */
#ifndef VX6_API_CLI_SHOW_H
#define VX6_API_CLI_SHOW_H

#include "api/cli/command.h"
#include "api/cli/grid.h"
#include "api/json/tree.h"

struct vx6_cli_cell {
	char *text; /* owned, free(); "-" when there is nothing */
	enum vx6_tint tint;
	bool right;
};

struct vx6_cli_cell vx6_cli_cell(const struct vx6_cli_column *column, const struct vx6_value *item);

#endif
