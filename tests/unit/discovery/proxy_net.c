#include "tests/unit/discovery/proxy_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/identity.h"
#include "wire/code.h"

struct host host[HOSTS];
unsigned only;
struct vx6_dht *ordinary;

/* A way to a proxy that is being made. */
struct vx6_circuits_wait {
	struct host *to;
	struct vx6_dialing *dialing;
	vx6_circuits_cb *cb;
	void *user;
};

/* ---- a DHT that only answers, or only knows ---- */

static void no_query(void *user, uint64_t id, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
}

static void no_cancel(void *user, uint64_t id)
{
}

static bool is_warm(void *user, const struct vx6_dht_contact *to)
{
	return true;
}

static void fill_random(void *user, void *out, size_t n)
{
	vx6_random_bytes(out, n);
}

static void no_wake(void *user, uint64_t ms)
{
}

const struct vx6_dht_io no_io = {
	.abi = VX6_DHT_IO_ABI,
	.query = no_query,
	.cancel = no_cancel,
	.is_warm = is_warm,
	.random = fill_random,
	.wake_at = no_wake,
};

struct vx6_dht_now now_is(void)
{
	return (struct vx6_dht_now){.ms = vx6_now_ms(), .wall_s = vx6_wall_s()};
}

static size_t on_serve(void *user, const struct vx6_dht_requester *from, const uint8_t *req,
		       size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	struct vx6_dht_now now = now_is();
	struct host *h = user;
	size_t own = h->serve ? h->serve(h, req, n, out) : 0;

	h->puts += n > 0 && req[0] == VX6_DHT_PUT;
	return own ? own : vx6_dht_serve(h->dht, from, req, n, out, &now);
}

/* ---- hosts ---- */

struct host *host_of(const struct vx6_node_id *node)
{
	for (int i = 0; i < HOSTS; i++)
		if (vx6_node_id_eq(&host[i].node.id.id, node))
			return &host[i];
	return NULL;
}

static void on_up(struct test_node *n, struct vx6_session *s)
{
	if (!vx6_session_is_anonymous(s) && n != &us->node)
		link_pool_up(&((struct host *)n)->pool, s);
}

static void on_down(struct test_node *n, struct vx6_session *s, vx6_err why)
{
	struct host *h = (struct host *)n;
	struct link_session *ds = link_pool_by_id(&h->pool, vx6_session_id(s));

	if (ds)
		link_pool_down(&h->pool, ds);
	for (int i = 0; i < HOSTS && h == us; i++)
		if (host[i].from_us == s)
			host[i].from_us = NULL;
}

/* Whatever it is asked, it says that nobody has anything and names nobody. */
static void lie(struct vx6_stream *stream, uint8_t op)
{
	uint8_t out[VX6_OPEN_REPLY + 64];
	const uint8_t token[VX6_DHT_TOKEN_BYTES] = {1};
	struct vx6_dht_resp_wr b;
	struct vx6_wr w;
	size_t n, cap;

	vx6_open_reply_encode(VX6_CODE_OK, out);
	vx6_wr_init(&w, out + VX6_OPEN_REPLY, sizeof out - VX6_OPEN_REPLY);
	vx6_dht_resp_begin(&b, &w, op | 0x80, 0, token);
	vx6_dht_resp_end(&b);
	assert_true(vx6_is_ok(vx6_wr_done(&w, &n)));
	n += VX6_OPEN_REPLY;
	memcpy(vx6_stream_reserve(stream, &cap), out, n);
	assert_true(cap >= n);
	vx6_stream_set_events(stream, &link_stream_ignored, NULL);
	vx6_stream_commit(stream, n, true);
}

static void on_via(struct host *h, struct vx6_session *s, struct vx6_stream *stream,
		   const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	h->vias++;
	assert_null(vx6_session_node(s));
	if (h->dies) {
		vx6_session_close(s, VX6_ERR(IDLE));
	} else if (h->refuses) {
		vx6_stream_reset(stream, VX6_CODE_NOT_FOUND);
	} else if (h->lies) {
		assert_true(rest_n > 0 && fin);
		vx6_stream_consume(stream, rest[0].iov_len);
		lie(stream, ((const uint8_t *)rest[0].iov_base)[0]);
	} else {
		link_proxy_incoming(&h->proxy, s, stream, &what->ask, rest, rest_n, fin);
	}
}

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct host *h = (struct host *)n;

	assert_ptr_not_equal(h, us);
	if (what->kind == VX6_OPEN_DHT_VIA)
		on_via(h, s, stream, what, rest, rest_n, fin);
	else
		link_server_incoming(&h->server, link_pool_by_id(&h->pool, vx6_session_id(s)),
				     stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.up = on_up, .down = on_down, .incoming = on_incoming};

static void host_start(struct host *h)
{
	struct vx6_dht_config dht = {.net = vx6_net_default, .io = &no_io};
	struct vx6_endpoint_addr own = {0};
	struct vx6_dht_now now = now_is();
	char at[32];

	memset(h, 0, sizeof *h);
	snprintf(at, sizeof at, "[fd00:%d::1]:0", (int)(h - host) + 1);
	node_start_at(&h->node, at);
	h->node.hooks = &hooks;
	h->at = (struct vx6_dht_contact){.node = h->node.id.id,
					 .port = h->node.at.port,
					 .via = VX6_DHT_VIA_QUIC | VX6_DHT_VIA_TCP};
	memcpy(h->at.ip, h->node.at.ip, sizeof h->at.ip);
	dht.self = h->node.id.id;
	h->dht = vx6_dht_new(&dht);
	vx6_dht_set_self(h->dht, &h->at, &now);
	link_pool_init(&h->pool,
		       &(struct link_pool_config){.loop = test_loop, .sessions = h->node.m});
	link_dialbacks_init(&h->dialbacks, test_loop, h->node.m);
	link_server_init(&h->server, &(struct link_server_config){.loop = test_loop,
								  .dialbacks = &h->dialbacks,
								  .serve = on_serve,
								  .user = h});
	link_proxy_init(&h->proxy, &(struct link_proxy_config){.loop = test_loop,
							       .sessions = h->node.m,
							       .self = h->node.id.id,
							       .pool = &h->pool,
							       .serve = on_serve,
							       .user = h});
	own.addr = h->node.at;
	link_proxy_own(&h->proxy, &own, 1);
}

/* ---- ways ---- */

static uint64_t to_way(void *user, const struct vx6_node_id *proxy)
{
	return (uint64_t)(host_of(proxy) - host) + 1;
}

static struct vx6_session *session_at(void *user, uint64_t way)
{
	return host[way - 1].from_us;
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct vx6_circuits_wait w = *(struct vx6_circuits_wait *)user;

	free(user);
	w.to->from_us = s;
	w.cb(w.user, err, s, detail);
}

static struct vx6_circuits_wait *want_way(void *user, uint64_t way, vx6_circuits_cb *cb,
					  void *cb_user)
{
	struct vx6_circuits_wait *w = vx6_zalloc(sizeof *w);
	struct vx6_dial_request req = {.addrs_n = 1, .expect_node = true, .anonymous = true};

	w->to = &host[way - 1];
	w->cb = cb;
	w->user = cb_user;
	req.addrs[0] = w->to->node.at;
	req.via[0] = VX6_DIAL_ANY;
	req.node = w->to->node.id.id;
	w->dialing = vx6_sessions_dial(us->node.m, &req, on_dialed, w);
	assert_non_null(w->dialing);
	return w;
}

static void cancel_way(void *user, struct vx6_circuits_wait *w)
{
	vx6_dialing_cancel(w->dialing);
	free(w);
}

static void leave_way(void *user, uint64_t way)
{
	struct host *h = &host[way - 1];

	h->leaves++;
	if (h->from_us)
		vx6_session_close(h->from_us, VX6_ERR(IDLE));
	h->from_us = NULL;
}

const struct vx6_dht_circuit_ways proxy_ways = {.way = to_way,
						.session = session_at,
						.want = want_way,
						.cancel = cancel_way,
						.leave = leave_way};

bool proxy_pick(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out)
{
	unsigned first = vx6_random_below(only);

	for (unsigned i = 0; i < only; i++) {
		const struct vx6_node_id *id = &host[1 + (first + i) % only].node.id.id;
		bool taken = false;

		for (size_t k = 0; k < n; k++)
			taken |= vx6_node_id_eq(&but[k], id);
		if (taken)
			continue;
		*out = *id;
		return true;
	}
	return false;
}

const struct vx6_dht *proxy_other(void *user)
{
	return ordinary;
}

void proxy_net_start(void)
{
	struct vx6_dht_now now = now_is();

	test_loop_start();
	only = HOSTS - 1;
	for (int i = 0; i < HOSTS; i++)
		host_start(&host[i]);
	for (int i = 0; i < HOSTS; i++)
		for (int k = 1; k < HOSTS; k++)
			if (i != k)
				vx6_dht_met(host[i].dht, &host[k].at, VX6_DHT_PROVED, &now);
	ordinary = us->dht;
}

void proxy_net_end(void)
{
	for (int i = 0; i < HOSTS; i++) {
		link_proxy_fini(&host[i].proxy);
		node_stop(&host[i].node);
		link_pool_fini(&host[i].pool);
		link_dialbacks_fini(&host[i].dialbacks);
		vx6_dht_free(host[i].dht);
	}
	test_loop_end();
}
