/**
 * @file config_rows.h
 * Rows of the table of commands that are about the agent's settings. Included by commands.c alone, after discovery_rows.h.
 *
 * Layer:   api
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_CONFIG_ROWS_H
#define VX6_API_CLI_CONFIG_ROWS_H

#include "api/cli/command.h"

static const struct vx6_cli_arg config_validate_args[] = {
	WORD("FILE", VX6_OFFER_FILES, "the file to check; - reads standard input"),
};

static const struct vx6_cli_column config_columns[] = {
	{"SETTING", "name"},
	{"VALUE", "values"},
	{"FROM", "source"},
	{"RESTART", "needs_restart", VX6_SHOW_FLAG},
	{"PENDING", "pending", VX6_SHOW_ALARM},
};

/* clang-format off */
#define CONFIG_ROWS \
	{RUNNING, "config", "show", "config_get", "Show every setting of the agent and where it came from", \
	 "A setting is pending when the file says something else by now, which a restart brings. Secret ones are not shown.", \
	 {"vx6 config", "vx6 config show --fields name,values,source"}, \
	 NULL, 0, LIST(config_columns), .run = vx6_cli_run_config}, \
	{RUNNING, "config", "validate", "config_validate", "Check a configuration file without using it", NULL, \
	 {"vx6 config validate agent.yaml"}, \
	 LIST(config_validate_args), .run = vx6_cli_run_config_validate}, \
	{RUNNING, "config", "reload", "config_reload", "Make the agent read its file again", \
	 "What can change while it runs is in force at once. A file with a fault changes nothing. SIGHUP does the same.", \
	 {"vx6 config reload"}, \
	 NULL, 0, LIST(config_columns), .run = vx6_cli_run_config}
/* clang-format on */

#endif
