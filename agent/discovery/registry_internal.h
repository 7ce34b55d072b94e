/**
 * @file registry_internal.h
 * How the registry keeps its entries: pools of small fixed items, and each record's bytes once.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 *
 * A subject (`known`) has a chain of entries, one for each (type, slot). An entry holds either a record or what is left of one (`mark`).
 * Items are named by their number in the pool, 0 being none: half the size of a pointer, and 10,000 nodes are to fit in four megabytes.
 */
#ifndef VX6_DISCOVERY_REGISTRY_INTERNAL_H
#define VX6_DISCOVERY_REGISTRY_INTERNAL_H

#include "base/log.h"
#include "crypto/table.h"
#include "discovery/registry.h"
#include "discovery/registry_row.h"

enum {
	POOL_CHUNK = 256,
	ENTRY_CERT = 15,        /* entry.type of VX6_HWM_CERT: it has four bits */
	KEY_TYPE_CONTACT = 255, /* in keys of rows; sorts behind a subject's entries */
	INTRODUCERS_MAX = 1024,
	HEARD_CONTACTS_MAX = 4096, /* addresses kept of nodes never met */
	REMOVED_MAX = 4096,        /* keys that wait to be deleted on disk */
};

/* ---- pools (registry_pool.c) ---- */

/* Items never move. A free item's first four bytes are the number of the next free one. */
struct pool {
	size_t size; /* of an item; at least 4 */
	uint8_t **chunk;
	uint32_t top;  /* numbers in use or free; the first is 1 */
	uint32_t free; /* 0: none */
	uint32_t live;
};

/** @return the number of a zeroed item */
uint32_t pool_take(struct pool *p);
void pool_give(struct pool *p, uint32_t i);
void *pool_at(const struct pool *p, uint32_t i);
void pool_fini(struct pool *p);

/* Open addressing, linear probing; what a number stands for is hashed and compared by the user. */
struct index {
	uint32_t *slot; /* 0: empty */
	uint32_t mask;
	uint32_t n;
	uint32_t (*hash)(const struct vx6_registry *r, uint32_t i);
};

void index_add(struct vx6_registry *r, struct index *x, uint32_t i);
void index_remove(struct vx6_registry *r, struct index *x, uint32_t i);
/** First slot to look at for @p hash; go on with index_next() until it gives 0. */
uint32_t index_first(const struct index *x, uint32_t hash, uint32_t *at);
uint32_t index_next(const struct index *x, uint32_t *at);

/* ---- what is kept ---- */

struct mark {
	uint8_t subject[VX6_NODE_ID_BYTES];
	struct vx6_hash hash;
	uint64_t slot, seq, expires_s;
	uint32_t cert_seq;
};

struct entry {
	union {
		uint8_t *record;   /* owned; n bytes, n > 0 */
		struct mark *mark; /* owned; n == 0 */
	};
	uint32_t sibling;      /* the subject's next entry */
	uint32_t older, newer; /* records only: the list in order of change */
	uint32_t change;       /* its index, without the upper half */
	uint32_t tag;          /* vx6_hwm_tag() of its key, without the upper half */
	uint32_t n : 14, type : 4, source : 3;
	uint32_t dirty : 1;  /* differs from the disk */
	uint32_t stored : 1; /* there is a row of it */
	uint32_t name : 9;   /* hash of the name that it is about */
};

struct known {
	uint32_t first;      /* entry; there is at least one */
	uint32_t contact;    /* 0: none */
	uint32_t cert_seq;   /* the highest seen */
	uint16_t introducer; /* 0: we have met it, or it is from before the restart */
	uint16_t entries;
};

struct contact {
	uint32_t met_s, tried_s, successes, failures;
	uint8_t ip[16];
	uint32_t scope;
	uint16_t port;
	uint8_t via; /* 0: no address */
	bool dirty, stored;
};

struct introducer {
	struct vx6_node_id id;
	uint32_t n; /* subjects that it brought and that we have not met */
	uint16_t number;
	UT_hash_handle hh;
};

struct vx6_registry {
	const struct vx6_net *net;
	const struct vx6_registry_events *ev;
	void *user;
	uint64_t now_s; /* the latest that anybody told */
	struct pool entries, nodes, contacts;
	struct index by_tag, by_subject;
	uint32_t newest; /* entry */
	uint64_t changes;
	size_t marks, bytes, met;
	uint64_t evicted, refused;
	uint32_t swept; /* the entry that vx6_registry_tick() comes to next */
	/* introducers by id, and by number */
	struct introducer *introducers;
	struct introducer *introducer[INTRODUCERS_MAX + 1];
	uint32_t introducers_n;
	/* the record that is being admitted */
	const struct vx6_source *from;
	bool new_node, moved;
	/* what the disk does not know yet */
	size_t dirty_n;       /* entries */
	uint32_t dirty_first; /* none before this one */
	bool contacts_dirty;
	uint8_t (*removed)[VX6_ROW_KEY];
	size_t removed_n, removed_cap;
	void (*on_dirty)(void *user, bool soon);
	void *on_dirty_user;
};

/* ---- registry_table.c ---- */

static inline struct entry *entry_at(const struct vx6_registry *r, uint32_t i)
{
	return pool_at(&r->entries, i);
}
static inline struct known *known_at(const struct vx6_registry *r, uint32_t i)
{
	return pool_at(&r->nodes, i);
}
static inline struct contact *contact_at(const struct vx6_registry *r, uint32_t i)
{
	return pool_at(&r->contacts, i);
}

/** Header fields of a record, or what the mark kept of them. */
struct entry_facts {
	uint64_t slot, seq, issued_s, expires_s;
	uint8_t flags;
};
void entry_facts(const struct entry *e, struct entry_facts *out);
uint64_t entry_expires_s(const struct entry *e);
const uint8_t *entry_subject(const struct entry *e);
void entry_key(const struct entry *e, struct vx6_hwm_key *out);
/** A record that has not expired. */
bool entry_is_valid(const struct entry *e, uint64_t now_s);
/** Reads the framing again. It was sound when it was admitted. */
bool entry_parse(const struct entry *e, struct vx6_record *out);
/** The name that @p rec is about; "" when there is none. */
void record_label(const struct vx6_record *rec, char out[static VX6_LABEL_TEXT]);
uint32_t name_hash(const char *name);
uint64_t entry_change(const struct vx6_registry *r, const struct entry *e);
void entry_describe(const struct vx6_registry *r, const struct entry *e,
		    struct vx6_known_record *out);

/** @return 0: none */
uint32_t known_find(const struct vx6_registry *r, const struct vx6_node_id *id);
void known_id(const struct vx6_registry *r, const struct known *k, struct vx6_node_id *out);
/** @param node 0: nothing is found */
uint32_t entry_find(const struct vx6_registry *r, uint32_t node, const struct vx6_hwm_key *key);
/** The entry of a type that has one a subject. */
uint32_t entry_of_type(const struct vx6_registry *r, uint32_t node, uint64_t type);

/** It was revoked altogether, not only older subkeys of it. */
bool known_is_void(const struct vx6_registry *r, const struct known *k);

/** Adds an empty mark of @p key to @p node (0: the node is made). No limits are looked at. @return its number */
uint32_t entry_make(struct vx6_registry *r, uint32_t node, const struct vx6_hwm_key *key);
/** Removes the entry, and the node with its last one. */
void entry_drop(struct vx6_registry *r, uint32_t node, uint32_t i);
void known_drop(struct vx6_registry *r, uint32_t node);
/** Fills in a record: copies it and makes it the latest change. */
void entry_set_record(struct vx6_registry *r, uint32_t i, const struct vx6_record *rec,
		      enum vx6_source_kind source);
void entry_set_mark(struct vx6_registry *r, uint32_t i, const struct vx6_hwm *mark,
		    uint32_t cert_seq);
/** Keeps of the record only its mark. */
void entry_fade(struct vx6_registry *r, uint32_t i);

/* ---- registry_query.c ---- */

/** A valid claim to @p name: a name claim, or an endpoint record with it. @param hash name_hash() */
bool entry_is_about(const struct entry *e, uint32_t hash, const char *name, uint64_t now_s);

/* ---- registry_room.c ---- */

/** Makes room for a subject or an entry that @p from brings. @param node 0: the subject is new @return false: everything there counts more */
bool room_for(struct vx6_registry *r, uint32_t node, const struct vx6_node_id *subject,
	      const struct vx6_source *from);
void introduced(struct vx6_registry *r, uint32_t node, const struct vx6_source *from);
void introduced_no_more(struct vx6_registry *r, uint32_t node);
bool is_configured(const struct vx6_registry *r, const struct vx6_node_id *node);

/* ---- registry_contact.c ---- */

/** @return the node's contact, made when there was none */
struct contact *contact_make(struct vx6_registry *r, uint32_t node);
void contact_drop(struct vx6_registry *r, uint32_t node);
/** Keeps an address of an endpoint record that is about to fade, of a node never met. */
void contact_from_record(struct vx6_registry *r, uint32_t node, const struct entry *e);
void contact_show(const struct contact *c, struct vx6_contact *out);

/* ---- registry_row.c ---- */

void dirty_entry(struct vx6_registry *r, uint32_t i, bool soon);
void dirty_contact(struct vx6_registry *r, struct contact *c);
/** A row is to go. @param type as in entry.type, or ROW_CONTACT */
void dirty_removed(struct vx6_registry *r, uint8_t type, const uint8_t *subject, uint64_t slot);

#endif
