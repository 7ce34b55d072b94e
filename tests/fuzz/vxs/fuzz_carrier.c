/* A resumable stream whose peer writes anything onto its carrier, and whose carrier has room or not, is lost and attached again, as the
 * input has it. Input: a row of steps, `what u8 | len u8 | bytes(len)`. Whatever comes, credit is given back for no more than came, the
 * application gets no more than was sent, offsets keep their order, and in the end nothing is left. */
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "tests/fuzz/fuzz.h"
#include "vxs/vxs_internal.h"

enum { CARRIERS = 8, ROOM = 512 };

/* A carrier that takes what it is told to and forgets it. */
struct carrier {
	struct vx6_stream_base base;
	const struct vx6_stream_events *ev;
	void *user;
	uint8_t room[ROOM];
	uint64_t fed, consumed;
	bool reserved, fin, reset;
};

static struct vx6_loop *loop;
static struct vx6_vxs *vxs;
static struct vx6_node_id peer;
static struct vx6_link_base link_base; /* only its address and its table are looked at */
static struct carrier carriers[CARRIERS];
static size_t carriers_n;
static bool has_room;
static struct vx6_stream *stream;
static uint64_t got, unread;
static int closed;

/* ---- the carrier's operations ---- */

static struct carrier *carrier_of(struct vx6_stream *s)
{
	return (struct carrier *)(void *)s;
}

static void op_set_events(struct vx6_stream *s, const struct vx6_stream_events *ev, void *user)
{
	carrier_of(s)->ev = ev;
	carrier_of(s)->user = user;
}

static uint8_t *op_reserve(struct vx6_stream *s, size_t *cap)
{
	struct carrier *c = carrier_of(s);

	FUZZ_CHECK(!c->reset && !c->fin && !c->reserved);
	*cap = has_room ? ROOM : 0;
	c->reserved = has_room;
	return has_room ? c->room : NULL;
}

static void op_commit(struct vx6_stream *s, size_t n, bool fin)
{
	struct carrier *c = carrier_of(s);

	FUZZ_CHECK(!c->reset && !c->fin && n <= ROOM && (n == 0 || c->reserved));
	c->reserved = false;
	c->fin |= fin;
}

static void op_consume(struct vx6_stream *s, size_t n)
{
	struct carrier *c = carrier_of(s);

	c->consumed += n;
	FUZZ_CHECK(c->reset || c->consumed <= c->fed);
}

static void op_reset(struct vx6_stream *s, uint32_t code)
{
	carrier_of(s)->reset = true;
}

static void link_info(const struct vx6_link *link, struct vx6_link_info *out)
{
	*out = (struct vx6_link_info){.srtt_us = 1000};
}

static const struct vx6_transport_ops ops = {
	.abi = VX6_TRANSPORT_ABI,
	.name = "fuzz",
	.link_info = link_info,
	.stream_set_events = op_set_events,
	.stream_reserve = op_reserve,
	.stream_commit = op_commit,
	.stream_consume = op_consume,
	.stream_reset = op_reset,
};

static struct vx6_stream *carrier_new(void)
{
	struct carrier *c = &carriers[carriers_n++];

	*c = (struct carrier){.base = {.ops = &ops, .link = (struct vx6_link *)&link_base}};
	return (struct vx6_stream *)(void *)c;
}

/* ---- the application ---- */

static void app_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	for (int i = 0; i < n; i++) {
		FUZZ_CHECK(iov[i].iov_len > 0);
		got += iov[i].iov_len;
		unread += iov[i].iov_len;
	}
}

static void app_writable(struct vx6_stream *s, void *user)
{
}

static void app_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	closed++;
	stream = NULL;
}

static const struct vx6_stream_events app_events = {.data = app_data,
						    .writable = app_writable,
						    .closed = app_closed};

/* ---- steps ---- */

static struct vxs_stream *the_stream(void)
{
	return stream ? vxs_of(stream) : NULL;
}

static struct carrier *the_carrier(void)
{
	struct vxs_stream *v = the_stream();

	return v && v->carrier ? carrier_of(v->carrier) : NULL;
}

static void check(void)
{
	const struct vxs_stream *v = the_stream();

	if (!v || v->ended)
		return;
	FUZZ_CHECK(v->una <= v->nxt + 1 && v->sent <= v->nxt && v->told <= vxs_received(v));
	FUZZ_CHECK(v->got == got && v->held == unread && v->foreign <= v->held);
}

static void feed(const uint8_t *p, size_t n)
{
	struct carrier *c = the_carrier();
	/* two pieces, so that headers are cut, and of their own, so that nothing beyond is read */
	size_t cut = n / 2;
	uint8_t *a = malloc(cut + 1), *b = malloc(n - cut + 1);
	struct iovec iov[2] = {{a, cut}, {b, n - cut}};

	if (c && n) {
		memcpy(a, p, cut);
		memcpy(b, p + cut, n - cut);
		c->fed += n;
		c->ev->data((struct vx6_stream *)(void *)c, cut ? iov : iov + 1, cut ? 2 : 1, false,
			    c->user);
	}
	free(a);
	free(b);
}

static void app_write(size_t n, bool fin)
{
	size_t cap;

	if (!stream || vxs_of(stream)->ended)
		return;
	if (n && vx6_stream_reserve(stream, &cap))
		vx6_stream_commit(stream, VX6_MIN(n, cap), fin);
	else if (fin)
		vx6_stream_commit(stream, 0, true);
}

static void carrier_lose(struct carrier *c)
{
	if (!c || c->reset)
		return;
	c->reset = true;
	c->ev->closed((struct vx6_stream *)(void *)c, VX6_ERR(CLOSED), 0, c->user);
}

static void attach(const uint8_t *p, size_t n, const struct vx6_vxs_via *via)
{
	struct vx6_vxs_attach a = {.recv_off = n ? p[0] : 0};
	struct vxs_stream *v = the_stream();
	struct iovec none = {NULL, 0};

	if (!v || carriers_n == CARRIERS)
		return;
	memcpy(a.id, v->key.id, sizeof a.id);
	a.epoch = v->epoch + (n > 1 ? p[1] % 3 : 1);
	vxs_mac(v, VXS_OPENER, via->binding, a.epoch, a.recv_off, a.mac);
	vx6_vxs_attached(vxs, via, &a, carrier_new(), &none, 0, false);
}

static void step(uint8_t what, const uint8_t *p, size_t n, const struct vx6_vxs_via *via)
{
	switch (what % 8) {
	case 0:
	case 1:
		feed(p, n);
		break;
	case 2:
		app_write(n, what & 64);
		break;
	case 3:
		has_room = n & 1;
		if (has_room && the_carrier())
			the_carrier()->ev->writable((struct vx6_stream *)(void *)the_carrier(),
						    the_carrier()->user);
		break;
	case 4:
		carrier_lose(the_carrier());
		break;
	case 5:
		attach(p, n, via);
		break;
	case 6:
		n = VX6_MIN(n, unread);
		unread -= n;
		if (stream)
			vx6_stream_consume(stream, n);
		break;
	default:
		if (what & 64 && stream)
			vx6_stream_reset(stream, 0x67);
	}
}

static void on_turn(struct vx6_timer *timer)
{
	vx6_loop_stop(loop);
}

static void turn(void)
{
	struct vx6_timer timer;

	vx6_timer_init(loop, &timer, on_turn, NULL);
	vx6_timer_in_ms(&timer, 0);
	vx6_loop_run(loop);
	vx6_timer_stop(&timer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct vx6_vxs_events events = {.adrift = NULL};
	static const uint8_t binding[VX6_CB_BYTES];
	struct vx6_vxs_via via = {.link = (struct vx6_link *)&link_base,
				  .peer = &peer,
				  .binding = binding};
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .flags = VX6_OPEN_RESUMABLE};

	if (!loop) {
		vx6_log_set_level(VX6_LOG_ERROR);
		FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
		link_base.ops = &ops;
	}
	vxs = vx6_vxs_new(&(struct vx6_vxs_config){.loop = loop, .ev = &events, .keep_max = 4096});
	carriers_n = 0;
	got = unread = 0;
	closed = 0;
	has_room = true;
	FUZZ_CHECK(vx6_is_ok(vx6_vxs_accept(vxs, &via, &what, carrier_new(), &stream)));
	vx6_stream_set_events(stream, &app_events, NULL);
	while (n >= 2) {
		size_t part = VX6_MIN((size_t)data[1], n - 2);

		step(data[0], data + 2, part, &via);
		check();
		if (data[0] & 128)
			turn();
		data += 2 + part;
		n -= 2 + part;
	}
	turn();
	FUZZ_CHECK(closed <= 1 && vx6_vxs_kept(vxs) <= 2 * 4096 + 65536);
	for (size_t i = 0; i < carriers_n; i++)
		carrier_lose(&carriers[i]);
	vx6_vxs_free(vxs);
	FUZZ_CHECK(closed == 1);
	return 0;
}
