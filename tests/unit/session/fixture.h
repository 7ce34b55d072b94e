/* Nodes on one loop, linked by the in-memory transport, each with an identity of its own. */
#ifndef VX6_TESTS_SESSION_FIXTURE_H
#define VX6_TESTS_SESSION_FIXTURE_H

#include "record/hwm_mem.h"
#include "session/session.h"

struct test_node;
/* For tests that put something on top of the sessions; each is optional, and `incoming` takes the place of what the fixture does itself. */
struct test_hooks {
	void (*record)(struct test_node *n, struct vx6_session *s, const uint8_t *record,
		       size_t bytes);
	void (*wanted)(struct test_node *n, struct vx6_session *s, const struct vx6_node_id *node);
	void (*have)(struct test_node *n, struct vx6_session *s, const struct vx6_have *e);
	void (*get)(struct test_node *n, struct vx6_session *s, uint64_t tag);
	void (*up)(struct test_node *n, struct vx6_session *s);
	void (*down)(struct test_node *n, struct vx6_session *s, vx6_err why);
	void (*incoming)(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			 const struct vx6_open *what, const struct iovec *rest, int rest_n,
			 bool fin);
	void (*adrift)(struct test_node *n, const struct vx6_node_id *node, unsigned bits,
		       uint64_t route);
	void (*doubt)(struct test_node *n, uint64_t route);
};

struct test_node {
	struct vx6_sign_keypair master;
	struct vx6_identity id;
	struct vx6_hwm_mem *marks;
	struct vx6_hwm_store store;
	struct vx6_transport *t;
	struct vx6_sessions *m;
	struct vx6_addr at;
	/* what happened */
	struct vx6_session *session; /* the last one that came up, NULL once it is down */
	int ups, downs, records, wanted, incomings;
	vx6_err last_down;
	vx6_err answer; /* to incoming streams */
	bool silent;    /* which are not answered at all */
	/* optional: hears of every session, too; @p why means nothing while it is up */
	void (*on_session)(struct vx6_session *s, bool up, vx6_err why);
	const struct test_hooks *hooks;
	struct vx6_stream *stream; /* the last incoming one */
	char asked[VX6_LABEL_TEXT];
	/* streams without a session, and circuits in doubt */
	int adrifts, doubts;
	unsigned adrift_bits;
	uint64_t adrift_route, doubt_route;
	uint8_t got[4096]; /* bytes of streams with vx_test_stream events */
	size_t got_n;
	bool fin;
	int closed;
	vx6_err closed_why;
	uint32_t closed_code;
};

extern struct vx6_loop *test_loop;

void test_loop_start(void);
void test_loop_end(void);
/** Runs the loop until @p done says so; fails the test after two seconds. */
void test_run(bool (*done)(void *arg), void *arg);
/** Runs the loop for so long. */
void test_run_ms(uint64_t ms);
/** Until @p done, for @p ms at the most; NULL: for so long. @return whether it is done */
bool test_run_for(bool (*done)(void *arg), void *arg, uint64_t ms);

void node_start(struct test_node *n);
/** Listens at @p at; what it dials comes from there, too. Port 0: any. */
void node_start_at(struct test_node *n, const char *at);
/** A subkey with the next certificate number, signed by the node's master key. */
void node_next_subkey(const struct test_node *n, struct vx6_subkey *out);
void node_stop(struct test_node *n);
/** What a dial from @p from to @p to ended with; the session is from->session. */
vx6_err node_dial(struct test_node *from, const struct test_node *to,
		  const struct vx6_node_id *expect, bool anonymous,
		  char detail[VX6_DIAL_DETAIL_MAX]);
/** Events for a stream that notes what comes into @p node. */
extern const struct vx6_stream_events test_stream_events;
void stream_write(struct vx6_stream *s, const char *text, bool fin);

#endif
