/* A host on virtual time, over circuits that the test plays: relays, introduction points, clients. */
#ifndef VX6_TESTS_HIDDEN_HOST_RIG_H
#define VX6_TESTS_HIDDEN_HOST_RIG_H

#include "crypto/hs_ntor.h"
#include "crypto/kx.h"
#include "hidden/host_internal.h"

enum {
	RIG_BARES = 4096,
	RIG_RELAYS = 40,
	RIG_SCOPE = 7,
	RIG_EVENTS = 512,
};

struct vx6_session {
	struct vx6_bare *bare;
	struct vx6_adopt how;
	bool alive;
	size_t streams;
	vx6_err hung_up;
};

/* A circuit. */
struct vx6_bare {
	bool alive, open, joined;
	struct vx6_bare_want want;
	const struct vx6_bare_events *ev;
	void *user;
	struct vx6_node_id last;
	struct vx6_node_id guard;
	char id[VX6_CIRCUIT_ID_TEXT];
	uint8_t binding[VX6_CB_BYTES];
	int said_n;
	uint8_t type; /* of the last one */
	uint8_t data[VX6_HS_INTRODUCE];
	size_t n;
	int confirmed_n;
	uint8_t keys[VX6_CIRCUIT_JOIN_KEYS], kh[VX6_CB_BYTES];
	struct vx6_session session;
};

struct rig_event {
	enum vx6_host_news what;
	char text[VX6_HOST_DETAIL];
};

struct rig {
	struct vx6_host *host;
	struct vx6_host_spec spec;
	struct vx6_sign_keypair service;
	struct vx6_node_id relay[RIG_RELAYS];
	size_t relays_n;       /* that are known */
	size_t next;           /* that is drawn */
	bool guards_die;       /* what falls falls with its first relay */
	size_t drawn_n;        /* of so many; 0: of all */
	bool dead[RIG_RELAYS]; /* introduction points that do not answer */
	struct vx6_bare *bare; /* RIG_BARES, in the order in which they were begun */
	size_t bares_n;
	vx6_err begin_err;    /* of what is not OK: all begins fail with it */
	uint64_t wall_base_s; /* at the beginning */
	uint64_t began_ms;
	/* what was published last */
	struct vx6_host_record rec[2];
	uint8_t rec_bytes[2][VX6_HS_DESC_BYTES];
	size_t recs_n;
	int published_n;
	uint64_t published_ms[64]; /* of the loop */
	struct vx6_hs_desc desc;   /* the first one, as a client reads it */
	/* hooks */
	bool answers_seq;
	int seq_asked;
	uint64_t network_seq;
	int dialled, dial_key;
	bool manual_dial, dials;
	vx6_err dial_err;
	int changed_n, stored_seq_n;
	struct vx6_host_seq stored[VX6_HOST_SEQS];
	struct vx6_host_client last_client;
	bool last_removed;
	struct rig_event event[RIG_EVENTS];
	int events_n;
	int sessions_up, sessions_down;
};

extern struct rig rig;

/** With a service of RIG_SCOPE; @p spec fields that are set beforehand in rig.spec count. */
int rig_setup(void **state);
int rig_teardown(void **state);
/** Another process with the same service. */
void rig_restart(void);
/** All circuits that are being built open, and introduction points answer, until nothing more happens. */
void rig_settle(void);
void rig_pass(uint64_t ms);
/** Passes time in steps, with circuits that open. */
void rig_live(uint64_t ms);
uint64_t rig_wall_s(void);
/** From there on the wall clock says so. */
void rig_set_wall(uint64_t wall_s);
const struct vx6_host_info *rig_info(void);
int rig_events(enum vx6_host_news what);
const char *rig_last(enum vx6_host_news what);

/* ---- circuits ---- */

/** That is alive, of the introduction point with @p auth_key, with the handle of place @p way. */
struct vx6_bare *rig_way(const uint8_t *auth_key, int way);
void rig_kill(struct vx6_bare *b, vx6_err why);
void rig_open(struct vx6_bare *b);
/** Alive ones of the purpose. */
size_t rig_count(enum vx6_circuit_purpose purpose);
/** The latest alive one of the purpose. */
struct vx6_bare *rig_latest(enum vx6_circuit_purpose purpose);
void rig_session_up(struct vx6_bare *b);
void rig_session_down(struct vx6_bare *b);

/* ---- clients ---- */

struct guest {
	/* what it does differently; zero: nothing */
	const uint8_t *key;    /* X25519 secret it shows */
	const uint8_t *invite; /* or that it enrols with, for `key` */
	const uint8_t *pow;
	uint64_t period; /* of names; 0: the descriptor's */
	uint32_t epoch;  /* in the INTRODUCE; 0: as above */
	const uint8_t *enc_key;
	bool spoilt; /* a byte of the MAC of the client */
	unsigned rends_n;
	bool scattered; /* each rendezvous is another node */
	/* what came of it */
	struct vx6_hs_ntor *h;
	struct vx6_introduce what;
	uint8_t message[VX6_INTRODUCE2_BYTES];
	const struct vx6_hs_intro *intro;
};

/** Reads what was published. @param key of a client; NULL: none */
vx6_err rig_read(const uint8_t *key);
/** Makes its INTRODUCE2 for the introduction point of place @p n of the descriptor. */
void guest_make(struct guest *g, size_t n, uint32_t serial);
/** It comes over that way. */
void guest_come(const struct guest *g, int way);
/** Both. @return why it was refused */
enum vx6_host_refusal guest_try(struct guest *g, size_t n);
void guest_free(struct guest *g);
/** Checks that what the host said at @p b is its answer to @p g, and that both have the same keys. */
void guest_met(struct guest *g, struct vx6_bare *b);
/** A proof of @p effort for what was published. */
void rig_prove(uint32_t effort, uint8_t out[static VX6_PUZZLE_BYTES]);

#endif
