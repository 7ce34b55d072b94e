/**
 * @file spec.h
 * What a published service and a local forward are, as plain values. Who holds one owns its `allow` list.
 *
 * Layer:   service
 * Threads: pure, any thread
 */
#ifndef VX6_SERVICE_SPEC_H
#define VX6_SERVICE_SPEC_H

#include "base/addr.h"
#include "discovery/target.h"
#include "identity/node_id.h"

enum { VX6_ALLOW_MAX = 256, VX6_FORWARD_NAME_MAX = 64 };

enum vx6_access { VX6_ACCESS_ANY, VX6_ACCESS_LIST };

/** Who hears that the service exists; who may connect is another matter. The numbers are stored. */
enum vx6_visibility {
	VX6_VISIBILITY_PUBLIC,  /* everybody, when everybody may connect; else those who may */
	VX6_VISIBILITY_PRIVATE, /* nobody but through a catalog, or by word of mouth */
	/** Reached over joined circuits only, by whoever knows its key: to all others it is no service of this node, by whatever way they come. */
	VX6_VISIBILITY_HIDDEN,
};

/** What the owner sets of a hidden service. */
struct vx6_hidden_settings {
	char alias[VX6_LABEL_MAX + 1]; /* what its owner calls it to others; empty: as its name */
	bool fast;          /* two relays before the meeting place on our side, not three */
	bool open;          /* whoever has the key comes in; else only clients that were invited */
	bool no_pow;        /* no proof of work is asked for, whatever the load */
	bool force;         /* with few relays, too */
	bool publish_alias; /* whoever knows the alias may find the key */
	uint32_t rate, burst; /* of introductions; 0: as built in */
};

struct vx6_service_spec {
	char name[VX6_LABEL_MAX + 1];
	struct vx6_addr
		target; /* loopback or unix, unless the node's configuration allows others */
	bool enabled;
	enum vx6_visibility visibility;
	enum vx6_access access;
	struct vx6_node_id *allow;         /* owned; LIST: who may connect */
	size_t allow_n;                    /* at most VX6_ALLOW_MAX */
	struct vx6_hidden_settings hidden; /* HIDDEN */
};

struct vx6_forward_spec {
	char name[VX6_FORWARD_NAME_MAX + 1]; /* unique; [a-zA-Z0-9._-]+ */
	struct vx6_addr listen;              /* loopback (port 0: any) or unix path */
	struct vx6_target to;
	bool enabled;
};

void vx6_service_spec_fini(struct vx6_service_spec *s);
/** @param dst overwritten, owns its copy */
void vx6_service_spec_copy(struct vx6_service_spec *dst, const struct vx6_service_spec *src);

#endif
