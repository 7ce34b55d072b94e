/**
 * @file args.h
 * From argv to a command and its values, by the command table.
 *
 * Layer:   api
 * Threads: none of its own
 */
#ifndef VX6_API_CLI_ARGS_H
#define VX6_API_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/cli/command.h"

struct vx6_cli_value {
	const struct vx6_cli_arg *arg; /* a row of the command or of vx6_cli_globals */
	const char *text;              /* borrowed from argv; NULL for a switch */
};

/** The outcome; vx6_cli_parsed_fini(). */
struct vx6_cli_parsed {
	const struct vx6_cli_command *command; /* NULL: none was named */
	const char *noun;             /* named without a verb that is there: for its help */
	struct vx6_cli_value *values; /* owned, in the order given */
	size_t values_n;
	char error[320]; /* why it could not be understood; empty: it was */
};

/** @param argv borrowed for the life of @p out, [0] is the program @return false: out->error says why */
bool vx6_cli_parse(int argc, char **argv, struct vx6_cli_parsed *out);
void vx6_cli_parsed_fini(struct vx6_cli_parsed *p);

/** The last value given for an option or positional of that name; NULL: none, or a switch. */
const char *vx6_cli_text(const struct vx6_cli_parsed *p, const char *name);
bool vx6_cli_has(const struct vx6_cli_parsed *p, const char *name);

/** A duration: "30s", "500ms", "2m", "1.5"; a bare number is seconds. @return false: it is none, or above a day */
bool vx6_cli_duration(const char *text, unsigned *out_ms);

#endif
