/**
 * @file target.h
 * Where a connection should lead: a service of a node, named or at a known address, or a hidden service. Text forms.
 *
 * Spec:    docs/concepts.md (names)
 * Layer:   discovery
 * Trust:   parse functions accept hostile text
 * Threads: pure, any thread
 */
#ifndef VX6_DISCOVERY_TARGET_H
#define VX6_DISCOVERY_TARGET_H

#include "base/addr.h"
#include "circuit/routing.h"
#include "identity/node_id.h"
#include "wire/label.h"

enum {
	VX6_TARGET_TEXT = 128, /* "vx1….service" and its NUL fit */
};

/** Which families of transport may be tried. */
enum vx6_transport_choice { VX6_TRANSPORT_AUTO, VX6_TRANSPORT_QUIC_ONLY, VX6_TRANSPORT_TCP_ONLY };
/** "auto" | "quic" | "tcp". @return false: none of them */
bool vx6_transport_choice_parse(const char *text, enum vx6_transport_choice *out);
const char *vx6_transport_choice_text(enum vx6_transport_choice c);

struct vx6_target {
	char node
		[VX6_LABEL_MAX +
		 1]; /* node name ("alice"); empty when `has_node_id` or an address says who. Hidden: the alias ("ghost") */
	char service[VX6_LABEL_MAX + 1]; /* "web"; with `catalog` the alias in it. Hidden: empty */
	char catalog
		[VX6_LABEL_MAX +
		 1]; /* a catalog of this node's user ("work"), which says node and service; else empty */
	bool is_hidden; /* a hidden service: `node_id` is its key, which no node has, and nobody is ever asked where that is */
	bool has_node_id; /* the node's id is given: the peer must prove it */
	struct vx6_node_id node_id;
	struct vx6_addr address; /* family NONE unless in address form */
	enum vx6_transport_choice transport;
	struct vx6_routing route; /* how to get there; all zero: whichever works */
};

/** What this node's user calls a hidden service. */
struct vx6_hidden_alias {
	struct vx6_node_id service; /* its key */
	bool fast;                  /* two relays before the rendezvous, in place of three */
};

/**
 * Reads the named form: "alice.web", "vx1….web" (also with '/' in place of the dot), "wiki@work", and of hidden services the key, "vxh1…", and the
 * alias, "ghost". Only node, service, catalog, node_id and is_hidden are written.
 * @return VX6_OK | FORMAT | CHECKSUM (of a node id) | UNSUPPORTED (an invite: vx6_target_fault())
 */
VX6_RES vx6_target_parse(const char *text, struct vx6_target *out);
/** Why vx6_target_parse() does not take @p text, for people: static text; NULL: it is none of the mistakes that have words of their own. */
const char *vx6_target_fault(const char *text);

/** "alice.web", "vx1….web", "wiki@work", "[fd00::1]:4242/web", "vxh1…" or "ghost"; @return @p out */
char *vx6_target_format(const struct vx6_target *t, char out[VX6_TARGET_TEXT]);

#endif
