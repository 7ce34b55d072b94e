/**
 * @file passphrase.h
 * Passphrases from files of mode 0600, or typed without echo; never from the command line.
 *
 * Layer:   api
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_PASSPHRASE_H
#define VX6_API_CLI_PASSPHRASE_H

#include "api/cli/cli.h"

enum { VX6_CLI_PASSPHRASE_MAX = 1024 };

/** Line ends at its end are not part of it. @param out secret: the caller wipes @return exit status; reported */
int vx6_cli_passphrase_read(const struct vx6_cli *cli, const char *path,
			    char out[static VX6_CLI_PASSPHRASE_MAX]);
/**
 * From the file, or typed on the terminal.
 * @param path NULL: typed @param twice typed again, to be sure @return exit status; reported
 */
int vx6_cli_passphrase_get(const struct vx6_cli *cli, const char *path, const char *prompt,
			   bool twice, char out[static VX6_CLI_PASSPHRASE_MAX]);
/** Makes a terminal show what is typed again. Safe in a signal handler. */
void vx6_cli_passphrase_interrupted(void);

#endif
