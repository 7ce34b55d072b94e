/**
 * @file problem.h
 * Errors as people and scripts see them: message, code, hint, request id, exit status.
 *
 * Spec:    RFC 9457, schemas/problems.json
 * Layer:   api
 * Trust:   text from the agent is cleaned of control bytes before it reaches a terminal
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_PROBLEM_H
#define VX6_API_CLI_PROBLEM_H

#include <stddef.h>

#include "api/cli/cli.h"

/** The exit status that an HTTP status with a problem code ("" when there is none) leads to; 2xx is OK. */
enum vx6_cli_exit vx6_cli_exit_of(int status, const char *code);

/**
 * Reports an error of our own on stderr.
 * @param hint  what to do about it, or NULL @return @p exit
 */
int vx6_cli_fail(const struct vx6_cli *cli, enum vx6_cli_exit exit, const char *code,
		 const char *hint, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/** Reports an answer that is not 2xx. @param body borrowed, whatever came @return the exit status */
int vx6_cli_problem(const struct vx6_cli *cli, int status, const char *body, size_t n);

#endif
