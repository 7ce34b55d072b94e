/**
 * @file state_dir.h
 * Where an agent keeps its state when it is not told.
 *
 * Layer:   api
 * Threads: reads the environment: before threads start
 */
#ifndef VX6_API_CLI_STATE_DIR_H
#define VX6_API_CLI_STATE_DIR_H

#include <stdbool.h>
#include <stddef.h>

/**
 * /var/lib/vx6 for root; else $XDG_STATE_HOME/vx6, ~/.local/state/vx6.
 * @return false: there is no home directory, or the path is too long
 */
bool vx6_state_dir_default(char *out, size_t cap);

/** Makes a directory and what is missing above it, 0700. @return errno, 0: it is there */
int vx6_state_dir_make(const char *path);

#endif
