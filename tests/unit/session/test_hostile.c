/* Peers that were let in and then misbehave: they do not read, ask without end, or come back as often as they can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "session/session_internal.h"
#include "transport/mem/mem.h"

static struct test_node alice, mallory;

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&mallory);
	return 0;
}

static int teardown(void **state)
{
	node_stop(&alice);
	node_stop(&mallory);
	test_loop_end();
	return 0;
}

/* A link of mallory's below her sessions: says HELLO, then what it is told to, and takes nothing that alice says. */
struct link {
	struct vx6_link *link;
	struct vx6_stream *control;
	bool down;
};
static struct link first, second; /* they may end as late as in the teardown */

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
}

static void on_writable(struct vx6_stream *s, void *user)
{
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	((struct link *)user)->control = NULL;
}

static const struct vx6_stream_events stream_events = {on_data, on_writable, on_closed};

static bool say(struct link *l, const uint8_t *p, size_t n)
{
	size_t cap = 0;
	uint8_t *room = l->control ? vx6_stream_reserve(l->control, &cap) : NULL;

	if (!room)
		return false;
	if (cap >= n)
		memcpy(room, p, n);
	vx6_stream_commit(l->control, cap >= n ? n : 0, false);
	return cap >= n;
}

static void on_up(struct vx6_link *link, void *user)
{
	struct link *l = user;
	struct vx6_hello h = {
		.version = 1,
		.min_version = 1,
		.role = VX6_ROLE_NODE,
		.node_id = mallory.id.id.b,
		.subkey_cert = mallory.id.subkey.cert_bytes,
	};
	uint8_t hello[4096];
	struct vx6_wr w;

	vx6_wr_init(&w, hello, sizeof hello);
	vx6_hello_encode(&w, &h);
	assert_true(vx6_is_ok(w.err));
	assert_true(vx6_is_ok(vx6_stream_open(link, &stream_events, l, &l->control)));
	assert_true(say(l, hello, w.len));
}

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
}

static void on_down(struct vx6_link *link, vx6_err why, void *user)
{
	((struct link *)user)->down = true;
}

static const struct vx6_link_events link_events = {.up = on_up,
						   .stream = on_stream,
						   .down = on_down};

static bool alice_has_ups(void *arg)
{
	return alice.ups == *(int *)arg;
}

static void connect_rogue(struct link *l)
{
	struct vx6_dial how = {.to = alice.at};
	int ups = alice.ups + 1;

	memset(l, 0, sizeof *l);
	assert_true(vx6_is_ok(vx6_transport_mem.dial(mallory.t, &how, &link_events, l, &l->link)));
	test_run(alice_has_ups, &ups);
}

/* Pings until no other answer fits into what alice queues for a peer. @return whether her session still lives */
static bool fill_queue(struct link *l, struct vx6_session *s, int more)
{
	uint8_t ping[VX6_CTL_HEADER + 8];
	struct vx6_wr w;

	vx6_wr_init(&w, ping, sizeof ping);
	vx6_ctl_encode_ping(&w, false, 7);
	for (int i = 0; i < 200000; i++) {
		bool full = CTL_OUT_MAX - s->ctl_out.n < sizeof ping;

		if (full && more-- <= 0)
			break;
		if (!say(l, ping, sizeof ping) || i % 64 == 0 || full ||
		    CTL_OUT_MAX - s->ctl_out.n < 100 * sizeof ping)
			test_run_ms(1);
		if (alice.downs)
			return false;
	}
	return true;
}

static bool alice_is_down(void *arg)
{
	return alice.downs > 0;
}

static void pings__answers_not_read__session_ends(void **state)
{
	connect_rogue(&first);
	fill_queue(&first, alice.session, 3);
	test_run(alice_is_down, NULL);
	assert_int_equal(alice.last_down.code, VX6_E_FULL);
}

static void duplicate__older_one_is_stuck__newer_one_stays(void **state)
{
	struct vx6_session *older;

	connect_rogue(&first);
	older = alice.session;
	assert_true(fill_queue(&first, older, 0));
	connect_rogue(&second);
	test_run(alice_is_down, NULL);
	assert_non_null(vx6_sessions_find(alice.m, &mallory.id.id, VX6_DIAL_ANY));
	assert_ptr_not_equal(vx6_sessions_find(alice.m, &mallory.id.id, VX6_DIAL_ANY), older);
}

static void records__without_end__a_budget_is_looked_at(void **state)
{
	uint8_t message[VX6_CTL_MAX], record[200] = {0};
	struct vx6_wr w;
	size_t mark;

	vx6_wr_init(&w, message, sizeof message);
	mark = vx6_ctl_begin(&w, VX6_CTL_RECORDS, 0);
	while (vx6_ctl_records_add(&w, mark, record, sizeof record))
		;
	vx6_ctl_end(&w, mark);
	connect_rogue(&first);
	for (int i = 0; i < 100; i++) {
		say(&first, message, w.len);
		test_run_ms(1);
	}
	assert_int_equal(alice.records, RECORDS_PER_MIN);
	assert_int_equal(alice.downs, 0);
}

static void wants__without_end__a_few_are_answered(void **state)
{
	uint8_t want[64];
	struct vx6_wr w;

	vx6_wr_init(&w, want, sizeof want);
	vx6_ctl_encode_records_want(&w, alice.id.id.b);
	connect_rogue(&first);
	for (int i = 0; i < 1000; i++)
		if (!say(&first, want, w.len))
			test_run_ms(1);
	test_run_ms(20);
	assert_int_equal(alice.wanted, WANTS_PER_MIN);
	assert_int_equal(alice.downs, 0);
}

static void links__of_one_node_without_end__a_few_stay(void **state)
{
	static struct link many[3 * NODE_SESSIONS_MAX];

	for (size_t i = 0; i < VX6_ARRAY_N(many); i++)
		connect_rogue(&many[i]);
	test_run_ms(20);
	assert_true(vx6_sessions_count(alice.m) <= NODE_SESSIONS_MAX);
	assert_non_null(vx6_sessions_find(alice.m, &mallory.id.id, VX6_DIAL_ANY));
	assert_true(many[0].down);
	assert_false(many[VX6_ARRAY_N(many) - 1].down);
}

#define HOSTILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(pings__answers_not_read__session_ends),
		HOSTILE_TEST(duplicate__older_one_is_stuck__newer_one_stays),
		HOSTILE_TEST(records__without_end__a_budget_is_looked_at),
		HOSTILE_TEST(wants__without_end__a_few_are_answered),
		HOSTILE_TEST(links__of_one_node_without_end__a_few_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
