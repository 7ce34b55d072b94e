/**
 * @file registry.h
 * What this node knows of others: their signed records, and the high-water marks that hold older ones off. Answers from memory.
 *
 * Spec:    schemas/wire/record.md#admission
 * Layer:   discovery
 * Shape:   one entry for each (type, subject, slot): the signed bytes for as long as they are valid, afterwards only the mark. Nothing is
 *          kept parsed; records are read when they are asked for. Marks and certificate numbers follow from the records
 * Trust:   records are hostile until admitted; a name is a claim, only node ids are facts
 * Limits:  VX6_KNOWN_NODES_MAX subjects, VX6_KNOWN_RECORDS_MAX entries, VX6_KNOWN_SERVICES_MAX of one node; one introducer fills at most
 *          a quarter. A newcomer takes the place of what counts less, in this order: marks of nodes never met, records of nodes never met,
 *          of nodes met, of configured peers and of those a pin is for; revocations last. Where nothing counts less it is refused
 * Disk:    none here: state/registry_db.h stores the rows of registry_row.h and brings them back
 * Threads: the loop's thread. What is borrowed is good until the next call that takes the registry without const
 */
#ifndef VX6_DISCOVERY_REGISTRY_H
#define VX6_DISCOVERY_REGISTRY_H

#include "identity/revocation.h"
#include "record/admit.h"
#include "record/endpoint.h"
#include "record/relay_info.h"
#include "record/service.h"

enum {
	VX6_KNOWN_NODES_MAX = 16384,
	VX6_KNOWN_RECORDS_MAX = 32768,
	VX6_KNOWN_SERVICES_MAX = 256,
	VX6_KNOWN_INTRODUCED_MAX = VX6_KNOWN_NODES_MAX / 4, /* by one introducer */
	VX6_MARK_KEEP_S = 30 * 86400,                       /* after the record has expired */
};

struct vx6_registry;

/* ---- records come in ---- */

enum vx6_source_kind {
	VX6_SOURCE_SUBJECT, /* the node that the record is about, over a session that proved it */
	VX6_SOURCE_PEER,    /* another node passed it on */
	VX6_SOURCE_DHT,     /* an answer to a lookup of ours */
	VX6_SOURCE_LAN,     /* a beacon */
	VX6_SOURCE_DISK,    /* known from before the restart */
};

struct vx6_source {
	enum vx6_source_kind kind;
	struct vx6_node_id by; /* PEER: who passed it on */
};

/** A record as it is held. */
struct vx6_known_record {
	struct vx6_hwm_key key; /* type, subject, slot */
	uint64_t tag;           /* vx6_hwm_tag() of the key */
	uint64_t seq;
	uint64_t expires_s;
	uint64_t change; /* grows with each change of the registry; of this start only */
	enum vx6_source_kind source; /* of these bytes */
	uint8_t flags;               /* enum vx6_record_flag */
	const uint8_t *bytes;        /* borrowed; NULL: only the mark is left */
	size_t n;
};

/** Nobody is to learn from us that we looked for it, until another node offers it or its subject comes with it. */
static inline bool vx6_source_is_confidential(enum vx6_source_kind kind)
{
	return kind == VX6_SOURCE_DHT;
}
/** Revocations are for everybody. */
static inline bool vx6_known_is_confidential(const struct vx6_known_record *r)
{
	return vx6_source_is_confidential(r->source) && r->key.type != VX6_RTYPE_REVOCATION;
}

/** Something new was admitted, or what was confidential no longer is. */
struct vx6_registry_change {
	const struct vx6_known_record *record; /* its bytes are there */
	const struct vx6_source *source;
	struct vx6_node_id
		subject; /* as in the record's key: a node, or a blinded key (type catalog) */
	bool new_node;   /* nothing was known of the subject before */
	bool moved; /* type endpoint: other addresses, features or name than before, or none before */
};

struct vx6_registry_events {
	/** Whether the operator configured @p node as a peer, or pinned a name to it: it is kept before those of strangers. */
	bool (*is_configured)(void *user, const struct vx6_node_id *node);
	/** A record was admitted that is newer than what was known, or is confidential no more. Not for those from disk. The registry must not be changed inside. */
	void (*changed)(void *user, const struct vx6_registry_change *c);
	/** A revocation that is newer than what was known: the node is void (or its older subkeys, @p r->reason says). Its records are gone. */
	void (*revoked)(void *user, const struct vx6_node_id *node, const struct vx6_revocation *r,
			const struct vx6_registry_change *c);
	/** @p node signed two records under one number: both hashes are the evidence. */
	void (*equivocation)(void *user, const struct vx6_node_id *node, uint8_t type, uint64_t seq,
			     const struct vx6_hash *first, const struct vx6_hash *second);
};

/** @param net @param ev borrowed @return owned; vx6_registry_free() */
struct vx6_registry *vx6_registry_new(const struct vx6_net *net,
				      const struct vx6_registry_events *ev, void *user);
void vx6_registry_free(struct vx6_registry *r);

/** What admission ended with beside its error. */
struct vx6_admitted {
	enum vx6_admit_result result;
	const uint8_t
		*newer; /* STALE: what the sender should know; borrowed; NULL: not held any more */
	size_t newer_n;
};
/**
 * Verifies and takes one record.
 * @param out optional
 * @return VX6_OK (new, or known already: out->result) | STALE | EQUIVOCATION | errors of vx6_record_admit() | UNSUPPORTED (type) |
 *         FULL (all that is there counts more, or its introducer has used up his share)
 */
VX6_RES vx6_registry_admit(struct vx6_registry *r, const uint8_t *record, size_t n,
			   const struct vx6_source *from, uint64_t now_s, struct vx6_admitted *out);
/**
 * Takes a record, or a mark alone, that was admitted once and stored outside the registry's own rows. Signatures are not verified again. What
 * is known already and newer stays.
 */
void vx6_registry_restore(struct vx6_registry *r, const struct vx6_hwm_key *key,
			  const struct vx6_hwm *mark, uint64_t now_s);
/** The marks, for whoever else checks certificates (sessions). Slots whose `user` is @p r. */
struct vx6_hwm_store vx6_registry_hwm(struct vx6_registry *r);

/** Forgets what has expired, a bounded number of entries a call; to be called every few seconds. */
void vx6_registry_tick(struct vx6_registry *r, uint64_t now_s);

/* ---- questions about one node ---- */

/** The endpoint record of @p node. @return false: none, or expired */
bool vx6_registry_endpoint(const struct vx6_registry *r, const struct vx6_node_id *node,
			   uint64_t now_s, struct vx6_endpoint *out);
/** @return false: it does not publish that service, as far as is known here */
bool vx6_registry_service(const struct vx6_registry *r, const struct vx6_node_id *node,
			  const char *name, uint64_t now_s, struct vx6_service_record *out);
/** @return false: none is known. Revocations do not expire */
bool vx6_registry_revocation(const struct vx6_registry *r, const struct vx6_node_id *node,
			     struct vx6_revocation *out);
/** What @p node says of itself as a relay. @return false: nothing that is valid, or it takes no circuits any more */
bool vx6_registry_relay(const struct vx6_registry *r, const struct vx6_node_id *node,
			uint64_t now_s, struct vx6_relay_info *out);
/** Calls @p fn for each node of which that is known, in no order. @p info is borrowed. The registry must not be changed inside. */
void vx6_registry_each_relay(const struct vx6_registry *r, uint64_t now_s,
			     void (*fn)(void *user, const struct vx6_relay_info *info), void *user);
/** The signed bytes of its endpoint record. @return false: none that is valid */
bool vx6_registry_endpoint_record(const struct vx6_registry *r, const struct vx6_node_id *node,
				  uint64_t now_s, const uint8_t **record, size_t *n);
/** Name of @p node as it calls itself; "" when not known. @return @p out */
char *vx6_registry_name(const struct vx6_registry *r, const struct vx6_node_id *node,
			char out[static VX6_LABEL_TEXT]);
/** Names of the services that @p node publishes. @param out room for @p max labels @return how many were written */
size_t vx6_registry_services(const struct vx6_registry *r, const struct vx6_node_id *node,
			     uint64_t now_s, char (*out)[VX6_LABEL_TEXT], size_t max);
/** All valid records of @p subject. @return how many were written */
size_t vx6_registry_records(const struct vx6_registry *r, const struct vx6_node_id *subject,
			    uint64_t now_s, struct vx6_known_record *out, size_t max);

/* ---- single records ---- */

/** @return false: neither record nor mark */
bool vx6_registry_find(const struct vx6_registry *r, const struct vx6_hwm_key *key, uint64_t now_s,
		       struct vx6_known_record *out);
/** The same by the short name that messages use. */
bool vx6_registry_find_tag(const struct vx6_registry *r, uint64_t tag, uint64_t now_s,
			   struct vx6_known_record *out);
/** Calls @p fn for each valid record that claims @p name: name claims, and endpoint records of nodes that call themselves so. */
void vx6_registry_each_claim(const struct vx6_registry *r, const char *name, uint64_t now_s,
			     void (*fn)(void *user, const struct vx6_known_record *rec),
			     void *user);

/* ---- in order of change, for the exchange with peers ---- */

/** The index of the last change; 0: none yet. */
uint64_t vx6_registry_changes(const struct vx6_registry *r);
/**
 * Valid records with a change index above @p after, oldest change first.
 * @return how many were written; the last one's index is the next @p after
 */
size_t vx6_registry_since(const struct vx6_registry *r, uint64_t after, uint64_t now_s,
			  struct vx6_known_record *out, size_t max);
/** The same, the latest @p max of all, latest first. */
size_t vx6_registry_latest(const struct vx6_registry *r, uint64_t now_s,
			   struct vx6_known_record *out, size_t max);

/* ---- pages, for people ---- */

/** How dealings with a node went. Kept over restarts, written at most once a minute. */
struct vx6_contact {
	uint64_t met_s;               /* wall clock; last session with it; 0: never */
	uint64_t tried_s;             /* last dial */
	uint32_t successes, failures; /* of dials; failures are those since the last success */
	struct vx6_endpoint_addr
		good; /* where it was last met, or first heard of; family NONE: not known */
};

struct vx6_known_node {
	struct vx6_node_id id;
	bool has_endpoint; /* and it is valid */
	struct vx6_endpoint endpoint;
	enum vx6_source_kind source; /* of the endpoint record */
	bool introduced;             /* PEER: by `by` */
	struct vx6_node_id by;
	bool revoked;
	size_t services; /* valid ones */
	uint64_t change; /* of its latest record */
	struct vx6_contact contact;
};
bool vx6_registry_node(const struct vx6_registry *r, const struct vx6_node_id *node, uint64_t now_s,
		       struct vx6_known_node *out);
/**
 * Nodes in the order of their ids.
 * @param after NULL: from the first @param filter part of a name, or the beginning of an id's text; NULL or "": all @return how many
 */
size_t vx6_registry_page_nodes(const struct vx6_registry *r, const struct vx6_node_id *after,
			       const char *filter, uint64_t now_s, struct vx6_known_node *out,
			       size_t max);
/**
 * Valid service records in the order of node id, then name.
 * @param after_name with @p after: the last one of the page before @param filter part of the service's name @return how many
 */
size_t vx6_registry_page_services(const struct vx6_registry *r, const struct vx6_node_id *after,
				  const char *after_name, const char *filter, uint64_t now_s,
				  struct vx6_service_record *out, size_t max);

struct vx6_registry_info {
	size_t nodes;              /* subjects */
	size_t records;            /* entries with bytes */
	size_t marks;              /* entries without */
	size_t bytes;              /* of signed records */
	size_t met;                /* nodes there was a session with */
	uint64_t evicted, refused; /* for want of room, since the start */
};
void vx6_registry_info(const struct vx6_registry *r, struct vx6_registry_info *out);

/* ---- ways into the network ---- */

/** A session with @p node is up. @param addr where, as far as it can be dialled; NULL: it came to us */
void vx6_registry_met(struct vx6_registry *r, const struct vx6_node_id *node,
		      const struct vx6_endpoint_addr *addr, uint64_t now_s);
/** A dial of @p node has failed. */
void vx6_registry_missed(struct vx6_registry *r, const struct vx6_node_id *node, uint64_t now_s);

struct vx6_candidate {
	struct vx6_node_id node;
	struct vx6_contact contact;
	uint64_t fresh_s;  /* the later of: last met, endpoint record issued */
	bool has_endpoint; /* a valid one: vx6_registry_endpoint() has more addresses */
};
enum { VX6_CANDIDATE_FAILURES = 3 };
/**
 * Nodes that could be dialled, not revoked: those met before, then those heard of, then those of both whose last VX6_CANDIDATE_FAILURES
 * dials failed; freshest first. @return how many were written
 */
size_t vx6_registry_candidates(const struct vx6_registry *r, uint64_t now_s,
			       struct vx6_candidate *out, size_t max);

#endif
