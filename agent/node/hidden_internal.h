/**
 * @file hidden_internal.h
 * The node's hidden services: those that it hosts, those that it visits, and their files; shared by the hidden_*.c.
 *
 * Layer:   node
 * Threads: the loop's thread; files are written by workers, with copies
 *
 *   hidden.c        the parts: made, connected with circuits and the DHT, stopped
 *   hidden_file.c   one file: written again for as long as it changes, and who waits for that
 *   hidden_host.c   services that are hosted: from their row and their file to the host, and what the host wants done
 *   hidden_claim.c  their claims to their aliases, where those are wanted
 *   hidden_find.c   who claims an alias
 *   hidden_visit.c  services that are visited: aliases, keys to show, descriptors to fetch
 *   hidden_read.c   rows for the API        hidden_ops.c  changes by the API
 */
#ifndef VX6_NODE_HIDDEN_INTERNAL_H
#define VX6_NODE_HIDDEN_INTERNAL_H

#include "discovery/hs_alias.h"
#include "discovery/hs_dht.h"
#include "hidden/files.h"
#include "hidden/guests.h"
#include "hidden/host.h"
#include "node/facade_hidden.h"
#include "node/node_internal.h"

enum { HIDDEN_VISITS_MAX = 1024 };

/** Who waits for a file: answered when it is written, or undone when it could not be. */
struct hidden_wait {
	struct vx6_list node;
	struct request *rq;
	struct vx6_answer answer;            /* owned */
	void (*undo)(struct hidden_wait *w); /* NULL: what is in force stays */
	struct vx6_node *owner;
	char id[VX6_RESOURCE_ID_MAX]; /* for `undo`: of what was made */
};

/** A file on its way. The newest state is what counts: changes that come meanwhile go with the next write. */
struct hidden_file {
	struct vx6_node *node;
	struct vx6_list waiting; /* struct hidden_wait, for the next write */
	struct hidden_job *job;  /* NULL: none is under way */
	bool again, remove;
	/* What is copied for the worker: one of the two. */
	const struct vx6_hidden_hosted *hosted;
	const struct vx6_hidden_visit *visit;
	/** Optional: it is on the disk, or could not be put there; what was done in vain is done again with the next change. Last of all: may free it */
	void (*written)(struct hidden_file *f, vx6_err err);
};

struct hidden_claim;

struct hidden_service {
	struct vx6_list node; /* hidden.services */
	struct vx6_node *owner;
	char name[VX6_LABEL_TEXT];
	bool enabled;
	uint64_t scope; /* 0: not hosted */
	struct vx6_host_spec spec;
	struct vx6_hidden_hosted data;
	struct hidden_file file;
	vx6_err err; /* what keeps it from being hosted */
	struct vx6_hs_publisher *publisher;
	/* a descriptor waits until its number is on the disk */
	struct {
		uint8_t bytes[VX6_HS_DESC_BYTES];
		size_t n;
	} due[VX6_HS_PUBLISH_PERIODS];
	size_t due_n;
	bool unwritten; /* the last write of the file failed */
	struct vx6_hs_fetch *seq_fetch;
	uint64_t seq_period;
	struct vx6_circuits_wait *dial;
	bool publish_alias;
	struct hidden_claim *claim; /* NULL: none is wanted, or can be made */
	bool leaving;               /* its row is gone, and its file is about to be */
};

struct hidden_visit {
	struct vx6_list node; /* hidden.visits */
	struct vx6_hidden_visit data;
	struct hidden_file file;
};

struct hidden {
	struct vx6_node *node;
	char dir[VX6_HIDDEN_PATH];
	struct vx6_host *host;
	struct vx6_guests *guests;
	struct vx6_hs_dht *dht; /* NULL: there is no DHT */
	struct vx6_list services, claims, visits, fetches, finds;
	size_t visits_n, finds_n;
	char (*keys)[VX6_HIDDEN_ID]; /* of services for which a key was made in an earlier life */
	size_t keys_n;
	uint32_t next_apart;
};

/* ---- hidden.c ---- */

/** Makes the parts; circuits and the DHT are there, and the rows of services are put in force later. */
void hidden_start(struct vx6_node *node, const struct vx6_state_image *img);
void hidden_drain(struct vx6_node *node);
/** Before the circuits are freed. */
void hidden_stop(struct vx6_node *node);
/** Own addresses changed, or relays became known. */
void hidden_moved(struct vx6_node *node);
/* Hooks of the circuit manager; @p user is the node. */
void hidden_rendezvous(void *user, uint64_t leg, const struct vx6_node_id *service,
		       struct vx6_circuit *circuit, const struct vx6_node_id *x);
void hidden_rendezvous_begins(void *user, uint64_t leg, const struct vx6_node_id *service,
			      const struct vx6_node_id *x);
void hidden_rendezvous_gone(void *user, uint64_t leg);
void hidden_rendezvous_said(void *user, uint64_t leg, uint8_t type, const uint8_t *data, size_t n);
/** An event about @p service. @param text may be NULL */
void hidden_tell(struct vx6_node *node, const char *type, const char *kind, const char *id,
		 const char *alias, const char *text);

/* ---- hidden_file.c ---- */

void hidden_file_init(struct hidden_file *f, struct vx6_node *node);
/** What it is about has changed. @param w taken, may be NULL: who waits for it */
void hidden_file_save(struct hidden_file *f, struct hidden_wait *w);
/** It is to go. @param w as above */
void hidden_file_remove(struct hidden_file *f, struct hidden_wait *w);
/** Nothing of @p f is used any more; what has not been written yet is, here and now. */
void hidden_file_fini(struct hidden_file *f);
/** @param answer taken */
struct hidden_wait *hidden_wait_new(struct request *rq, struct vx6_answer *answer);

/* ---- hidden_host.c ---- */

/** Values in the database that begin so say that a service has a key: the rest is its id, the value the public key. */
#define HIDDEN_KEY_PREFIX "hidden."

struct vx6_host *hidden_host_make(struct vx6_node *node);
struct hidden_service *hidden_service_find(const struct vx6_node *node, const char *id);
struct hidden_service *hidden_service_of_scope(const struct vx6_node *node, uint64_t scope);
/** A row with a hidden service is in force, or another one is than before. */
void hidden_service_put(struct vx6_node *node, const struct row *row);
/** The row is gone. */
void hidden_service_drop(struct vx6_node *node, const char *id);
/** At the end of the node. */
void hidden_service_free(struct hidden_service *s);
/** Another key in the place of the present one. */
void hidden_service_rekey(struct hidden_service *s);
/** Relays that are known and could be of use. */
size_t hidden_relays(const struct vx6_node *node);
/** Takes over what the host says of the clients. */
void hidden_service_sync(struct hidden_service *s);

/* ---- hidden_claim.c ---- */

/** What the service is, or is to be, has changed: its claim is made, or taken back. */
void hidden_claim_see(struct hidden_service *s);
void hidden_claim_show(const struct hidden_service *s, struct vx6_hidden_claim_row *out);
/** At the end of the node: nothing is taken back. */
void hidden_claims_stop(struct vx6_node *node);

/* ---- hidden_find.c ---- */

void hidden_find_alias(struct request *rq);
void hidden_finds_stop(struct vx6_node *node);

/* ---- hidden_visit.c ---- */

struct vx6_guests *hidden_guests_make(struct vx6_node *node);
void hidden_visits_load(struct vx6_node *node);
struct hidden_visit *hidden_visit_find(const struct vx6_node *node, const char *alias);
/** One of that alias is forgotten, but its file is still there. */
bool hidden_visit_is_leaving(const struct vx6_node *node, const char *alias);
struct hidden_visit *hidden_visit_of(const struct vx6_node *node,
				     const struct vx6_node_id *service);
/** @return NULL: too many */
struct hidden_visit *hidden_visit_add(struct vx6_node *node, const struct vx6_hidden_visit *data);
void hidden_visit_free(struct hidden_visit *v);
/** Ends every fetch. */
void hidden_fetches_stop(struct vx6_node *node);
/** What it is called here; may become empty. @return @p out */
const char *hidden_name(const struct vx6_node *node, const struct vx6_node_id *service,
			char out[static VX6_LABEL_TEXT]);
/** "ghost", "vxh1…". @return false: none of those that may be visited */
bool hidden_find(const struct vx6_node *node, const char *text, struct vx6_node_id *out);
/** As reach wants it; @p user is the node. */
bool hidden_alias(void *user, const char *alias, struct vx6_hidden_alias *out);

/* ---- hidden_read.c, hidden_ops.c ---- */

void hidden_read(struct request *rq);
/** The hidden service of this resource. @return owned; NULL: it is none */
struct vx6_hidden_row *hidden_row(const struct vx6_node *node, const char *id);
/** Pages of one row. */
struct vx6_page *hidden_client_page(struct hidden_service *s, const struct vx6_host_client *c);
struct vx6_page *hidden_alias_page(struct vx6_node *node, const struct hidden_visit *v);
void hidden_change(struct request *rq);

#endif
