#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "wire/code.h"
#include "world.h"

enum { WAIT_MS = 5000 };

uint32_t world_random(struct world *w, uint32_t below)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return below ? (uint32_t)(w->random >> 33) % below : 0;
}

/* ---- the applications ---- */

static uint8_t pattern(uint8_t side, uint64_t at)
{
	return (uint8_t)((at * 131 + (at >> 8) * 31 + (at >> 16)) ^ side);
}

void app_read(struct app *a, uint64_t n)
{
	n = VX6_MIN(n, a->unread);
	a->unread -= n;
	if (a->stream && n)
		vx6_stream_consume(a->stream, (size_t)n);
}

static struct world *the_world;

/* A cut in the middle of a callback; when silent, what is under way is lost, and only one side knows at first. */
static void burn(struct world *w, uint8_t side)
{
	if (w->fuse == 0 || --w->fuse > 0)
		return;
	for (int i = 0; i < 2; i++)
		vx6_mem_set_dead(w->end[i].t, w->fuse_silent);
	if (w->end[side].link)
		vx6_link_close(w->end[side].link, VX6_ERR(CLOSED));
}

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct app *a = user;

	assert_ptr_equal(a->stream, s);
	assert_false(a->fin_got);
	assert_int_equal(a->closed, 0);
	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;

		for (size_t k = 0; k < iov[i].iov_len; k++)
			assert_int_equal(p[k], pattern((uint8_t)!a->side, a->got + k));
		a->got += iov[i].iov_len;
		a->unread += iov[i].iov_len;
	}
	a->fin_got |= fin;
	if (!a->lazy)
		app_read(a, a->unread);
	burn(the_world, a->side);
}

void app_write(struct world *w, struct app *a)
{
	while (a->stream && !a->fin_sent) {
		size_t cap, n, piece = 1 + world_random(w, (uint32_t)a->piece_max);
		uint8_t *to = vx6_stream_reserve(a->stream, &cap);
		bool fin;

		if (!to)
			return;
		assert_true(cap >= VX6_RESERVE_MIN);
		n = VX6_MIN(VX6_MIN(cap, a->total - a->sent), piece);
		for (size_t i = 0; i < n; i++)
			to[i] = pattern(a->side, a->sent + i);
		a->sent += n;
		fin = a->sent == a->total && world_random(w, 2);
		vx6_stream_commit(a->stream, n, fin);
		if (a->sent == a->total && !fin)
			vx6_stream_commit(a->stream, 0, true);
		a->fin_sent = a->sent == a->total;
	}
}

static void on_writable(struct vx6_stream *s, void *user)
{
	struct app *a = user;

	assert_ptr_equal(a->stream, s);
	if (!a->mute)
		app_write(the_world, a);
	burn(the_world, a->side);
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct app *a = user;

	assert_ptr_equal(a->stream, s);
	a->stream = NULL;
	a->closed++;
	a->why = why;
	a->code = code;
}

static const struct vx6_stream_events app_events = {.data = on_data,
						    .writable = on_writable,
						    .closed = on_closed};

bool apps_done(struct world *w)
{
	return w->end[0].app.closed && w->end[1].app.closed;
}

/* ---- arrivals at end 1 ---- */

struct arrival {
	struct world *w;
	struct vx6_link *link;
	uint8_t *in;
	size_t n;
};

static void via_of(struct world *w, int side, struct vx6_link *link, uint8_t *binding,
		   struct vx6_vxs_via *via)
{
	struct vx6_link_info info;

	vx6_link_info(link, &info);
	memcpy(binding, info.channel_binding, VX6_CB_BYTES);
	via->link = link;
	via->binding = binding;
	via->peer = &w->end[!side].id;
	if (side == 1 && w->poses_as)
		via->peer = w->poses_as;
	if (side == 1)
		via->scope = w->scope;
}

struct vx6_vxs_via world_via(struct world *w, int side, uint8_t binding[VX6_CB_BYTES])
{
	struct vx6_vxs_via via = {.link = NULL};

	via_of(w, side, w->end[side].link, binding, &via);
	return via;
}

static void take_open(struct arrival *a, struct vx6_stream *s, const struct vx6_open *open,
		      const struct iovec *rest)
{
	struct end *e = &a->w->end[1];
	uint8_t binding[VX6_CB_BYTES];
	struct vx6_stream *stream;
	struct vx6_vxs_via via = {.link = NULL};

	via_of(a->w, 1, a->link, binding, &via);
	if (open->kind == VX6_OPEN_ATTACH) {
		vx6_vxs_attached(e->vxs, &via, &open->attach, s, rest, rest->iov_len > 0, false);
		return;
	}
	if (!vx6_is_ok(vx6_vxs_accept(e->vxs, &via, open, s, &stream))) {
		vx6_stream_reset(s, VX6_CODE_STREAM_REFUSED);
		return;
	}
	assert_null(e->app.stream);
	e->app.stream = stream;
	e->app.accepted++;
	vx6_stream_set_events(e->app.stream, &app_events, &e->app);
	if (!e->app.mute)
		app_write(a->w, &e->app);
	if (rest->iov_len > 0)
		vx6_vxs_feed(e->app.stream, rest, 1, false);
}

static void arrival_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct arrival *a = user;
	struct vx6_open open;
	struct iovec rest;
	size_t used;
	vx6_err err;

	for (int i = 0; i < n; i++) {
		a->in = vx6_realloc_array(a->in, a->n + iov[i].iov_len + 1, 1);
		memcpy(a->in + a->n, iov[i].iov_base, iov[i].iov_len);
		a->n += iov[i].iov_len;
	}
	err = vx6_open_decode(a->in, a->n, &open, &used);
	if (err.code == VX6_E_SHORT)
		return;
	assert_true(vx6_is_ok(err));
	vx6_stream_consume(s, used);
	rest = (struct iovec){a->in + used, a->n - used};
	vx6_stream_set_events(s, NULL, NULL);
	take_open(a, s, &open, &rest);
	free(a->in);
	free(a);
}

static void arrival_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct arrival *a = user;

	free(a->in);
	free(a);
}

static const struct vx6_stream_events arrival_events = {.data = arrival_data,
							.closed = arrival_closed};

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	struct arrival *a = vx6_zalloc(sizeof *a);

	a->w = the_world;
	a->link = link;
	vx6_stream_set_events(s, &arrival_events, a);
}

/* ---- links ---- */

static void on_up(struct vx6_link *link, void *user)
{
	((struct end *)user)->link = link;
}

static void on_down(struct vx6_link *link, vx6_err why, void *user)
{
	struct end *e = user;

	if (e->link == link)
		e->link = NULL;
}

static const struct vx6_link_events link_events = {.up = on_up,
						   .stream = on_stream,
						   .down = on_down};

static void on_accept(struct vx6_listener *l, struct vx6_link *link, void *user)
{
	vx6_link_set_events(link, &link_events, &the_world->end[1]);
}

static const struct vx6_accept_events accept_events = {.accept = on_accept};

static bool is_linked(struct world *w)
{
	return w->end[0].link && w->end[1].link;
}

void world_link(struct world *w)
{
	struct vx6_dial how = {.to = w->at};
	struct vx6_link *link;

	w->end[0].link = w->end[1].link = NULL;
	assert_true(vx6_is_ok(
		vx6_transport_mem.dial(w->end[0].t, &how, &link_events, &w->end[0], &link)));
	assert_true(world_until(w, is_linked));
}

void world_cut(struct world *w, bool silent)
{
	struct vx6_link *a = w->end[0].link, *b = w->end[1].link;

	for (int i = 0; i < 2; i++)
		vx6_mem_set_dead(w->end[i].t, silent);
	if (silent)
		for (int i = 0; i < 3; i++)
			world_turn(w);
	if (a && w->end[0].link == a)
		vx6_link_close(a, VX6_ERR(TIMEOUT));
	if (b && w->end[1].link == b)
		vx6_link_close(b, VX6_ERR(TIMEOUT));
	world_turn(w);
	for (int i = 0; i < 2; i++)
		vx6_mem_set_dead(w->end[i].t, false);
}

/* ---- rounds ---- */

static void on_turn(struct vx6_timer *timer)
{
	vx6_loop_stop(timer->user);
}

void world_turn(struct world *w)
{
	struct vx6_timer timer;

	vx6_timer_init(w->loop, &timer, on_turn, w->loop);
	vx6_timer_in_ms(&timer, 0);
	vx6_loop_run(w->loop);
	vx6_timer_stop(&timer);
}

bool world_until(struct world *w, bool (*done)(struct world *w))
{
	uint64_t end = vx6_now_ms() + WAIT_MS;

	while (!done(w)) {
		if (vx6_now_ms() > end)
			return false;
		world_turn(w);
	}
	return true;
}

/* ---- the streams ---- */

void world_open(struct world *w, uint64_t up, uint64_t down)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .name = "web"};
	uint8_t binding[VX6_CB_BYTES];
	struct vx6_vxs_via via = world_via(w, 0, binding);

	w->end[0].app.total = up;
	w->end[1].app.total = down;
	assert_true(vx6_is_ok(vx6_vxs_open(w->end[0].vxs, &via, &what, NULL, &app_events,
					   &w->end[0].app, &w->end[0].app.stream)));
	if (!w->end[0].app.mute)
		app_write(w, &w->end[0].app);
}

static bool leave_all(struct vx6_link *link, void *user)
{
	return true;
}

void world_attach(struct world *w, bool move)
{
	uint8_t binding[VX6_CB_BYTES];
	struct vx6_vxs_via via = world_via(w, 0, binding);

	vx6_vxs_attach(w->end[0].vxs, &via, move ? leave_all : NULL, NULL);
}

/* ---- a carrier of the test's own ---- */

static void raw_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct world *w = user;

	for (int i = 0; i < n; i++) {
		size_t part = VX6_MIN(iov[i].iov_len, sizeof w->raw_in - w->raw_n);

		memcpy(w->raw_in + w->raw_n, iov[i].iov_base, part);
		w->raw_n += part;
		vx6_stream_consume(s, iov[i].iov_len);
	}
}

static void raw_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct world *w = user;

	w->raw = NULL;
	w->raw_closed++;
	w->raw_code = code;
}

void world_raw(struct world *w, const uint8_t *bytes, size_t n)
{
	static const struct vx6_stream_events events = {.data = raw_data, .closed = raw_closed};
	size_t cap;
	uint8_t *to;

	w->raw_closed = 0;
	w->raw_n = 0;
	assert_true(vx6_is_ok(vx6_stream_open(w->end[0].link, &events, w, &w->raw)));
	to = vx6_stream_reserve(w->raw, &cap);
	assert_true(to && cap >= n);
	memcpy(to, bytes, n);
	vx6_stream_commit(w->raw, n, false);
	for (int i = 0; i < 4; i++)
		world_turn(w);
}

/* ---- life ---- */

static void on_adrift(void *user, const struct vx6_node_id *peer)
{
	((struct end *)user)->adrift++;
}

static void on_stalled(void *user, const struct vx6_node_id *peer, struct vx6_link *link)
{
	((struct end *)user)->stalled++;
}

static bool on_aside(void *user, const struct vx6_node_id *peer, struct vx6_link *link,
		     const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch, uint64_t off)
{
	struct end *e = user,
		   *other = e == &the_world->end[0] ? &the_world->end[1] : &the_world->end[0];
	uint8_t binding[VX6_CB_BYTES];
	struct vx6_vxs_via via = {.link = NULL};

	if (e->refuse_aside || !other->link)
		return false;
	e->asides++;
	via_of(the_world, other == &the_world->end[1], other->link, binding, &via);
	vx6_vxs_acked(other->vxs, &via, id, epoch, off);
	return true;
}

static const struct vx6_vxs_events vxs_events = {.adrift = on_adrift,
						 .stalled = on_stalled,
						 .aside = on_aside};

void world_start(struct world *w, uint64_t seed, size_t keep_max, uint32_t grace_ms)
{
	struct vx6_sign_keypair key;
	struct vx6_addr any = {.family = VX6_ADDR_IP};

	memset(w, 0, sizeof *w);
	the_world = w;
	w->random = seed;
	assert_true(vx6_is_ok(vx6_crypto_init()));
	assert_true(vx6_is_ok(vx6_loop_new(&w->loop)));
	vx6_sign_keypair_random(&key);
	for (int i = 0; i < 2; i++) {
		struct end *e = &w->end[i];
		struct vx6_transport_config t = {.loop = w->loop, .key = &key};
		struct vx6_vxs_config v = {.loop = w->loop,
					   .ev = &vxs_events,
					   .user = e,
					   .keep_max = keep_max,
					   .grace_ms = grace_ms};

		vx6_transport_limits_default(&t.limits);
		assert_true(vx6_is_ok(vx6_transport_mem.new(&t, &e->t)));
		memset(e->id.b, 0xa0 + i, sizeof e->id.b);
		e->vxs = vx6_vxs_new(&v);
		e->app.side = (uint8_t)i;
		e->app.piece_max = 70000;
	}
	assert_true(vx6_is_ok(
		vx6_transport_mem.listen(w->end[1].t, &any, &accept_events, NULL, &w->listener)));
	vx6_transport_mem.listener_addr(w->listener, &w->at);
	world_link(w);
}

void world_end(struct world *w)
{
	for (int i = 0; i < 2; i++)
		vx6_vxs_stop(w->end[i].vxs);
	for (int i = 0; i < 2; i++)
		vx6_transport_mem.free(w->end[i].t);
	for (int i = 0; i < 2; i++)
		vx6_vxs_free(w->end[i].vxs);
	vx6_loop_free(w->loop);
}
