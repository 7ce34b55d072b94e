/**
 * @file backup_rows.h
 * Rows of the table of commands that are about backups. Included by commands.c alone, after discovery_rows.h.
 *
 * Layer:   api
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_BACKUP_ROWS_H
#define VX6_API_CLI_BACKUP_ROWS_H

#include "api/cli/command.h"

static const struct vx6_cli_arg backup_create_args[] = {
	WORD("FILE", VX6_OFFER_FILES, "the file to write; it must not be there yet"),
	PASSPHRASE("passphrase-file", "passphrase for the backup; asked for when left out"),
};
static const struct vx6_cli_arg backup_show_args[] = {
	WORD("FILE", VX6_OFFER_FILES, "a file made by `vx6 backup create`"),
	PASSPHRASE("passphrase-file", "passphrase of the backup, to check and to show all of it"),
};
static const struct vx6_cli_arg backup_restore_args[] = {
	WORD("FILE", VX6_OFFER_FILES, "a file made by `vx6 backup create`"),
	{.name = "state-dir",
	 .required = true,
	 .value = "DIR",
	 .offer = VX6_OFFER_FILES,
	 .help = "directory to make (the one `vx6 agent` uses); it must be empty, or not there"},
	PASSPHRASE("passphrase-file", "passphrase of the backup; asked for when left out"),
	PASSPHRASE("master-passphrase-file",
		   "passphrase of the master key, where it has one, for a new online key"),
};

static const struct vx6_cli_column backup_columns[] = {
	{"NAME", "name", VX6_SHOW_TEXT, true},
	{"NODE ID", "node_id", VX6_SHOW_TEXT, true},
	{"MADE", "made_at"},
	{"VERSION", "version"},
	{"SCHEMA", "schema"},
	{"SIZE", "bytes", VX6_SHOW_BYTES},
	{"PARTS", "parts", VX6_SHOW_ENTRIES, true},
};

/* clang-format off */
#define BACKUP_ROWS \
	{RUNNING, "backup", "create", "backup_create", "Write a backup of this node to an encrypted file", \
	 "Database, keys, hidden services, catalogs and agent.yaml of the state directory, while the agent runs.", \
	 {"vx6 backup create alice.vx6backup", "vx6 backup create alice.vx6backup --passphrase-file pass.txt"}, \
	 LIST(backup_create_args), .run = vx6_cli_run_backup_create}, \
	{RUNNING, "backup", "show", NULL, "Show what a backup is of", \
	 "Works without an agent. Without the passphrase it shows when the backup was made, and by which version.", \
	 {"vx6 backup show alice.vx6backup", "vx6 backup show alice.vx6backup --passphrase-file pass.txt --json"}, \
	 LIST(backup_show_args), LIST(backup_columns), .run = vx6_cli_run_backup_show}, \
	{RUNNING, "backup", "restore", NULL, "Make a state directory from a backup", \
	 "Works without an agent. Nothing is written before all of the backup is checked. Two machines must not run as one node.", \
	 {"vx6 backup restore alice.vx6backup --state-dir /var/lib/vx6"}, \
	 LIST(backup_restore_args), .run = vx6_cli_run_backup_restore}
/* clang-format on */

#endif
