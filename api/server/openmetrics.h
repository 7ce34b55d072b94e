/**
 * @file openmetrics.h
 * From the text format of Prometheus to that of OpenMetrics 1.0, and which of them a client wants.
 *
 * Spec:    docs/reference/metrics.md
 * Layer:   api
 * Trust:   the text is our own; the header is a client's
 * Threads: pure
 */
#ifndef VX6_API_SERVER_OPENMETRICS_H
#define VX6_API_SERVER_OPENMETRICS_H

#include <stdbool.h>
#include <stddef.h>

#define VX6_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define VX6_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/** Whether the header Accept asks for OpenMetrics and likes nothing that we have better. @param accept NULL: not sent */
bool vx6_openmetrics_wanted(const char *accept);

/**
 * The same in the other form: heads of counters lose `_total`, which their samples keep, and `# EOF` ends it. A counter `x_total` beside a gauge
 * `x` keeps its name and becomes `unknown`, for no two metrics may have one name.
 * @param text  what has been written for Prometheus @param n bytes of the result @return owned, free(); NULL: out of memory
 */
char *vx6_openmetrics_from(const char *text, size_t *n);

#endif
