/**
 * @file hidden.h
 * Invites where the name of a service is expected, and aliases in the place of invites.
 *
 * Layer:   api
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_HIDDEN_H
#define VX6_API_CLI_HIDDEN_H

#include "api/cli/cli.h"

/**
 * Accepts @p text if it is an invite to a hidden service.
 * @param text may be NULL @param alias returns what the service is called from now on, owned; NULL: it was no invite @return an exit status; the error
 * is reported
 */
int vx6_cli_take_invite(struct vx6_cli *cli, const char *text, char **alias);

/**
 * Looks up which service claims @p alias: one that enough sources agree on, or none.
 * @param key returns its text @return an exit status; the error, with who claims it, is reported
 */
int vx6_cli_find_service(struct vx6_cli *cli, const char *alias, char *key, size_t key_n);

#endif
