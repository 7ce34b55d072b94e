#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"

static uint8_t pattern(uint8_t seed, uint64_t at)
{
	return (uint8_t)(seed + at * 131 + (at >> 8) * 29 + (at >> 16) * 7);
}

/* ---- one end of a stream ---- */

static size_t end_fill(struct end *e, uint8_t *to, size_t cap)
{
	size_t n;

	if (e->echo) {
		n = VX6_MIN(cap, e->echo_n);
		if (n)
			memcpy(to, e->echo_buf, n);
		memmove(e->echo_buf, e->echo_buf + n, e->echo_n - n);
		e->echo_n -= n;
		return n;
	}
	n = (size_t)VX6_MIN((uint64_t)cap, e->tx_goal - e->tx);
	for (size_t i = 0; i < n; i++)
		to[i] = pattern(e->tx_seed, e->tx + i);
	return n;
}

static uint64_t end_pending(const struct end *e)
{
	return e->echo ? e->echo_n : e->tx_goal - e->tx;
}

static void end_pump(struct end *e)
{
	while (e->s && !e->fin_sent && end_pending(e)) {
		size_t cap;
		uint8_t *to = vx6_stream_reserve(e->s, &cap);
		size_t n;

		if (!to)
			return;
		assert_true(cap > 0);
		n = end_fill(e, to, cap);
		vx6_stream_commit(e->s, n, false);
		e->tx += n;
		if (e->echo) {
			vx6_stream_consume(e->s, n);
			e->owed -= n;
		}
	}
	if (e->s && !e->fin_sent && !end_pending(e) && (e->echo ? e->got_fin : e->tx_fin)) {
		e->fin_sent = true;
		vx6_stream_commit(e->s, 0, true);
	}
}

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct end *e = user;
	size_t bytes = 0;

	assert_ptr_equal(s, e->s);
	assert_false(e->got_fin);
	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;

		assert_true(iov[i].iov_len > 0);
		for (size_t j = 0; j < iov[i].iov_len && !e->echo; j++)
			e->corrupt |= p[j] != pattern(e->rx_seed, e->rx + bytes + j);
		if (e->echo) {
			while (e->echo_n + iov[i].iov_len > e->echo_cap) {
				e->echo_cap = e->echo_cap ? e->echo_cap * 2 : 4096;
				e->echo_buf = vx6_realloc_array(e->echo_buf, e->echo_cap, 1);
			}
			memcpy(e->echo_buf + e->echo_n, p, iov[i].iov_len);
			e->echo_n += iov[i].iov_len;
		}
		bytes += iov[i].iov_len;
	}
	e->rx += bytes;
	e->owed += bytes;
	e->got_fin = fin;
	if (e->echo) {
		end_pump(e);
	} else if (!e->frozen) {
		vx6_stream_consume(s, bytes);
		e->owed -= bytes;
	}
}

static void on_writable(struct vx6_stream *s, void *user)
{
	struct end *e = user;

	e->writable_n++;
	end_pump(e);
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct end *e = user;

	assert_ptr_equal(s, e->s);
	e->closed_n++;
	e->why = why;
	e->code = code;
	e->s = NULL;
	e->side->open_n--;
	if (e->side->down_n)
		e->side->order_errors++;
}

static const struct vx6_stream_events stream_events = {.data = on_data,
						       .writable = on_writable,
						       .closed = on_closed};

static struct end *end_new(struct side *side)
{
	struct end *e = vx6_zalloc(sizeof *e);

	assert_true(side->ends_n < ENDS_MAX);
	e->side = side;
	side->end[side->ends_n++] = e;
	side->open_n++;
	return e;
}

struct end *end_open(struct side *side)
{
	struct end *e = end_new(side);
	vx6_err err = vx6_stream_open(side->link, &stream_events, e, &e->s);

	e->why = err;
	if (!vx6_is_ok(err)) {
		e->s = NULL;
		side->open_n--;
	}
	return e;
}

void end_send(struct end *e, uint64_t n, bool fin)
{
	e->tx_goal += n;
	e->tx_fin |= fin;
	end_pump(e);
}

void end_thaw(struct end *e)
{
	e->frozen = false;
	if (e->s)
		vx6_stream_consume(e->s, e->owed);
	e->owed = 0;
}

/* ---- links ---- */

static void on_up(struct vx6_link *link, void *user)
{
	struct side *side = user;

	assert_ptr_equal(link, side->link);
	side->up_n++;
	vx6_link_info(link, &side->info);
	assert_true(side->info.is_up);
}

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	struct side *side = user;
	struct end *e;

	assert_ptr_equal(vx6_stream_link(s), link);
	if (side->refuse_streams)
		return;
	e = end_new(side);
	e->s = s;
	e->echo = side->echo;
	e->frozen = side->freeze;
	if (side->limit)
		vx6_stream_limit(s, side->limit);
	vx6_stream_set_events(s, &stream_events, e);
	if (side->reply_goal || side->reply_fin)
		end_send(e, side->reply_goal, side->reply_fin);
}

static void on_draining(struct vx6_link *link, void *user)
{
	((struct side *)user)->draining_n++;
}

static void on_down(struct vx6_link *link, vx6_err why, void *user)
{
	struct side *side = user;

	assert_int_equal(side->open_n, 0); /* every stream was closed first */
	side->down_n++;
	side->why = why;
	if (side->link == link)
		side->link = NULL;
}

static const struct vx6_link_events link_events = {.up = on_up,
						   .stream = on_stream,
						   .draining = on_draining,
						   .down = on_down};

static void on_accept(struct vx6_listener *l, struct vx6_link *link, void *user)
{
	struct side *side = user;

	side->accept_n++;
	side->link = link;
	vx6_link_set_events(link, &link_events, side);
}

static const struct vx6_accept_events accept_events = {.accept = on_accept};

/* ---- the rig ---- */

static void side_start(struct side *side, struct rig *r, const struct vx6_transport_limits *limits)
{
	struct vx6_transport_config cfg = {.loop = r->loop, .key = &side->key};

	vx6_transport_limits_default(&cfg.limits);
	if (limits)
		cfg.limits = *limits;
	side->ops = r->ops;
	vx6_sign_keypair_random(&side->key);
	assert_true(vx6_is_ok(r->ops->new(&cfg, &side->t)));
}

void rig_start(struct rig *r, const struct vx6_transport_ops *ops,
	       const struct vx6_transport_limits *a, const struct vx6_transport_limits *b)
{
	struct vx6_addr at;

	memset(r, 0, sizeof *r);
	r->ops = ops;
	assert_true(vx6_is_ok(vx6_crypto_init()));
	assert_true(vx6_is_ok(vx6_loop_new(&r->loop)));
	side_start(&r->a, r, a);
	side_start(&r->b, r, b);
	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:0", &at)));
	assert_true(vx6_is_ok(ops->listen(r->b.t, &at, &accept_events, &r->b, &r->listener)));
	ops->listener_addr(r->listener, &r->at);
	assert_int_not_equal(r->at.port, 0);
}

static void side_stop(struct side *side)
{
	side->ops->free(side->t);
	assert_null(side->link);
	assert_int_equal(side->open_n, 0);
	assert_int_equal(side->order_errors, 0);
	for (int i = 0; i < side->ends_n; i++) {
		assert_true(side->end[i]->closed_n <= 1);
		free(side->end[i]->echo_buf);
		free(side->end[i]);
	}
	vx6_sign_keypair_wipe(&side->key);
}

void rig_stop(struct rig *r)
{
	side_stop(&r->a);
	side_stop(&r->b);
	rig_run_ms(r, 5); /* nothing may come any more */
	vx6_loop_free(r->loop);
}

vx6_err rig_dial(struct rig *r, bool anonymous, const struct vx6_sign_pk *expect)
{
	struct vx6_dial how = {.to = r->at, .anonymous = anonymous, .expect_key = expect != NULL};

	if (expect)
		how.key = *expect;
	return r->ops->dial(r->a.t, &how, &link_events, &r->a, &r->a.link);
}

static bool both_up(void *arg)
{
	struct rig *r = arg;

	return r->a.up_n && r->b.up_n;
}

void rig_connect(struct rig *r)
{
	assert_true(vx6_is_ok(rig_dial(r, false, &r->b.key.pk)));
	assert_true(rig_until(r, both_up, r, 3000));
}

struct wait {
	struct rig *r;
	bool (*done)(void *arg);
	void *arg;
	bool was_done;
	uint64_t end_ms;
	struct vx6_timer timer;
};

static void on_wait(struct vx6_timer *timer)
{
	struct wait *w = timer->user;

	w->was_done = w->done && w->done(w->arg);
	if (w->was_done || vx6_loop_now_ms(w->r->loop) >= w->end_ms)
		vx6_loop_stop(w->r->loop);
	else
		vx6_timer_in_ms(timer, 1);
}

bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg, int ms)
{
	struct wait w = {.r = r, .done = done, .arg = arg};

	vx6_loop_update_now(r->loop);
	w.end_ms = vx6_loop_now_ms(r->loop) + (uint64_t)ms;
	vx6_timer_init(r->loop, &w.timer, on_wait, &w);
	vx6_timer_in_ms(&w.timer, 1);
	vx6_loop_run(r->loop);
	vx6_timer_stop(&w.timer);
	return w.was_done;
}

void rig_run_ms(struct rig *r, int ms)
{
	rig_until(r, NULL, NULL, ms);
}

bool end_is_closed(void *end)
{
	return ((struct end *)end)->closed_n > 0;
}

bool end_got_fin(void *end)
{
	return ((struct end *)end)->got_fin;
}

bool side_is_down(void *side)
{
	return ((struct side *)side)->down_n > 0;
}

bool side_is_up(void *side)
{
	return ((struct side *)side)->up_n > 0;
}
