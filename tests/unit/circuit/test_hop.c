/* Cells over the streams of a link: order, what is kept and what that costs, whose cells leave first, and the ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/hop.h"
#include "crypto/secret.h"
#include "transport/mem/mem.h"
#include "wire/code.h"
#include "wire/open.h"

enum { HOPS = 12, MEMORY = 8 * 1024 * 1024 };

struct side {
	struct vx6_transport *t;
	struct vx6_link *link;
	struct vx6_hop_sched *sched;
	int streams_n;
	struct vx6_stream *stream[HOPS]; /* accepted ones */
};

struct peer { /* who uses a hop */
	struct vx6_hop *hop;
	uint64_t got; /* cells, each with its number in it */
	uint64_t sent, goal;
	int refuse_after; /* cells taken before it says no; -1: never */
	bool close_at_cell, broken;
	int batches, writables, silents, closed;
	vx6_err why;
	uint32_t code;
};

static const struct vx6_transport_ops *ops;
static struct vx6_loop *loop;
static struct side a, b;
static struct vx6_listener *listener;
static struct vx6_addr at;

/* ---- links ---- */

static void on_first_byte(struct vx6_stream *s, const struct iovec *iov, int n, bool fin,
			  void *user)
{
	struct side *side = user;

	assert_int_equal(n, 1);
	assert_int_equal(iov[0].iov_len, 1);
	vx6_stream_consume(s, 1);
	side->stream[side->streams_n++] = s;
}

static const struct vx6_stream_events first_byte_events = {.data = on_first_byte};

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	assert_true(((struct side *)user)->streams_n < HOPS);
	vx6_stream_set_events(s, &first_byte_events, user);
}

static void on_down(struct vx6_link *link, vx6_err why, void *user)
{
	((struct side *)user)->link = NULL;
}

static const struct vx6_link_events link_events = {.stream = on_stream, .down = on_down};

static void on_accept(struct vx6_listener *l, struct vx6_link *link, void *user)
{
	b.link = link;
	vx6_link_set_events(link, &link_events, &b);
}

static const struct vx6_accept_events accept_events = {.accept = on_accept};

static void side_start(struct side *s)
{
	struct vx6_transport_config cfg = {.loop = loop};
	struct vx6_sign_keypair key;

	memset(s, 0, sizeof *s);
	vx6_sign_keypair_random(&key);
	cfg.key = &key;
	vx6_transport_limits_default(&cfg.limits);
	assert_true(vx6_is_ok(ops->new(&cfg, &s->t)));
	s->sched = vx6_hop_sched_new(loop, MEMORY);
}

struct waiting {
	bool (*done)(void *arg);
	void *arg;
	uint64_t until_ms;
	bool met;
};

static void on_look(struct vx6_timer *timer)
{
	struct waiting *w = timer->user;

	w->met = w->done && w->done(w->arg);
	if (w->met || vx6_now_ms() >= w->until_ms)
		vx6_loop_stop(loop);
	else
		vx6_timer_in_ms(timer, 0);
}

static bool run(bool (*done)(void *arg), void *arg, unsigned ms)
{
	struct waiting w = {.done = done, .arg = arg, .until_ms = vx6_now_ms() + ms};
	struct vx6_timer timer;

	vx6_timer_init(loop, &timer, on_look, &w);
	vx6_timer_in_ms(&timer, 0);
	vx6_loop_run(loop);
	vx6_timer_stop(&timer);
	return w.met;
}

static void until(bool (*done)(void *arg), void *arg)
{
	assert_true(run(done, arg, 20000));
}

static bool both_up(void *arg)
{
	struct vx6_link_info info = {0};

	if (a.link)
		vx6_link_info(a.link, &info);
	return info.is_up && b.link;
}

static int setup(void **state)
{
	struct vx6_dial dial = {0};

	ops = *state;
	assert_true(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	side_start(&a);
	side_start(&b);
	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:0", &at)));
	assert_true(vx6_is_ok(ops->listen(b.t, &at, &accept_events, NULL, &listener)));
	ops->listener_addr(listener, &dial.to);
	assert_true(vx6_is_ok(ops->dial(a.t, &dial, &link_events, &a, &a.link)));
	until(both_up, NULL);
	return 0;
}

static int teardown(void **state)
{
	ops->listener_close(listener);
	ops->free(a.t);
	ops->free(b.t);
	vx6_hop_sched_free(a.sched);
	vx6_hop_sched_free(b.sched);
	vx6_loop_free(loop);
	return 0;
}

/* ---- the users of hops ---- */

static void cell_make(uint8_t *cell, uint64_t number)
{
	for (size_t i = 0; i < VX6_CELL_BYTES; i += sizeof number)
		memcpy(cell + i, &number, sizeof number);
}

static bool cell_is(const uint8_t *cell, uint64_t number)
{
	for (size_t i = 0; i < VX6_CELL_BYTES; i += sizeof number)
		if (memcmp(cell + i, &number, sizeof number) != 0)
			return false;
	return true;
}

static bool on_cell(struct vx6_hop *hop, uint8_t *cell, void *user)
{
	struct peer *p = user;

	assert_ptr_equal(hop, p->hop);
	if (p->close_at_cell) {
		vx6_hop_close(hop, VX6_CODE_CIRC_PROTO);
		p->hop = NULL;
		return true;
	}
	if (p->refuse_after == 0)
		return false;
	if (p->refuse_after > 0)
		p->refuse_after--;
	p->broken |= !cell_is(cell, p->got);
	memset(cell, 0xee, VX6_CELL_BYTES);
	p->got++;
	return true;
}

static void on_batch_end(struct vx6_hop *hop, void *user)
{
	((struct peer *)user)->batches++;
}

static void pump(struct peer *p)
{
	uint8_t *room;

	while (p->sent < p->goal && (room = vx6_hop_room(p->hop)) != NULL) {
		cell_make(room, p->sent++);
		vx6_hop_commit(p->hop);
	}
}

static void on_writable(struct vx6_hop *hop, void *user)
{
	struct peer *p = user;

	p->writables++;
	pump(p);
}

static void on_silent(struct vx6_hop *hop, uint32_t srtt_us, void *user)
{
	((struct peer *)user)->silents++;
}

static void on_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	struct peer *p = user;

	p->closed++;
	p->why = why;
	p->code = code;
	p->hop = NULL;
}

static const struct vx6_hop_events events = {.cell = on_cell,
					     .batch_end = on_batch_end,
					     .writable = on_writable,
					     .silent = on_silent,
					     .closed = on_closed};

static void send_cells(struct peer *p, uint64_t cells)
{
	p->goal += cells;
	pump(p);
}

static bool stream_came(void *arg)
{
	return b.streams_n == *(int *)arg;
}

/* A stream from a to b, that has begun. */
static struct vx6_stream *begin(void)
{
	static const struct vx6_stream_events none = {0};
	struct vx6_stream *s;
	int n = b.streams_n + 1;
	size_t cap;
	uint8_t *room;

	assert_true(vx6_is_ok(vx6_stream_open(a.link, &none, NULL, &s)));
	room = vx6_stream_reserve(s, &cap);
	assert_non_null(room);
	room[0] = 'x';
	vx6_stream_commit(s, 1, false);
	until(stream_came, &n);
	return s;
}

static void pair(struct peer *from, struct peer *to)
{
	struct vx6_stream *s = begin();

	memset(from, 0, sizeof *from);
	memset(to, 0, sizeof *to);
	from->refuse_after = to->refuse_after = -1;
	from->hop = vx6_hop_new(a.sched, s, &events, from);
	to->hop = vx6_hop_new(b.sched, b.stream[b.streams_n - 1], &events, to);
}

static bool got_all(void *arg)
{
	struct peer **p = arg;

	return p[1]->got == p[0]->goal;
}

static bool is_closed(void *arg)
{
	return ((struct peer *)arg)->closed > 0;
}

static size_t bytes_of(const struct side *s)
{
	struct vx6_hop_sched_stats st;

	vx6_hop_sched_stats(s->sched, &st);
	return st.bytes;
}

static bool got_one(void *arg)
{
	return ((struct peer *)arg)->got == 1;
}

static bool holds_any(void *arg)
{
	return bytes_of(arg) > 0;
}

static bool holds_some(void *arg)
{
	return bytes_of(arg) >= 128 * 1024;
}

/* ---- tests ---- */

static void hop__cells_sent__come_whole_in_order_and_in_batches(void **state)
{
	static struct peer from, to;
	struct peer *both[] = {&from, &to};
	struct vx6_hop_sched_stats st;

	pair(&from, &to);
	send_cells(&from, 10000);
	assert_int_equal(from.sent, VX6_HOP_QUEUE);
	until(got_all, both);
	assert_false(to.broken);
	assert_true(to.batches <= 10000 / 8);
	assert_int_equal(vx6_hop_tx_cells(from.hop), 10000);
	assert_int_equal(vx6_hop_rx_cells(to.hop), 10000);
	assert_int_equal(bytes_of(&a), 0);
	vx6_hop_sched_stats(b.sched, &st);
	assert_true(st.bytes_peak <= 2 * 1100); /* the one that straddles two frames */
}

static void hop__bytes_in_odd_pieces__make_the_same_cells(void **state)
{
	static uint8_t bytes[200 * VX6_CELL_BYTES];
	struct vx6_stream *s = begin();
	static struct peer to, from;
	struct peer *both[] = {&from, &to};
	size_t sent = 0;
	uint32_t piece = 1;

	to = (struct peer){.refuse_after = -1};
	from = (struct peer){.goal = 200};
	for (uint64_t i = 0; i < 200; i++)
		cell_make(bytes + i * VX6_CELL_BYTES, i);
	to.hop = vx6_hop_new(b.sched, b.stream[0], &events, &to);
	while (sent < sizeof bytes) {
		size_t cap, n;
		uint8_t *room = vx6_stream_reserve(s, &cap);

		if (!room) {
			run(NULL, NULL, 1);
			continue;
		}
		piece = piece * 69069 + 1;
		n = VX6_MIN(VX6_MIN(cap, 1 + (piece >> 20)), sizeof bytes - sent);
		memcpy(room, bytes + sent, n);
		vx6_stream_commit(s, n, false);
		sent += n;
	}
	until(got_all, both);
	assert_false(to.broken);
	vx6_hop_close(to.hop, VX6_CODE_CIRC_DESTROYED);
}

static void hop__answer__goes_before_the_cells(void **state)
{
	struct vx6_stream *s = begin();
	static struct peer from, to;
	struct vx6_stream *in = b.stream[0];

	from = (struct peer){.refuse_after = -1};
	to = (struct peer){.refuse_after = -1, .sent = 5, .goal = 5};
	from.hop = vx6_hop_new(a.sched, s, &events, &from);
	to.hop = vx6_hop_new(b.sched, in, &events, &to);
	vx6_hop_answer(to.hop);
	send_cells(&to, 1);
	until(got_one, &from);
	/* two bytes of answer, then the cell: the other hop sees a cell that begins with the answer */
	assert_true(from.broken);
	assert_true(bytes_of(&a) > 0); /* the last two bytes wait for the rest of a cell */
}

static void hop__reader_stops__neighbour_halts_within_the_window(void **state)
{
	static struct peer from, to;
	struct peer *both[] = {&from, &to};

	pair(&from, &to);
	to.refuse_after = 100;
	send_cells(&from, 20000);
	until(holds_some, &b);
	for (int i = 0; i < 10; i++) {
		run(NULL, NULL, 20);
		assert_int_equal(to.got, 100);
		assert_true(bytes_of(&b) <= VX6_HOP_WINDOW / 1000 * 1060);
		assert_true(bytes_of(&a) <= VX6_HOP_QUEUE * 1100);
	}
	to.refuse_after = -1;
	vx6_hop_resume(to.hop);
	until(got_all, both);
	assert_false(to.broken);
	assert_int_equal(bytes_of(&b), 0);
}

static struct peer busy[10], busy_to[10], quiet, quiet_to;
static uint64_t busy_sent_then;

static uint64_t busy_sent(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < 10; i++)
		sum += vx6_hop_tx_cells(busy[i].hop);
	return sum;
}

static bool on_quiet_cell(struct vx6_hop *hop, uint8_t *cell, void *user)
{
	busy_sent_then = busy_sent();
	return on_cell(hop, cell, user);
}

static bool much_sent(void *arg)
{
	return busy_sent() >= *(uint64_t *)arg;
}

/*
 * Ten circuits fill a link. One that was silent sends a cell: it goes before theirs. What counts is what those ten send from when the cell was
 * composed until it is there; the link itself holds 256 of theirs.
 */
static void sched__quiet_circuit_among_busy_ones__goes_first(void **state)
{
	static struct vx6_hop_events quiet_events;
	uint64_t goal = 20000, before;

	quiet_events = events;
	quiet_events.cell = on_quiet_cell;
	for (int i = 0; i < 10; i++)
		pair(&busy[i], &busy_to[i]);
	pair(&quiet, &quiet_to);
	vx6_hop_set_events(quiet_to.hop, &quiet_events, &quiet_to);
	for (int i = 0; i < 10; i++)
		send_cells(&busy[i], 1000000);
	for (uint64_t round = 1; round <= 20; round++) {
		struct peer *both[] = {&quiet, &quiet_to};

		until(much_sent, &goal);
		before = busy_sent();
		send_cells(&quiet, 1);
		until(got_all, both);
		assert_true(busy_sent_then - before <= 256 + 2 * VX6_HOP_TURN);
		goal = busy_sent() + 1000;
	}
	/* and the busy ones have had the same */
	for (int i = 0; i < 10; i++)
		assert_in_range(vx6_hop_tx_cells(busy[i].hop), busy_sent() / 11, busy_sent() / 9);
	for (int i = 0; i < 10; i++)
		vx6_hop_close(busy[i].hop, VX6_CODE_CIRC_DESTROYED);
}

static void sched__circuit_without_credit__holds_up_no_other(void **state)
{
	static struct peer from[3], to[3];
	struct peer *both[] = {&from[2], &to[2]};

	for (int i = 0; i < 3; i++)
		pair(&from[i], &to[i]);
	to[0].refuse_after = to[1].refuse_after = 0;
	send_cells(&from[0], 5000);
	send_cells(&from[1], 5000);
	run(NULL, NULL, 50);
	send_cells(&from[2], 5000);
	until(got_all, both);
	assert_false(to[2].broken);
	assert_int_equal(to[0].got + to[1].got, 0);
}

static void hop__closed__drops_what_waits_on_both_sides_at_once(void **state)
{
	static struct peer from, to;

	pair(&from, &to);
	to.refuse_after = 0;
	send_cells(&from, 5000);
	until(holds_some, &b);
	assert_true(bytes_of(&a) > 0);
	vx6_hop_close(from.hop, VX6_CODE_CIRC_DESTROYED);
	assert_int_equal(bytes_of(&a), 0);
	until(is_closed, &to);
	assert_int_equal(to.why.code, VX6_E_RESET);
	assert_int_equal(to.code, VX6_CODE_CIRC_DESTROYED);
	assert_int_equal(bytes_of(&b), 0);
	assert_int_equal(from.closed, 0);
}

static void hop__closed_from_inside_a_cell__hears_no_more(void **state)
{
	static struct peer from, to;

	pair(&from, &to);
	to.close_at_cell = true;
	send_cells(&from, 64);
	until(is_closed, &from);
	assert_int_equal(from.code, VX6_CODE_CIRC_PROTO);
	assert_null(to.hop);
	assert_int_equal(to.got + (uint64_t)to.batches, 0);
	assert_int_equal(bytes_of(&b), 0);
}

static void hop__peer_finishes__is_a_violation(void **state)
{
	struct vx6_stream *s = begin();
	static struct peer to;

	to = (struct peer){.refuse_after = -1};
	to.hop = vx6_hop_new(b.sched, b.stream[0], &events, &to);
	vx6_stream_commit(s, 0, true);
	until(is_closed, &to);
	assert_int_equal(to.why.code, VX6_E_PROTOCOL);
	assert_int_equal(to.code, VX6_CODE_CIRC_PROTO);
}

static void hop__link_goes_down__ends(void **state)
{
	static struct peer from, to;

	pair(&from, &to);
	vx6_link_close(a.link, VX6_ERR(IDLE));
	until(is_closed, &from);
	until(is_closed, &to);
	assert_int_equal(from.why.code, VX6_E_IDLE);
	assert_int_equal(to.why.code, VX6_E_IDLE);
	assert_int_equal(to.code, 0);
}

static void sched__memory_runs_short__ends_the_one_with_the_oldest_cell(void **state)
{
	static struct peer from[3], to[3];
	struct vx6_hop_sched_stats st;

	for (int i = 0; i < 3; i++)
		pair(&from[i], &to[i]);
	to[1].refuse_after = 0;
	send_cells(&from[1], 40); /* has one that waits, and waits for longest */
	until(holds_any, &b);
	run(NULL, NULL, 5);
	vx6_hop_sched_set_memory(b.sched, 300 * 1024);
	to[0].refuse_after = to[2].refuse_after = 0;
	send_cells(&from[0], 230);
	until(is_closed, &to[1]);
	assert_int_equal(to[1].closed, 1);
	assert_int_equal(to[1].code, VX6_CODE_CIRC_OOM);
	assert_int_equal(to[1].why.code, VX6_E_FULL);
	assert_int_equal(to[0].closed + to[2].closed, 0);
	until(is_closed, &from[1]);
	assert_int_equal(from[1].code, VX6_CODE_CIRC_OOM);
	vx6_hop_sched_stats(b.sched, &st);
	assert_int_equal(st.oom, 1);
	assert_true(st.bytes <= 300 * 1024);
}

static bool was_silent(void *arg)
{
	return ((struct peer *)arg)->silents > 0;
}

static void sched__nothing_comes_back__says_so(void **state)
{
	static struct peer from, to;
	struct peer *both[] = {&from, &to};

	pair(&from, &to);
	send_cells(&from, 10);
	until(got_all, both);
	vx6_mem_set_dead(a.t, true);
	vx6_mem_set_dead(b.t, true);
	run(NULL, NULL, 400);
	from.silents = 0; /* nothing is owed */
	run(NULL, NULL, 400);
	send_cells(&from, 1);
	until(was_silent, &from);
}

/* What holds for any family. */
#define FAMILY(name, family)                                                                       \
	{#name " over " #family, name, setup, teardown, (void *)&vx6_transport_##family}
#define EACH(name) FAMILY(name, mem), FAMILY(name, tcp), FAMILY(name, quic)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(hop__cells_sent__come_whole_in_order_and_in_batches),
		EACH(hop__bytes_in_odd_pieces__make_the_same_cells),
		EACH(hop__answer__goes_before_the_cells),
		EACH(hop__reader_stops__neighbour_halts_within_the_window),
		FAMILY(sched__quiet_circuit_among_busy_ones__goes_first, mem),
		EACH(sched__circuit_without_credit__holds_up_no_other),
		EACH(hop__closed__drops_what_waits_on_both_sides_at_once),
		EACH(hop__closed_from_inside_a_cell__hears_no_more),
		EACH(hop__peer_finishes__is_a_violation),
		EACH(hop__link_goes_down__ends),
		EACH(sched__memory_runs_short__ends_the_one_with_the_oldest_cell),
		FAMILY(sched__nothing_comes_back__says_so, mem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
