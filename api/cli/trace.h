/**
 * @file trace.h
 * The steps of a way to a hidden service, told on stderr while it is being made.
 *
 * Layer:   api
 * Threads: one of its own, which ends with vx6_trace_end()
 */
#ifndef VX6_API_CLI_TRACE_H
#define VX6_API_CLI_TRACE_H

#include "api/cli/cli.h"

struct vx6_trace;

/** @param alias of the service, or its key @return owned; NULL: it cannot be, which is no reason not to connect */
struct vx6_trace *vx6_trace_begin(const struct vx6_cli *cli, const char *alias);
/** Tells what is left. Accepts NULL. */
void vx6_trace_end(struct vx6_trace *t);

#endif
