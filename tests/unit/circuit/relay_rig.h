/* Relays over the in-memory transport, a client that builds circuits through them by hand, and a node that does with cells what a test wants. */
#ifndef VX6_TESTS_CIRCUIT_RELAY_RIG_H
#define VX6_TESTS_CIRCUIT_RELAY_RIG_H

#include "circuit/relay.h"
#include "crypto/cgo.h"
#include "tests/unit/session/fixture.h"

enum { KNOWN_MAX = 8, LAYERS_MAX = 4, GOT_MAX = 64 };

struct relay_node {
	struct test_node n; /* first: hooks are given it */
	struct vx6_hop_sched *sched;
	struct vx6_onion_keys *keys;
	struct vx6_relay *relay;
	struct vx6_endpoint known[KNOWN_MAX];
	int known_n, checked, ends;
	vx6_err check_err;
	bool refuse_ends, is_peer;
	struct vx6_session *end_session;  /* adopted last */
	uint8_t record[VX6_ENDPOINT_MAX]; /* its own endpoint record */
	size_t record_n;
};

/** As test_run(), with patience: thousands of cells take their time on a machine that is busy. */
void patient_run(bool (*done)(void *arg), void *arg);

/** @param at where it listens, and says so in its record */
void relay_start(struct relay_node *r, const char *at, const struct vx6_relaying_budget *budget);
/** The same with other times than the real ones. */
void relay_start_with(struct relay_node *r, const char *at, const struct vx6_relay_config *cfg);
void relay_stop(struct relay_node *r);
/** @p r knows the endpoint record of @p of. */
void relay_knows(struct relay_node *r, const struct relay_node *of);
struct vx6_relay_stats relay_stats(const struct relay_node *r);

struct got {
	int from; /* which hop, 0 the first */
	uint8_t type;
	size_t n;
	uint8_t data[VX6_PAYLOAD_MAX];
};

struct client {
	struct vx6_hop_sched *sched;
	struct vx6_opening *opening;
	struct vx6_hop *hop;
	struct vx6_cgo forward[LAYERS_MAX], back[LAYERS_MAX]; /* layers, the nearest hop's first */
	uint8_t binding[VX6_CB_BYTES];                        /* with the last hop */
	int layers_n;
	struct got got[GOT_MAX];
	int got_n;
	uint64_t cells; /* RELAY cells that came */
	bool created, stopped, garbled;
	uint8_t created_hs[VX6_CREATED_HS_MAX];
	size_t created_n;
	int closed;
	vx6_err why;
	uint32_t code;
};

struct handshake; /* a client's half */
/** @param cm message; may be NULL with @p n 0 @param create borrows the handshake */
struct handshake *handshake_begin(const struct relay_node *to, const uint8_t *cm, size_t n,
				  struct vx6_create *create);
void handshake_free(struct handshake *h);
/** Adds the layer, frees @p h. @return bytes of its message; -1: the answer does not prove the key */
int client_layer(struct client *c, struct handshake *h, const struct vx6_created *created,
		 uint8_t sm[static VX6_SM_MAX]);

void client_init(struct client *c);
void client_free(struct client *c);
/** Opens the stream over @p s; nothing is sent on it. */
void client_open(struct client *c, struct vx6_session *s);
/** Sends a raw cell. */
void client_cell(struct client *c, const uint8_t cell[static VX6_CELL_BYTES]);
/** Opens, and makes @p to the first hop. */
void client_create(struct client *c, struct vx6_session *s, const struct relay_node *to);
/** A payload for hop @p to, byte for byte. */
void client_payload(struct client *c, int to, const uint8_t payload[static VX6_CELL_PAYLOAD]);
/** A message for it. */
void client_send(struct client *c, int to, enum vx6_payload_type type, const void *data, size_t n);
/** Asks the last hop to extend to @p to. @param record NULL: none @return the handshake */
struct handshake *client_extend_ask(struct client *c, const struct relay_node *to,
				    const uint8_t *record, size_t record_n);
/** The same, and waits: @return 0 and a layer more, or the code it was refused with; the circuit's code if it ended */
uint32_t client_extend(struct client *c, const struct relay_node *to);
uint32_t client_extend_with(struct client *c, const struct relay_node *to, const uint8_t *record,
			    size_t record_n);
/** Waits for the next payload that came. */
struct got *client_wait(struct client *c, int index);
/** Whether hop @p to answers a ping. */
bool client_ping(struct client *c, int to);
/** Waits for the end. @return its code */
uint32_t client_wait_closed(struct client *c);

#endif
