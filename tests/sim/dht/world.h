/**
 * @file world.h
 * Nodes that run the real DHT, bound to the virtual network: addresses, identities, clocks, verification with a memory.
 *
 * Shape:   a node is its host in sim_net, by number. Keys, addresses and all randomness follow from the seed.
 * Threads: one thread
 */
#ifndef SIM_DHT_WORLD_H
#define SIM_DHT_WORLD_H

#include "dht/dht.h"
#include "identity/identity.h"
#include "tests/sim/dht/ring.h"
#include "tests/sim/engine/addrs.h"
#include "tests/sim/engine/net.h"
#include "tests/sim/engine/rng.h"

enum { WORLD_PORT = 4242 };
#define WORLD_EPOCH_S UINT64_C(1800000000) /* the wall clock when virtual time begins */

enum role {
	ROLE_HONEST,
	ROLE_COLLUDER, /* names only its like, keeps nothing */
	ROLE_SLY, /* a colluder that gives a record back to who stored it, and to nobody else */
	ROLE_REPLAYER, /* keeps the first record it gets under a key */
	ROLE_FLOODER,  /* names nodes that do not exist */
	ROLE_HOLDER, /* honest, but under some keys it keeps nothing and has something of its own: world.says */
};

struct world;
struct liars;
struct door;

struct node {
	struct world *w;
	uint32_t number;
	enum role role;
	struct vx6_dht *dht; /* NULL: it is down, or needs none for its role */
	struct vx6_dht_contact contact;
	struct vx6_dht_key pos;
	uint32_t moves; /* how often its address has changed */
	struct sim_event wake;
	struct sim_rng rng;
	struct vx6_dht_contact *saved; /* what it knew when it went down */
	size_t saved_n;
};

struct verdict;
struct place;

struct world {
	uint64_t seed;
	double rtt_ms; /* of a link without jitter */
	struct vx6_net id;
	struct sim_queue *q;
	struct sim_net *net;
	struct sim_rng rng; /* of the scenario */
	struct sim_addrs addrs;
	struct node **nodes;
	uint32_t n, cap;
	struct liars *liars; /* what they share; NULL: none */
	struct door **doors; /* by number; NULL: closed */
	uint32_t doors_n, doors_cap;
	/* ROLE_HOLDER, under @p key. @return what it says that it holds: false: what it does hold; n 0: nothing */
	bool (*says)(void *user, const struct node *me, const uint8_t *key, const uint8_t **record,
		     size_t *n);
	void *says_user;
	struct verdict *verdicts; /* of records seen before, by their hash */
	struct place *places;     /* which node lives at an address */
	size_t places_n, places_cap;
	uint64_t verified;    /* signatures really checked */
	uint64_t time_ago_us; /* while tables are filled: what happened before */
};

struct world_config {
	uint64_t seed;
	double rtt_ms, jitter;
	uint32_t warm_max;
};

/** @return owned; world_free() */
struct world *world_new(const struct world_config *cfg);
void world_free(struct world *w);
/** A stream for @p what, which does not depend on what else was drawn. Used by scenarios at their start. */
void world_reseed(struct world *w, const char *what);

/** A new node at @p ip; it is down. Keys by number. */
struct node *world_add(struct world *w, const uint8_t ip[static 16]);
/** The same, its key drawn until its place in its prefix is @p place (0 to 7): what an attacker does. */
struct node *world_add_ground(struct world *w, const uint8_t ip[static 16], unsigned place);
/** The point of place @p place in the prefix of @p ip: its first 64 bits, of which 32 are bound. */
uint64_t world_place_at(const struct world *w, const uint8_t ip[static 16], unsigned place);
/** Its host goes up and its DHT begins, with nobody in it, serving. */
void node_start(struct node *n);
/** The same for a liar that needs no DHT. */
void node_start_bare(struct node *n);
/** Its host goes down at once; its table is saved. */
void node_stop(struct node *n);
/** Stops and starts in the same instant: no sessions, and the saved table as hearsay. */
void node_restart(struct node *n);
/** Starts with what it saved. */
void node_resume(struct node *n);
/** While it is down: another address. */
void node_move(struct node *n, const uint8_t ip[static 16]);
void node_set_role(struct node *n, enum role role);
/** The secret keys of a node; the same each time. */
void node_identity(const struct node *n, struct vx6_identity *out);

/** As vx6_dht_io.verify, with the memory of all. */
vx6_err world_verify(struct world *w, const uint8_t *record, size_t n, uint64_t wall_s,
		     struct vx6_record *out);
void world_run(struct world *w, uint64_t us);
void world_now(const struct world *w, struct vx6_dht_now *out);
/** The node that lives there under that id. @return NULL: nobody, or somebody else */
struct node *world_at(const struct world *w, const struct vx6_dht_contact *c);
/** A node that is up and honest, at random. */
struct node *world_pick(struct world *w, struct sim_rng *rng);
/** All nodes that exist, up or not. */
void world_ring(const struct world *w, struct ring *out);

/** Tables as a network has them that has run for long: each bucket holds a random choice of those that belong there. */
void world_fill(struct world *w);
/** Instead: nodes come one after the other, each knowing @p knows earlier ones; then @p settle_us for their upkeep. */
void world_join(struct world *w, unsigned knows, uint64_t settle_us);
/** Sessions with contacts of the table, up to what a host keeps. */
void world_warm(struct world *w);

#endif
