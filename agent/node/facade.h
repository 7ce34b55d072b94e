/**
 * @file facade.h
 * The agent as the API sees it: typed commands in, answers and immutable snapshots out, events on subscription.
 *
 * Layer:   node
 * Threads: vx6_node_submit(), vx6_snapshot_ref/unref() and vx6_node_subscribe() may be called from any thread; answers and events are
 *          delivered on the agent's loop thread, must not block there, and may call anything marked "any thread".
 * State:   a mutation is answered after its SQLite transaction is on disk and the change is in force.
 */
#ifndef VX6_NODE_FACADE_H
#define VX6_NODE_FACADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "discovery/peer_spec.h"
#include "discovery/peers.h"
#include "discovery/target.h"
#include "identity/identity.h"
#include "node/facade_discovery.h"
#include "service/spec.h"
#include "service/stats.h"
#include "state/access.h"
#include "state/resource.h"

enum {
	VX6_SELECT_KEY = 112,
	VX6_SELECT_TEXT = 65,
	VX6_LISTEN_MAX = 8,
	VX6_DETAIL_MAX = 256,
};

struct vx6_node;

/* ---- snapshot: one moment of the agent; read-only, shared by reference count ---- */

struct vx6_peer_view {
	struct vx6_meta meta;
	struct vx6_peer_spec spec;
	enum vx6_peer_state state;
	bool known; /* node_id and node_name below are proved */
	struct vx6_node_id node_id;
	char node_name[VX6_LABEL_MAX + 1];
	char transport[8]; /* "quic" | "tcp"; empty when not up */
	bool inbound;
	struct vx6_addr remote;
	uint32_t rtt_us, rttvar_us;
	uint64_t rx_bytes, tx_bytes, tx_packets, lost_packets;
	uint32_t streams;
	uint64_t since_ms;         /* wall clock of the last state change */
	char race[VX6_DETAIL_MAX]; /* how the dial went: "quic won in 12 ms; tcp cancelled" */
	struct vx6_failure last_failure;
	char (*services)[VX6_LABEL_MAX + 1]; /* owned; names it publishes, as far as known */
	size_t services_n;
};

struct vx6_service_view {
	struct vx6_meta meta;
	struct vx6_service_spec spec;
	struct vx6_flow_stats stats;
	bool published; /* its record is kept in the DHT: by so many */
	uint32_t wanted, stored, proved;
	struct vx6_hidden_row *hidden; /* owned; NULL: it is not hidden */
};

struct vx6_forward_view {
	struct vx6_meta meta;
	struct vx6_forward_spec spec;
	enum vx6_forward_phase phase;
	struct vx6_addr bound; /* what it really listens on */
	struct vx6_flow_stats stats;
	char transport[8];      /* of the session last used; empty: none yet */
	struct vx6_addr remote; /* NONE over a circuit */
	uint32_t rtt_us;
	char circuit[VX6_RESOURCE_ID_MAX]; /* empty: none */
	uint32_t hops;                     /* of it, relays */
};

struct vx6_token_view {
	struct vx6_meta meta;
	struct vx6_token_spec spec;
};

struct vx6_node_view {
	char name[VX6_LABEL_MAX + 1];
	uint64_t generation; /* of the node's own settings */
	uint64_t created_ms, updated_ms;
	struct vx6_node_id node_id;
	uint8_t sign_pk[32]; /* online key S */
	uint32_t cert_seq;
	uint64_t cert_not_before, cert_not_after; /* s since 1970 */
	enum vx6_master_state master; /* decides whether the certificate is renewed in time */
	struct vx6_addr listen[VX6_LISTEN_MAX]; /* really bound */
	char listen_transport[VX6_LISTEN_MAX][8];
	size_t listen_n;
	struct vx6_addr addrs[VX6_PEER_ADDRS_MAX]; /* as in our endpoint record */
	size_t addrs_n;
	enum vx6_transport_choice transport;
	uint64_t started_ms; /* wall clock */
	uint64_t streams_active;
	size_t services, forwards, peers, peers_up;
	bool ready_db, ready_identity, ready_transport;
	bool draining, revoked;
	struct vx6_dht_view dht;
	struct vx6_relaying_budget relay; /* as set */
	struct vx6_relaying_view relaying;
	bool lan;
	size_t known_nodes, known_records; /* in the registry */
	char state_dir[256];
};

/** Which rows a snapshot holds. Rows that nobody looks at are not copied: there may be ten thousand. */
enum vx6_select_what {
	VX6_SELECT_DEFAULT, /* VX6_CMD_SNAPSHOT: all; a change of a stored resource: that one; else none */
	VX6_SELECT_NONE,
	VX6_SELECT_ALL,
	VX6_SELECT_KIND, /* all of a kind */
	VX6_SELECT_ONE,  /* at most one of a kind: `key` is its id, or "name:" and its name */
	VX6_SELECT_PAGE, /* of a kind: at most `limit` behind the id `key`, in the order of ids */
};

struct vx6_select {
	enum vx6_select_what what;
	enum vx6_resource_kind kind;
	uint32_t limit;
	char key[VX6_SELECT_KEY];
	/* PAGE: only those with this text in their name, with a label of this key. Empty: all. Peers are not chosen from here: whoever reads does that */
	char text[VX6_SELECT_TEXT], label[VX6_SELECT_TEXT];
};

struct vx6_snapshot {
	uint64_t index;    /* seq of the last event it includes */
	uint64_t taken_ms; /* wall clock */
	bool more;         /* PAGE: there are more behind the last one */
	struct vx6_node_view node;
	struct vx6_peer_view *peers;
	size_t peers_n; /* sorted by id */
	struct vx6_service_view *services;
	size_t services_n;
	struct vx6_forward_view *forwards;
	size_t forwards_n;
	struct vx6_token_view *tokens;
	size_t tokens_n;
	uint64_t
		tokens_version; /* another one when any of them changed, while the agent runs; never 0 */
};

/** Any thread. */
const struct vx6_snapshot *vx6_snapshot_ref(const struct vx6_snapshot *s);
void vx6_snapshot_unref(const struct vx6_snapshot *s);

/* ---- commands ---- */

enum vx6_cmd_kind {
	VX6_CMD_SNAPSHOT, /* answer.snapshot, as `select` says: not older than all answers given before */
	VX6_CMD_NODE_UPDATE,    /* u.node */
	VX6_CMD_SERVICE_CREATE, /* u.service */
	VX6_CMD_SERVICE_UPDATE, /* id, u.service: the whole new spec */
	VX6_CMD_SERVICE_DELETE, /* id */
	VX6_CMD_FORWARD_CREATE,
	VX6_CMD_FORWARD_UPDATE,
	VX6_CMD_FORWARD_DELETE,
	VX6_CMD_PEER_CREATE,
	VX6_CMD_PEER_UPDATE,
	VX6_CMD_PEER_DELETE,  /* also ends its session */
	VX6_CMD_TOKEN_CREATE, /* u.token */
	VX6_CMD_TOKEN_UPDATE,
	VX6_CMD_TOKEN_DELETE,
	VX6_CMD_EVENTS_READ, /* u.events */
	VX6_CMD_AUDIT_READ,  /* u.audit; answer.audit */
	VX6_CMD_AUDIT_WRITE, /* audit: answered when it is on disk */
	VX6_CMD_ATTACH,      /* u.attach: joins a descriptor with a service's stream */
	VX6_CMD_READ,        /* u.page */
	VX6_CMD_LOOKUP,      /* u.lookup: begins an operation */
	VX6_CMD_OP_CANCEL,   /* id */
	VX6_CMD_BINDING_PUT, /* u.binding */
	VX6_CMD_BINDING_DELETE,
	VX6_CMD_CATALOG_CREATE,  /* u.catalog.name */
	VX6_CMD_CATALOG_JOIN,    /* u.catalog.name, invite */
	VX6_CMD_CATALOG_DELETE,  /* id, as those below: an id, or "name:" and a name */
	VX6_CMD_CATALOG_ADD,     /* u.catalog.service, alias */
	VX6_CMD_CATALOG_REMOVE,  /* u.catalog.service */
	VX6_CMD_CATALOG_INVITE,  /* answer.secret: the invite's text */
	VX6_CMD_CIRCUIT_BUILD,   /* u.circuit */
	VX6_CMD_CIRCUIT_REBUILD, /* id; answer.page: the one that takes its place */
	VX6_CMD_CIRCUIT_CLOSE,   /* id */
	VX6_CMD_HIDDEN_INVITE, /* id: of the service, "name:" and its name, or its alias; u.hidden; answer.secret: the invite's URI */
	VX6_CMD_HIDDEN_REVOKE, /* id: of a client or an invite */
	VX6_CMD_HIDDEN_ROTATE, /* id as INVITE; u.hidden.new_key */
	VX6_CMD_ALIAS_ADD,     /* u.hidden */
	VX6_CMD_ALIAS_SET,     /* id: the alias; u.hidden */
	VX6_CMD_ALIAS_DELETE,  /* id: the alias */
	VX6_CMD_ALIAS_FIND, /* u.hidden.name; answered when it has been looked for; answer.page: one row */
	VX6_CMD_IDENTITY_ROTATE, /* u.identity */
	VX6_CMD_IDENTITY_REVOKE, /* u.identity; confirm is the node's name */
	VX6_CMD_IDENTITY_EXPORT, /* u.identity; answer.secret: the file */
	VX6_CMD_BACKUP,          /* u.identity.file_passphrase; answer.secret: the file */
};

/** One command. Zero-initialise; the strings and lists inside are owned by it. */
struct vx6_cmd {
	enum vx6_cmd_kind kind;
	char id[VX6_RESOURCE_ID_MAX];
	uint64_t if_generation; /* 0: any; else CONFLICT when the resource is at another one */
	char managed_by[VX6_MANAGED_BY_MAX];
	char request_id[65];
	struct vx6_select select; /* what the answer's snapshot is to hold */
	char *labels;             /* NULL: leave as they are (create: none) */
	/* owned, or NULL: what a change of a stored resource, or of the node, is to be known by afterwards. Written with it, or not at all */
	struct vx6_audit_entry *audit;
	union {
		struct vx6_service_spec service;
		struct vx6_forward_spec forward;
		struct vx6_peer_spec peer;
		struct vx6_token_spec token;
		struct vx6_audit_ask audit;
		struct {
			char name[VX6_LABEL_MAX + 1]; /* empty: as it is */
			struct vx6_relaying_change relay;
		} node;
		struct {
			uint64_t since; /* events with a larger seq */
			uint32_t limit; /* at most 1000 */
		} events;
		struct {
			int fd; /* taken: a connected, non-blocking stream socket; closed by the agent in every case */
			struct vx6_target to;
			/** The answer comes before the first byte of the service is written to fd: the receiver may
			 *  greet the client first. The join ended (either way). On the loop thread, exactly once, only after an answer with VX6_OK. */
			void (*ended)(void *user);
			void *user;
		} attach;
		struct vx6_page_ask page;
		struct {
			enum vx6_op_kind kind;
			struct vx6_lookup_ask ask;
			uint32_t wait_ms; /* answered when it has ended, or after this long */
		} lookup;
		struct {
			enum vx6_binding_kind kind;
			char name[VX6_LABEL_TEXT];
			struct vx6_node_id node;
		} binding;
		struct {
			char name[VX6_LABEL_TEXT], alias[VX6_LABEL_TEXT];
			char service[VX6_PAGE_KEY];   /* "web", "alice.web", "vx1….web" */
			char invite[VX6_INVITE_TEXT]; /* secret */
		} catalog;
		struct {
			char to[VX6_NODE_ID_TEXT]; /* "alice", "vx1…"; empty: a circuit for the pool */
			struct vx6_routing route;
		} circuit;
		struct vx6_hidden_ask hidden;
		struct {
			char *passphrase; /* owned, wiped; of what is here already; NULL: none */
			char *file_passphrase; /* owned, wiped; of the file to be made */
			char confirm[65];
			uint8_t reason; /* REVOKE: enum vx6_revoke_reason */
			char successor_dir
				[256]; /* REVOKE: identity that takes over; its passphrase is file_passphrase */
		} identity;
	} u;
};

struct vx6_answer {
	vx6_err err; /* NOT_FOUND, EXISTS, CONFLICT, NOT_LOOPBACK, INVALID, ADDRESS_IN_USE, DISK_FULL, IO, DRAINING, … */
	char pointer[64];             /* JSON pointer of the field at fault ("/listen"), or empty */
	char detail[VX6_DETAIL_MAX];  /* for people */
	char id[VX6_RESOURCE_ID_MAX]; /* of the created or changed resource */
	uint64_t generation;          /* its new one; at CONFLICT the present one */
	const struct vx6_snapshot
		*snapshot; /* a reference for the receiver, or NULL; given with every success */
	struct vx6_event *
		events; /* EVENTS_READ: owned by the answer, valid during the callback unless taken (set NULL) */
	size_t events_n;
	uint64_t
		events_oldest; /* smallest seq still kept: a reader that is behind it has missed some */
	struct vx6_audit_page *audit; /* owned by the answer unless taken (set NULL) */
	bool audited;                 /* the command's audit entry is on disk, with the change */
	struct vx6_page *
		page; /* owned by the answer unless taken (set NULL); of all that reads or changes rows */
	uint8_t *secret; /* the same; secret, vx6_wipe_free() */
	size_t secret_n;
};

/**
 * Any thread. Takes @p cmd (heap; vx6_cmd_free() frees one that was not submitted).
 * @param done  called once on the loop thread; @p answer is borrowed, its snapshot reference is the receiver's to keep or unref
 * @return false: the agent is stopping; @p done is not called and @p cmd stays the caller's
 */
bool vx6_node_submit(struct vx6_node *node, struct vx6_cmd *cmd,
		     void (*done)(struct vx6_answer *answer, void *user), void *user);
void vx6_cmd_free(struct vx6_cmd *cmd);

/**
 * Any thread; at most one subscriber. @p on_event is called on the loop thread for every event once it is in the database, in seq order;
 * @p event is borrowed. NULL unsubscribes.
 */
void vx6_node_subscribe(struct vx6_node *node,
			void (*on_event)(const struct vx6_event *event, void *user), void *user);

/** Any thread: asks for an orderly stop. */
void vx6_node_request_stop(struct vx6_node *node);

#endif
