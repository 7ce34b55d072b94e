/* The table of commands. Where a row says nothing of a request, api/cli/call.c makes it from the contract's route. */
#include "api/cli/command.h"

#include <string.h>

#include "base/util.h"

#define LIST(a) (a), VX6_ARRAY_N(a)

const struct vx6_cli_arg vx6_cli_globals[] = {
	{.name = "socket",
	 .value = "PATH",
	 .offer = VX6_OFFER_FILES,
	 .help = "unix socket of the agent (VX6_SOCKET)"},
	{.name = "url", .value = "URL", .help = "HTTP address of the agent instead (VX6_URL)"},
	{.name = "token-file",
	 .value = "FILE",
	 .offer = VX6_OFFER_FILES,
	 .help = "file with the token for --url (VX6_TOKEN_FILE)"},
	{.name = "json", .kind = VX6_ARG_SWITCH, .help = "print JSON in the shape of the API"},
	{.name = "output",
	 .letter = 'o',
	 .value = "FORMAT",
	 .offer = VX6_OFFER_WORDS,
	 .words = "table json jsonl name",
	 .help = "table, json, jsonl (a line each) or name"},
	{.name = "fields", .value = "A,B", .help = "only these fields; a.b reaches inside"},
	{.name = "no-headers", .kind = VX6_ARG_SWITCH, .help = "tables without their first line"},
	{.name = "quiet",
	 .letter = 'q',
	 .kind = VX6_ARG_SWITCH,
	 .help = "say nothing but data and errors"},
	{.name = "timeout",
	 .value = "TIME",
	 .help = "give up after this long: 30s, 500ms, 2m (30s)"},
	{.name = "help", .letter = 'h', .kind = VX6_ARG_SWITCH, .help = "explain the command"},
};
const size_t vx6_cli_globals_n = VX6_ARRAY_N(vx6_cli_globals);

#define IF_MATCH                                                                                   \
	{.name = "if-match",                                                                       \
	 .value = "TAG",                                                                           \
	 .place = VX6_IN_HEADER,                                                                   \
	 .field = "If-Match",                                                                      \
	 .help = "only if it is still in the state of this ETag"}
#define SEARCH                                                                                     \
	{.name = "search",                                                                         \
	 .value = "TEXT",                                                                          \
	 .place = VX6_IN_QUERY,                                                                    \
	 .field = "q",                                                                             \
	 .help = "only those with this text in their name"},                                       \
		{.name = "label",                                                                  \
		 .value = "KEY[:VALUE]",                                                           \
		 .place = VX6_IN_QUERY,                                                            \
		 .field = "label",                                                                 \
		 .help = "only those with this label"},                                            \
		{.name = "limit",                                                                  \
		 .value = "N",                                                                     \
		 .kind = VX6_ARG_INTEGER,                                                          \
		 .help = "at most so many (all)"}
#define LABELS                                                                                     \
	{.name = "label",                                                                          \
	 .value = "KEY=VALUE",                                                                     \
	 .kind = VX6_ARG_LABEL,                                                                    \
	 .repeat = true,                                                                           \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "labels",                                                                        \
	 .help = "free label; repeat for more; KEY= removes it in an update"}
#define ENABLE                                                                                     \
	{.name = "enable",                                                                         \
	 .kind = VX6_ARG_SWITCH,                                                                   \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "enabled",                                                                       \
	 .literal = "true",                                                                        \
	 .help = "switch it on"}
#define DISABLE(text)                                                                              \
	{.name = "disable",                                                                        \
	 .kind = VX6_ARG_SWITCH,                                                                   \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "enabled",                                                                       \
	 .literal = "false",                                                                       \
	 .help = text}
#define REF(what, offer_)                                                                          \
	{.name = what,                                                                             \
	 .positional = true,                                                                       \
	 .required = true,                                                                         \
	 .kind = VX6_ARG_REF,                                                                      \
	 .place = VX6_IN_PATH,                                                                     \
	 .field = "id",                                                                            \
	 .offer = offer_,                                                                          \
	 .help = "its name or id"}
#define TRANSPORT(place_)                                                                          \
	{.name = "transport",                                                                      \
	 .value = "MODE",                                                                          \
	 .place = place_,                                                                          \
	 .field = "transport",                                                                     \
	 .offer = VX6_OFFER_WORDS,                                                                 \
	 .words = "auto quic tcp",                                                                 \
	 .help = "auto (both race), quic or tcp"}

/* How to get there. */
#define ROUTE_RELAYS(place_, in, nodes_)                                                           \
	{.name = "hops",                                                                           \
	 .value = "N",                                                                             \
	 .kind = VX6_ARG_INTEGER,                                                                  \
	 .place = place_,                                                                          \
	 .field = in "hops",                                                                       \
	 .clears = in "nodes",                                                                     \
	 .help = "relays between, 1 to 8 (3)"},                                                    \
		{.name = "through",                                                                \
		 .value = "vx1…,vx1…",                                                             \
		 .kind = VX6_ARG_NODES,                                                            \
		 .repeat = true,                                                                   \
		 .place = place_,                                                                  \
		 .field = in nodes_,                                                               \
		 .clears = in "hops",                                                              \
		 .offer = VX6_OFFER_RELAYS,                                                        \
		 .help = "these relays in this order, the one next to this node first"},           \
		{.name = "anonymous",                                                              \
		 .kind = VX6_ARG_SWITCH,                                                           \
		 .place = place_,                                                                  \
		 .field = in "anonymous",                                                          \
		 .literal = "true",                                                                \
		 .help = "with relays: the far end does not learn who this node is"}
#define ROUTE(place_, in, nodes_)                                                                  \
	{.name = "via",                                                                            \
	 .value = "HOW",                                                                           \
	 .place = place_,                                                                          \
	 .field = in "via",                                                                        \
	 .clears = in "hops " in "nodes " in "anonymous",                                          \
	 .offer = VX6_OFFER_WORDS,                                                                 \
	 .words = "auto direct relay",                                                             \
	 .help = "auto (relays where there is no other way), direct (never) or relay (always)"},   \
		ROUTE_RELAYS(place_, in, nodes_)

/* ---- peers ---- */

static const struct vx6_cli_arg peer_list[] = {SEARCH};
static const struct vx6_cli_arg peer_ref[] = {REF("PEER", VX6_OFFER_PEERS)};
static const struct vx6_cli_arg peer_remove[] = {REF("PEER", VX6_OFFER_PEERS), IF_MATCH};
static const struct vx6_cli_arg peer_add[] = {
	{.name = "ADDR",
	 .positional = true,
	 .required = true,
	 .repeat = true,
	 .kind = VX6_ARG_PEER,
	 .place = VX6_IN_BODY,
	 .field = "addresses",
	 .help = "[fd00::1]:4242, or vx1…@[fd00::1]:4242 to accept only that node"},
	{.name = "name",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .nullable = true,
	 .help = "your own name for it; used before the name it gives itself"},
	DISABLE("do not connect to it yet"),
	LABELS,
};
static const struct vx6_cli_arg peer_update[] = {
	REF("PEER", VX6_OFFER_PEERS),
	{.name = "name",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .nullable = true,
	 .help = "your own name for it; '' takes it away"},
	{.name = "address",
	 .value = "ADDR",
	 .kind = VX6_ARG_PEER,
	 .repeat = true,
	 .place = VX6_IN_BODY,
	 .field = "addresses",
	 .help = "where to reach it; repeat for more; replaces all of them"},
	{.name = "node-id",
	 .value = "vx1…",
	 .place = VX6_IN_BODY,
	 .field = "node_id",
	 .nullable = true,
	 .offer = VX6_OFFER_NODES,
	 .help = "accept only this node there; '' takes the pin away"},
	ENABLE,
	DISABLE("stop connecting to it"),
	LABELS,
	IF_MATCH,
};
static const struct vx6_cli_column peer_columns[] = {
	{"NAME", "name|status.node_name"},
	{"STATE", "status.state", VX6_SHOW_STATE},
	{"VIA", "status.transport"},
	{"ADDRESS", "status.remote|addresses"},
	{"RTT", "status.rtt_ms", VX6_SHOW_MS},
	{"LOSS", "status.loss_pct", VX6_SHOW_PERCENT, true},
	{"RX", "status.bytes.rx", VX6_SHOW_BYTES},
	{"TX", "status.bytes.tx", VX6_SHOW_BYTES},
	{"SERVICES", "status.services", VX6_SHOW_TEXT, true},
	{"ERROR", "status.last_error.code", VX6_SHOW_TEXT, true},
	{"ID", "id"},
};

/* ---- services ---- */

#define VISIBILITY                                                                                 \
	{.name = "visibility",                                                                     \
	 .value = "WHO",                                                                           \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "visibility",                                                                    \
	 .offer = VX6_OFFER_WORDS,                                                                 \
	 .words = "public private hidden",                                                         \
	 .help = "public: anybody may find it; private: only those who know of it, or have a "     \
		 "catalog with it; hidden: nobody learns where it is (public)"}
#define PRICE_OF_ALIAS                                                                             \
	"The price: whoever knows or guesses the alias finds its key, knows that it exists, and "  \
	"can watch when it is up; dictionaries find all that do this (off)"
#define PROFILE                                                                                    \
	{.name = "profile",                                                                        \
	 .value = "WORD",                                                                          \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "hidden.profile",                                                                \
	 .offer = VX6_OFFER_WORDS,                                                                 \
	 .words = "standard fast",                                                                 \
	 .help = "of a hidden one: standard (three relays on this side) or fast (two)"}
#define RATES                                                                                      \
	{.name = "rate",                                                                           \
	 .value = "N",                                                                             \
	 .kind = VX6_ARG_INTEGER,                                                                  \
	 .nullable = true,                                                                         \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "hidden.rate",                                                                   \
	 .help = "of a hidden one: introductions a second by each introduction point (25)"},       \
		{.name = "burst",                                                                  \
		 .value = "N",                                                                     \
		 .kind = VX6_ARG_INTEGER,                                                          \
		 .nullable = true,                                                                 \
		 .place = VX6_IN_BODY,                                                             \
		 .field = "hidden.burst",                                                          \
		 .help = "of a hidden one: so many at once (200)"},                                \
		{.name = "proof-of-work",                                                          \
		 .value = "WHEN",                                                                  \
		 .place = VX6_IN_BODY,                                                             \
		 .field = "hidden.proof_of_work",                                                  \
		 .offer = VX6_OFFER_WORDS,                                                         \
		 .words = "auto off",                                                              \
		 .help = "of a hidden one: auto (asked for under load) or off"}
static const struct vx6_cli_arg service_list[] = {SEARCH};
static const struct vx6_cli_arg service_ref[] = {REF("SERVICE", VX6_OFFER_SERVICES)};
static const struct vx6_cli_arg service_remove[] = {REF("SERVICE", VX6_OFFER_SERVICES), IF_MATCH};
#define ALLOW                                                                                      \
	{.name = "allow",                                                                          \
	 .value = "any|vx1…",                                                                      \
	 .kind = VX6_ARG_ALLOW,                                                                    \
	 .repeat = true,                                                                           \
	 .place = VX6_IN_BODY,                                                                     \
	 .field = "access",                                                                        \
	 .offer = VX6_OFFER_NODES,                                                                 \
	 .help = "who may connect: any, none, or node ids (repeat)"}
static const struct vx6_cli_arg service_add[] = {
	{.name = "NAME",
	 .positional = true,
	 .required = true,
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "name of the service: lower-case letters, digits, hyphens"},
	{.name = "target",
	 .letter = 't',
	 .value = "ADDR",
	 .required = true,
	 .kind = VX6_ARG_LOCAL,
	 .place = VX6_IN_BODY,
	 .field = "target",
	 .help = "where the program listens: 127.0.0.1:22, 22, or unix:/path"},
	ALLOW,
	VISIBILITY,
	{.name = "alias",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "hidden.alias",
	 .help = "of a hidden one: what it is called in invites (as the service)"},
	PROFILE,
	{.name = "open",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "hidden.open",
	 .literal = "true",
	 .help = "of a hidden one: whoever has its key comes in, not only those invited"},
	{.name = "publish-alias",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "hidden.publish_alias",
	 .literal = "true",
	 .help = "of a hidden one: its alias alone leads to it. " PRICE_OF_ALIAS},
	{.name = "force",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "hidden.force",
	 .literal = "true",
	 .help = "of a hidden one: although too few relays are known to hide among"},
	RATES,
	{.name = "wait",
	 .kind = VX6_ARG_SWITCH,
	 .help = "of a hidden one: until this node has reached it through the network"},
	DISABLE("publish it later"),
	LABELS,
};
static const struct vx6_cli_arg service_update[] = {
	REF("SERVICE", VX6_OFFER_SERVICES),
	{.name = "name",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "rename it"},
	{.name = "target",
	 .letter = 't',
	 .value = "ADDR",
	 .kind = VX6_ARG_LOCAL,
	 .place = VX6_IN_BODY,
	 .field = "target",
	 .help = "where the program listens"},
	ALLOW,
	VISIBILITY,
	{.name = "alias",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "hidden.alias",
	 .help = "of a hidden one: what it is called in further invites"},
	PROFILE,
	{.name = "open",
	 .value = "ON",
	 .kind = VX6_ARG_ONOFF,
	 .place = VX6_IN_BODY,
	 .field = "hidden.open",
	 .offer = VX6_OFFER_WORDS,
	 .words = "on off",
	 .help = "of a hidden one: on (whoever has its key comes in) or off"},
	{.name = "publish-alias",
	 .value = "ON",
	 .kind = VX6_ARG_ONOFF,
	 .place = VX6_IN_BODY,
	 .field = "hidden.publish_alias",
	 .offer = VX6_OFFER_WORDS,
	 .words = "on off",
	 .help = "of a hidden one: on (its alias alone leads to it) or off. " PRICE_OF_ALIAS},
	RATES,
	ENABLE,
	DISABLE("refuse connections"),
	LABELS,
	IF_MATCH,
};
static const struct vx6_cli_column service_columns[] = {
	{"NAME", "name"},
	{"FULL NAME", "full_name"},
	{"TARGET", "target"},
	{"STATE", "status.phase", VX6_SHOW_STATE},
	{"ALLOW", "access", VX6_SHOW_ACCESS},
	{"VISIBILITY", "visibility"},
	{"PROVED", "status.published", VX6_SHOW_REPLICAS, true},
	{"OPEN", "status.sessions.active"},
	{"TOTAL", "status.sessions.total"},
	{"RX", "status.bytes.rx", VX6_SHOW_BYTES},
	{"TX", "status.bytes.tx", VX6_SHOW_BYTES},
	{"ERROR", "status.last_error.code", VX6_SHOW_TEXT, true},
};

/* ---- forwards ---- */

static const struct vx6_cli_arg forward_list[] = {SEARCH};
static const struct vx6_cli_arg forward_ref[] = {REF("FORWARD", VX6_OFFER_FORWARDS)};
static const struct vx6_cli_arg forward_remove[] = {REF("FORWARD", VX6_OFFER_FORWARDS), IF_MATCH};
/* The far end: by name, or by address and service. */
#define FAR_END(place_)                                                                            \
	{.name = "to",                                                                             \
	 .value = "NODE.SERVICE",                                                                  \
	 .place = place_,                                                                          \
	 .field = "to",                                                                            \
	 .clears = "address service",                                                              \
	 .offer = VX6_OFFER_REMOTE,                                                                \
	 .help = "the service, by name: alice.ssh; a hidden one, by alias, key or invite"},        \
		{.name = "address",                                                                \
		 .value = "ADDR",                                                                  \
		 .place = place_,                                                                  \
		 .field = "address",                                                               \
		 .clears = "to",                                                                   \
		 .help = "ask the agent at this address, without any look-up"},                    \
		{.name = "service",                                                                \
		 .value = "NAME",                                                                  \
		 .place = place_,                                                                  \
		 .field = "service",                                                               \
		 .clears = "to",                                                                   \
		 .help = "the service at --address"},                                              \
		{.name = "node-id",                                                                \
		 .value = "vx1…",                                                                  \
		 .place = place_,                                                                  \
		 .field = "node_id",                                                               \
		 .nullable = true,                                                                 \
		 .offer = VX6_OFFER_NODES,                                                         \
		 .help = "accept only this node at the far end"}
static const struct vx6_cli_arg forward_add[] = {
	{.name = "NAME",
	 .positional = true,
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "name of the forward; left out: made from where it leads"},
	{.name = "listen",
	 .letter = 'l',
	 .value = "ADDR",
	 .required = true,
	 .kind = VX6_ARG_LOCAL,
	 .place = VX6_IN_BODY,
	 .field = "listen",
	 .help = "local port to open: 127.0.0.1:2222, 2222, 0 (any), or unix:/path"},
	FAR_END(VX6_IN_BODY),
	TRANSPORT(VX6_IN_BODY),
	ROUTE(VX6_IN_BODY, "route.", "nodes"),
	DISABLE("do not listen yet"),
	LABELS,
};
static const struct vx6_cli_arg forward_update[] = {
	REF("FORWARD", VX6_OFFER_FORWARDS),
	{.name = "name",
	 .value = "NAME",
	 .place = VX6_IN_BODY,
	 .field = "name",
	 .help = "rename it"},
	{.name = "listen",
	 .letter = 'l',
	 .value = "ADDR",
	 .kind = VX6_ARG_LOCAL,
	 .place = VX6_IN_BODY,
	 .field = "listen",
	 .help = "local port to open"},
	FAR_END(VX6_IN_BODY),
	TRANSPORT(VX6_IN_BODY),
	ROUTE(VX6_IN_BODY, "route.", "nodes"),
	ENABLE,
	DISABLE("stop listening"),
	LABELS,
	IF_MATCH,
};
static const struct vx6_cli_column forward_columns[] = {
	{"NAME", "name"},
	{"LISTEN", "status.bound|listen"},
	{"TO", "", VX6_SHOW_DESTINATION},
	{"STATE", "status.phase", VX6_SHOW_STATE},
	{"ROUTE", "route", VX6_SHOW_ROUTE, true},
	{"VIA", "status.path.transport", VX6_SHOW_TEXT, true},
	{"HOPS", "status.path.hops", VX6_SHOW_TEXT, true},
	{"RTT", "status.path.rtt_ms", VX6_SHOW_MS, true},
	{"OPEN", "status.connections.active"},
	{"TOTAL", "status.connections.total"},
	{"RX", "status.bytes.rx", VX6_SHOW_BYTES},
	{"TX", "status.bytes.tx", VX6_SHOW_BYTES},
	{"ERROR", "status.last_error.code", VX6_SHOW_TEXT, true},
};

/* ---- the rest ---- */

static const struct vx6_cli_column status_columns[] = {
	{"Name", "name"},
	{"Node id", "node_id"},
	{"Ready", "status.ready", VX6_SHOW_STATE},
	{"Listening", "listen"},
	{"Addresses", "addresses"},
	{"Transport", "transport"},
	{"Peers up", "status.peers.up"},
	{"Peers", "status.peers.total"},
	{"Services", "status.services"},
	{"Forwards", "status.forwards"},
	{"Nodes known", "status.known.nodes"},
	{"Records known", "status.known.records"},
	{"DHT", "status.dht.mode"},
	{"DHT serving", "status.dht.serving", VX6_SHOW_STATE},
	{"DHT contacts", "status.dht.contacts"},
	{"Nodes in the network", "status.dht.network_size", VX6_SHOW_ROUND},
	{"DHT alarm", "status.dht.alarm", VX6_SHOW_ALARM},
	{"Local network", "status.lan", VX6_SHOW_STATE},
	{"Relay", "status.relay.mode", VX6_SHOW_STATE},
	{"Circuits relayed", "status.relay.circuits"},
	{"Up for", "status.uptime_ms", VX6_SHOW_UPTIME},
	{"Process", "status.pid"},
};
static const struct vx6_cli_arg agent_args[] = {
	{.name = "state-dir",
	 .value = "DIR",
	 .offer = VX6_OFFER_FILES,
	 .help = "where identity, database, socket and token live"},
	{.name = "name", .value = "NAME", .help = "the name this node gives itself"},
	{.name = "listen",
	 .value = "ADDR",
	 .repeat = true,
	 .help = "address for other agents ([::]:4242); repeat for more"},
	{.name = "transport",
	 .value = "MODE",
	 .offer = VX6_OFFER_WORDS,
	 .words = "auto quic tcp",
	 .help = "auto (both race), quic or tcp"},
	{.name = "api-listen",
	 .value = "ADDR",
	 .repeat = true,
	 .help = "loopback address of the HTTP API (127.0.0.1:4866), or none"},
	{.name = "api-operators",
	 .value = "GROUP",
	 .help = "group whose members are operators on the API's socket (vx6-operators, if there "
		 "is one)"},
	{.name = "api-others",
	 .value = "ROLE",
	 .offer = VX6_OFFER_WORDS,
	 .words = "none viewer",
	 .help = "what everybody else on this host is there: none or viewer (none)"},
	{.name = "peer",
	 .value = "ADDR",
	 .repeat = true,
	 .help = "agent to connect to: ADDR or vx1…@ADDR; repeat for more"},
	{.name = "log-level",
	 .value = "LEVEL",
	 .offer = VX6_OFFER_WORDS,
	 .words = "error warn info debug trace",
	 .help = "error, warn, info, debug or trace (info)"},
	{.name = "log-format",
	 .value = "FORMAT",
	 .offer = VX6_OFFER_WORDS,
	 .words = "text logfmt json journald",
	 .help = "text, logfmt, json, or journald (entries of the systemd journal) (text)"},
	{.name = "dht",
	 .value = "MODE",
	 .offer = VX6_OFFER_WORDS,
	 .words = "auto server client off",
	 .help = "auto (serve once others can reach this node), server, client (ask only) or off"},
	{.name = "diversity",
	 .value = "MODE",
	 .offer = VX6_OFFER_WORDS,
	 .words = "auto off prefix asn",
	 .help = "what makes nodes of the DHT different enough: auto, off, prefix or asn"},
	{.name = "asn-map",
	 .value = "FILE",
	 .offer = VX6_OFFER_FILES,
	 .help = "MaxMind file that tells the autonomous system of an address"},
	{.name = "lan",
	 .value = "ON",
	 .offer = VX6_OFFER_WORDS,
	 .words = "on off",
	 .help = "on: find and be found on the local network; or off (on)"},
	{.name = "relay",
	 .value = "MODE",
	 .offer = VX6_OFFER_WORDS,
	 .words = "public private off",
	 .help = "circuits of others: public (for everybody), private (for those who know of it) "
		 "or off"},
	{.name = "relay-circuits", .value = "N", .help = "circuits of others at once (4096)"},
	{.name = "relay-memory", .value = "MB", .help = "megabytes for their cells (64)"},
	{.name = "relay-rate",
	 .value = "MBIT",
	 .help = "megabits a second for them, both directions together; 0 is no limit (0)"},
	{.name = "relay-family",
	 .value = "TEXT",
	 .help = "what all relays of one operator have in common: no circuit goes through two of "
		 "them"},
	{.name = "hidden-keep-roles",
	 .kind = VX6_ARG_SWITCH,
	 .help = "stay a public relay and serve the hash table while hidden services are hosted"},
	{.name = "passphrase-file",
	 .value = "FILE",
	 .offer = VX6_OFFER_FILES,
	 .help = "passphrase of the master key, in a file of mode 0600"},
	{.name = "allow-non-loopback",
	 .kind = VX6_ARG_SWITCH,
	 .help = "let services lead to, and forwards listen on, other addresses than this host's"},
	{.name = "config",
	 .value = "FILE",
	 .offer = VX6_OFFER_FILES,
	 .help = "file with the same settings (agent.yaml of the state directory)"},
};
static const struct vx6_cli_arg init_args[] = {
	{.name = "state-dir",
	 .value = "DIR",
	 .offer = VX6_OFFER_FILES,
	 .help = "directory to make (the one `vx6 agent` uses)"},
	{.name = "name", .value = "NAME", .help = "the name this node gives itself"},
	{.name = "passphrase-file",
	 .value = "FILE",
	 .offer = VX6_OFFER_FILES,
	 .help = "protect the master key with the passphrase in FILE"},
};
static const struct vx6_cli_arg connect_args[] = {
	{.name = "NODE.SERVICE",
	 .positional = true,
	 .place = VX6_IN_QUERY,
	 .field = "to",
	 .offer = VX6_OFFER_REMOTE,
	 .help = "the service, by name: alice.ssh; a hidden one, by alias, key or invite"},
	{.name = "address",
	 .value = "ADDR",
	 .place = VX6_IN_QUERY,
	 .field = "address",
	 .help = "ask the agent at this address, without any look-up"},
	{.name = "service",
	 .value = "NAME",
	 .place = VX6_IN_QUERY,
	 .field = "service",
	 .help = "the service at --address"},
	{.name = "node-id",
	 .value = "vx1…",
	 .place = VX6_IN_QUERY,
	 .field = "node_id",
	 .offer = VX6_OFFER_NODES,
	 .help = "accept only this node at the far end"},
	TRANSPORT(VX6_IN_QUERY),
	ROUTE(VX6_IN_QUERY, "", "through"),
	{.name = "listen",
	 .letter = 'l',
	 .value = "ADDR",
	 .kind = VX6_ARG_LOCAL,
	 .help = "open a local port for as long as the command runs, instead of stdin and stdout"},
	{.name = "trace",
	 .kind = VX6_ARG_SWITCH,
	 .help = "of a hidden one: tell each step of the way there, with its milliseconds"},
};
static const struct vx6_cli_arg events_args[] = {
	{.name = "follow",
	 .letter = 'f',
	 .kind = VX6_ARG_SWITCH,
	 .help = "wait for more, until interrupted"},
	{.name = "since",
	 .value = "N",
	 .kind = VX6_ARG_INTEGER,
	 .help = "only events after this number"},
	{.name = "types",
	 .value = "A,B",
	 .place = VX6_IN_QUERY,
	 .field = "types",
	 .offer = VX6_OFFER_EVENTS,
	 .help = "only these types; peer.* takes all of a kind"},
};
static const struct vx6_cli_column event_columns[] = {
	{"TIME", "time"}, {"SEQ", "seq"},
	{"TYPE", "type"}, {"SUBJECT", "subject", VX6_SHOW_SUBJECT},
	{"DATA", "data"},
};
static const struct vx6_cli_arg health_args[] = {
	{.name = "check",
	 .value = "WHAT",
	 .offer = VX6_OFFER_WORDS,
	 .words = "live ready startup",
	 .help = "live, ready or startup (ready)"},
};
static const struct vx6_cli_arg top_args[] = {
	{.name = "once", .kind = VX6_ARG_SWITCH, .help = "print one picture, with all its tables"},
};
static const struct vx6_cli_arg doctor_args[] = {
	{.name = "state-dir",
	 .value = "DIR",
	 .offer = VX6_OFFER_FILES,
	 .help = "state directory of the agent (where its socket is, or the default)"},
};
static const struct vx6_cli_arg version_args[] = {
	{.name = "client", .kind = VX6_ARG_SWITCH, .help = "only of this program; asks no agent"},
};
static const struct vx6_cli_arg api_args[] = {
	{.name = "METHOD",
	 .positional = true,
	 .offer = VX6_OFFER_WORDS,
	 .words = "GET POST PUT PATCH DELETE",
	 .help = "GET, POST, PUT, PATCH or DELETE (GET; with a body POST)"},
	{.name = "PATH",
	 .positional = true,
	 .required = true,
	 .help = "path with its query: /v1/services?limit=5"},
	{.name = "data",
	 .letter = 'd',
	 .value = "JSON|@FILE",
	 .offer = VX6_OFFER_FILES,
	 .help = "body; @FILE reads it from a file, @- from standard input"},
	{.name = "header",
	 .letter = 'H',
	 .value = "'NAME: VALUE'",
	 .repeat = true,
	 .help = "header of the request, in place of the usual one of that name; repeat for more"},
	{.name = "include",
	 .letter = 'i',
	 .kind = VX6_ARG_SWITCH,
	 .help = "print status and ETag first"},
	IF_MATCH,
};
static const struct vx6_cli_arg completion_args[] = {
	{.name = "SHELL",
	 .positional = true,
	 .required = true,
	 .offer = VX6_OFFER_WORDS,
	 .words = "bash zsh fish",
	 .help = "bash, zsh or fish"},
};
static const struct vx6_cli_arg help_args[] = {
	{.name = "COMMAND", .positional = true, .repeat = true, .help = "command to explain"},
};
static const struct vx6_cli_arg complete_args[] = {
	{.name = "WORD", .positional = true, .repeat = true, .help = "words typed so far"},
};

#define LOOKING "Look at the agent"

#include "api/cli/discovery_rows.h"

#include "api/cli/backup_rows.h"

#include "api/cli/config_rows.h"

#include "api/cli/circuit_rows.h"

#include "api/cli/log_rows.h"

#include "api/cli/hidden_rows.h"

#include "api/cli/access_rows.h"

#define RUNNING "Run the agent"
#define SHARING "Share and use services"
#define TOOLS "Tools"

static const struct vx6_cli_arg support_args[] = {
	WORD("FILE", VX6_OFFER_FILES, "the archive to write (tar); it must not be there yet"),
	{.name = "full",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "full",
	 .literal = "true",
	 .help = "with addresses, ids and keys of nodes and services"},
};

const struct vx6_cli_command vx6_cli_commands[] = {
	{RUNNING,
	 "agent",
	 NULL,
	 NULL,
	 "Run the agent in the foreground",
	 "Makes what is missing in the state directory, so that nothing has to be prepared. The "
	 "other commands "
	 "reach it through DIR/api.sock.",
	 {"vx6 agent --state-dir ~/.vx6 --name alice",
	  "vx6 agent --name bob --peer '[fd00::1]:4242'"},
	 LIST(agent_args)},
	{RUNNING,
	 "init",
	 NULL,
	 NULL,
	 "Make an identity and a state directory without starting anything",
	 "The identity is a key pair that names this node for good. `vx6 agent` makes one by "
	 "itself when there "
	 "is none; init is for protecting it with a passphrase, or for knowing the node id "
	 "beforehand.",
	 {"vx6 init --name alice", "vx6 init --state-dir /var/lib/vx6 --passphrase-file pass.txt"},
	 LIST(init_args),
	 .run = vx6_cli_run_init},
	CONFIG_ROWS,
	BACKUP_ROWS,

	{SHARING,
	 "service",
	 "list",
	 "service_list",
	 "List published services",
	 NULL,
	 {"vx6 service list", "vx6 service list --fields name,status.phase"},
	 LIST(service_list),
	 LIST(service_columns),
	 .run = vx6_cli_run_list},
	{SHARING,
	 "service",
	 "show",
	 "service_get",
	 "Show one service",
	 NULL,
	 {"vx6 service show web"},
	 LIST(service_ref),
	 .run = vx6_cli_run_call},
	{SHARING,
	 "service",
	 "add",
	 "service_create",
	 "Publish a local program as a service",
	 "The program keeps listening on localhost only. Peers reach it as NODE.NAME; a hidden one "
	 "is reached by those who were invited, and nobody learns which node it is on.",
	 {"vx6 service add ssh --target 22",
	  "vx6 service add web --target 127.0.0.1:8080 --allow vx1…",
	  "vx6 service add web --target 8080 --visibility hidden --alias ghost --wait"},
	 LIST(service_add),
	 LIST(service_columns),
	 .done = "Added service",
	 .run = vx6_cli_run_service_add},
	{SHARING,
	 "service",
	 "update",
	 "service_update",
	 "Change a service",
	 NULL,
	 {"vx6 service update web --target 8081", "vx6 service update web --allow any"},
	 LIST(service_update),
	 LIST(service_columns),
	 .done = "Changed service",
	 .run = vx6_cli_run_call},
	{SHARING,
	 "service",
	 "remove",
	 "service_delete",
	 "Stop publishing a service",
	 NULL,
	 {"vx6 service remove web"},
	 LIST(service_remove),
	 .done = "Removed service",
	 .run = vx6_cli_run_call},

	{SHARING,
	 "forward",
	 "list",
	 "forward_list",
	 "List local ports that lead to services",
	 NULL,
	 {"vx6 forward list"},
	 LIST(forward_list),
	 LIST(forward_columns),
	 .run = vx6_cli_run_list},
	{SHARING,
	 "forward",
	 "show",
	 "forward_get",
	 "Show one forward",
	 NULL,
	 {"vx6 forward show alice-web"},
	 LIST(forward_ref),
	 .run = vx6_cli_run_call},
	{SHARING,
	 "forward",
	 "add",
	 "forward_create",
	 "Open a local port that leads to a service",
	 "The far end is named (--to), or asked for at an address (--address and --service).",
	 {"vx6 forward add --listen 9000 --to alice.web",
	  "vx6 forward add db --listen 0 --address '[fd00::1]:4242' --service pg --node-id vx1…",
	  "vx6 forward add --listen 9000 --to alice.web --via relay --hops 2",
	  "vx6 forward add ghost --listen 9001 --to ghost"},
	 LIST(forward_add),
	 LIST(forward_columns),
	 .one_of = "to address",
	 .done = "Added forward",
	 .run = vx6_cli_run_forward_add},
	{SHARING,
	 "forward",
	 "update",
	 "forward_update",
	 "Change a forward",
	 NULL,
	 {"vx6 forward update alice-web --listen 9001", "vx6 forward update alice-web --disable",
	  "vx6 forward update alice-web --via direct"},
	 LIST(forward_update),
	 LIST(forward_columns),
	 .done = "Changed forward",
	 .run = vx6_cli_run_call},
	{SHARING,
	 "forward",
	 "remove",
	 "forward_delete",
	 "Close a local port",
	 NULL,
	 {"vx6 forward remove alice-web"},
	 LIST(forward_remove),
	 .done = "Removed forward",
	 .run = vx6_cli_run_call},

	{SHARING,
	 "connect",
	 NULL,
	 "connect_open",
	 "Join standard input and output with a service",
	 "End of input is passed on, and what the service still sends arrives. With --listen it "
	 "opens a local "
	 "port for as long as it runs and prints its address.",
	 {"vx6 connect alice.echo", "ssh -o ProxyCommand='vx6 connect alice.ssh' alice",
	  "vx6 connect alice.web --listen 9000",
	  "vx6 connect --address '[fd00::1]:4242' --service ssh", "vx6 connect ghost --trace"},
	 LIST(connect_args),
	 .one_of = "NODE.SERVICE address",
	 .run = vx6_cli_run_connect},

	{SHARING,
	 "peer",
	 "list",
	 "peer_list",
	 "List the nodes this agent knows",
	 NULL,
	 {"vx6 peer list", "vx6 peer list -o name"},
	 LIST(peer_list),
	 LIST(peer_columns),
	 .run = vx6_cli_run_list},
	{SHARING,
	 "peer",
	 "show",
	 "peer_get",
	 "Show one peer",
	 NULL,
	 {"vx6 peer show alice"},
	 LIST(peer_ref),
	 .run = vx6_cli_run_call},
	{SHARING,
	 "peer",
	 "add",
	 "peer_create",
	 "Connect to a node and stay connected",
	 NULL,
	 {"vx6 peer add '[fd00::1]:4242'", "vx6 peer add 'vx1…@[fd00::1]:4242' --name alice"},
	 LIST(peer_add),
	 LIST(peer_columns),
	 .done = "Added peer",
	 .run = vx6_cli_run_call},
	{SHARING,
	 "peer",
	 "update",
	 "peer_update",
	 "Change a peer",
	 NULL,
	 {"vx6 peer update alice --address '[fd00::2]:4242'"},
	 LIST(peer_update),
	 LIST(peer_columns),
	 .done = "Changed peer",
	 .run = vx6_cli_run_call},
	{SHARING,
	 "peer",
	 "remove",
	 "peer_delete",
	 "Forget a peer and end its session",
	 NULL,
	 {"vx6 peer remove alice"},
	 LIST(peer_remove),
	 .done = "Removed peer",
	 .run = vx6_cli_run_call},

	FINDING_ROWS,

	{LOOKING,
	 "status",
	 NULL,
	 "node_get",
	 "Show what the agent is doing",
	 NULL,
	 {"vx6 status", "vx6 status --json"},
	 NULL,
	 0,
	 LIST(status_columns),
	 .run = vx6_cli_run_call},
	{LOOKING,
	 "identity",
	 "show",
	 "identity_get",
	 "Show the public half of this node's identity",
	 NULL,
	 {"vx6 identity", "vx6 identity show --fields node_id --no-headers"},
	 NULL,
	 0,
	 .run = vx6_cli_run_call},
	IDENTITY_ROWS,
	{LOOKING,
	 "health",
	 NULL,
	 "health_live health_ready health_startup",
	 "Check whether the agent is well",
	 "Exit status 0: it is; 1: it is not, or does not answer.",
	 {"vx6 health", "vx6 health --check live --quiet"},
	 LIST(health_args),
	 .run = vx6_cli_run_health},
	{LOOKING,
	 "top",
	 NULL,
	 NULL,
	 "Watch the agent on one screen",
	 "Drawn anew each second: health, throughput, peers, circuits, services, forwards. q "
	 "quits, "
	 "arrows and tab choose a table.",
	 {"vx6 top", "vx6 top --once", "vx6 top --once --json"},
	 LIST(top_args),
	 .run = vx6_cli_run_top},
	{LOOKING,
	 "doctor",
	 NULL,
	 NULL,
	 "Find out what is wrong on this machine, and what to do about it",
	 "Looks at the agent and its files, the clock, limits, ports, the firewall, the network, "
	 "peers "
	 "and relays. Exit status 0: nothing is broken, although there may be warnings; 1: "
	 "something "
	 "is.",
	 {"vx6 doctor", "vx6 doctor --quiet", "sudo vx6 doctor --json"},
	 LIST(doctor_args),
	 .run = vx6_cli_run_doctor},
	{LOOKING,
	 "events",
	 NULL,
	 "event_list",
	 "Show what happened",
	 "Without --since it begins with the oldest event that is still kept; with -f and no "
	 "--since, now.",
	 {"vx6 events -f", "vx6 events --since 4182 --types 'peer.*,forward.failed' -o jsonl"},
	 LIST(events_args),
	 LIST(event_columns),
	 .run = vx6_cli_run_events},

	{LOOKING,
	 "support",
	 NULL,
	 "support_create",
	 "Write an archive for whoever helps with a problem",
	 "Version, settings, health, numbers, peers, circuits and recent events. Addresses, ids "
	 "and "
	 "keys are replaced by numbers; no secret is in it either way.",
	 {"vx6 support alice.tar", "vx6 support alice.tar --full"},
	 LIST(support_args),
	 .run = vx6_cli_run_support},

	LOG_ROWS,

	CIRCUIT_ROWS,

	HIDDEN_ROWS,

	ACCESS_ROWS,

	{TOOLS,
	 "api",
	 NULL,
	 NULL,
	 "Make any request to the API",
	 "Prints the answer as it is, unless --output or --fields asks for another form. Every "
	 "route is "
	 "in the document at /v1/openapi.json.",
	 {"vx6 api /v1/services?limit=5", "vx6 api /v1/peers -o name",
	  "vx6 api PATCH /v1/services/name:web -d '{\"enabled\":false}'",
	  "vx6 api POST /v1/dht/lookups -d @lookup.json -H 'Prefer: wait=10'"},
	 LIST(api_args),
	 .run = vx6_cli_run_api},
	{TOOLS,
	 "version",
	 NULL,
	 "version_get",
	 "Show the versions of this program and of the agent",
	 NULL,
	 {"vx6 version", "vx6 version --client"},
	 LIST(version_args),
	 .run = vx6_cli_run_version},
	{TOOLS,
	 "completion",
	 NULL,
	 NULL,
	 "Print a completion script for a shell",
	 NULL,
	 {"vx6 completion bash > ~/.local/share/bash-completion/completions/vx6",
	  "vx6 completion zsh > ~/.zfunc/_vx6",
	  "vx6 completion fish > ~/.config/fish/completions/vx6.fish"},
	 LIST(completion_args),
	 .run = vx6_cli_run_completion},
	{TOOLS,
	 "help",
	 NULL,
	 NULL,
	 "Explain a command",
	 NULL,
	 {"vx6 help forward add"},
	 LIST(help_args),
	 .run = vx6_cli_run_help},
	{TOOLS,
	 "__complete",
	 NULL,
	 NULL,
	 "What could come next",
	 NULL,
	 {NULL},
	 LIST(complete_args),
	 .run = vx6_cli_run_complete,
	 .hidden = true,
	 .raw_words = true},
};
const size_t vx6_cli_commands_n = VX6_ARRAY_N(vx6_cli_commands);

const struct vx6_cli_command *vx6_cli_find(const char *noun, const char *verb)
{
	for (size_t i = 0; i < vx6_cli_commands_n; i++) {
		const struct vx6_cli_command *c = &vx6_cli_commands[i];

		if (strcmp(c->noun, noun) == 0 && !c->verb == !verb &&
		    (!verb || strcmp(c->verb, verb) == 0))
			return c;
	}
	return NULL;
}

bool vx6_cli_is_noun(const char *noun)
{
	return vx6_cli_find(noun, NULL) || vx6_cli_has_verbs(noun);
}

bool vx6_cli_has_verbs(const char *noun)
{
	for (size_t i = 0; i < vx6_cli_commands_n; i++)
		if (vx6_cli_commands[i].verb && strcmp(vx6_cli_commands[i].noun, noun) == 0)
			return true;
	return false;
}

const char *vx6_cli_verb(const char *noun, const char *word)
{
	static const char *const alias[][2] = {{"ls", "list"},
					       {"rm", "remove"},
					       {"delete", "remove"},
					       {"create", "add"},
					       {"get", "show"}};

	for (size_t i = 0; i < VX6_ARRAY_N(alias); i++)
		if (strcmp(alias[i][0], word) == 0 && !vx6_cli_find(noun, word))
			return alias[i][1];
	return word;
}

const struct vx6_cli_command *vx6_cli_default(const char *noun)
{
	static const char *const verbs[][2] = {{"identity", "show"}, {"registry", "nodes"},
					       {"relay", "list"},    {"circuit", "list"},
					       {"dht", "status"},    {"hidden", "status"},
					       {"token", "list"},    {"audit", "list"},
					       {"config", "show"},   {"log", "level"}};

	for (size_t i = 0; i < VX6_ARRAY_N(verbs); i++)
		if (strcmp(verbs[i][0], noun) == 0)
			return vx6_cli_find(noun, verbs[i][1]);
	return NULL;
}

bool vx6_cli_word_in(const char *words, const char *word, size_t n)
{
	for (const char *p = words; p && *p;) {
		size_t len = strcspn(p, " ");

		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
		p += *p == ' ';
	}
	return false;
}
