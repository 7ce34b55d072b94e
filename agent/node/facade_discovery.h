/**
 * @file facade_discovery.h
 * What the API asks of discovery: rows of lists, operations, and what the commands of node/facade.h carry for them; pages of rows, those of
 * circuits and relays too. Plain values.
 *
 * Layer:   node
 * Shape:   every list, and every single object of one, is read as a page: rows in the order of their keys, from after a key on. A change
 *          answers with a page of the one row it made or changed
 * Threads: pure, any thread
 */
#ifndef VX6_NODE_FACADE_DISCOVERY_H
#define VX6_NODE_FACADE_DISCOVERY_H

#include "base/addr.h"
#include "discovery/dht_link.h"
#include "discovery/names.h"
#include "discovery/resolve.h"
#include "identity/revocation.h"
#include "node/facade_circuits.h"
#include "node/facade_hidden.h"
#include "record/endpoint.h"
#include "state/resource.h"
#include "wire/hello.h"
#include "wire/record.h"

enum {
	VX6_PAGE_KEY = 128, /* text of a row's key, NUL included: "vx1….service" fits */
	VX6_PAGE_MAX = 500,
	VX6_OPERATIONS_MAX = 256,
	VX6_OPERATION_KEEP_MS = 7 * 24 * 3600 * 1000,
	VX6_OPERATION_WAIT_MAX_MS = 60 * 1000,
	VX6_TRACE_MAX = 512, /* steps of one lookup; later ones are counted only */
	VX6_INVITE_TEXT = 200,
	VX6_ASK_TEXT = 112, /* what an operation is about, for people */
};

/* ---- what the registry holds ---- */

enum vx6_known_state { VX6_KNOWN_VALID, VX6_KNOWN_EXPIRED, VX6_KNOWN_REVOKED };
enum vx6_heard_from {
	VX6_HEARD_SESSION,
	VX6_HEARD_EXCHANGE,
	VX6_HEARD_DHT,
	VX6_HEARD_LAN,
	VX6_HEARD_DISK
};

struct vx6_node_row {
	struct vx6_node_id node;
	char name[VX6_LABEL_TEXT]; /* as it calls itself; may be empty */
	enum vx6_known_state state;
	enum vx6_heard_from source;
	bool introduced;
	struct vx6_node_id by;               /* who passed its record on */
	uint64_t seq, issued_ms, expires_ms; /* of its endpoint record; 0: no valid one */
	uint64_t met_ms;                     /* last session; 0: never */
	bool connected, conflict;
	struct vx6_endpoint_addr addrs[VX6_ENDPOINT_ADDRS_MAX];
	size_t addrs_n;
	uint64_t features;
	char (*services)[VX6_LABEL_TEXT]; /* owned by the page */
	size_t services_n;
	uint8_t reason; /* enum vx6_revoke_reason; of a revoked one */
	bool has_successor;
	struct vx6_node_id successor;
};

struct vx6_service_row {
	struct vx6_node_id node;
	char node_name[VX6_LABEL_TEXT], name[VX6_LABEL_TEXT];
	enum vx6_known_state state;
	enum vx6_heard_from source;
	uint64_t seq, issued_ms, expires_ms;
	bool conflict;
};

/* ---- the DHT ---- */

struct vx6_dht_view {
	enum vx6_dht_mode mode;
	enum vx6_diversity wanted; /* as configured */
	bool asn_map;
	struct vx6_dht_info info; /* zeroes when the mode is OFF */
};

struct vx6_contact_row {
	struct vx6_dht_row row;
	uint64_t heard_ms; /* wall clock; 0: never */
};

struct vx6_replica_row {
	char name[VX6_LABEL_TEXT]; /* of the service or claim; may be empty */
	struct vx6_dht_kept_info info;
	uint64_t proved_ms; /* wall clock; 0: not yet */
};

/* ---- operations ---- */

enum vx6_op_kind { VX6_OP_KIND_LOOKUP, VX6_OP_KIND_REFRESH };
enum vx6_op_state { VX6_OP_RUNNING, VX6_OP_DONE, VX6_OP_FAILED, VX6_OP_CANCELED };
enum vx6_ask_kind { VX6_ASK_NODE, VX6_ASK_SERVICE, VX6_ASK_KEY };
enum vx6_about {
	VX6_ABOUT_NAME,
	VX6_ABOUT_ENDPOINT,
	VX6_ABOUT_SERVICE,
	VX6_ABOUT_REVOCATION,
	VX6_ABOUT_KEY
};

struct vx6_lookup_ask {
	enum vx6_ask_kind kind;
	struct vx6_target target; /* NODE, SERVICE */
	struct vx6_dht_key key;   /* KEY */
	bool fresh, trace;
	bool anonymous; /* over circuits: nobody who is asked learns who asks; NODE, SERVICE */
};

struct vx6_lookup_step {
	enum vx6_about about;
	struct vx6_dht_trace t;
};

/** One record under a key. */
struct vx6_lookup_value {
	uint8_t rtype;
	bool has_node; /* else the subject is a blinded key */
	struct vx6_node_id node;
	uint64_t seq, expires_ms; /* 0: does not expire */
	uint32_t bytes, holders, prefixes, paths, median_age_s;
};

/** What a lookup has found; also there when it found nothing. */
struct vx6_lookup_view {
	bool found, has_node, from_registry;
	struct vx6_node_id node;
	char node_name[VX6_LABEL_TEXT];
	enum vx6_resolved_by by;
	bool has_by;
	bool has_endpoint;
	struct vx6_endpoint endpoint;
	uint32_t age_s;                     /* of the endpoint record */
	struct vx6_name_conflict *conflict; /* owned; NULL: none */
	bool has_successor;
	struct vx6_node_id successor;
	struct vx6_lookup_value *values; /* owned */
	size_t values_n;
	struct vx6_dht_contact closest[VX6_DHT_K];
	size_t closest_n;
	uint32_t queries, answers, timeouts, ms;
	uint64_t tx_bytes, rx_bytes;
	struct vx6_lookup_step *steps; /* owned */
	size_t steps_n;
};

struct vx6_op_row {
	char id[VX6_RESOURCE_ID_MAX];
	enum vx6_op_kind kind;
	enum vx6_op_state state;
	char target[VX6_ASK_TEXT];
	char managed_by[VX6_MANAGED_BY_MAX];
	struct vx6_lookup_ask ask;
	uint32_t done;       /* queries */
	const char *message; /* static text */
	vx6_err err;         /* FAILED */
	char detail[256];
	uint64_t started_ms, finished_ms; /* wall clock */
	struct vx6_lookup_view lookup;    /* once it has ended */
};

/* ---- catalogs ---- */

struct vx6_catalog_item {
	struct vx6_node_id node;
	char service[VX6_LABEL_TEXT]; /* as the node calls it */
	char alias[VX6_LABEL_TEXT];   /* as the catalog calls it */
};

struct vx6_catalog_row {
	char id[VX6_RESOURCE_ID_MAX];
	char name[VX6_LABEL_TEXT], title[VX6_LABEL_TEXT];
	char key[96]; /* vxc1… */
	bool owner;
	uint64_t created_ms, updated_ms;
	uint64_t seq, fetched_ms, expires_ms; /* 0: not yet */
	bool published;                       /* of an owner: the three below count */
	uint32_t wanted, stored, proved;
	vx6_err last_err;
	uint64_t last_err_ms;
	struct vx6_catalog_item *items; /* owned by the page */
	size_t items_n;
};

/* ---- pages ---- */

enum vx6_page_kind {
	VX6_PAGE_NODES,
	VX6_PAGE_SERVICES,
	VX6_PAGE_BINDINGS,
	VX6_PAGE_CONFLICTS,
	VX6_PAGE_CONTACTS,
	VX6_PAGE_REPLICAS,
	VX6_PAGE_OPERATIONS,
	VX6_PAGE_CATALOGS,
	VX6_PAGE_RELAYS,
	VX6_PAGE_CIRCUITS,
	VX6_PAGE_DECISIONS,      /* the latest first */
	VX6_PAGE_HIDDEN,         /* hidden services that are hosted here */
	VX6_PAGE_HIDDEN_CLIENTS, /* filter: enum vx6_host_client_kind; target: of this service */
	VX6_PAGE_HIDDEN_ALIASES,
	VX6_PAGE_HIDDEN_ATTEMPTS, /* the latest first; target: an alias or a key */
	VX6_PAGE_HIDDEN_FOUND,    /* by ALIAS_FIND, not to be read */
	VX6_PAGES_N,
};

struct vx6_page {
	enum vx6_page_kind kind;
	union {
		void *rows; /* owned, and what they own */
		struct vx6_node_row *nodes;
		struct vx6_service_row *services;
		struct vx6_name_binding *bindings;
		struct vx6_name_conflict *conflicts;
		struct vx6_contact_row *contacts;
		struct vx6_replica_row *replicas;
		struct vx6_op_row *operations;
		struct vx6_catalog_row *catalogs;
		struct vx6_relay_row *relays;
		struct vx6_circuit_row *circuits;
		struct vx6_decision_row *decisions;
		struct vx6_hidden_row *hidden;
		struct vx6_hidden_client_row *hidden_clients;
		struct vx6_hidden_alias_row *hidden_aliases;
		struct vx6_hidden_attempt_row *hidden_attempts;
		struct vx6_hidden_found_row *hidden_found;
	} u;
	size_t n;
	bool more;    /* there are rows after these */
	bool created; /* the change made the row */
};

/** Which rows are wanted. Zero-initialise. */
struct vx6_page_ask {
	enum vx6_page_kind kind;
	char exact[VX6_PAGE_KEY]; /* not empty: this row or none */
	char after[VX6_PAGE_KEY]; /* not empty: rows after this key */
	uint32_t limit;           /* at most VX6_PAGE_MAX */
	char q[65];               /* part of a name or of a node id */
	bool has_node;
	struct vx6_node_id node;
	bool has_filter;
	int filter; /* BINDINGS: enum vx6_binding_kind, REPLICAS: enum vx6_rtype, OPERATIONS: enum vx6_op_state,
		       RELAYS: enum vx6_relay_standing, CIRCUITS: enum vx6_circ_state */
	char target
		[VX6_NODE_ID_TEXT]; /* CIRCUITS, DECISIONS, not empty: of this node, by name or id */
	char circuit[VX6_RESOURCE_ID_MAX]; /* DECISIONS, not empty: of this circuit */
	uint32_t
		wait_ms; /* OPERATIONS with exact: answered when it has ended, or after this long */
};

/** Accepts NULL. */
void vx6_page_free(struct vx6_page *p);
/** The key of row @p i: what is given as `after` to go on from there, and as `exact` to read it alone. */
void vx6_page_key(const struct vx6_page *p, size_t i, char out[static VX6_PAGE_KEY]);

#endif
