/**
 * @file complete.h
 * What could come next on the command line.
 *
 * Layer:   api
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_COMPLETE_H
#define VX6_API_CLI_COMPLETE_H

#include <stdio.h>

#include "api/cli/cli.h"

struct vx6_completion {
	const char *word;   /* what is typed of it so far */
	const char *prefix; /* goes before each candidate: "--output=" */
	FILE *to;
};

/**
 * Writes a candidate a line, with a tab and what it is; `:files` asks the shell for file names.
 * @param cli    asked for live values; NULL: there are none
 * @param words  after `vx6`; the last one is being typed
 */
void vx6_cli_complete(struct vx6_cli *cli, const char *const *words, size_t n, FILE *to);

#endif
