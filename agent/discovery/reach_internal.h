/**
 * @file reach_internal.h
 * One attempt to reach a service, as its two files see it: who and where (reach_who.c), and the way there (reach.c).
 *
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_REACH_INTERNAL_H
#define VX6_DISCOVERY_REACH_INTERNAL_H

#include "base/list.h"
#include "circuit/circuits.h"
#include "discovery/reach.h"
#include "discovery/resolve.h"
#include "loop/loop.h"
#include "session/session.h"

/* One dial, and the attempts that wait for it. */
struct way {
	struct vx6_list node;
	struct vx6_reach *reach;
	struct vx6_addr address; /* address form without a node id */
	bool has_node;
	struct vx6_node_id id;
	unsigned via;
	uint64_t seq; /* of the endpoint record whose addresses are dialled; 0: none */
	struct vx6_dialing *dialing;
	struct vx6_list waiting;
};

struct vx6_reaching {
	struct vx6_list node; /* vx6_reach.all, or way.waiting */
	struct vx6_reach *reach;
	struct vx6_target to;
	const struct vx6_reach_events *ev;
	void *user;
	bool has_node; /* `id` is resolved */
	char service[VX6_LABEL_TEXT];
	bool to_pin; /* and came from a name that the node gave itself: pinned once it worked */
	bool asked;  /* for newer addresses of `id`: once */
	struct vx6_node_id id;
	uint64_t dialed_seq;               /* of the endpoint record that led nowhere */
	struct vx6_vxs_routes routes;      /* where its stream may go, now and later */
	struct vx6_circuits_wait *circuit; /* a circuit is being built for it */
	bool routed;                       /* `routes` is filled in */
	bool direct_over, circuit_over;    /* that way led nowhere */
	bool dialing;                      /* it waits in a way */
	struct vx6_resolving *resolving;
	uint64_t session;
	struct vx6_opening *opening;
	struct vx6_timer timer;
	uint64_t deadline_ns;
	struct vx6_task fail;
	vx6_err err;
	char detail[VX6_DIAL_DETAIL_MAX];
	unsigned tries;
	bool early_given;
};

struct vx6_reach {
	struct vx6_reach_config cfg;
	struct vx6_list all;
	struct vx6_list ways;
	size_t n;
	bool stopping; /* nothing begins any more */
};

/** Finds out who is meant. @return VX6_OK | AGAIN: asked for, reach_resolved() follows | the error, with r->detail */
vx6_err reach_who(struct vx6_reaching *r);
/**
 * Asks for addresses of the node that are newer than those that are known, once an attempt.
 * @return false: there is nobody to ask, or it was done; r->err and r->detail are left for the end
 */
bool reach_ask_where(struct vx6_reaching *r);
/** Families that may be tried: VX6_DIAL_* */
unsigned reach_via(const struct vx6_reaching *r);
/** All addresses that are known of the node. @return seq of the endpoint record among them; 0: none */
uint64_t reach_addresses(const struct vx6_reaching *r, struct vx6_dial_request *req);

/* ---- in reach.c ---- */

/** What was asked for has come: the attempt goes on, or ends with @p err (r->detail). */
void reach_resolved(struct vx6_reaching *r, vx6_err err);

#endif
