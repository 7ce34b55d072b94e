/**
 * @file access_rows.h
 * Rows of the table of commands that are about who may use the API. Included by commands.c alone.
 *
 * Layer:   api
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_ACCESS_ROWS_H
#define VX6_API_CLI_ACCESS_ROWS_H

#include "api/cli/command.h"

/* ---- arguments ---- */

#define TOKEN_SETTINGS(role_help)                                                                  \
	{.name = "role",                                                                           \
	 .value = "ROLE",                                                                          \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "role",                                                                          \
	 .offer = VX6_OFFER_WORDS,                                                                 \
	 .words = "viewer operator admin",                                                         \
	 .help = role_help},                                                                       \
		{.name = "scope",                                                                  \
		 .value = "PART:WHAT",                                                             \
		 .repeat = true,                                                                   \
		 .place = VX6_IN_BODY,                                                             \
		 .field = "scopes",                                                                \
		 .help = "only this of what the role may, such as services:write or *:read; "      \
			 "repeat for more; '': all"},                                              \
		{.name = "from",                                                                   \
		 .value = "NETWORK",                                                               \
		 .repeat = true,                                                                   \
		 .place = VX6_IN_BODY,                                                             \
		 .field = "allow_from",                                                            \
		 .help = "only from this network, 192.0.2.0/24, or unix; repeat for more; '': "    \
			 "any"},                                                                   \
		{.name = "expires",                                                                \
		 .value = "TIME",                                                                  \
		 .kind = VX6_ARG_UNTIL,                                                            \
		 .place = VX6_IN_BODY,                                                             \
		 .field = "expires_at",                                                            \
		 .help = "good for so long: 30d, 12h, 30m, 90s (for good)"},                       \
		LABELS

static const struct vx6_cli_arg token_list_args[] = {SEARCH};
static const struct vx6_cli_arg token_ref[] = {REF("TOKEN", VX6_OFFER_TOKENS)};
static const struct vx6_cli_arg token_remove_args[] = {REF("TOKEN", VX6_OFFER_TOKENS), IF_MATCH};
static const struct vx6_cli_arg token_add_args[] = {
	{.name = "NAME",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "what it is for"},
	TOKEN_SETTINGS("viewer (reads), operator (also changes services, forwards, peers) or admin "
		       "(viewer)"),
};
static const struct vx6_cli_arg token_update_args[] = {
	REF("TOKEN", VX6_OFFER_TOKENS),
	{.name = "name",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "another name"},
	TOKEN_SETTINGS("viewer, operator or admin"),
	IF_MATCH,
};
static const struct vx6_cli_arg audit_list_args[] = {
	{.name = "since",
	 .value = "N",
	 .kind = VX6_ARG_INTEGER,
	 .place = VX6_IN_QUERY,
	 .field = "since",
	 .help = "only entries after this number"},
	{.name = "actor",
	 .value = "WHO",
	 .place = VX6_IN_QUERY,
	 .field = "actor",
	 .help = "only what this one did: uid:0, token:tok_…"},
	{.name = "operation",
	 .value = "NAME",
	 .place = VX6_IN_QUERY,
	 .field = "operation",
	 .help = "only this: service_create"},
	{.name = "limit", .value = "N", .kind = VX6_ARG_INTEGER, .help = "at most so many (all)"},
};

/* ---- columns ---- */

static const struct vx6_cli_column token_columns[] = {
	{"NAME", "name"},
	{"ROLE", "role"},
	{"SCOPES", "scopes", .spare = true},
	{"FROM", "allow_from", .spare = true},
	{"EXPIRES", "expires_at", VX6_SHOW_LEFT, .spare = true},
	{"LAST USED", "status.last_used_at", VX6_SHOW_AGO},
	{"ID", "id"},
};
static const struct vx6_cli_column token_made_columns[] = {
	{"Name", "name"},
	{"Role", "role"},
	{"Id", "id"},
	{"Token", "secret"},
};
static const struct vx6_cli_column audit_columns[] = {
	{"NO", "seq"},
	{"TIME", "time"},
	{"WHO", "actor"},
	{"FROM", "origin"},
	{"DID", "operation"},
	{"TO", "target"},
	{"OUTCOME", "outcome", VX6_SHOW_STATE},
};
static const struct vx6_cli_column audit_check_columns[] = {
	{"Intact", "intact", VX6_SHOW_FLAG},
	{"Entries", "checked"},
	{"Broken at", "broken_at"},
	{"Oldest", "oldest"},
	{"Last", "head.seq"},
	{"Its hash", "head.hash"},
};

/* ---- rows ---- */

#define ACCESS "Say who may use the API"

#define ACCESS_ROWS                                                                                \
	{ACCESS,                                                                                   \
	 "token",                                                                                  \
	 "list",                                                                                   \
	 "token_list",                                                                             \
	 "List tokens",                                                                            \
	 NULL,                                                                                     \
	 {"vx6 token list"},                                                                       \
	 LIST(token_list_args),                                                                    \
	 LIST(token_columns),                                                                      \
	 .run = vx6_cli_run_list},                                                                 \
		{ACCESS,                                                                           \
		 "token",                                                                          \
		 "show",                                                                           \
		 "token_get",                                                                      \
		 "Show a token, without its text",                                                 \
		 NULL,                                                                             \
		 {"vx6 token show grafana"},                                                       \
		 LIST(token_ref),                                                                  \
		 .run = vx6_cli_run_call},                                                         \
		{ACCESS,                                                                           \
		 "token",                                                                          \
		 "add",                                                                            \
		 "token_create",                                                                   \
		 "Make a token",                                                                   \
		 "Its text is printed once: keep it where only its user can read it.",             \
		 {"vx6 token add grafana --scope metrics:read --expires 90d",                      \
		  "vx6 token add deploy --role operator --from 127.0.0.0/8"},                      \
		 LIST(token_add_args),                                                             \
		 LIST(token_made_columns),                                                         \
		 .done = "Made token",                                                             \
		 .run = vx6_cli_run_call},                                                         \
		{ACCESS,                                                                           \
		 "token",                                                                          \
		 "update",                                                                         \
		 "token_update",                                                                   \
		 "Change what a token may do, from where, and until when",                         \
		 NULL,                                                                             \
		 {"vx6 token update grafana --expires 30d"},                                       \
		 LIST(token_update_args),                                                          \
		 LIST(token_columns),                                                              \
		 .done = "Changed token",                                                          \
		 .run = vx6_cli_run_call},                                                         \
		{ACCESS,                                                                           \
		 "token",                                                                          \
		 "remove",                                                                         \
		 "token_delete",                                                                   \
		 "Remove a token: it opens nothing any more",                                      \
		 NULL,                                                                             \
		 {"vx6 token remove grafana"},                                                     \
		 LIST(token_remove_args),                                                          \
		 .done = "Removed token",                                                          \
		 .run = vx6_cli_run_call},                                                         \
		{ACCESS,                                                                           \
		 "audit",                                                                          \
		 "list",                                                                           \
		 "audit_list",                                                                     \
		 "Show what was done with the API, and what was refused",                          \
		 NULL,                                                                             \
		 {"vx6 audit list --actor uid:0", "vx6 audit list -o jsonl > audit.jsonl"},        \
		 LIST(audit_list_args),                                                            \
		 LIST(audit_columns),                                                              \
		 .run = vx6_cli_run_list},                                                         \
	{                                                                                          \
		ACCESS, "audit", "check", "audit_check", "Check that nobody changed the audit",    \
			"Whoever can write the database can write a new audit, too: keep the "     \
			"last hash "                                                               \
			"elsewhere, and compare.",                                                 \
			{"vx6 audit check"}, NULL, 0, LIST(audit_check_columns),                   \
			.run = vx6_cli_run_call                                                    \
	}

#endif
