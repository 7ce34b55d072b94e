/**
 * @file cli.h
 * The `vx6 …` commands: a client of the agent's HTTP API.
 *
 * Spec:    vx6(1), made from the table of commands (build: man/vx6.1)
 * Layer:   api
 * Output:  data on stdout, everything else on stderr; exit status is an enum vx6_cli_exit
 * Threads: the main thread; `connect` starts one for the other direction
 */
#ifndef VX6_API_CLI_CLI_H
#define VX6_API_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "api/cli/args.h"
#include "api/cli/command.h"

enum vx6_cli_exit {
	VX6_EXIT_OK = 0,
	VX6_EXIT_FAILURE = 1,
	VX6_EXIT_USAGE = 2,
	VX6_EXIT_UNREACHABLE = 3, /* the agent */
	VX6_EXIT_DENIED = 4,
	VX6_EXIT_NOT_FOUND = 5,
	VX6_EXIT_CONFLICT = 6,
	VX6_EXIT_TIMEOUT = 7,
	VX6_EXIT_OPERATION = 8, /* what was asked for was tried and failed */
	VX6_EXIT_INVALID = 9,
	VX6_EXIT_INTERRUPTED = 130,
};

enum vx6_cli_format {
	VX6_FORMAT_TABLE,
	VX6_FORMAT_JSON,
	VX6_FORMAT_JSONL,
	VX6_FORMAT_NAME,
};

struct vx6_http;

/* One run. Strings are borrowed from argv and the environment. */
struct vx6_cli {
	enum vx6_cli_format format;
	const char *fields;
	bool headers, quiet;
	bool mute;   /* errors are not told: the caller has another way, or tries again */
	bool colour; /* of stdout */
	unsigned timeout_ms;
	const char *socket, *url, *token_file; /* as given; NULL: not */
	struct vx6_http *http;                 /* opened by the first request */
};

/** Runs the command of @p argv (all but `agent`). @return exit status */
int vx6_cli_main(int argc, char **argv);

/** Help on stdout. @param command NULL: of the noun; both NULL: of the program */
void vx6_cli_help(const char *noun, const struct vx6_cli_command *command);

/** The manual page vx6(1) as roff, on stdout. */
void vx6_cli_manual(void);

/** A remark for people on stderr, unless --quiet. */
void vx6_cli_say(const struct vx6_cli *cli, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
