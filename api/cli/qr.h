/**
 * @file qr.h
 * A code for cameras, drawn in the terminal.
 *
 * Layer:   api
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_QR_H
#define VX6_API_CLI_QR_H

#include <stdbool.h>

/**
 * Draws @p text on standard output, by the program qrencode. On a terminal in colours of its own, so that it can be read whichever those of the
 * terminal are; else in characters that are light where they are filled. @return false: it is not there, or failed
 */
bool vx6_qr_draw(const char *text);

#endif
