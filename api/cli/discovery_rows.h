/**
 * @file discovery_rows.h
 * Rows of the table of commands that are about finding nodes and services. Included by commands.c alone.
 *
 * Layer:   api
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_DISCOVERY_ROWS_H
#define VX6_API_CLI_DISCOVERY_ROWS_H

#include "api/cli/command.h"

/* ---- arguments ---- */

#define TEXT_AND_LIMIT                                                                             \
	{.name = "search",                                                                         \
	 .value = "TEXT",                                                                          \
	 .place = VX6_IN_QUERY,                                                                    \
	 .field = "q",                                                                             \
	 .help = "only those with this text in their name"},                                       \
		LIMIT
#define LIMIT                                                                                      \
	{.name = "limit", .value = "N", .kind = VX6_ARG_INTEGER, .help = "at most so many (all)"}
#define OF_NODE                                                                                    \
	{.name = "node",                                                                           \
	 .value = "vx1…",                                                                          \
	 .place = VX6_IN_QUERY,                                                                    \
	 .field = "node",                                                                          \
	 .offer = VX6_OFFER_NODES,                                                                 \
	 .help = "only of this node"}
#define PASSPHRASE(name_, help_)                                                                   \
	{.name = name_, .value = "FILE", .offer = VX6_OFFER_FILES, .help = help_}
#define WORD(name_, offer_, help_)                                                                 \
	{.name = name_, .positional = true, .required = true, .offer = offer_, .help = help_}
#define TRACE                                                                                      \
	{.name = "trace",                                                                          \
	 .kind = VX6_ARG_SWITCH,                                                                   \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "trace",                                                                         \
	 .literal = "true",                                                                        \
	 .help = "show every step: who was asked, what it answered, how long it took"}
#define FRESH                                                                                      \
	{.name = "fresh",                                                                          \
	 .kind = VX6_ARG_SWITCH,                                                                   \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "fresh",                                                                         \
	 .literal = "true",                                                                        \
	 .help = "ask the network even when the answer is known"}

static const struct vx6_cli_arg lookup_args[] = {
	WORD("NAME", VX6_OFFER_REMOTE, "alice, alice.web, vx1… or vx1….web"),
	TRACE,
	FRESH,
	{.name = "anonymous",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "anonymous",
	 .literal = "true",
	 .help = "ask over circuits: nobody who is asked learns which node asks"},
};
static const struct vx6_cli_arg dht_trace_args[] = {
	WORD("NAME", VX6_OFFER_REMOTE, "alice, alice.web, vx1… or vx1….web"),
};
static const struct vx6_cli_arg dht_get_args[] = {
	WORD("KEY", VX6_OFFER_NOTHING, "64 hex digits, as `vx6 dht replicas` shows them"),
	TRACE,
};
static const struct vx6_cli_arg dht_contacts_args[] = {TEXT_AND_LIMIT};
static const struct vx6_cli_arg dht_replicas_args[] = {
	{.name = "type",
	 .value = "TYPE",
	 .place = VX6_IN_QUERY,
	 .field = "type",
	 .offer = VX6_OFFER_WORDS,
	 .words = "endpoint service name catalog revocation relay",
	 .help = "only records of this type"},
	LIMIT,
};

static const struct vx6_cli_arg registry_args[] = {TEXT_AND_LIMIT, OF_NODE};
static const struct vx6_cli_arg registry_show_args[] = {
	REF("NODE", VX6_OFFER_NODES),
};
static const struct vx6_cli_arg registry_refresh_args[] = {
	WORD("NAME", VX6_OFFER_REMOTE, "alice, alice.web or vx1…"),
};

static const struct vx6_cli_arg name_list_args[] = {
	{.name = "kind",
	 .value = "KIND",
	 .place = VX6_IN_QUERY,
	 .field = "kind",
	 .offer = VX6_OFFER_WORDS,
	 .words = "petname pin",
	 .help = "only petnames, or only pins"},
	TEXT_AND_LIMIT,
	OF_NODE,
};
static const struct vx6_cli_arg name_conflicts_args[] = {TEXT_AND_LIMIT};
#define NAME_ID(kind_)                                                                             \
	{.name = "NAME",                                                                           \
	 .positional = true,                                                                       \
	 .required = true,                                                                         \
	 .kind = kind_,                                                                            \
	 .place = VX6_IN_PATH,                                                                     \
	 .field = "id",                                                                            \
	 .offer = VX6_OFFER_NAMES,                                                                 \
	 .help = "the name: alice"}
#define STANDS_FOR                                                                                 \
	{.name = "NODE-ID",                                                                        \
	 .positional = true,                                                                       \
	 .required = true,                                                                         \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "node_id",                                                                       \
	 .offer = VX6_OFFER_NODES,                                                                 \
	 .help = "the node that it stands for: vx1…"}
static const struct vx6_cli_arg name_pin_args[] = {NAME_ID(VX6_ARG_PIN), STANDS_FOR};
static const struct vx6_cli_arg name_unpin_args[] = {NAME_ID(VX6_ARG_PIN)};
static const struct vx6_cli_arg name_petname_args[] = {
	NAME_ID(VX6_ARG_PETNAME),
	{.name = "NODE-ID",
	 .positional = true,
	 .place = VX6_IN_BODY,
	 .field = "node_id",
	 .offer = VX6_OFFER_NODES,
	 .help = "the node that you call so: vx1…"},
	{.name = "remove", .kind = VX6_ARG_SWITCH, .help = "take the petname away"},
};
static const struct vx6_cli_arg name_show_args[] = {
	{.name = "NAME",
	 .positional = true,
	 .required = true,
	 .kind = VX6_ARG_PIN,
	 .place = VX6_IN_PATH,
	 .field = "id",
	 .offer = VX6_OFFER_NAMES,
	 .help = "alice is the pin of that name; petname:alice the petname"},
};

static const struct vx6_cli_arg catalog_list_args[] = {TEXT_AND_LIMIT};
static const struct vx6_cli_arg catalog_ref[] = {REF("CATALOG", VX6_OFFER_CATALOGS)};
static const struct vx6_cli_arg catalog_create_args[] = {
	{.name = "NAME",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "your name for it"},
};
static const struct vx6_cli_arg catalog_add_args[] = {
	REF("CATALOG", VX6_OFFER_CATALOGS),
	{.name = "SERVICE",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_BODY,
	 .field = "service",
	 .offer = VX6_OFFER_SERVICES,
	 .help = "one of yours (web), or another node's (alice.web, vx1….web)"},
	{.name = "name",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "what the catalog is to call it"},
};
static const struct vx6_cli_arg catalog_remove_args[] = {
	REF("CATALOG", VX6_OFFER_CATALOGS),
	{.name = "SERVICE",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_BODY,
	 .field = "service",
	 .help = "the service, or what the catalog calls it"},
};
static const struct vx6_cli_arg catalog_join_args[] = {
	{.name = "NAME",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "your name for it"},
	{.name = "INVITE",
	 .positional = true,
	 .place = VX6_IN_BODY,
	 .field = "invite",
	 .help = "vxc1….vxs1…; left out: read from standard input, where other users cannot "
		 "see it"},
};

static const struct vx6_cli_arg op_list_args[] = {
	{.name = "state",
	 .value = "STATE",
	 .place = VX6_IN_QUERY,
	 .field = "state",
	 .offer = VX6_OFFER_WORDS,
	 .words = "running done failed canceled",
	 .help = "only operations in this state"},
	LIMIT,
};
static const struct vx6_cli_arg op_ref[] = {REF("OPERATION", VX6_OFFER_OPERATIONS)};

static const struct vx6_cli_arg identity_rotate_args[] = {
	PASSPHRASE("passphrase-file", "passphrase of the master key"),
};
static const struct vx6_cli_arg identity_revoke_args[] = {
	{.name = "confirm",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "confirm",
	 .required = true,
	 .help = "the name of this node, to show that it is meant"},
	{.name = "reason",
	 .value = "WHY",
	 .place = VX6_IN_BODY,
	 .field = "reason",
	 .offer = VX6_OFFER_WORDS,
	 .words = "retired superseded master_compromised",
	 .help = "retired (it is no longer used), superseded or master_compromised"},
	{.name = "successor",
	 .value = "DIR",
	 .place = VX6_IN_BODY,
	 .field = "successor_dir",
	 .offer = VX6_OFFER_FILES,
	 .help = "identity folder of the node that takes over: /var/lib/vx6-new/identity"},
	PASSPHRASE("successor-passphrase-file", "passphrase of its master key"),
	PASSPHRASE("passphrase-file", "passphrase of the master key"),
};
static const struct vx6_cli_arg identity_export_args[] = {
	WORD("FILE", VX6_OFFER_FILES, "the file to write; it must not be there yet"),
	PASSPHRASE("passphrase-file", "passphrase for the file; asked for when left out"),
	PASSPHRASE("master-passphrase-file", "passphrase of the master key, where it has one"),
};
static const struct vx6_cli_arg identity_import_args[] = {
	WORD("FILE", VX6_OFFER_FILES, "a file made by `vx6 identity export`"),
	{.name = "state-dir",
	 .value = "DIR",
	 .offer = VX6_OFFER_FILES,
	 .help = "directory to make (the one `vx6 agent` uses)"},
	PASSPHRASE("passphrase-file", "passphrase of the file; asked for when left out"),
	PASSPHRASE("master-passphrase-file", "protect the master key here with this passphrase"),
};

/* ---- columns ---- */

static const struct vx6_cli_column registry_node_columns[] = {
	{"NAME", "name"},
	{"STATE", "state", VX6_SHOW_STATE},
	{"UP", "connected", VX6_SHOW_STATE},
	{"ADDRESS", "addresses", VX6_SHOW_ADDRESS},
	{"SERVICES", "services", VX6_SHOW_TEXT, true},
	{"SOURCE", "source"},
	{"MET", "last_met", VX6_SHOW_AGO, true},
	{"EXPIRES", "expires_at", VX6_SHOW_LEFT},
	{"NODE ID", "node_id"},
};
static const struct vx6_cli_column registry_service_columns[] = {
	{"SERVICE", "full_name"}, {"STATE", "state", VX6_SHOW_STATE},
	{"SOURCE", "source"},     {"EXPIRES", "expires_at", VX6_SHOW_LEFT},
	{"NODE ID", "node_id"},
};
static const struct vx6_cli_column name_columns[] = {
	{"NAME", "name"},
	{"KIND", "kind"},
	{"SINCE", "since", VX6_SHOW_AGO},
	{"NODE ID", "node_id"},
};
static const struct vx6_cli_column conflict_columns[] = {
	{"NAME", "name"},
	{"OURS", "ours", VX6_SHOW_STATE},
	{"PINNED TO", "pinned_to", VX6_SHOW_TEXT, true},
	{"SEEN", "last_seen", VX6_SHOW_AGO},
	{"CLAIMED BY", "claims", VX6_SHOW_CLAIMS},
};
static const struct vx6_cli_column dht_columns[] = {
	{"Mode", "mode"},
	{"Serving", "serving", VX6_SHOW_STATE},
	{"Position", "position"},
	{"Diversity", "diversity.in_force"},
	{"Diversity as set", "diversity.configured"},
	{"Map of autonomous systems", "diversity.asn_map", VX6_SHOW_STATE},
	{"Contacts", "contacts"},
	{"Candidates", "candidates"},
	{"Buckets", "buckets"},
	{"Nodes in the network", "network_size", VX6_SHOW_ROUND},
	{"Alarm", "alarm", VX6_SHOW_ALARM},
	{"Failed lookups", "failure_rate", VX6_SHOW_SHARE},
	{"Paths of a lookup", "paths"},
	{"Lookups under way", "lookups"},
	{"Own records", "kept"},
	{"Records held", "stored.records"},
	{"Bytes held", "stored.bytes", VX6_SHOW_BYTES},
	{"Requests served", "requests.served"},
	{"Requests refused", "requests.refused"},
	{"Queries asked", "queries.asked"},
	{"Queries answered", "queries.answered"},
	{"Queries failed", "queries.failed"},
};
static const struct vx6_cli_column contact_columns[] = {
	{"BUCKET", "bucket"},
	{"PROVED", "proved", VX6_SHOW_STATE},
	{"ADDRESS", "address", VX6_SHOW_ADDRESS},
	{"RTT", "rtt_ms", VX6_SHOW_MS},
	{"HEARD", "heard_at", VX6_SHOW_AGO},
	{"FAILED", "failures"},
	{"NODE ID", "node_id"},
};
static const struct vx6_cli_column replica_columns[] = {
	{"TYPE", "type"},
	{"NAME", "name"},
	{"PROVED", "proved"},
	{"STORED", "stored"},
	{"WANTED", "wanted"},
	{"TOOK", "took_ms", VX6_SHOW_MS, true},
	{"ERROR", "last_error", VX6_SHOW_TEXT, true},
	{"KEY", "key"},
};
static const struct vx6_cli_column catalog_columns[] = {
	{"NAME", "name"},
	{"ROLE", "role"},
	{"ENTRIES", "entries", VX6_SHOW_ENTRIES},
	{"PROVED", "status.published.proved", VX6_SHOW_TEXT, true},
	{"READ", "status.fetched_at", VX6_SHOW_AGO, true},
	{"ERROR", "status.last_error.code", VX6_SHOW_TEXT, true},
	{"ID", "id"},
};
static const struct vx6_cli_column op_columns[] = {
	{"ID", "id"},
	{"KIND", "kind"},
	{"STATE", "state", VX6_SHOW_STATE},
	{"ABOUT", "target"},
	{"QUERIES", "progress.done"},
	{"STARTED", "started_at", VX6_SHOW_AGO},
	{"ERROR", "error.code", VX6_SHOW_TEXT, true},
};

/* ---- rows ---- */

#define FINDING "Find nodes and services"

/* clang-format off */
#define FINDING_ROWS \
	{FINDING, "lookup", NULL, "lookup_create lookup_get", "Find a node or service by name", \
	 "Answers from what is known, else asks the network. When several nodes claim the name, all of them are listed and none is picked (exit status 6); when nobody does, the exit status is 5.", \
	 {"vx6 lookup alice.web", "vx6 lookup alice.web --fresh --trace", "vx6 lookup alice --json"}, \
	 LIST(lookup_args), .run = vx6_cli_run_lookup}, \
	{FINDING, "name", "list", "name_list", "List what names stand for here", \
	 "A petname is your own name for a node; a pin is the node that a name meant when it was first used.", \
	 {"vx6 name list", "vx6 name list --kind petname"}, \
	 LIST(name_list_args), LIST(name_columns), .run = vx6_cli_run_list}, \
	{FINDING, "name", "show", "name_get", "Show what a name stands for", NULL, \
	 {"vx6 name show alice", "vx6 name show petname:alice"}, \
	 LIST(name_show_args), .run = vx6_cli_run_call}, \
	{FINDING, "name", "pin", "name_put", "Let a name stand for one node", \
	 "A pin holds whoever else claims the name.", {"vx6 name pin alice vx1…"}, \
	 LIST(name_pin_args), LIST(name_columns), .done = "Pinned", .run = vx6_cli_run_call}, \
	{FINDING, "name", "unpin", "name_delete", "Take a pin away", \
	 "The next use of the name pins it anew.", {"vx6 name unpin alice"}, \
	 LIST(name_unpin_args), .done = "No longer pinned:", .run = vx6_cli_run_call}, \
	{FINDING, "name", "petname", "name_put name_delete", "Give a node a name of your own", \
	 "A petname goes before everything that others claim, and is known on this node only.", \
	 {"vx6 name petname laptop vx1…", "vx6 name petname laptop --remove"}, \
	 LIST(name_petname_args), LIST(name_columns), .done = "Petname", .run = vx6_cli_run_petname}, \
	{FINDING, "name", "conflicts", "name_conflict_list", "List names that several nodes claim", \
	 "Decide with `vx6 name pin` or `vx6 name petname`, once you know from its owner which node is meant.", \
	 {"vx6 name conflicts", "vx6 name conflicts --json"}, \
	 LIST(name_conflicts_args), LIST(conflict_columns), .run = vx6_cli_run_list}, \
	{FINDING, "registry", "nodes", "registry_node_list", "List the nodes that this agent knows", \
	 "From sessions, from peers, from the DHT and from the local network; kept over restarts.", \
	 {"vx6 registry nodes", "vx6 registry nodes --search alice"}, \
	 LIST(registry_args), LIST(registry_node_columns), .run = vx6_cli_run_list}, \
	{FINDING, "registry", "services", "registry_service_list", "List the services that this agent knows", NULL, \
	 {"vx6 registry services", "vx6 registry services --node vx1…"}, \
	 LIST(registry_args), LIST(registry_service_columns), .run = vx6_cli_run_list}, \
	{FINDING, "registry", "show", "registry_node_get", "Show a node that this agent knows", NULL, \
	 {"vx6 registry show alice", "vx6 registry show vx1…"}, \
	 LIST(registry_show_args), .run = vx6_cli_run_call}, \
	{FINDING, "registry", "refresh", "registry_refresh", "Ask the network anew about one node or name", NULL, \
	 {"vx6 registry refresh alice"}, \
	 LIST(registry_refresh_args), .run = vx6_cli_run_lookup}, \
	{FINDING, "dht", "status", "dht_get", "Show this node's part in the DHT", NULL, \
	 {"vx6 dht status", "vx6 dht status --fields serving,alarm"}, \
	 NULL, 0, LIST(dht_columns), .run = vx6_cli_run_call}, \
	{FINDING, "dht", "contacts", "dht_contact_list", "List the nodes of the DHT's table", NULL, \
	 {"vx6 dht contacts"}, \
	 LIST(dht_contacts_args), LIST(contact_columns), .run = vx6_cli_run_list}, \
	{FINDING, "dht", "get", "lookup_create lookup_get", "Show the records under a key, and the nodes closest to it", NULL, \
	 {"vx6 dht get 5d41402abc4b2a76b9719d911017c592aaf4c61ddcc5e8a2dabede0f3b482cd9"}, \
	 LIST(dht_get_args), .run = vx6_cli_run_lookup}, \
	{FINDING, "dht", "trace", "lookup_create lookup_get", "Look a name up in the network and show every step", \
	 "The same as `vx6 lookup NAME --fresh --trace`.", {"vx6 dht trace alice.web"}, \
	 LIST(dht_trace_args), .run = vx6_cli_run_lookup}, \
	{FINDING, "dht", "replicas", "dht_replica_list", "List own records and how many nodes hold them", \
	 "A record is `proved` by a node that gave it back when it was asked.", {"vx6 dht replicas", "vx6 dht replicas --json"}, \
	 LIST(dht_replicas_args), LIST(replica_columns), .run = vx6_cli_run_list}, \
	{FINDING, "catalog", "create", "catalog_create", "Make a private list of services", \
	 "Only those who have an invite find and read it.", {"vx6 catalog create friends"}, \
	 LIST(catalog_create_args), LIST(catalog_columns), .done = "Made catalog", .run = vx6_cli_run_call}, \
	{FINDING, "catalog", "list", "catalog_list", "List catalogs", NULL, {"vx6 catalog list"}, \
	 LIST(catalog_list_args), LIST(catalog_columns), .run = vx6_cli_run_list}, \
	{FINDING, "catalog", "show", "catalog_get", "Show a catalog and its entries", NULL, {"vx6 catalog show friends"}, \
	 LIST(catalog_ref), .run = vx6_cli_run_catalog_show}, \
	{FINDING, "catalog", "add", "catalog_add", "Add a service to a catalog", NULL, \
	 {"vx6 catalog add friends web", "vx6 catalog add friends alice.web --name wiki"}, \
	 LIST(catalog_add_args), LIST(catalog_columns), .done = "Added to catalog", .run = vx6_cli_run_call}, \
	{FINDING, "catalog", "remove", "catalog_remove", "Take a service out of a catalog", NULL, \
	 {"vx6 catalog remove friends web"}, \
	 LIST(catalog_remove_args), LIST(catalog_columns), .done = "Removed from catalog", .run = vx6_cli_run_call}, \
	{FINDING, "catalog", "invite", "catalog_invite", "Print an invite to a catalog", \
	 "Whoever has the invite finds and reads the catalog for good: send it over a channel that you trust.", \
	 {"vx6 catalog invite friends > invite.txt"}, \
	 LIST(catalog_ref), .run = vx6_cli_run_catalog_invite}, \
	{FINDING, "catalog", "join", "catalog_join", "Join a catalog by its invite", NULL, \
	 {"vx6 catalog join friends < invite.txt", "vx6 catalog join friends vxc1….vxs1…"}, \
	 LIST(catalog_join_args), LIST(catalog_columns), .done = "Joined catalog", .run = vx6_cli_run_catalog_join}, \
	{FINDING, "catalog", "delete", "catalog_delete", "Delete a catalog of this node", \
	 "Its members find it no longer.", {"vx6 catalog delete friends"}, \
	 LIST(catalog_ref), .done = "Deleted catalog", .run = vx6_cli_run_catalog_delete}, \
	{FINDING, "catalog", "leave", "catalog_delete", "Leave a catalog that this node has joined", NULL, \
	 {"vx6 catalog leave friends"}, \
	 LIST(catalog_ref), .done = "Left catalog", .run = vx6_cli_run_catalog_delete}

#define IDENTITY_ROWS \
	{LOOKING, "identity", "rotate", "identity_rotate", "Make a new online key", \
	 "The node id stays. Happens by itself before the certificate ends.", {"vx6 identity rotate"}, \
	 LIST(identity_rotate_args), .run = vx6_cli_run_identity}, \
	{LOOKING, "identity", "revoke", "identity_revoke", "End this identity for good", \
	 "Every node cuts its sessions with it and never accepts it again. There is no way back.", \
	 {"vx6 identity revoke --confirm alice"}, \
	 LIST(identity_revoke_args), .run = vx6_cli_run_identity}, \
	{LOOKING, "identity", "export", "identity_export", "Write this identity to an encrypted file", NULL, \
	 {"vx6 identity export alice.vx6id", "vx6 identity export alice.vx6id --passphrase-file pass.txt"}, \
	 LIST(identity_export_args), .run = vx6_cli_run_identity_export}, \
	{LOOKING, "identity", "import", NULL, "Make a state directory from an exported identity", \
	 "Works without an agent, like `vx6 init`. Two machines must not run under one identity.", \
	 {"vx6 identity import alice.vx6id --state-dir /var/lib/vx6"}, \
	 LIST(identity_import_args), .run = vx6_cli_run_identity_import}, \
	{LOOKING, "op", "list", "operation_list", "List operations", "Work that takes a while, such as lookups.", \
	 {"vx6 op list", "vx6 op list --state running"}, \
	 LIST(op_list_args), LIST(op_columns), .run = vx6_cli_run_list}, \
	{LOOKING, "op", "show", "operation_get", "Show an operation", NULL, {"vx6 op show op_01J9Z3K4M5N6P7Q8R9S0T1V2W3"}, \
	 LIST(op_ref), .run = vx6_cli_run_call}, \
	{LOOKING, "op", "watch", "operation_get", "Wait for the end of an operation and show what came out", NULL, \
	 {"vx6 op watch op_01J9Z3K4M5N6P7Q8R9S0T1V2W3"}, \
	 LIST(op_ref), .run = vx6_cli_run_op_watch}, \
	{LOOKING, "op", "cancel", "operation_cancel", "Cancel an operation", NULL, {"vx6 op cancel op_01J9Z3K4M5N6P7Q8R9S0T1V2W3"}, \
	 LIST(op_ref), LIST(op_columns), .done = "Cancelled", .run = vx6_cli_run_call}
/* clang-format on */

#endif
