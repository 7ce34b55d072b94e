/*
 * The hidden DHT: who it is, whom it begins with, and what becomes of proxies that are no good. Nodes with sessions, proxies and the real DHT;
 * sessions without an identity stand for circuits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "discovery/dht_circuit.h"
#include "discovery/dht_link_internal.h"
#include "identity/identity.h"
#include "record/service.h"
#include "tests/unit/session/fixture.h"
#include "wire/code.h"

enum { HOSTS = 10, STRANGERS = 300, IDLE_MS = 400, RUN_MS = 10000 };

static struct host {
	struct test_node node; /* first */
	struct link_pool pool;
	struct link_dialbacks dialbacks;
	struct link_server server;
	struct link_proxy proxy;
	struct vx6_dht *dht;
	struct vx6_dht_contact at;
	/* how it sends on */
	bool lies, refuses, dies;
	unsigned vias;
	struct vx6_session *from_us; /* our way to it */
	struct vx6_circuits_wait *wait;
} host[HOSTS];
#define us (&host[0])

/* A way to a proxy that is being made. */
struct vx6_circuits_wait {
	struct host *to;
	struct vx6_dialing *dialing;
	vx6_circuits_cb *cb;
	void *user;
};

static struct vx6_dht_circuit *circuit;
static struct vx6_dht *hidden, *ordinary;
static unsigned changes, only; /* only: proxies there are */

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

static const struct vx6_dht_io no_io = {
	.abi = VX6_DHT_IO_ABI,
	.query = no_query,
	.cancel = no_cancel,
	.is_warm = is_warm,
	.random = fill_random,
	.wake_at = no_wake,
};

static struct vx6_dht_now now_is(void)
{
	return (struct vx6_dht_now){.ms = vx6_now_ms(), .wall_s = vx6_wall_s()};
}

static size_t on_serve(void *user, const struct vx6_dht_requester *from, const uint8_t *req,
		       size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	struct vx6_dht_now now = now_is();

	return vx6_dht_serve(((struct host *)user)->dht, from, req, n, out, &now);
}

/* ---- hosts ---- */

static struct host *host_of(const struct vx6_node_id *node)
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

static const struct vx6_dht_circuit_ways ways = {.way = to_way,
						 .session = session_at,
						 .want = want_way,
						 .cancel = cancel_way};

static bool pick(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out)
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

static const struct vx6_dht *other(void *user)
{
	return ordinary;
}

static void changed(void *user, struct vx6_dht *dht)
{
	hidden = dht;
	changes++;
}

/* ---- life ---- */

static int setup(void **state)
{
	struct vx6_dht_now now = now_is();

	test_loop_start();
	changes = 0;
	only = HOSTS - 1;
	for (int i = 0; i < HOSTS; i++)
		host_start(&host[i]);
	for (int i = 0; i < HOSTS; i++)
		for (int k = 1; k < HOSTS; k++)
			if (i != k)
				vx6_dht_met(host[i].dht, &host[k].at, VX6_DHT_PROVED, &now);
	ordinary = us->dht;
	circuit = vx6_dht_circuit_new(&(struct vx6_dht_circuit_config){.loop = test_loop,
								       .sessions = us->node.m,
								       .ways = &ways,
								       .net = vx6_net_default,
								       .idle_ms = IDLE_MS,
								       .pick = pick,
								       .other = other,
								       .changed = changed});
	return 0;
}

static int teardown(void **state)
{
	vx6_dht_circuit_free(circuit);
	assert_null(hidden);
	for (int i = 0; i < HOSTS; i++) {
		link_proxy_fini(&host[i].proxy);
		node_stop(&host[i].node);
		link_pool_fini(&host[i].pool);
		link_dialbacks_fini(&host[i].dialbacks);
		vx6_dht_free(host[i].dht);
	}
	test_loop_end();
	return 0;
}

/* ---- a record, and looking for it ---- */

struct found {
	bool done;
	struct vx6_dht_result r;
	uint32_t voices; /* paths that gave it */
};

static void on_found(void *user, const struct vx6_dht_result *r)
{
	struct found *f = user;

	f->done = true;
	f->r = *r;
	f->voices = r->values_n ? r->value[0].paths : 0;
}

static struct vx6_dht_key key_of_us(void)
{
	struct vx6_dht_key key;

	vx6_dht_key_service(&vx6_net_default, &host[1].node.id.id, "web", &key);
	return key;
}

/* At all of them. */
static void publish(void)
{
	struct vx6_service_record svc = {.seq = 1,
					 .issued_s = vx6_wall_s(),
					 .lifetime_s = 3600,
					 .name = "web",
					 .kind = VX6_SERVICE_TCP};
	static uint8_t record[VX6_SERVICE_MAX], bytes[VX6_DHT_REQ_MAX], out[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_requester who = {.ip = {0xfd, [15] = 9}};
	struct vx6_dht_key key = key_of_us();
	size_t n;

	assert_true(vx6_is_ok(vx6_service_build(&svc, &host[1].node.id, record, &n)));
	for (int i = 1; i < HOSTS; i++) {
		struct vx6_dht_req req = {.op = VX6_DHT_GET};
		struct vx6_dht_resp resp;
		struct vx6_wr w;

		memcpy(req.key, key.b, sizeof req.key);
		for (int step = 0; step < 2; step++) {
			struct vx6_dht_now now = now_is();

			vx6_wr_init(&w, bytes, sizeof bytes);
			vx6_dht_req_encode(&w, &req);
			assert_true(vx6_is_ok(vx6_dht_resp_decode(
				out, vx6_dht_serve(host[i].dht, &who, bytes, w.len, out, &now),
				&resp)));
			assert_int_equal(resp.status, 0);
			req.op = VX6_DHT_PUT;
			memcpy(req.token, resp.token, sizeof req.token);
			req.record = record;
			req.record_n = n;
		}
	}
}

static void run_until(bool *done)
{
	uint64_t end = vx6_now_ms() + RUN_MS;

	while (!*done && vx6_now_ms() < end)
		test_run_ms(5);
	assert_true(*done);
}

static void look(struct found *f, enum vx6_dht_want want)
{
	struct vx6_dht_ask ask = {.key = key_of_us(), .want = want, .type = VX6_RTYPE_SERVICE};
	struct vx6_dht_now now = now_is();

	memset(f, 0, sizeof *f);
	vx6_dht_circuit_want(circuit);
	assert_non_null(hidden);
	assert_non_null(vx6_dht_look(hidden, &ask, on_found, f, &now));
	run_until(&f->done);
}

/* ---- tests ---- */

static struct vx6_dht_key pos_of(const struct vx6_dht *d)
{
	struct vx6_dht_info info;

	vx6_dht_info(d, &info);
	return info.pos;
}

static void each_life__another_id_and_other_proxies_and_never_ours(void **state)
{
	struct vx6_dht_contact alone = {.node = us->node.id.id, .ip = {[15] = 1}};
	struct vx6_dht_key ours, first, second;

	vx6_dht_contact_pos(&vx6_net_default, &alone, &ours);
	vx6_dht_circuit_want(circuit);
	first = pos_of(hidden);
	assert_memory_not_equal(first.b, ours.b, sizeof ours.b);
	assert_memory_not_equal(first.b, pos_of(us->dht).b, sizeof ours.b);
	/* wanted again while it is there: the same one */
	vx6_dht_circuit_want(circuit);
	second = pos_of(hidden);
	assert_memory_equal(first.b, second.b, sizeof first.b);
	for (unsigned i = 0; i < 400 && hidden; i++)
		test_run_ms(10);
	assert_null(hidden); /* idle */
	for (uint8_t i = 0; i < VX6_DHT_CIRCUIT_PROXIES; i++)
		assert_false(vx6_dht_circuit_proxy(circuit, i, &(struct vx6_node_id){0}));
	vx6_dht_circuit_want(circuit);
	second = pos_of(hidden);
	assert_memory_not_equal(first.b, second.b, sizeof first.b);
	assert_memory_not_equal(second.b, ours.b, sizeof ours.b);
	assert_int_equal(changes, 3);
}

static void each_path__a_proxy_of_its_own(void **state)
{
	struct vx6_node_id proxy[VX6_DHT_CIRCUIT_PROXIES];
	unsigned asked = 0;
	struct found f;

	publish();
	look(&f, VX6_DHT_WANT_ALL);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.paths, VX6_DHT_CIRCUIT_PROXIES);
	assert_int_equal(f.voices, VX6_DHT_CIRCUIT_PROXIES);
	for (uint8_t i = 0; i < VX6_DHT_CIRCUIT_PROXIES; i++) {
		assert_true(vx6_dht_circuit_proxy(circuit, i, &proxy[i]));
		assert_true(host_of(&proxy[i])->vias > 0);
		for (uint8_t k = 0; k < i; k++)
			assert_false(vx6_node_id_eq(&proxy[i], &proxy[k]));
	}
	/* nobody else has seen us, and those under no name: on_via() */
	for (int i = 1; i < HOSTS; i++)
		asked += host[i].vias > 0;
	assert_int_equal(asked, VX6_DHT_CIRCUIT_PROXIES);
}

static void few_proxies__fewer_paths(void **state)
{
	struct found f;

	publish();
	only = 2;
	look(&f, VX6_DHT_WANT_ALL);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.paths, 2);
	assert_int_equal(f.voices, 2);
}

static void no_proxy__nothing_is_asked(void **state)
{
	struct found f;

	publish();
	only = 1;
	host[1].dies = true;
	look(&f, VX6_DHT_WANT_ALL);
	assert_int_equal(f.r.err.code, VX6_E_UNREACHABLE);
	for (int i = 2; i < HOSTS; i++)
		assert_int_equal(host[i].vias, 0);
}

static void who_lies__costs_one_path(void **state)
{
	struct found f;

	publish();
	only = 4;
	host[2].lies = true;
	look(&f, VX6_DHT_WANT_ALL);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.paths, 4);
	assert_int_equal(f.voices, 3);
	assert_true(host[2].vias > 0);
	look(&f, VX6_DHT_WANT_ONE);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.values_n, 1);
}

static void replaced(bool *how)
{
	struct vx6_node_id proxy;
	struct found f;

	publish();
	only = 5;
	*how = true;
	/* drawn by chance: until it was among them */
	for (unsigned i = 0; i < 50 && host[2].vias == 0; i++) {
		look(&f, VX6_DHT_WANT_ALL);
		assert_true(vx6_is_ok(f.r.err));
		if (host[2].vias > 0)
			break;
		for (unsigned k = 0; k < 400 && hidden; k++)
			test_run_ms(10);
	}
	assert_true(host[2].vias > 0);
	assert_int_equal(f.voices, 4); /* the fifth has its path, and asked again */
	for (uint8_t i = 0; i < VX6_DHT_CIRCUIT_PROXIES; i++) {
		assert_true(vx6_dht_circuit_proxy(circuit, i, &proxy));
		assert_false(vx6_node_id_eq(&proxy, &host[2].node.id.id));
	}
}

static void who_dies__is_replaced_under_way(void **state)
{
	replaced(&host[2].dies);
	assert_int_equal(host[2].vias, 1);
}

static void who_fails_again_and_again__is_replaced_under_way(void **state)
{
	replaced(&host[2].refuses);
	assert_true(host[2].vias >= VX6_DHT_CIRCUIT_FAILURES);
	assert_true(host[2].vias < 3 * VX6_DHT_CIRCUIT_FAILURES);
}

/* ---- whom it begins with ---- */

struct known {
	struct vx6_node_id node[STRANGERS];
	size_t n, near; /* near: to whom the ordinary table belongs */
	struct vx6_dht_key pos;
	bool has_private;
};

static void note(void *user, const struct vx6_dht_row *row)
{
	struct known *k = user;

	k->node[k->n++] = row->contact.node;
	k->near += vx6_dht_common_bits(&row->pos, &k->pos) >= 3;
	k->has_private |= vx6_dht_contact_is_private(&row->contact);
}

static void contacts__few_of_many_and_from_everywhere(void **state)
{
	struct vx6_dht_config cfg = {.net = vx6_net_default, .io = &no_io};
	struct vx6_dht_now now = now_is();
	struct known known = {0}, all = {0};
	struct vx6_dht *table;
	size_t near = 0, same = 0, lives = 20;

	vx6_random_bytes(cfg.self.b, sizeof cfg.self.b);
	table = vx6_dht_new(&cfg);
	vx6_dht_met(table, &host[3].at, VX6_DHT_PROVED, &now); /* private, met before any other */
	for (unsigned i = 0; i < STRANGERS - 1; i++) {
		struct vx6_dht_contact c = {.port = 4242, .via = VX6_DHT_VIA_QUIC};

		vx6_random_bytes(c.node.b, sizeof c.node.b);
		c.ip[0] = 0x2a;
		c.ip[3] = (uint8_t)(i >> 8);
		c.ip[4] = (uint8_t)i;
		vx6_dht_met(table, &c, VX6_DHT_PROVED, &now);
	}
	all.pos = known.pos = pos_of(table);
	vx6_dht_each(table, note, &all);
	assert_true(all.n > 100 && all.has_private);
	ordinary = table;
	for (unsigned life = 0; life < lives; life++) {
		struct known before = known;

		known = (struct known){.pos = all.pos};
		vx6_dht_circuit_want(circuit);
		vx6_dht_each(hidden, note, &known);
		assert_in_range(known.n, VX6_DHT_CIRCUIT_CONTACTS / 2, VX6_DHT_CIRCUIT_CONTACTS);
		assert_false(known.has_private);
		near += known.near;
		for (size_t i = 0; i < known.n; i++)
			for (size_t k = 0; k < before.n; k++)
				same += vx6_node_id_eq(&known.node[i], &before.node[k]);
		vx6_dht_circuit_free(circuit);
		circuit =
			vx6_dht_circuit_new(&(struct vx6_dht_circuit_config){.loop = test_loop,
									     .sessions = us->node.m,
									     .ways = &ways,
									     .net = vx6_net_default,
									     .pick = pick,
									     .other = other,
									     .changed = changed});
	}
	/* not the same ones each time; and an eighth is within an eighth of the space, not most as in the table */
	assert_true(same < lives * VX6_DHT_CIRCUIT_CONTACTS / 2);
	assert_true(near < lives * VX6_DHT_CIRCUIT_CONTACTS / 4);
	vx6_dht_free(table);
	ordinary = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_life__another_id_and_other_proxies_and_never_ours),
		TEST(each_path__a_proxy_of_its_own),
		TEST(few_proxies__fewer_paths),
		TEST(no_proxy__nothing_is_asked),
		TEST(who_lies__costs_one_path),
		TEST(who_dies__is_replaced_under_way),
		TEST(who_fails_again_and_again__is_replaced_under_way),
		TEST(contacts__few_of_many_and_from_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
