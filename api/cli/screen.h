/**
 * @file screen.h
 * A terminal as one screen that is redrawn, and its keys; plain ANSI.
 *
 * Layer:   api
 * Threads: the main thread; one screen a process, because the signals that end it are the process's
 */
#ifndef VX6_API_CLI_SCREEN_H
#define VX6_API_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

enum vx6_key {
	VX6_KEY_NONE, /* nothing, or one that means nothing here */
	VX6_KEY_QUIT,
	VX6_KEY_NEXT, /* right, tab */
	VX6_KEY_BACK, /* left, shift-tab */
	VX6_KEY_UP,
	VX6_KEY_DOWN,
	VX6_KEY_FIRST, /* 1 to 9 choose one: VX6_KEY_FIRST + 0 to + 8 */
	VX6_KEY_LAST = VX6_KEY_FIRST + 8,
	VX6_KEY_REDRAW, /* the window changed, or the program was stopped and goes on */
	VX6_KEY_CLOSED, /* the terminal is gone */
};

/** Whether stdin and stdout are a terminal that knows ANSI (not TERM=dumb). */
bool vx6_screen_possible(void);

/**
 * Takes the terminal over: the other screen of it, no cursor, no wrapping, keys as they come. What ends the process, or stops it, puts
 * everything back first: return, exit(), SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGTSTP.
 * @return false: it cannot be
 */
bool vx6_screen_open(void);
void vx6_screen_close(void);

/** Rows and columns of the window; 24 and 80 when it does not say. */
void vx6_screen_size(size_t *rows, size_t *columns);

/** Shows @p text, line by line from the top; what stood there before is gone. */
void vx6_screen_draw(const char *text);

/** Waits for a key. */
enum vx6_key vx6_screen_key(unsigned wait_ms);

/** The key at the beginning of what was typed. @param used bytes it takes, 1 to @p n @pre n > 0 */
enum vx6_key vx6_screen_key_of(const char *bytes, size_t n, size_t *used);

#endif
