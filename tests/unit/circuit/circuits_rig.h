/* A node with circuits, relays for them, and the last of these as the target; sessions in memory, time virtual. */
#ifndef VX6_TESTS_UNIT_CIRCUIT_CIRCUITS_RIG_H
#define VX6_TESTS_UNIT_CIRCUIT_CIRCUITS_RIG_H

#include "circuit/circuits.h"
#include "relay_rig.h"

#ifndef RIG_RELAYS_N
#define RIG_RELAYS_N 7
#endif

enum { RIG_RELAYS = RIG_RELAYS_N, RIG_END = RIG_RELAYS, RIG_NODES, RIG_ASKS = 32 };

struct rig {
	struct test_node me;
	struct relay_node node[RIG_NODES]; /* relays, and the target */
	struct vx6_circuit_hop as_known[RIG_NODES];
	bool unknown[RIG_NODES]; /* what is known of it is not enough for a hop */
	struct vx6_hop_sched *sched;
	struct vx6_origin *origin;
	struct vx6_relays *relays;
	struct vx6_guards *guards;
	struct vx6_vanguards *vanguards;
	struct vx6_build_times *times;
	struct vx6_circuits *circuits;
	/* what happened */
	int news[4], directs, asks_n;
	struct {
		struct vx6_node_id who;
		bool anonymous;
	} ask[RIG_ASKS];
	bool nobody_to_ask;
	/* what is to happen at the meeting place of a hidden route; NULL: nothing */
	void (*rendezvous)(uint64_t leg, const struct vx6_node_id *service,
			   struct vx6_circuit *circuit, const struct vx6_node_id *x);
	void (*rendezvous_begins)(uint64_t leg, const struct vx6_node_id *service,
				  const struct vx6_node_id *x);
	void (*said)(uint64_t leg, uint8_t type, const uint8_t *data, size_t n);
	void (*leg_gone)(uint64_t leg);
	uint64_t met, gone; /* legs, the latest of each */
	int met_n, gone_n, begun_n;
	uint64_t begun;
	struct vx6_node_id x; /* where the latest is */
	/* optional: in place of the node's way to come back to streams without a session */
	void (*adrift)(uint64_t route);
};
extern struct rig rig;

/** Runs the loop until @p done says so; fails the test after @p ms of virtual time. */
void rig_until(bool (*done)(void *arg), void *arg, uint64_t ms);
/** Runs it for so long. */
void rig_pass(uint64_t ms);
/** Whether paths leave it out for now. */
bool rig_suspects(const struct vx6_node_id *node);

int rig_setup(void **state);
int rig_teardown(void **state);
/** Frees the circuits now. */
void rig_free_circuits(void);
/** Learns what node @p i says of itself now: its onion key may be another. */
void rig_learn(int i);
/** Node @p i forgets its onion keys, as one that was started anew. */
void rig_forget_keys(int i);
/** Each relay has a history: any two may be the ends of an anonymous circuit. */
void rig_all_proved(void);
/** Links from and to relay @p i are dead: nothing more gets through. */
void rig_silence(int i);
/** The circuits that relay @p i passes on lead nowhere from now on; its links are as they were. */
void rig_swallow(int i);
/** Every session of node @p i ends; its listener stays. */
void rig_cut(int i);
const struct vx6_relay_entry *rig_entry(int i);

/* ---- routes and who waits ---- */

struct vx6_routing rig_how(uint8_t hops, bool anonymous);
/** To the target. */
uint64_t rig_route(uint8_t hops, bool anonymous);
uint64_t rig_route_to(int i, uint8_t hops, bool anonymous);

struct rig_wait {
	struct vx6_circuits_wait *w;
	uint64_t route;
	int told;
	vx6_err err;
	struct vx6_session *s;
	char detail[VX6_CIRCUIT_WHY];
	void (*then)(struct rig_wait *w); /* optional: in the callback */
};
void rig_want(struct rig_wait *w, uint64_t route);
bool rig_told(void *wait);
/** Waits for the session of a route, which there has to be. */
struct vx6_session *rig_session(uint64_t route);

/* ---- a stream that is never done: a byte every 20 ms, each the next, that have to come back in that order ---- */

struct talk {
	struct vx6_opening *opening;
	struct vx6_stream *s;
	struct vx6_timer timer;
	unsigned every_ms; /* 0: 20 */
	uint64_t tx, rx;
	bool answered, wrong;
	int closed;
	vx6_err why;
};
void talk_open(struct talk *t, struct vx6_session *s);
/** One that somebody else has opened. */
void talk_take(struct talk *t, struct vx6_stream *stream);
void talk_end(struct talk *t);
/** Over the route, until a few bytes have come back. */
void talk_run(struct talk *t, uint64_t route);
/** It is open, and more comes back within @p ms. */
void assert_talks(struct talk *t, unsigned ms);

/* ---- rows ---- */

enum { RIG_ROWS = 256 };
extern struct vx6_circuit_show rig_row[RIG_ROWS];
/** Reads all rows. @return how many, @p id and those behind it are in rig_row */
int rig_rows(void);
/** @return the open or building ones of that purpose */
int rig_live(enum vx6_circuit_purpose purpose, bool open);
/** @return borrowed until the next look; NULL: there is none */
const struct vx6_circuit_show *rig_find(const char *id);
/** The open one that streams run over. */
const struct vx6_circuit_show *rig_busy(void);
/** The place of a node in `rig.node`. */
int rig_index(const struct vx6_node_id *node);
/** How often something was decided whose reason has @p text in it. */
int rig_decided(const char *what, const char *text);

#endif
