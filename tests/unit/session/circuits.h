/* Stand-ins for circuits: links of the in-memory family that prove no keys, each with instances of its own, so that one can be slow, silent or
 * cut while others are not. */
#ifndef VX6_TESTS_SESSION_CIRCUITS_H
#define VX6_TESTS_SESSION_CIRCUITS_H

#include "fixture.h"

enum { CLIENT, SERVER };

struct circuit {
	struct vx6_transport *t[2];
	struct vx6_listener *listener;
	struct vx6_addr at;
	/* its ends: CLIENT, SERVER */
	struct test_node *node[2];
	struct vx6_link *link[2];
	struct vx6_session *s[2]; /* NULL: none, or gone */
	int ups[2], downs[2];
	vx6_err why[2];
	/* ends that are no sessions but a test's own: what it says on the control stream once the link is up */
	bool raw[2];
	uint8_t hello[4096];
	size_t hello_n;
	struct vx6_stream *control; /* of the raw end */
	uint8_t heard[4096];        /* what came on it */
	size_t heard_n;
	int raw_closed;
	struct vx6_adopt accept; /* how the server adopts: as whom, for what */
	/* optional: a raw client's link is up, and nothing has happened on it yet */
	void (*at_up)(struct circuit *c);
};

/** Nodes are those of the two ends. */
void circuit_start(struct circuit *c, struct test_node *client, struct test_node *server);
/** The link begins; both ends are adopted, or raw. @param how for the client; ev and user are set here */
void circuit_dial(struct circuit *c, struct vx6_adopt how);
/** A raw client's end becomes a session. */
void circuit_adopt(struct circuit *c, struct vx6_adopt how);
/** The usual one: identified, proven, on @p route. */
struct vx6_adopt circuit_how(const struct test_node *server, uint64_t route);
/** Both ends up. */
bool circuit_is_up(void *circuit);
bool circuit_is_down(void *circuit);
/** A circuit, up. */
void circuit_open(struct circuit *c, struct test_node *client, struct test_node *server,
		  struct vx6_adopt how);
void circuit_delay(struct circuit *c, unsigned one_way_ms);
/** Nothing gets through any more. */
void circuit_silence(struct circuit *c, bool silent);
/** Ends the link. */
void circuit_cut(struct circuit *c);
/** Frees all; ends that live go down. */
void circuit_end(struct circuit *c);

#endif
