/**
 * @file circuits_internal.h
 * The node's side of node/facade_circuits.h, shared by its sources.
 *
 * Layer:   node
 * Threads: the loop's thread
 */
#ifndef VX6_NODE_CIRCUITS_INTERNAL_H
#define VX6_NODE_CIRCUITS_INTERNAL_H

#include "node/node_internal.h"

/* ---- circuits.c: the node's circuits and its part as a relay ---- */

/*
 * Rows of a page: those that the function below of the same thing wants, in the order of their keys (node id; circuit id; the latest decision
 * first), at most @p max. @param more set when there are further ones @return rows written; names are left empty
 */
size_t circuits_page_relays(struct vx6_node *node, const struct vx6_page_ask *ask,
			    struct vx6_relay_row *out, size_t max, bool *more);
size_t circuits_page_circuits(struct vx6_node *node, const struct vx6_page_ask *ask,
			      struct vx6_circuit_row *out, size_t max, bool *more);
size_t circuits_page_decisions(struct vx6_node *node, const struct vx6_page_ask *ask,
			       struct vx6_decision_row *out, size_t max, bool *more);
/**
 * @param id     of the new circuit, on success
 * @param detail for people, VX6_DETAIL_MAX bytes, may be written on failure
 * @return VX6_OK | NO_RELAYS | UNSUPPORTED (a node in it takes no circuits) | PEER_UNKNOWN (nothing is known of a node in it) | UNREACHABLE |
 *         FULL
 */
VX6_RES circuits_build(struct vx6_node *node, const struct vx6_circuit_ask *ask,
		       char id[static VX6_RESOURCE_ID_MAX], char *detail);
/** Another one, which takes its place once it is built. @return as circuits_build(), or NOT_FOUND */
VX6_RES circuits_rebuild(struct vx6_node *node, const char *id,
			 char new_id[static VX6_RESOURCE_ID_MAX], char *detail);
/** @return VX6_OK | NOT_FOUND: none lives that is called so */
VX6_RES circuits_close(struct vx6_node *node, const char *id);
void circuits_relaying_view(struct vx6_node *node, struct vx6_relaying_view *out);
/** In force from now on. Called at the start, too, as soon as the parts are there. */
void circuits_set_budget(struct vx6_node *node, const struct vx6_relaying_budget *budget);
/** As the forwards want it; @p user is the node. @param id of the circuit that @p link is one over, empty: it is not @param hops its relays */
void circuits_path(void *user, const struct vx6_link *link, char id[static VX6_RESOURCE_ID_MAX],
		   uint32_t *hops);

/** Makes the parts and loads what is stored. Sessions, registry, publisher and resolver are there. */
void circuits_start(struct vx6_node *node, const struct vx6_state_image *img);
/** Every circuit ends. Before the sessions are freed. */
void circuits_stop(struct vx6_node *node);
/** After them. */
void circuits_fini(struct vx6_node *node);
/** A record was admitted: of a relay, perhaps. */
void circuits_heard(struct vx6_node *node, const struct vx6_registry_change *c);
void circuits_revoked(struct vx6_node *node, const struct vx6_node_id *who);

/* Relay info and endpoint record of a node are being looked for. */
struct circuits_ask {
	struct vx6_list of_node; /* vx6_node.circuit_asks */
	struct vx6_node *node;
	struct vx6_node_id who;
	bool anonymous;
	struct vx6_resolving *resolving;
};

/** Where this node stands (vx6_circuits_config.view); @p user is the node. */
void circuits_view(void *user, struct vx6_path_view *out);
/* As the resolver wants it; @p user is the node. */
void circuits_hide(void *user);
/** Lookups in the DHT over circuits: this node need not take part in it itself. */
void circuits_make_dht(struct vx6_node *node);

/** For descriptors of hidden services. @return owned */
struct vx6_hs_dht *circuits_make_hs_dht(struct vx6_node *node);

/* ---- circuits_relay.c: this node in others' circuits ---- */

void circuits_relay_start(struct vx6_node *node);
void circuits_relay_stop(struct vx6_node *node);
/** Whether we ask the DHT for those who come by a circuit. */
/** What this node says of itself as a relay. @return false: nothing yet */
bool circuits_own_info(const struct vx6_node *node, struct vx6_relay_info *out);
bool circuits_is_proxy(const struct vx6_node *node);
/** It says that anybody's circuits may lead through it. */
bool circuits_is_public(const struct vx6_node *node);
void circuits_relay_fini(struct vx6_node *node);
void circuits_relay_upkeep(struct vx6_node *node);
/** What we say of ourselves as a relay has changed, or may have. */
void circuits_announce(struct vx6_node *node);
/** No new circuits; those of others are asked to go elsewhere, and end after @p ms. */
void circuits_drain(struct vx6_node *node, uint32_t ms);

/* ---- circuits_own.c: this node in its own circuits ---- */

/** As a hop. @return false: it is none yet */
bool circuits_known_self(struct vx6_node *node, struct vx6_circuits_node *out);
/** As one of the relays that paths are drawn from (vx6_circuits_config.own); @p user is the node. */
bool circuits_own_relay(void *user, struct vx6_relay_entry *out);
void circuits_own_load(struct vx6_node *node, const struct vx6_state_image *img);
/** It may be a public relay by now. */
void circuits_own_upkeep(struct vx6_node *node);

/* ---- circuits_store.c ---- */

void circuits_load(struct vx6_node *node, const struct vx6_state_image *img);
/** What has changed since goes to the database. */
void circuits_save(struct vx6_node *node);

/* ---- circuits_read.c ---- */

void circuits_read(struct request *rq);
/** Whether a row belongs to what @p ask is about, and comes after what was read before; only key fields and filters are looked at. */
bool circuits_wants_relay(struct vx6_node *node, const struct vx6_page_ask *ask,
			  const struct vx6_node_id *relay, enum vx6_relay_standing standing);
bool circuits_wants_circuit(struct vx6_node *node, const struct vx6_page_ask *ask, const char *id,
			    const struct vx6_node_id *target, enum vx6_circ_state state);
bool circuits_wants_decision(struct vx6_node *node, const struct vx6_page_ask *ask, uint64_t seq,
			     const struct vx6_node_id *target, const char *circuit);
/** A page of the one circuit, or an empty one. */
struct vx6_page *circuits_page_of(struct vx6_node *node, const char *id);

/** "alice", "vx1…": a node that is known here. @return false: none is called so, or several are */
bool circuits_find_node(struct vx6_node *node, const char *text, struct vx6_node_id *out);

/* ---- circuits_ops.c ---- */

/** Why @p route cannot be one of this node to @p target (NULL: nobody yet); NULL: it can, as far as can be told beforehand. */
const char *circuits_route_fault(const struct vx6_node *node, const struct vx6_node_id *target,
				 const struct vx6_routing *route);

void circuits_change(struct request *rq);

/* ---- circuits_tell.c: events ---- */

/** circuit.built, circuit.failed, circuit.closed, circuit.moved. @param target NULL: none @param why NULL: none */
void circuits_tell(struct vx6_node *node, const char *type, const char *id,
		   const struct vx6_node_id *target, const char *why);
/** relay.budget: circuits of others were closed, for their cells took more memory than there is. */
void circuits_tell_budget(struct vx6_node *node, uint64_t memory_bytes, uint32_t closed);
/** relay.draining: no new circuits lead through here, those that do are asked to go elsewhere. */
void circuits_tell_draining(struct vx6_node *node, uint32_t circuits);
/** guard.changed. @param place in the list, 0: it is none any more */
void circuits_tell_guard(struct vx6_node *node, const struct vx6_node_id *guard, uint32_t place,
			 const char *why);

#endif
