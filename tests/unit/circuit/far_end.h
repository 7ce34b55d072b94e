/* Whoever is at the other end of a rendezvous, with circuits built by hand: the owner of a hidden service, or a client of one. */
#ifndef VX6_TESTS_UNIT_CIRCUIT_FAR_END_H
#define VX6_TESTS_UNIT_CIRCUIT_FAR_END_H

#include "circuits_rig.h"
#include "wire/hs.h"

enum { FAR_ENDS = 8 };

struct far_circuit {
	struct vx6_circuit *c;
	struct vx6_session *s;
	struct vx6_node_id x;
	uint8_t cookie[VX6_REND_COOKIE];
	uint8_t keys[VX6_CIRCUIT_JOIN_KEYS], kh[VX6_CB_BYTES];
	uint64_t leg; /* of the rig's circuits that it is for */
	bool is_owner, is_built, waits, is_joined;
	int down;
};

struct far_end {
	struct test_node n; /* first: hooks are given it */
	struct vx6_hop_sched *sched;
	struct vx6_origin *origin;
	struct far_circuit circuit[FAR_ENDS];
	int circuits_n;
	struct vx6_node_id peer; /* what a client expects */
};
extern struct far_end far_end;

void far_start(void);
void far_stop(void);
/** As an owner: comes to @p x when the rig's leg waits there, and joins both. What the rig's hooks are to do. */
void far_meets(uint64_t leg, const struct vx6_node_id *service, struct vx6_circuit *circuit,
	       const struct vx6_node_id *x);
void far_hears(uint64_t leg, uint8_t type, const uint8_t *data, size_t n);
/** As a client: waits at @p x, to be joined; runs the loop until it does. */
struct far_circuit *far_waits_at(const struct vx6_node_id *x);

#endif
