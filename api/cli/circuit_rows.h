/**
 * @file circuit_rows.h
 * Rows of the table of commands that are about relays and circuits. Included by commands.c alone.
 *
 * Layer:   api
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_CIRCUIT_ROWS_H
#define VX6_API_CLI_CIRCUIT_ROWS_H

#include "api/cli/command.h"

/* ---- arguments ---- */

static const struct vx6_cli_arg relay_list_args[] = {
	{.name = "standing",
	 .value = "WORD",
	 .place = VX6_IN_QUERY,
	 .field = "standing",
	 .offer = VX6_OFFER_WORDS,
	 .words = "candidate young failing draining unusable",
	 .help = "only relays of this standing"},
	TEXT_AND_LIMIT,
};
static const struct vx6_cli_arg relay_ref[] = {REF("NODE", VX6_OFFER_RELAYS)};
static const struct vx6_cli_arg relay_set_args[] = {
	{.name = "mode",
	 .value = "MODE",
	 .place = VX6_IN_BODY,
	 .field = "relay.mode",
	 .offer = VX6_OFFER_WORDS,
	 .words = "public private off",
	 .help = "public (a relay for everybody), private (for those who know of it) or off"},
	{.name = "circuits",
	 .value = "N",
	 .kind = VX6_ARG_INTEGER,
	 .nullable = true,
	 .place = VX6_IN_BODY,
	 .field = "relay.circuits",
	 .help = "at most so many circuits of others; '' is as built in"},
	{.name = "memory",
	 .value = "MB",
	 .kind = VX6_ARG_INTEGER,
	 .nullable = true,
	 .place = VX6_IN_BODY,
	 .field = "relay.memory_mb",
	 .help = "megabytes for their cells; '' is as built in"},
	{.name = "rate",
	 .value = "MBIT",
	 .kind = VX6_ARG_INTEGER,
	 .nullable = true,
	 .place = VX6_IN_BODY,
	 .field = "relay.rate_mbit",
	 .help = "megabits a second for them, both directions together; '' is no limit"},
	IF_MATCH,
};
static const struct vx6_cli_arg circuit_list_args[] = {
	{.name = "state",
	 .value = "STATE",
	 .place = VX6_IN_QUERY,
	 .field = "state",
	 .offer = VX6_OFFER_WORDS,
	 .words = "building open draining closed",
	 .help = "only circuits in this state"},
	{.name = "target",
	 .value = "NODE",
	 .place = VX6_IN_QUERY,
	 .field = "target",
	 .offer = VX6_OFFER_NODES,
	 .help = "only circuits to this node, alice or vx1…, or to this hidden service, ghost or "
		 "vxh1…"},
	LIMIT,
};
static const struct vx6_cli_arg circuit_ref[] = {REF("CIRCUIT", VX6_OFFER_CIRCUITS)};
static const struct vx6_cli_arg circuit_build_args[] = {
	{.name = "to",
	 .value = "NODE",
	 .place = VX6_IN_BODY,
	 .field = "to",
	 .offer = VX6_OFFER_NODES,
	 .help = "the node at its end: alice or vx1…; left out: a circuit for the pool"},
	ROUTE_RELAYS(VX6_IN_BODY, "route.", "nodes"),
	{.name = "telescope",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_BODY,
	 .field = "single_pass",
	 .literal = "false",
	 .help = "hop after hop, although the relays could do it in one pass"},
};
static const struct vx6_cli_arg circuit_why_args[] = {
	{.name = "NODE|CIRCUIT",
	 .positional = true,
	 .kind = VX6_ARG_ABOUT,
	 .place = VX6_IN_QUERY,
	 .field = "target",
	 .offer = VX6_OFFER_CIRCUITS,
	 .help = "alice, alice.ssh, ghost, vx1…, vxh1… or cir_…; left out: everything"},
	LIMIT,
};

/* ---- columns ---- */

static const struct vx6_cli_column relay_columns[] = {
	{"NAME", "name"},
	{"STANDING", "standing", VX6_SHOW_STATE},
	{"GUARD", "guard", VX6_SHOW_TEXT, true},
	{"STATE", "guard_state", VX6_SHOW_TEXT, true},
	{"SHARE", "share", VX6_SHOW_SHARE},
	{"RTT", "rtt_ms", VX6_SHOW_MS, true},
	{"PER S", "capacity_bytes_per_s", VX6_SHOW_BYTES, true},
	{"WORKED", "successes", VX6_SHOW_TENTHS},
	{"FAILED", "failures", VX6_SHOW_TENTHS},
	{"AS", "asn", VX6_SHOW_TEXT, true},
	{"USED", "last_used", VX6_SHOW_AGO, true},
	{"NODE ID", "node_id"},
};
static const struct vx6_cli_column relay_status_columns[] = {
	{"Mode", "status.relay.mode", VX6_SHOW_STATE},
	{"Others know of it", "status.relay.announced", VX6_SHOW_STATE},
	{"Draining", "status.relay.draining", VX6_SHOW_ALARM},
	{"Circuits", "status.relay.circuits"},
	{"Circuits at most", "status.relay.limits.circuits"},
	{"Not finished yet", "status.relay.half_built"},
	{"Ending here", "status.relay.ending"},
	{"Circuits so far", "status.relay.circuits_total"},
	{"Memory", "status.relay.memory.bytes", VX6_SHOW_BYTES},
	{"Memory at its peak", "status.relay.memory.peak", VX6_SHOW_BYTES},
	{"Memory at most, MB", "status.relay.limits.memory_mb"},
	{"Rate at most, Mbit/s", "status.relay.limits.rate_mbit"},
	{"Cells relayed", "status.relay.cells"},
	{"Bytes relayed", "status.relay.bytes", VX6_SHOW_BYTES},
	{"Circuits taken", "status.relay.creates"},
	{"Circuits led on", "status.relay.extends"},
	{"Refused", "status.relay.refused", VX6_SHOW_COUNTS},
	{"Broke the protocol", "status.relay.protocol_errors"},
	{"Closed for memory", "status.relay.closed_for_memory"},
	{"Cells dropped", "status.relay.cells_dropped"},
	{"Hidden: owners", "status.relay.hidden.owners"},
	{"Hidden: introduced", "status.relay.hidden.introduced"},
	{"Hidden: waiting", "status.relay.hidden.waiting"},
	{"Hidden: joined", "status.relay.hidden.joined"},
	{"Hidden: refused", "status.relay.hidden.refused", VX6_SHOW_COUNTS},
	{"Present key ends in", "status.relay.key.until", VX6_SHOW_LEFT},
};
static const struct vx6_cli_column relay_set_columns[] = {
	{"MODE", "relay.mode", VX6_SHOW_STATE},
	{"CIRCUITS", "status.relay.limits.circuits"},
	{"MEMORY MB", "status.relay.limits.memory_mb"},
	{"RATE MBIT", "status.relay.limits.rate_mbit"},
};
static const struct vx6_cli_column circuit_columns[] = {
	{"ID", "id"},
	{"STATE", "state", VX6_SHOW_STATE},
	{"FOR", "purpose"},
	{"PATH", "hops", VX6_SHOW_PATH},
	{"RTT", "rtt_ms", VX6_SHOW_MS, true},
	{"STREAMS", "streams"},
	{"RX", "bytes.rx", VX6_SHOW_BYTES},
	{"TX", "bytes.tx", VX6_SHOW_BYTES},
	{"AGE", "opened_at", VX6_SHOW_AGO},
	{"ERROR", "error", VX6_SHOW_TEXT, true},
};
static const struct vx6_cli_column circuit_show_columns[] = {
	{"Circuit", "id"},
	{"Path", "hops", VX6_SHOW_PATH},
	{"State", "state", VX6_SHOW_STATE},
	{"For", "purpose"},
	{"To", "target_name|target"},
	{"Round trip", "rtt_ms", VX6_SHOW_MS},
	{"Built in", "build_ms", VX6_SHOW_MS},
	{"In one pass", "single_pass", VX6_SHOW_FLAG},
	{"Anonymous", "anonymous", VX6_SHOW_FLAG},
	{"Hidden", "hidden", VX6_SHOW_FLAG},
	{"Begun", "opened_at", VX6_SHOW_AGO},
	{"Closed", "closed_at", VX6_SHOW_AGO},
	{"Streams", "streams"},
	{"Received", "bytes.rx", VX6_SHOW_BYTES},
	{"Sent", "bytes.tx", VX6_SHOW_BYTES},
	{"Cells received", "cells.rx"},
	{"Cells sent", "cells.tx"},
	{"Why", "reason"},
	{"Error", "error"},
};
static const struct vx6_cli_column decision_columns[] = {
	{"TIME", "time"},
	{"WHAT", "what"},
	{"TO", "target_name|target", VX6_SHOW_TEXT, true},
	{"CIRCUIT", "circuit", VX6_SHOW_TEXT, true},
	{"WHY", "reason"},
};

/* ---- rows ---- */

#define RELAYING "Go through relays"

/* clang-format off */
#define CIRCUIT_ROWS \
	{RELAYING, "relay", "list", "relay_list", "List other nodes as relays", \
	 "GUARD is the place among the few that this node's anonymous circuits begin with, SHARE how often a relay would be drawn for the middle of a path.", \
	 {"vx6 relay list", "vx6 relay list --standing failing"}, \
	 LIST(relay_list_args), LIST(relay_columns), .run = vx6_cli_run_list}, \
	{RELAYING, "relay", "show", "relay_get", "Show another node as a relay", NULL, \
	 {"vx6 relay show bob", "vx6 relay show vx1…"}, \
	 LIST(relay_ref), .run = vx6_cli_run_call}, \
	{RELAYING, "relay", "status", "node_get", "Show what this node does as a relay", NULL, \
	 {"vx6 relay status"}, \
	 NULL, 0, LIST(relay_status_columns), .run = vx6_cli_run_call}, \
	{RELAYING, "relay", "set", "node_update", "Say what this node gives to the circuits of others", \
	 "In force at once, and kept over restarts unless `vx6 agent` is told otherwise. With `off` no new circuit leads through this node, and those that do are asked to go elsewhere.", \
	 {"vx6 relay set --mode off", "vx6 relay set --circuits 500 --rate 20", "vx6 relay set --rate ''"}, \
	 LIST(relay_set_args), LIST(relay_set_columns), .done = "Changed the relay settings of", .run = vx6_cli_run_call}, \
	{RELAYING, "circuit", "list", "circuit_list", "List this node's circuits", NULL, \
	 {"vx6 circuit list", "vx6 circuit list --state open --target alice"}, \
	 LIST(circuit_list_args), LIST(circuit_columns), .run = vx6_cli_run_list}, \
	{RELAYING, "circuit", "show", "circuit_get", "Show a circuit and its hops", NULL, \
	 {"vx6 circuit show cir_01J9Z3K4M5N6P7Q8R9S0T1V2W3"}, \
	 LIST(circuit_ref), LIST(circuit_show_columns), .run = vx6_cli_run_circuit_show}, \
	{RELAYING, "circuit", "build", "circuit_create", "Build a circuit by hand", \
	 "Forwards and connections get theirs by themselves; this is for looking at one.", \
	 {"vx6 circuit build --to alice", "vx6 circuit build --to alice --hops 2 --anonymous", "vx6 circuit build --through vx1…,vx1… --telescope"}, \
	 LIST(circuit_build_args), LIST(circuit_columns), .done = "Building circuit", .run = vx6_cli_run_call}, \
	{RELAYING, "circuit", "rebuild", "circuit_rebuild", "Replace a circuit by a new one", \
	 "The new one is built first; then streams go over to it, and the old one is closed.", \
	 {"vx6 circuit rebuild cir_01J9Z3K4M5N6P7Q8R9S0T1V2W3"}, \
	 LIST(circuit_ref), LIST(circuit_columns), .done = "Building circuit", .run = vx6_cli_run_call}, \
	{RELAYING, "circuit", "close", "circuit_delete", "Close a circuit", \
	 "Its streams go on over another path, where their route allows one.", \
	 {"vx6 circuit close cir_01J9Z3K4M5N6P7Q8R9S0T1V2W3"}, \
	 LIST(circuit_ref), .done = "Closed circuit", .run = vx6_cli_run_call}, \
	{RELAYING, "circuit", "why", "circuit_decision_list", "Show what was decided about routes and circuits, and why", \
	 "The latest first.", \
	 {"vx6 circuit why", "vx6 circuit why alice.ssh", "vx6 circuit why cir_01J9Z3K4M5N6P7Q8R9S0T1V2W3 --limit 5"}, \
	 LIST(circuit_why_args), LIST(decision_columns), .run = vx6_cli_run_list}
/* clang-format on */

#endif
