/* Two instances of one transport family on one loop, with a small application on each stream: it sends a known pattern, checks the
 * pattern that comes, echoes, stops reading, and remembers how it ended. */
#ifndef VX6_TESTS_TRANSPORT_RIG_H
#define VX6_TESTS_TRANSPORT_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "transport/transport.h"

struct side;

struct end { /* the application at one end of a stream */
	struct side *side;
	struct vx6_stream *s; /* NULL after `closed` */
	uint8_t tx_seed, rx_seed;
	uint64_t tx_goal, tx; /* bytes to send, sent */
	uint64_t rx;
	bool tx_fin, fin_sent; /* half-close after tx_goal */
	bool echo, frozen;     /* frozen: takes data but gives no credit back */
	uint64_t owed;         /* bytes taken and not consumed */
	uint8_t *echo_buf;
	size_t echo_n, echo_cap;
	bool corrupt, got_fin;
	int closed_n;
	vx6_err why;
	uint32_t code;
	int writable_n;
};

enum { ENDS_MAX = 4200 };

struct side {
	const struct vx6_transport_ops *ops;
	struct vx6_transport *t;
	struct vx6_sign_keypair key;
	struct vx6_link *link; /* the latest; NULL after `down` */
	int accept_n, up_n, down_n, draining_n, order_errors;
	vx6_err why;
	struct vx6_link_info info; /* as it was at `up` */
	struct end *end[ENDS_MAX];
	int ends_n, open_n;
	/* what streams of the peer get */
	bool refuse_streams, echo, freeze;
	uint32_t limit; /* of their receive windows; 0: none */
	uint64_t reply_goal;
	bool reply_fin;
};

struct rig {
	const struct vx6_transport_ops *ops;
	struct vx6_loop *loop;
	struct side a, b; /* a dials, b listens */
	struct vx6_listener *listener;
	struct vx6_addr at;
};

void rig_start(struct rig *r, const struct vx6_transport_ops *ops,
	       const struct vx6_transport_limits *a, const struct vx6_transport_limits *b);
/** Ends everything and checks that nothing was told after its end. */
void rig_stop(struct rig *r);
vx6_err rig_dial(struct rig *r, bool anonymous, const struct vx6_sign_pk *expect);
/** Dials, waits until both are up. */
void rig_connect(struct rig *r);
/** Runs the loop until @p done says so. @return false: @p ms went by */
bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg, int ms);
void rig_run_ms(struct rig *r, int ms);

/** Opens a stream on @p side's link. */
struct end *end_open(struct side *side);
/** Sends @p n more bytes, then half-closes if @p fin. */
void end_send(struct end *e, uint64_t n, bool fin);
void end_thaw(struct end *e);

/* conditions for rig_until */
bool end_is_closed(void *end);
bool end_got_fin(void *end);
bool side_is_down(void *side);
bool side_is_up(void *side);

#endif
