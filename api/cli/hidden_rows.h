/**
 * @file hidden_rows.h
 * Rows of the table of commands that are about hidden services. Included by commands.c alone.
 *
 * Layer:   api
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_HIDDEN_ROWS_H
#define VX6_API_CLI_HIDDEN_ROWS_H

#include "api/cli/command.h"

/* ---- arguments ---- */

#define HIDDEN_SERVICE(place_, field_, required_)                                                  \
	{.name = "SERVICE",                                                                        \
	 .positional = true,                                                                       \
	 .required = required_,                                                                    \
	 .place = place_,                                                                          \
	 .field = field_,                                                                          \
	 .offer = VX6_OFFER_HIDDEN,                                                                \
	 .help = "its alias, or name:NAME, or its id"}
#define ALIAS                                                                                      \
	{.name = "ALIAS",                                                                          \
	 .positional = true,                                                                       \
	 .required = true,                                                                         \
	 .place = VX6_IN_PATH,                                                                     \
	 .field = "id",                                                                            \
	 .offer = VX6_OFFER_ALIASES,                                                               \
	 .help = "what it is called here"}

static const struct vx6_cli_arg hidden_status_args[] = {HIDDEN_SERVICE(VX6_IN_PATH, "id", false)};
static const struct vx6_cli_arg hidden_invite_args[] = {
	HIDDEN_SERVICE(VX6_IN_BODY, "service", true),
	{.name = "name",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "your word for whom it is for"},
	{.name = "expires",
	 .value = "TIME",
	 .kind = VX6_ARG_UNTIL,
	 .place = VX6_IN_BODY,
	 .field = "expires_at",
	 .help = "good for so long: 7d, 12h, 30m, 90s (for good)"},
	{.name = "uses",
	 .value = "N",
	 .kind = VX6_ARG_INTEGER,
	 .place = VX6_IN_BODY,
	 .field = "max_uses",
	 .help = "so many clients may come by it (any number)"},
	{.name = "no-wait",
	 .kind = VX6_ARG_SWITCH,
	 .help = "do not wait until the network knows that it lets somebody in"},
	{.name = "qr",
	 .kind = VX6_ARG_SWITCH,
	 .help = "draw it, to be read by a camera; needs the program qrencode"},
};
static const struct vx6_cli_arg hidden_of_args[] = {HIDDEN_SERVICE(VX6_IN_QUERY, "service", false),
						    TEXT_AND_LIMIT};
static const struct vx6_cli_arg hidden_revoke_args[] = {
	{.name = "ID",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_PATH,
	 .field = "id",
	 .offer = VX6_OFFER_CLIENTS,
	 .help = "of a client or an invite: hcl_… or inv_…"},
};
static const struct vx6_cli_arg hidden_rotate_args[] = {
	HIDDEN_SERVICE(VX6_IN_PATH, "id", true),
	{.name = "key",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "what",
	 .literal = "\"key\"",
	 .help = "the service's own key, too: all clients and invites end"},
	{.name = "confirm",
	 .value = "ALIAS",
	 .place = VX6_IN_BODY,
	 .field = "confirm",
	 .offer = VX6_OFFER_HIDDEN,
	 .help = "with --key: the service's alias, to be sure"},
};
static const struct vx6_cli_arg hidden_accept_args[] = {
	{.name = "ALIAS",
	 .positional = true,
	 .help = "your own name for it; left out: as the invite says"},
	{.name = "invite",
	 .value = "INVITE",
	 .help = "the invite; by default it is read from standard input, so that no history of a "
		 "shell keeps it"},
	{.name = "find",
	 .kind = VX6_ARG_SWITCH,
	 .help = "no invite: look up, over circuits, which service claims the alias, and take that "
		 "if it is one"},
	{.name = "profile",
	 .value = "WORD",
	 .place = VX6_IN_BODY,
	 .field = "profile",
	 .offer = VX6_OFFER_WORDS,
	 .words = "standard fast",
	 .help = "standard (three relays on this side) or fast (two)"},
	{.name = "strict",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "strict",
	 .literal = "true",
	 .help = "use no descriptor that too few sources agree on"},
};
static const struct vx6_cli_arg hidden_find_args[] = {
	{.name = "ALIAS",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_BODY,
	 .field = "alias",
	 .help = "what its owner calls it"},
};
static const struct vx6_cli_arg hidden_set_args[] = {
	ALIAS,
	{.name = "profile",
	 .value = "WORD",
	 .place = VX6_IN_BODY,
	 .field = "profile",
	 .offer = VX6_OFFER_WORDS,
	 .words = "standard fast",
	 .help = "standard (three relays on this side) or fast (two)"},
	{.name = "strict",
	 .value = "ON",
	 .kind = VX6_ARG_ONOFF,
	 .place = VX6_IN_BODY,
	 .field = "strict",
	 .offer = VX6_OFFER_WORDS,
	 .words = "on off",
	 .help = "on: use no descriptor that too few sources agree on"},
};
static const struct vx6_cli_arg hidden_aliases_args[] = {TEXT_AND_LIMIT};
static const struct vx6_cli_arg hidden_forget_args[] = {ALIAS};
static const struct vx6_cli_arg hidden_connects_args[] = {
	{.name = "ALIAS",
	 .positional = true,
	 .place = VX6_IN_QUERY,
	 .field = "alias",
	 .offer = VX6_OFFER_ALIASES,
	 .help = "only to this service: its alias here, or its key"},
	LIMIT,
};

/* ---- columns ---- */

static const struct vx6_cli_column hidden_status_columns[] = {
	{"Alias", "alias"},
	{"Service", "name"},
	{"Key", "key"},
	{"State", "state", VX6_SHOW_STATE},
	{"Ready", "ready_at", VX6_SHOW_AGO},
	{"Profile", "profile"},
	{"Open to everybody", "open", VX6_SHOW_FLAG},
	{"Relays known", "relays_known"},
	{"First relays", "guards", VX6_SHOW_NAMES},
	{"Those behind them", "vanguards", VX6_SHOW_NAMES},
	{"Descriptor, number", "descriptor.sequence"},
	{"Descriptor put out", "descriptor.published_at", VX6_SHOW_AGO},
	{"Next at the latest in", "descriptor.next_at", VX6_SHOW_LEFT},
	{"Read back from", "descriptor.replicas", VX6_SHOW_REPLICAS},
	{"Claim to the alias", "alias_claim.state", VX6_SHOW_STATE},
	{"Claim read back from", "alias_claim.replicas", VX6_SHOW_REPLICAS},
	{"Clients", "clients"},
	{"Invites", "invites"},
	{"Sessions", "sessions.active"},
	{"Sessions so far", "sessions.total"},
	{"Introductions", "introductions.opened"},
	{"Introduction to session", "introductions.typical_ms", VX6_SHOW_MS},
	{"Refused", "refused", VX6_SHOW_COUNTS},
	{"Work asked for", "effort.suggested"},
	{"Waiting", "effort.queue"},
	{"Warnings", "warnings"},
};
static const struct vx6_cli_column hidden_invite_columns[] = {
	{"ID", "id"},
	{"SERVICE", "alias"},
	{"FOR", "name", VX6_SHOW_TEXT, true},
	{"STATE", "state", VX6_SHOW_STATE},
	{"USED", "uses"},
	{"AT MOST", "max_uses", VX6_SHOW_TEXT, true},
	{"MADE", "created_at", VX6_SHOW_AGO},
	{"ENDS IN", "expires_at", VX6_SHOW_LEFT, true},
};
static const struct vx6_cli_column hidden_client_columns[] = {
	{"ID", "id"},
	{"SERVICE", "alias"},
	{"NAME", "name", VX6_SHOW_TEXT, true},
	{"STATE", "state", VX6_SHOW_STATE},
	{"SINCE", "created_at", VX6_SHOW_AGO},
	{"SEEN", "seen_at", VX6_SHOW_HOUR, true},
	{"CAME", "introductions"},
	{"BY INVITE", "invite", VX6_SHOW_TEXT, true},
};
static const struct vx6_cli_column hidden_alias_columns[] = {
	{"ALIAS", "alias"},
	{"ENROLLED", "enrolled", VX6_SHOW_FLAG},
	{"PROFILE", "profile"},
	{"STRICT", "strict", VX6_SHOW_FLAG},
	{"READ", "status.descriptor.fetched_at", VX6_SHOW_AGO, true},
	{"INVITE ENDS IN", "expires_at", VX6_SHOW_LEFT, true},
	{"CIRCUITS", "status.joined"},
	{"ERROR", "status.last_error.code", VX6_SHOW_TEXT, true},
	{"KEY", "key"},
};
static const struct vx6_cli_column hidden_found_columns[] = {
	{"Alias", "alias"},
	{"Outcome", "outcome"},
	{"Key", "key"},
	{"Known here as", "known_as"},
	{"Holders asked", "holders_asked"},
	{"Took", "took_ms", VX6_SHOW_MS},
};
static const struct vx6_cli_column hidden_connect_columns[] = {
	{"BEGAN", "began_at"},
	{"TO", "alias|key"},
	{"STEPS", "steps", VX6_SHOW_STEPS},
	{"ERROR", "error", VX6_SHOW_TEXT, true},
};

/* ---- rows ---- */

#define HIDING "Hide services, and visit hidden ones"

/* clang-format off */
#define HIDDEN_ROWS \
	{HIDING, "hidden", "status", "hidden_service_get service_list", "Show hidden services of this node", \
	 "Without a name all of them; with one its introduction points, relays, descriptor, and what comes in.", \
	 {"vx6 hidden status", "vx6 hidden status ghost", "vx6 hidden status ghost --json"}, \
	 LIST(hidden_status_args), LIST(hidden_status_columns), .run = vx6_cli_run_hidden_status}, \
	{HIDING, "hidden", "invite", "hidden_invite_create", "Make an invite to a hidden service", \
	 "Shown once. Whoever has it is in, so many as --uses says: send it as you would a password.", \
	 {"vx6 hidden invite ghost > invite.txt", "vx6 hidden invite ghost --name bob --uses 1 --expires 7d", "vx6 hidden invite ghost --qr"}, \
	 LIST(hidden_invite_args), .run = vx6_cli_run_hidden_invite}, \
	{HIDING, "hidden", "invites", "hidden_invite_list hidden_invite_get", "List invites", \
	 "Without their secrets, which are kept nowhere.", {"vx6 hidden invites", "vx6 hidden invites ghost"}, \
	 LIST(hidden_of_args), LIST(hidden_invite_columns), .run = vx6_cli_run_list}, \
	{HIDING, "hidden", "clients", "hidden_client_list hidden_client_get", "List clients that may come in", \
	 "A client gets a key of its own when it uses an invite.", {"vx6 hidden clients", "vx6 hidden clients ghost"}, \
	 LIST(hidden_of_args), LIST(hidden_client_columns), .run = vx6_cli_run_list}, \
	{HIDING, "hidden", "revoke", "hidden_client_delete hidden_invite_delete", "Let a client, or who has an invite, in no more", \
	 "A client's sessions end. Clients that came by an invite stay when it is revoked.", \
	 {"vx6 hidden revoke hcl_0123456789abcdef", "vx6 hidden revoke inv_0123456789abcdef"}, \
	 LIST(hidden_revoke_args), .done = "Revoked", .run = vx6_cli_run_hidden_revoke}, \
	{HIDING, "hidden", "rotate", "hidden_service_rotate", "Replace a hidden service's introduction points, or its key", \
	 "Introduction points: the service goes on meanwhile. Its key: it is another service to everybody.", \
	 {"vx6 hidden rotate ghost", "vx6 hidden rotate ghost --key --confirm ghost"}, \
	 LIST(hidden_rotate_args), .done = "Rotated", .run = vx6_cli_run_call}, \
	{HIDING, "hidden", "accept", "hidden_alias_create", "Accept an invite to a hidden service", \
	 "Reads the invite from standard input. From then on it goes by the alias, for forwards and connections.", \
	 {"vx6 hidden accept ghost < invite.txt", "vx6 hidden accept < invite.txt", "vx6 hidden accept ghost --find"}, \
	 LIST(hidden_accept_args), LIST(hidden_alias_columns), .done = "Accepted", .run = vx6_cli_run_hidden_accept}, \
	{HIDING, "hidden", "find", "hidden_alias_find", "Look up which hidden services claim an alias", \
	 "Only services whose owners publish their aliases are found, and anybody can claim any alias: what is found is no more than a claim. The nodes " \
	 "that are asked learn the alias, and not who asks. Nothing is kept: vx6 hidden accept ALIAS --find does that.", \
	 {"vx6 hidden find ghost", "vx6 hidden find ghost --json"}, \
	 LIST(hidden_find_args), LIST(hidden_found_columns), .run = vx6_cli_run_hidden_find}, \
	{HIDING, "hidden", "aliases", "hidden_alias_list hidden_alias_get", "List hidden services that this node may visit", NULL, \
	 {"vx6 hidden aliases"}, \
	 LIST(hidden_aliases_args), LIST(hidden_alias_columns), .run = vx6_cli_run_list}, \
	{HIDING, "hidden", "set", "hidden_alias_update", "Change how a hidden service is visited", NULL, \
	 {"vx6 hidden set ghost --strict on", "vx6 hidden set ghost --profile fast"}, \
	 LIST(hidden_set_args), LIST(hidden_alias_columns), .done = "Changed", .run = vx6_cli_run_call}, \
	{HIDING, "hidden", "forget", "hidden_alias_delete", "Forget a hidden service and what lets this node in", \
	 "Connections that lead there end. Forwards to it stay, and say that they lead nowhere.", \
	 {"vx6 hidden forget ghost"}, \
	 LIST(hidden_forget_args), .done = "Forgot", .run = vx6_cli_run_call}, \
	{HIDING, "hidden", "connects", "hidden_connect_list", "Show how circuits came to meet hidden services, step by step", \
	 "The latest first.", {"vx6 hidden connects ghost", "vx6 hidden connects ghost --limit 1 --json"}, \
	 LIST(hidden_connects_args), LIST(hidden_connect_columns), .run = vx6_cli_run_list}
/* clang-format on */

#endif
