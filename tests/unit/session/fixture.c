#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "fixture.h"
#include "transport/mem/mem.h"

struct vx6_loop *test_loop;

void test_loop_start(void)
{
	assert_true(vx6_is_ok(vx6_crypto_init()));
	assert_true(vx6_is_ok(vx6_loop_new(&test_loop)));
}

void test_loop_end(void)
{
	vx6_loop_free(test_loop);
}

struct waiting {
	bool (*done)(void *arg);
	void *arg;
	uint64_t until_ms;
	struct vx6_timer timer;
	bool met;
};

static void on_look(struct vx6_timer *timer)
{
	struct waiting *w = timer->user;
	uint64_t now_ms = vx6_now_ms();

	w->met = w->done && w->done(w->arg);
	if (w->met || now_ms >= w->until_ms)
		vx6_loop_stop(test_loop);
	else
		vx6_timer_in_ms(timer, w->done ? 1 : w->until_ms - now_ms);
}

bool test_run_for(bool (*done)(void *arg), void *arg, uint64_t ms)
{
	struct waiting w = {.done = done, .arg = arg, .until_ms = vx6_now_ms() + ms};

	vx6_timer_init(test_loop, &w.timer, on_look, &w);
	vx6_timer_in_ms(&w.timer, 0);
	vx6_loop_run(test_loop);
	vx6_timer_stop(&w.timer);
	return w.met;
}

void test_run(bool (*done)(void *arg), void *arg)
{
	assert_true(test_run_for(done, arg, 5000));
}

void test_run_ms(uint64_t ms)
{
	(void)test_run_for(NULL, NULL, ms);
}

/* ---- streams ---- */

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct test_node *node = user;

	for (int i = 0; i < n; i++) {
		assert_true(node->got_n + iov[i].iov_len <= sizeof node->got);
		memcpy(node->got + node->got_n, iov[i].iov_base, iov[i].iov_len);
		node->got_n += iov[i].iov_len;
		vx6_stream_consume(s, iov[i].iov_len);
	}
	node->fin |= fin;
}

static void on_writable(struct vx6_stream *s, void *user)
{
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct test_node *node = user;

	node->closed++;
	node->closed_why = why;
	node->closed_code = code;
	if (node->stream == s)
		node->stream = NULL;
}

const struct vx6_stream_events test_stream_events = {.data = on_data,
						     .writable = on_writable,
						     .closed = on_closed};

void stream_write(struct vx6_stream *s, const char *text, bool fin)
{
	size_t cap = 0, n = strlen(text);
	uint8_t *room = n ? vx6_stream_reserve(s, &cap) : NULL;

	assert_true(cap >= n);
	if (n)
		memcpy(room, text, n);
	vx6_stream_commit(s, n, fin);
}

/* ---- sessions ---- */

static void on_up(void *user, struct vx6_session *s)
{
	struct test_node *n = user;

	n->ups++;
	n->session = s;
	if (n->on_session)
		n->on_session(s, true, VX6_OK);
	if (n->hooks && n->hooks->up)
		n->hooks->up(n, s);
}

static void on_down(void *user, struct vx6_session *s, vx6_err why)
{
	struct test_node *n = user;

	n->downs++;
	n->last_down = why;
	if (n->session == s)
		n->session = NULL;
	if (n->on_session)
		n->on_session(s, false, why);
	if (n->hooks && n->hooks->down)
		n->hooks->down(n, s, why);
}

static void on_record(void *user, struct vx6_session *s, const uint8_t *record, size_t bytes)
{
	struct test_node *n = user;

	n->records++;
	if (n->hooks && n->hooks->record)
		n->hooks->record(n, s, record, bytes);
}

static void on_wanted(void *user, struct vx6_session *s, const struct vx6_node_id *node)
{
	struct test_node *n = user;

	n->wanted++;
	if (n->hooks && n->hooks->wanted)
		n->hooks->wanted(n, s, node);
}

static void on_have(void *user, struct vx6_session *s, const struct vx6_have *e)
{
	struct test_node *n = user;

	if (n->hooks && n->hooks->have)
		n->hooks->have(n, s, e);
}

static void on_get(void *user, struct vx6_session *s, uint64_t tag)
{
	struct test_node *n = user;

	if (n->hooks && n->hooks->get)
		n->hooks->get(n, s, tag);
}

static void on_incoming(void *user, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct test_node *n = user;

	n->incomings++;
	if (n->hooks && n->hooks->incoming) {
		n->hooks->incoming(n, s, stream, what, rest, rest_n, fin);
		return;
	}
	n->stream = stream;
	strcpy(n->asked, what->name);
	vx6_stream_set_events(stream, &test_stream_events, n);
	on_data(stream, rest, rest_n, fin, n);
	if (!n->silent)
		assert_true(vx6_is_ok(vx6_session_answer(stream, n->answer)));
}

static void on_adrift(void *user, const struct vx6_node_id *node, unsigned bits, uint64_t route)
{
	struct test_node *n = user;

	n->adrifts++;
	n->adrift_bits = bits;
	n->adrift_route = route;
	if (n->hooks && n->hooks->adrift)
		n->hooks->adrift(n, node, bits, route);
}

static void on_doubt(void *user, const struct vx6_node_id *node, uint64_t route)
{
	struct test_node *n = user;

	n->doubts++;
	n->doubt_route = route;
	if (n->hooks && n->hooks->doubt)
		n->hooks->doubt(n, route);
}

static const struct vx6_sessions_events events = {.up = on_up,
						  .adrift = on_adrift,
						  .doubt = on_doubt,
						  .down = on_down,
						  .record = on_record,
						  .wanted = on_wanted,
						  .have = on_have,
						  .get = on_get,
						  .incoming = on_incoming};

void node_next_subkey(const struct test_node *n, struct vx6_subkey *out)
{
	uint64_t now = vx6_wall_s();

	memset(out, 0, sizeof *out);
	vx6_sign_keypair_random(&out->key);
	out->cert = (struct vx6_subkey_cert){
		.kind = VX6_SUBKEY_SIGN,
		.purposes = VX6_PURPOSE_TLS | VX6_PURPOSE_RECORD,
		.not_before_s = now,
		.not_after_s = now + VX6_SUBKEY_LIFETIME_S,
		.cert_seq = n->id.subkey.cert.cert_seq + 1,
		.subject = out->key.pk,
	};
	assert_true(vx6_is_ok(
		vx6_subkey_cert_sign(&out->cert, &n->master, &vx6_net_default, out->cert_bytes)));
}

static void identity_make(struct test_node *n)
{
	vx6_sign_keypair_random(&n->master);
	vx6_node_id_from_pk(&n->master.pk, &n->id.id);
	n->id.net = vx6_net_default;
	node_next_subkey(n, &n->id.subkey);
}

void node_start(struct test_node *n)
{
	node_start_at(n, "[::1]:0");
}

void node_start_at(struct test_node *n, const char *at)
{
	struct vx6_transport_config cfg = {.loop = test_loop};
	struct vx6_sessions_config sessions = {.loop = test_loop, .events = &events, .user = n};
	struct vx6_bound bound[2 * VX6_SESSION_LISTEN_MAX];
	struct vx6_addr listen, source;
	char detail[VX6_DIAL_DETAIL_MAX];

	memset(n, 0, sizeof *n);
	identity_make(n);
	n->marks = vx6_hwm_mem_new(1000);
	n->store = vx6_hwm_mem_store(n->marks);
	cfg.key = &n->id.subkey.key;
	vx6_transport_limits_default(&cfg.limits);
	assert_true(vx6_is_ok(vx6_transport_mem.new(&cfg, &n->t)));
	sessions.identity = &n->id;
	sessions.hwm = &n->store;
	sessions.tcp = n->t;
	sessions.tcp_ops = &vx6_transport_mem;
	assert_true(vx6_is_ok(vx6_sessions_new(&sessions, &n->m)));
	assert_true(vx6_is_ok(vx6_addr_parse(at, &listen)));
	source = listen;
	source.port = 65535;
	vx6_mem_set_source(n->t, &source);
	assert_true(vx6_is_ok(vx6_sessions_listen(n->m, &listen, detail)));
	assert_int_equal(vx6_sessions_bound(n->m, bound), 1);
	n->at = bound[0].addr;
}

void node_stop(struct test_node *n)
{
	vx6_sessions_free(n->m);
	vx6_hwm_mem_free(n->marks);
	vx6_identity_wipe(&n->id);
	vx6_sign_keypair_wipe(&n->master);
}

/* ---- dialling ---- */

struct dial_result {
	bool done;
	vx6_err err;
	char *detail;
};

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct dial_result *r = user;

	r->done = true;
	r->err = err;
	strcpy(r->detail, detail);
	assert_true(vx6_is_ok(err) == (s != NULL));
}

static bool is_done(void *arg)
{
	return ((struct dial_result *)arg)->done;
}

vx6_err node_dial(struct test_node *from, const struct test_node *to,
		  const struct vx6_node_id *expect, bool anonymous,
		  char detail[VX6_DIAL_DETAIL_MAX])
{
	struct vx6_dial_request req = {.addrs = {to->at},
				       .addrs_n = 1,
				       .expect_node = expect != NULL,
				       .anonymous = anonymous};
	struct dial_result r = {.detail = detail};

	if (expect)
		req.node = *expect;
	assert_non_null(vx6_sessions_dial(from->m, &req, on_dialed, &r));
	assert_false(r.done); /* never inside the call */
	test_run(is_done, &r);
	return r.err;
}
