/**
 * @file new_file.h
 * What a command writes where there was nothing.
 *
 * Layer:   api
 * Threads: none of its own
 */
#ifndef VX6_API_CLI_NEW_FILE_H
#define VX6_API_CLI_NEW_FILE_H

#include <stddef.h>

struct vx6_cli;

/** A new file of mode 0600, on disk at the return; on failure there is none. @return exit status; reported */
int vx6_cli_new_file(const struct vx6_cli *cli, const char *path, const void *bytes, size_t n);

#endif
