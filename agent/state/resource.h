/**
 * @file resource.h
 * What every stored resource carries beside its spec, and the event row. Plain values.
 *
 * Layer:   state
 * Threads: pure, any thread
 */
#ifndef VX6_STATE_RESOURCE_H
#define VX6_STATE_RESOURCE_H

#include <stddef.h>
#include <stdint.h>

enum {
	VX6_RESOURCE_ID_MAX = 40, /* "svc_" + ULID, NUL included */
	VX6_MANAGED_BY_MAX = 96,
	VX6_LABELS_TEXT_MAX =
		4096, /* JSON text of an object of strings; "{}" when there are none */
};

enum vx6_resource_kind {
	VX6_RESOURCE_SERVICE,
	VX6_RESOURCE_FORWARD,
	VX6_RESOURCE_PEER,
	VX6_RESOURCE_TOKEN,
};

struct vx6_meta {
	char id[VX6_RESOURCE_ID_MAX];        /* "svc_…", "fwd_…", "peer_…" */
	uint64_t generation;                 /* 1 at creation; +1 with every change; the ETag */
	uint64_t created_ms, updated_ms;     /* wall clock */
	char managed_by[VX6_MANAGED_BY_MAX]; /* "api", "cli", "config" */
	char *labels;                        /* owned JSON text */
};

struct vx6_event {
	uint64_t seq;
	uint64_t wall_ms;
	char type[32];         /* one of schemas/events.json */
	char subject_kind[16]; /* "peer", "service", "forward", "node", "session" */
	char subject_id[VX6_RESOURCE_ID_MAX];
	char *data; /* owned JSON object text */
	char request_id[65];
};

void vx6_meta_fini(struct vx6_meta *m);
/** @param dst overwritten, owns its copy */
void vx6_meta_copy(struct vx6_meta *dst, const struct vx6_meta *src);

/** @param events owned array, may be NULL */
void vx6_events_free(struct vx6_event *events, size_t n);

#endif
