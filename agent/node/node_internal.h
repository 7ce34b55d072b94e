/**
 * @file node_internal.h
 * The agent's parts and tables, shared by the sources of this layer.
 *
 * Layer:   node
 * Threads: the loop's thread, but for what says otherwise
 *
 * A mutation goes: mailbox -> queue (one at a time) -> checks -> one write (change + event) -> applied in on_written -> answer.
 */
#ifndef VX6_NODE_NODE_INTERNAL_H
#define VX6_NODE_NODE_INTERNAL_H

#include <stdatomic.h>

#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "circuit/circuits.h"
#include "circuit/onion_keys.h"
#include "circuit/relay.h"
#include "discovery/catalogs.h"
#include "discovery/clash.h"
#include "discovery/clone.h"
#include "discovery/dht_circuit.h"
#include "discovery/dht_link.h"
#include "discovery/entry.h"
#include "discovery/exchange.h"
#include "discovery/lan.h"
#include "discovery/names.h"
#include "discovery/netwatch.h"
#include "discovery/peers.h"
#include "discovery/publisher.h"
#include "discovery/reach.h"
#include "discovery/reattach.h"
#include "discovery/registry.h"
#include "discovery/resolve.h"
#include "node/node.h"
#include "service/forwards.h"
#include "service/services.h"
#include "session/session.h"
#include "state/registry_db.h"
#include "state/state.h"

enum { SNAPSHOT_MAX_AGE_MS = 20, MUTATIONS_MAX = 1024, STRANGERS_PER_MIN = 60 };

/* One configured object: what the database holds of it. */
struct row {
	struct vx6_meta meta;
	bool stored; /* false: from the configuration, lives as long as the process */
	union {
		struct vx6_service_spec service;
		struct vx6_forward_spec forward;
		struct vx6_peer_spec peer;
		struct vx6_token_spec token;
	} spec;
};

struct row_table {
	struct row **row; /* sorted by id */
	size_t n;
};

/* What makes ids ascend within one millisecond. */
struct id_source {
	uint64_t last_ms, low;
	uint16_t high;
};

/* The claim to a name; the work in it is done once. */
struct name_claim {
	char name[VX6_LABEL_TEXT]; /* that the work is for; empty: none yet */
	uint64_t nonce, claimed_at_s;
	bool working, published;
};

struct vx6_node {
	struct vx6_node_config cfg;
	char state_dir[256];
	char name[VX6_LABEL_TEXT];
	struct vx6_stored_node stored;
	struct vx6_identity identity;
	struct vx6_loop *loop;
	struct vx6_state *state;
	struct vx6_hwm_store hwm;
	struct vx6_sessions *sessions;
	struct vx6_registry *registry;
	struct vx6_registry_db *registry_db;
	struct vx6_publisher *publisher;
	struct vx6_peers *peers;
	struct vx6_exchange *exchange;
	struct vx6_entry *entry;
	struct vx6_dht_link *dht_link; /* NULL: the mode is off */
	struct vx6_session
		*hearing; /* who brought the record that is being admitted; NULL: nobody */
	bool serving;     /* the DHT */
	struct vx6_names *names;
	struct vx6_catalogs *catalogs;
	struct vx6_lan *lan; /* NULL: switched off, or there is no network for it */
	struct vx6_resolver *resolver;
	struct vx6_clash *clash;
	struct operations *operations;
	struct vx6_reach *reach;
	struct vx6_reattach *reattach;
	struct vx6_services *services;
	struct vx6_forwards *forwards;
	struct vx6_netwatch *netwatch;
	struct vx6_clone *clone;
	/* circuits: own ones, and those of others (node/circuits_internal.h) */
	struct vx6_hop_sched *hop_sched;
	struct vx6_onion_keys *onion_keys;
	struct vx6_relay *relay;
	struct vx6_relays *relays;
	struct vx6_guards *guards;
	struct vx6_vanguards *vanguards;
	uint8_t own_endpoint[VX6_ENDPOINT_MAX]; /* as last looked at for a hop */
	struct vx6_build_times *build_times;
	struct vx6_origin *origin;
	struct vx6_circuits *circuits;
	struct vx6_dht_circuit *dht_circuit;
	struct vx6_list circuit_asks; /* struct circuits_ask */
	struct hidden *hidden;        /* node/hidden_internal.h */
	struct vx6_timer circuit_upkeep;
	bool hidden_roles_off,
		hidden_roles_given_up; /* node/hidden_roles.c; it was a public relay until then */
	uint8_t relay_family[VX6_RELAY_FAMILY_BYTES]; /* zero: none */
	uint64_t relay_since_s; /* a public one, the first time; 0: it never was */
	uint64_t relay_oom;     /* circuits ended for want of memory, as last told */

	struct row_table service_rows, forward_rows, peer_rows, token_rows;
	struct vx6_list mutations; /* struct request, waiting their turn */
	size_t mutations_n;
	struct request *current; /* the mutation that is being written */

	struct vx6_list emissions; /* events on their way to the database */
	struct vx6_list reads;     /* struct request, waiting for events from it */

	struct id_source ids;
	struct vx6_ratelimit complaints, strangers;
	uint64_t started_ms;
	uint64_t tokens_changes;
	uint64_t event_index; /* seq of the last event that is on disk */
	struct vx6_snapshot *snapshot;
	uint64_t snapshot_ms;
	bool snapshot_dirty;
	void (*_Atomic on_event)(const struct vx6_event *event, void *user);
	_Atomic(void *) on_event_user;

	struct vx6_stats *stats; /* the last day in numbers (node/stats_take.c) */
	struct vx6_timer stats_timer;
	int statm_fd;                            /* -1: there is none */
	uint64_t ended_rx_bytes, ended_tx_bytes; /* of sessions that are gone */
	_Atomic uint64_t api_requests;

	struct name_claim claim;
	struct vx6_timer drain_timer, renew_timer;
	uint64_t drain_deadline_ms;
	bool renewing, backing_up;
	struct vx6_job reload_job;
	bool reloading, reload_again;
	uint64_t renewal_warned_s; /* wall clock */
	bool draining;
	bool revoked;  /* this node's own identity has ended */
	bool stopping; /* parts are being freed: nothing is told any more */
	struct vx6_mail stop_mail;
	atomic_flag stop_asked;
};

/** A command on its way. */
struct request {
	struct vx6_mail mail;
	struct vx6_list node; /* vx6_node.mutations or .reads */
	struct vx6_node *owner;
	struct vx6_cmd *cmd;
	void (*done)(struct vx6_answer *answer, void *user);
	void *user;
	/* what a mutation carries from its checks to its application */
	struct vx6_meta meta;
	struct vx6_forward_socket *socket;
	struct vx6_event event;
	uint64_t deadline_ms; /* who waits for the end of an operation */
};

/* ---- rows.c ---- */

struct row *rows_find(const struct row_table *t, const char *id);
/** Takes @p row. */
void rows_add(struct row_table *t, struct row *row);
void rows_remove(struct row_table *t, const char *id, enum vx6_resource_kind kind);
void rows_fini(struct row_table *t, enum vx6_resource_kind kind);
struct row_table *rows_of(struct vx6_node *node, enum vx6_resource_kind kind);
/** "service", "forward", "peer", "token": as events and texts have it. */
const char *kind_name(enum vx6_resource_kind kind);
/** @return borrowed from @p row; empty: it has none */
const char *row_name(enum vx6_resource_kind kind, const struct row *row);
/** "svc_" + ULID, ascending for one source. @param prefix without the underscore */
void new_id(struct id_source *src, const char *prefix, uint64_t wall_ms,
	    char out[static VX6_RESOURCE_ID_MAX]);

/* ---- events.c ---- */

/** Fills an event in; @p data is taken (NULL: "{}"). */
void event_init(struct vx6_event *ev, const char *type, const char *subject_kind,
		const char *subject_id, char *data);
void event_fini(struct vx6_event *ev);
/** Queues it for the database; subscribers hear of it once it is there. Takes @p ev's data. */
void event_emit(struct vx6_node *node, struct vx6_event *ev);
/** Forgets those that the database will not answer any more. */
void events_abort(struct vx6_node *node);
/** It is in the database under @p seq. */
void event_deliver(struct vx6_node *node, struct vx6_event *ev, uint64_t seq);

/* ---- check.c ---- */

enum verb { VERB_CREATE, VERB_UPDATE, VERB_DELETE };

/** What a refusal is about. */
struct fault {
	const char *pointer;
	char detail[VX6_DETAIL_MAX];
};

/** What a mutation's command does, and to what; not for that of the node itself. */
enum vx6_resource_kind resource_of(enum vx6_cmd_kind kind);
enum verb verb_of(enum vx6_cmd_kind kind);
/** @return the name that @p cmd asks for; borrowed from it */
const char *name_asked(const struct vx6_cmd *cmd);
/**
 * Whether @p rq may be written. Of a forward it opens the socket, which @p rq then carries.
 * @param row what the command names, NULL: nothing @param f filled in on errors that need words; zeroed by the caller
 * @return VX6_OK | NOT_FOUND | CONFLICT | INVALID | EXISTS | FULL | those of the service and forward tables
 */
VX6_RES check_mutation(struct vx6_node *node, struct request *rq, const struct row *row,
		       struct fault *f);

/* ---- mutate.c ---- */

void mutation_submit(struct request *rq);
void mutations_abort(struct vx6_node *node);
/** Puts a row in force: at the start, and after it was stored. @param socket taken, may be NULL */
void row_apply(struct vx6_node *node, enum vx6_resource_kind kind, const struct row *row,
	       struct vx6_forward_socket *socket);

/* ---- audit.c ---- */

/** Answers a command that reads or writes the audit. Takes @p rq. */
void audit_command(struct request *rq);

/* ---- snapshot.c ---- */

/** @return a reference for the caller; with no rows it may be one that is a moment old */
const struct vx6_snapshot *snapshot_get(struct vx6_node *node, const struct vx6_select *select);
void snapshot_drop(struct vx6_node *node);

/* ---- facade.c ---- */

/** Refuses what waits for a database that is closed. */
void reads_abort(struct vx6_node *node);
/** Answers and frees @p rq. */
void request_answer(struct request *rq, struct vx6_answer *answer);
void request_fail(struct request *rq, vx6_err err, const char *pointer, const char *detail);

/* ---- discovery.c, discovery_ops.c ---- */

struct operations *operations_new(struct vx6_node *node);
/** Whoever waits for one is refused. Before what they ask (resolver, DHT) goes. Accepts NULL. */
void operations_free(struct operations *all);

/** Answers what the API asks of registry, names, DHT, operations, catalogs and identity. Takes @p rq. */
void discovery_command(struct request *rq);

/* ---- backup.c ---- */

/** Answers with a sealed backup of this node. Takes @p rq. */
void backup_make(struct request *rq);

/* ---- node.c, discovery_identity.c ---- */

/** A new online key is in force from now on. @return errors of vx6_sessions_set_key() */
VX6_RES identity_take_subkey(struct vx6_node *node, const struct vx6_subkey *renewed);
/** Under which this node's own revocation is stored. */
extern const char identity_revocation_key[];
/** This node's identity has ended: its revocation is all that it publishes. */
void identity_revoked(struct vx6_node *node, const uint8_t *record, size_t n);

/* ---- tell.c ---- */

/** Id of a peer that no configuration names. */
void learned_peer_id(const struct vx6_node_id *node, char out[static VX6_RESOURCE_ID_MAX]);
/** An authenticated session came or went: an event, unless it is told of as that of a configured peer. Rate-limited. */
void tell_learned(struct vx6_node *node, const char *type, struct vx6_session *s, vx6_err why);
/* As the parts' configurations want them; @p user is the node. */
void tell_flood(void *user, struct vx6_session *s);
void tell_catalog(void *user, const char *name);
void tell_peer_changed(void *user, const char *id, enum vx6_peer_state before,
		       const struct vx6_peer_status *st);
void tell_service_failed(void *user, const char *id, const char *name,
			 const struct vx6_node_id *peer, const struct vx6_failure *f);
void tell_service_recovered(void *user, const char *id);
void tell_forward_failed(void *user, const char *id, const struct vx6_failure *f);
void tell_forward_recovered(void *user, const char *id);

/* ---- claim.c ---- */

void claim_load(struct vx6_node *node, const struct vx6_state_image *img);
/** There is somebody to tell our name: publishes the claim to it, once its work is done. */
void claim_want(struct vx6_node *node);

/* ---- clone.c ---- */

void clone_start(struct vx6_node *node);
/* As the publisher and the sessions want them. */
void clone_made(void *user, const uint8_t *record, size_t n);
/** A record about this node. */
void clone_seen(void *user, const uint8_t *record, size_t n);
void clone_met(void *user, const struct vx6_addr *remote);

/* ---- tell.c, too ---- */

/** @param data as event_init() */
void tell_event(struct vx6_node *node, const char *type, const char *subject_kind,
		const char *subject_id, char *data);
/** About another node, by its id; rate-limited. @param detail NULL: none */
void tell_node(struct vx6_node *node, const char *type, const struct vx6_node_id *who,
	       const char *detail);

/* ---- hear.c: what comes in ---- */

extern const struct vx6_sessions_events hear_session_events;
extern const struct vx6_registry_events hear_registry_events;
/** A record from outside, through the one door there is. @param s who brought it; NULL: no session did */
vx6_err hear_record(struct vx6_node *node, struct vx6_session *s, const uint8_t *record, size_t n,
		    const struct vx6_source *from);
/* As the beacon's receiver wants it. @return true: of a node that was not known */
bool hear_beacon(void *user, const uint8_t *record, size_t n);
/* As the exchange wants it. */
void hear_exchanged(void *user, struct vx6_session *from, const uint8_t *record, size_t n,
		    bool about_itself);

/* ---- announce.c: what goes out ---- */

extern const char announce_seq_key[];
/** Own addresses, name or abilities changed: a new endpoint record if need be. */
void announce_endpoint(struct vx6_node *node);
/** Addresses as our endpoint record gives them. */
size_t announce_own_addrs(struct vx6_node *node,
			  struct vx6_endpoint_addr out[static VX6_ENDPOINT_ADDRS_MAX]);
void announce_network_changed(void *user);
/* Our endpoint record, as the beacon wants it. */
size_t announce_beacon(void *user, uint8_t *out, size_t cap);
/* As the publisher and the DHT's link want them. */
bool announce_may_see(void *user, const char *service, const struct vx6_node_id *who);
bool announce_is_public(void *user, const char *service);
void announce_seq_used(void *user, uint64_t seq);
void announce_kept(void *user, uint8_t rtype, const char *name,
		   const struct vx6_dht_kept_info *info, bool published);
void announce_serving(void *user, bool serving);

/* ---- hidden_roles.c ---- */

/** Before anything is said of this node: whether hidden services are stored. */
void hidden_roles_start(struct vx6_node *node, const struct vx6_state_image *img);
/** A service is in force: if it is a hidden one, this node is a public relay and serves the DHT no more. */
void hidden_roles_see(struct vx6_node *node, const struct vx6_service_spec *spec);
/** What of @p wanted is given to the circuits of others. */
struct vx6_relaying_budget hidden_roles_budget(const struct vx6_node *node,
					       const struct vx6_relaying_budget *wanted);

/* ---- naming.c ---- */

/** Makes the table of names and loads what is stored. */
void naming_start(struct vx6_node *node, const struct vx6_state_image *img);
/** A record was admitted: it may claim a name that matters here. */
void naming_heard(struct vx6_node *node, const struct vx6_registry_change *c);
/** Our own name is another now, or is known at last. */
void naming_own(struct vx6_node *node);
/** As the publisher wants it: a holder gave another node's claim to our name. */
void naming_clashed(void *user, const uint8_t *record, size_t n);
/** What others who go by our name are told. */
size_t naming_own_claim(void *user, uint8_t *out, size_t cap);
/** As the resolver wants it: what a lookup has brought. */
void naming_looked_up(void *user, const uint8_t *record, size_t n);

/* ---- wiring.c ---- */

/** Makes all parts of the overlay and connects them; state and identity are there. @param detail as vx6_node_new() */
VX6_RES wiring_start(struct vx6_node *node, const struct vx6_state_image *img, char *detail);
void wiring_stop(struct vx6_node *node);

#endif
