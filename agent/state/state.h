/**
 * @file state.h
 * The database of an agent: what must survive. Opens, migrates, loads all at the start; afterwards one queue of writes and one of reads.
 *
 * Spec:    schemas/sql/
 * Layer:   state
 * Shape:   DIR/state.db (SQLite, WAL), DIR/state.lock held by flock() for as long as the database is open
 * Writes:  first in, first out, by one worker at a time. Those that wait together share a transaction (one fsync); each keeps its own
 *          savepoint, so one that fails does not fail its neighbours. A write of configuration is on disk (synchronous=FULL) before it
 *          is answered; one that holds only events survives a kill, but perhaps not a power cut.
 * Safety:  a database that is damaged, of another program or of a newer version is refused and never written to. An older one is
 *          copied to DIR/state.db.before-<N> before it is brought to schema N; the last two such copies are kept.
 * Threads: the loop's thread; open, load and close block and belong before and after the loop's run
 */
#ifndef VX6_STATE_STATE_H
#define VX6_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "circuit/relaying.h"
#include "discovery/names.h"
#include "discovery/peer_spec.h"
#include "identity/node_id.h"
#include "loop/loop.h"
#include "record/admit.h"
#include "service/spec.h"
#include "state/access.h"
#include "state/resource.h"

enum {
	VX6_STATE_DETAIL_MAX = 256,
	VX6_STATE_KEY_MAX = 64, /* of a key-value pair, NUL included */
	VX6_STATE_VALUE_MAX = 65536,
	VX6_STATE_QUEUE_MAX = 8192, /* writes that wait */
	VX6_STATE_READS_MAX = 64,   /* event reads that wait */
	VX6_STATE_EVENTS_KEEP = 10000,
	VX6_STATE_READ_LIMIT = 1000,
};

struct vx6_state;

struct vx6_state_config {
	const char *dir;       /* exists; borrowed for the call */
	struct vx6_loop *loop; /* borrowed for the state's life */
	uint32_t events_keep;  /* rows; 0: VX6_STATE_EVENTS_KEEP */
};

/**
 * Locks, checks, migrates.
 * @param detail for people: what is wrong and with which file; written on failure
 * @return VX6_OK | LOCKED | CORRUPT | TOO_NEW | DISK_FULL | PERMISSION | IO
 */
VX6_RES vx6_state_open(const struct vx6_state_config *cfg, struct vx6_state **out,
		       char detail[static VX6_STATE_DETAIL_MAX]);
/** Waits for what is queued to be on disk; no callback is called any more. Accepts NULL. */
void vx6_state_close(struct vx6_state *st);

/**
 * A copy of the database in @p dir as it is now, while it is in use. Blocks: for a worker.
 * @param max bytes; a larger one is refused @param out owned, free(); secret @param schema of it
 * @return VX6_OK | LIMIT | as vx6_state_open()
 */
VX6_RES vx6_state_copy(const char *dir, size_t max, uint8_t **out, size_t *n, uint16_t *schema,
		       char detail[static VX6_STATE_DETAIL_MAX]);
/** Whether these bytes are a sound database that this program can take on. Blocks. @return VX6_OK | CORRUPT | TOO_NEW | MEMORY */
VX6_RES vx6_state_check_copy(const uint8_t *p, size_t n, char detail[static VX6_STATE_DETAIL_MAX]);

/* ---- all there is, once, at the start ---- */

struct vx6_stored_node {
	bool exists; /* false: a new state directory */
	char name[VX6_LABEL_MAX + 1];
	uint64_t generation, created_ms, updated_ms;
	struct vx6_relaying_budget relay;
};
struct vx6_stored_service {
	struct vx6_meta meta;
	struct vx6_service_spec spec;
};
struct vx6_stored_forward {
	struct vx6_meta meta;
	struct vx6_forward_spec spec;
};
struct vx6_stored_peer {
	struct vx6_meta meta;
	struct vx6_peer_spec spec;
};
struct vx6_stored_token {
	struct vx6_meta meta;
	struct vx6_token_spec spec;
};
struct vx6_stored_value {
	char key[VX6_STATE_KEY_MAX];
	uint8_t *value; /* owned */
	size_t n;
};

/** A record that must never be forgotten: a revocation; or what a version before the registry's own file kept here. */
struct vx6_stored_mark {
	struct vx6_hwm_key key;
	struct vx6_hwm mark; /* borrows `record` */
	uint8_t *record;     /* owned; NULL: the bytes were not kept */
};

/** The receiver may take single items out (zeroing them) before it frees the rest. */
struct vx6_state_image {
	struct vx6_stored_node node;
	struct vx6_stored_service *services;
	size_t services_n; /* sorted by id, like the three below */
	struct vx6_stored_forward *forwards;
	size_t forwards_n;
	struct vx6_stored_peer *peers;
	size_t peers_n;
	struct vx6_stored_token *tokens;
	size_t tokens_n;
	struct vx6_name_binding *names;
	size_t names_n; /* petnames first; sorted by name */
	struct vx6_stored_value *values;
	size_t values_n; /* sorted by key */
	struct vx6_stored_mark *marks;
	size_t marks_n;    /* revocations first */
	uint64_t last_seq; /* of the newest event; 0: none yet */
};
/** Blocks. @return VX6_OK | CORRUPT | IO; @p out is to be freed on success */
VX6_RES vx6_state_load(struct vx6_state *st, struct vx6_state_image *out);
void vx6_state_image_fini(struct vx6_state_image *img);
/** @return borrowed; NULL: no such key */
const struct vx6_stored_value *vx6_state_image_value(const struct vx6_state_image *img,
						     const char *key);
/** A value that vx6_write_put_u64() stored; @p otherwise when there is none. */
uint64_t vx6_state_image_u64(const struct vx6_state_image *img, const char *key,
			     uint64_t otherwise);

/* ---- writes ---- */

/** One atomic change: everything put into it becomes durable together or not at all. Copies what it is given. */
struct vx6_write;

/** @return owned; vx6_state_submit() takes it, vx6_write_free() frees one that was not submitted */
struct vx6_write *vx6_write_new(void);
void vx6_write_free(struct vx6_write *w);

void vx6_write_put_node(struct vx6_write *w, const struct vx6_stored_node *node);
/* Creates or replaces the row of meta->id. */
void vx6_write_put_service(struct vx6_write *w, const struct vx6_meta *meta,
			   const struct vx6_service_spec *spec);
void vx6_write_put_forward(struct vx6_write *w, const struct vx6_meta *meta,
			   const struct vx6_forward_spec *spec);
void vx6_write_put_peer(struct vx6_write *w, const struct vx6_meta *meta,
			const struct vx6_peer_spec *spec);
void vx6_write_put_token(struct vx6_write *w, const struct vx6_meta *meta,
			 const struct vx6_token_spec *spec);
/** A missing row is no error. */
void vx6_write_delete(struct vx6_write *w, enum vx6_resource_kind kind, const char *id);
/** @param key at most VX6_STATE_KEY_MAX with its NUL @param n at most VX6_STATE_VALUE_MAX */
void vx6_write_put_value(struct vx6_write *w, const char *key, const void *value, size_t n);
void vx6_write_put_u64(struct vx6_write *w, const char *key, uint64_t value);
/** A missing row is no error. */
void vx6_write_delete_value(struct vx6_write *w, const char *key);
void vx6_write_put_name(struct vx6_write *w, const struct vx6_name_binding *b);
/** A missing row is no error. */
void vx6_write_delete_name(struct vx6_write *w, enum vx6_binding_kind kind, const char *name);
/** A revocation: @p record as it was admitted. Replaces the one of that subject. */
void vx6_write_put_revocation(struct vx6_write *w, const struct vx6_hwm_key *key,
			      const uint8_t *record, size_t n);
/** Deletes the marks that are no revocations: the registry's own file has them now. */
void vx6_write_drop_old_marks(struct vx6_write *w);
/** Appends an event row; its seq is assigned in the transaction (ev->seq is ignored). */
void vx6_write_event(struct vx6_write *w, const struct vx6_event *ev);

/** Appends a row of the audit, with the hash that ties it to the one before. On disk before it is answered, as configuration is. */
void vx6_write_audit(struct vx6_write *w, const struct vx6_audit_entry *entry);

struct vx6_write_result {
	vx6_err err;        /* OK | EXISTS (a name is taken) | DISK_FULL | IO | CORRUPT */
	uint64_t first_seq; /* of this write's events, consecutive; 0: it had none */
	uint64_t last_seq;
};
/**
 * Queues @p w; takes it in every case.
 * @param done optional; on the loop, in the order of submission, never inside this call, also when it failed; not after vx6_state_close()
 * @return VX6_OK | FULL: too much is queued, and `done` will not be called
 */
VX6_RES vx6_state_submit(struct vx6_state *st, struct vx6_write *w,
			 void (*done)(void *user, const struct vx6_write_result *r), void *user);
/** Writes that are not on disk yet. */
size_t vx6_state_pending(const struct vx6_state *st);

/* ---- events ---- */

/**
 * Reads events with a larger seq than @p since, oldest first.
 * @param done on the loop, once. @p events: n of them, owned by the receiver (vx6_events_free()); @p oldest: smallest seq still kept, 0: none
 * @return VX6_OK | FULL
 */
VX6_RES vx6_state_read_events(struct vx6_state *st, uint64_t since, uint32_t limit,
			      void (*done)(void *user, vx6_err err, struct vx6_event *events,
					   size_t n, uint64_t oldest),
			      void *user);

/* ---- audit ---- */

/**
 * @param done on the loop, once. @p page: the receiver's (vx6_audit_page_free()); NULL on errors
 * @return VX6_OK | FULL
 */
VX6_RES vx6_state_read_audit(struct vx6_state *st, const struct vx6_audit_ask *ask,
			     void (*done)(void *user, vx6_err err, struct vx6_audit_page *page),
			     void *user);

#endif
