/* Two nodes with nothing but resumable streams and the in-memory transport: one opens, the other accepts, and a test cuts between them. */
#ifndef VX6_TESTS_VXS_WORLD_H
#define VX6_TESTS_VXS_WORLD_H

#include "transport/mem/mem.h"
#include "vxs/vxs.h"

/* One end of the stream under test: writes a pattern, checks the other's. */
struct app {
	struct vx6_stream *stream; /* NULL: none yet, or closed */
	uint64_t total;            /* bytes it will write */
	uint64_t sent, got;
	uint64_t unread;              /* handed over, not consumed */
	size_t piece_max;             /* of one write */
	bool fin_sent, fin_got, lazy; /* lazy: consumes only when told */
	bool mute;                    /* writes only when told */
	int accepted, closed;
	vx6_err why;
	uint32_t code;
	uint8_t side;
};

struct end {
	struct vx6_transport *t;
	struct vx6_vxs *vxs;
	struct vx6_node_id id;
	struct vx6_link *link; /* the latest that is up */
	struct app app;
	int adrift, stalled, asides;
	bool refuse_aside;
};

struct world {
	struct vx6_loop *loop;
	struct end end[2]; /* 0 opens, dials */
	struct vx6_listener *listener;
	struct vx6_addr at;
	uint64_t random;
	unsigned
		fuse; /* so many events of the applications later the link is cut, from inside; 0: never */
	bool fuse_silent;
	const struct vx6_node_id
		*poses_as;      /* who end 0 proves to be on its next links; NULL: itself */
	uint64_t scope;         /* what end 0 has come to on its next streams and links */
	struct vx6_stream *raw; /* the latest carrier that a test opened itself */
	int raw_closed;
	uint32_t raw_code;
	uint8_t raw_in[256];
	size_t raw_n;
};

void world_start(struct world *w, uint64_t seed, size_t keep_max, uint32_t grace_ms);
void world_end(struct world *w);
/** One round of the loop. */
void world_turn(struct world *w);
/** Rounds until @p done, at most five seconds. @return whether it was */
bool world_until(struct world *w, bool (*done)(struct world *w));
/** A new link; its ends are end[].link. */
void world_link(struct world *w);
/** A link between the two, seen as a session by @p side. */
struct vx6_vxs_via world_via(struct world *w, int side, uint8_t binding[VX6_CB_BYTES]);
/** Opens the stream under test from end 0. */
void world_open(struct world *w, uint64_t up, uint64_t down);
/** Attaches end 0's streams to its latest link, those that ride on others too if @p move. */
void world_attach(struct world *w, bool move);
/** Ends the latest link: at once on both sides, or so that it is silent first. */
void world_cut(struct world *w, bool silent);
/** Writes as much as the stream takes, in pieces. */
void app_write(struct world *w, struct app *a);
void app_read(struct app *a, uint64_t n);
/** A stream of the latest link with @p bytes on it, for attaches that a test makes up. */
void world_raw(struct world *w, const uint8_t *bytes, size_t n);
uint32_t world_random(struct world *w, uint32_t below);
bool apps_done(struct world *w);

#endif
