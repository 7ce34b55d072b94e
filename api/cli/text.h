/**
 * @file text.h
 * Text on its way to a terminal: control bytes out, widths, numbers for people.
 *
 * Layer:   api
 * Trust:   @p s may come from a peer by way of the agent
 * Threads: vx6_cli_text_init() first; the rest is pure
 */
#ifndef VX6_API_CLI_TEXT_H
#define VX6_API_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { VX6_CLI_HUMAN = 32 };

/** Makes the character tables UTF-8, whatever the locale says. */
void vx6_cli_text_init(void);

/** Writes @p s; what could steer a terminal (control characters, C1, text direction) or is not UTF-8 becomes U+FFFD. */
void vx6_cli_clean(FILE *to, const char *s);

/** Columns that vx6_cli_clean() of @p s takes. */
size_t vx6_cli_width(const char *s);

/** "88.2 KB": 1000 is the step. @return @p out */
char *vx6_cli_bytes(double n, char out[static VX6_CLI_HUMAN]);
/** "0.40 ms", "120 ms", "1.5 s" */
char *vx6_cli_ms(double ms, char out[static VX6_CLI_HUMAN]);
/** "3d 4h", "1m 1s", "12s" */
char *vx6_cli_span(double ms, char out[static VX6_CLI_HUMAN]);

/** Percent-encodes all but unreserved bytes and `:,*`. @return owned, free() */
char *vx6_cli_percent(const char *s);

#endif
