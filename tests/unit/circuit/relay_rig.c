#include "relay_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/cgo.h"
#include "crypto/ntor3.h"
#include "crypto/secret.h"
#include "record/admit.h"
#include "transport/mem/mem.h"
#include "wire/code.h"
#include "wire/hs.h"

void patient_run(bool (*done)(void *arg), void *arg)
{
	uint64_t until_ms = vx6_now_ms() + 30000;

	while (!done(arg) && vx6_now_ms() < until_ms)
		test_run_ms(1);
	assert_true(done(arg));
}

/* ---- relays ---- */

static struct relay_node *relay_of(void *node)
{
	return node; /* its first member */
}

static bool on_end(void *user, const struct vx6_relay_end *end)
{
	struct relay_node *r = user;
	const struct vx6_adopt how = {.initiator = false};

	r->ends++;
	return !r->refuse_ends &&
	       vx6_is_ok(vx6_sessions_adopt(r->n.m, end->link, &how, &r->end_session));
}

static vx6_err on_check(void *user, const struct vx6_node_id *node, const uint8_t *record, size_t n,
			struct vx6_endpoint *out)
{
	struct relay_node *r = user;
	const struct vx6_hwm_store marks = vx6_hwm_reading(&r->n.store);
	const struct vx6_admit admit = {.net = &r->n.id.net,
					.store = &marks,
					.now_s = vx6_wall_s(),
					.expect = node};
	struct vx6_admission a;

	r->checked++;
	r->check_err = vx6_record_admit(&admit, record, n, &a);
	if (!vx6_is_ok(r->check_err))
		return r->check_err;
	return vx6_endpoint_read(&a.record, out);
}

static bool on_endpoint(void *user, const struct vx6_node_id *node, struct vx6_endpoint *out)
{
	struct relay_node *r = user;

	for (int i = 0; i < r->known_n; i++) {
		if (!vx6_node_id_eq(&r->known[i].node, node))
			continue;
		*out = r->known[i];
		return true;
	}
	return false;
}

static bool on_is_peer(void *user, const struct vx6_node_id *node)
{
	return ((struct relay_node *)user)->is_peer;
}

static const struct vx6_relay_events relay_events = {.end = on_end,
						     .check = on_check,
						     .endpoint = on_endpoint,
						     .is_peer = on_is_peer};

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	if (what->kind == VX6_OPEN_CIRCUIT) {
		vx6_relay_incoming(relay_of(n)->relay, s, stream, rest, rest_n, fin);
		return;
	}
	n->stream = stream;
	strcpy(n->asked, what->name);
	vx6_stream_set_events(stream, &test_stream_events, n);
	test_stream_events.data(stream, rest, rest_n, fin, n);
	assert_true(vx6_is_ok(vx6_session_answer(stream, VX6_OK)));
}

static const struct test_hooks relay_hooks = {.incoming = on_incoming};

static void record_make(struct relay_node *r)
{
	struct vx6_endpoint e = {.seq = 1,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .features = VX6_FEAT_CIRCUIT,
				 .n_addrs = 1,
				 .addrs = {{.addr = r->n.at, .via = VX6_VIA_TCP, .prio = 1}}};

	assert_true(vx6_is_ok(vx6_endpoint_build(&e, &r->n.id, r->record, &r->record_n)));
}

void relay_start_with(struct relay_node *r, const char *at, const struct vx6_relay_config *how)
{
	struct vx6_onion_keys_config keys = {.loop = test_loop};
	struct vx6_relay_config cfg = *how;

	memset(r, 0, sizeof *r);
	node_start_at(&r->n, at);
	r->n.hooks = &relay_hooks;
	record_make(r);
	r->sched = vx6_hop_sched_new(test_loop, 16 * 1024 * 1024);
	r->keys = vx6_onion_keys_new(&keys);
	cfg.loop = test_loop;
	cfg.identity = &r->n.id;
	cfg.sessions = r->n.m;
	cfg.sched = r->sched;
	cfg.keys = r->keys;
	cfg.events = &relay_events;
	cfg.user = r;
	r->relay = vx6_relay_new(&cfg);
}

void relay_start(struct relay_node *r, const char *at, const struct vx6_relaying_budget *budget)
{
	struct vx6_relay_config cfg = {0};

	if (budget)
		cfg.budget = *budget;
	relay_start_with(r, at, &cfg);
}

void relay_stop(struct relay_node *r)
{
	vx6_relay_free(r->relay);
	node_stop(&r->n);
	vx6_hop_sched_free(r->sched);
	vx6_onion_keys_free(r->keys);
}

void relay_knows(struct relay_node *r, const struct relay_node *of)
{
	struct vx6_endpoint e;

	assert_true(vx6_is_ok(on_check(r, &of->n.id.id, of->record, of->record_n, &e)));
	assert_true(r->known_n < KNOWN_MAX);
	r->known[r->known_n++] = e;
}

struct vx6_relay_stats relay_stats(const struct relay_node *r)
{
	struct vx6_relay_stats st;

	vx6_relay_stats(r->relay, &st);
	return st;
}

/* ---- the client's half of the crypto ---- */

struct handshake {
	struct vx6_ntor3_client state;
	struct vx6_kx_pk onion;
	struct vx6_node_id id;
	uint8_t hs[VX6_CREATE_HS_MAX];
	uint8_t key_id[VX6_CREATE_KEY_ID];
};

static struct vx6_ntor3_with with_of(const struct handshake *h)
{
	return (struct vx6_ntor3_with){.protoid = vx6_ntor3_protoid,
				       .id = h->id.b,
				       .onion = &h->onion,
				       .ver = vx6_net_default.b,
				       .ver_n = sizeof vx6_net_default.b};
}

struct handshake *handshake_begin(const struct relay_node *to, const uint8_t *cm, size_t n,
				  struct vx6_create *create)
{
	struct handshake *h = vx6_zalloc(sizeof *h);
	struct vx6_onion_keys_view view;
	struct vx6_ntor3_with with;

	vx6_onion_keys_view(to->keys, &view);
	h->onion = view.key[0].pk;
	h->id = to->n.id.id;
	vx6_ntor3_key_id(&h->onion, h->key_id);
	with = with_of(h);
	assert_true(vx6_is_ok(vx6_ntor3_client_begin(&h->state, &with, NULL, cm, n, h->hs)));
	*create = (struct vx6_create){.key_id = h->key_id,
				      .hs = h->hs,
				      .hs_n = VX6_NTOR3_OVERHEAD + n};
	return h;
}

void handshake_free(struct handshake *h)
{
	free(h);
}

int client_layer(struct client *c, struct handshake *h, const struct vx6_created *created,
		 uint8_t sm[static VX6_SM_MAX])
{
	const struct vx6_ntor3_with with = with_of(h);
	uint8_t keys[VX6_NTOR3_KEYSTREAM];
	int i = c->layers_n;
	size_t n;
	vx6_err err = vx6_ntor3_client_finish(&h->state, &with, created->hs, created->hs_n, sm, &n,
					      keys, sizeof keys);

	free(h);
	if (!vx6_is_ok(err))
		return -1;
	assert_true(i < LAYERS_MAX);
	vx6_cgo_init(&c->forward[i], keys);
	vx6_cgo_init(&c->back[i], keys + VX6_CGO_SEED_BYTES);
	memcpy(c->binding, keys + 2 * VX6_CGO_SEED_BYTES, sizeof c->binding);
	c->layers_n++;
	return (int)n;
}

static void seal(struct client *c, int to, uint8_t *cell)
{
	vx6_cgo_client_forward(c->forward, (size_t)to, cell[0], cell + 1);
}

static int unseal(struct client *c, uint8_t *cell)
{
	return vx6_cgo_client_backward(c->back, (size_t)c->layers_n, cell[0], cell + 1);
}

/* ---- the client ---- */

static void take_relay(struct client *c, uint8_t *cell)
{
	struct got *g = &c->got[c->got_n % GOT_MAX];
	struct vx6_payload p;

	c->cells++;
	g->from = unseal(c, cell);
	if (g->from < 0) {
		c->garbled = true;
		return;
	}
	assert_true(vx6_is_ok(vx6_payload_decode(cell + VX6_CELL_PAYLOAD_AT, &p)));
	g->type = p.type;
	g->n = p.n;
	memcpy(g->data, p.data, p.n);
	c->got_n++;
}

static bool on_cell(struct vx6_hop *hop, uint8_t *cell, void *user)
{
	struct client *c = user;
	struct vx6_created created;

	if (c->stopped)
		return false;
	if (cell[0] == VX6_CELL_RELAY) {
		take_relay(c, cell);
		return true;
	}
	if (cell[0] == VX6_CELL_PAD)
		return true;
	assert_true(vx6_is_ok(vx6_cell_get_created(cell, &created)));
	c->created = true;
	c->created_n = created.hs_n;
	memcpy(c->created_hs, created.hs, created.hs_n);
	return true;
}

static void on_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	struct client *c = user;

	c->closed++;
	c->why = why;
	c->code = code;
	c->hop = NULL;
}

static const struct vx6_hop_events client_events = {.cell = on_cell, .closed = on_closed};

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	struct client *c = user;

	c->opening = NULL;
	if (!vx6_is_ok(err)) {
		c->closed++;
		c->why = err;
		c->code = vx6_code_from_err(err);
		return;
	}
	c->hop = vx6_hop_new(c->sched, stream, &client_events, c);
	vx6_hop_feed(c->hop, rest, rest_n);
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome};

void client_init(struct client *c)
{
	memset(c, 0, sizeof *c);
	c->sched = vx6_hop_sched_new(test_loop, 64 * 1024 * 1024);
}

void client_free(struct client *c)
{
	if (c->opening)
		vx6_opening_cancel(c->opening);
	if (c->hop)
		vx6_hop_close(c->hop, VX6_CODE_CIRC_DESTROYED);
	vx6_hop_sched_free(c->sched);
	memset(c, 0, sizeof *c);
}

static bool is_open(void *arg)
{
	struct client *c = arg;

	return c->hop || c->closed;
}

void client_open(struct client *c, struct vx6_session *s)
{
	const struct vx6_open what = {.kind = VX6_OPEN_CIRCUIT};

	assert_true(vx6_is_ok(vx6_session_open(s, &what, &opening_events, c, &c->opening)));
	patient_run(is_open, c);
}

void client_cell(struct client *c, const uint8_t cell[static VX6_CELL_BYTES])
{
	uint8_t *room = vx6_hop_room(c->hop);

	assert_non_null(room);
	memcpy(room, cell, VX6_CELL_BYTES);
	vx6_hop_commit(c->hop);
}

static bool has_created(void *arg)
{
	struct client *c = arg;

	return c->created || c->closed;
}

void client_create(struct client *c, struct vx6_session *s, const struct relay_node *to)
{
	uint8_t cell[VX6_CELL_BYTES] = {0}, sm[VX6_SM_MAX];
	struct vx6_create create;
	struct handshake *h = handshake_begin(to, NULL, 0, &create);
	struct vx6_created created;
	size_t used;

	client_open(c, s);
	assert_int_equal(c->closed, 0);
	assert_true(vx6_is_ok(vx6_cell_put_create(cell, &create, &used)));
	client_cell(c, cell);
	patient_run(has_created, c);
	assert_int_equal(c->closed, 0);
	created = (struct vx6_created){.hs = c->created_hs, .hs_n = c->created_n};
	assert_int_equal(client_layer(c, h, &created, sm), 0);
}

void client_payload(struct client *c, int to, const uint8_t payload[static VX6_CELL_PAYLOAD])
{
	uint8_t *cell = vx6_hop_room(c->hop);

	assert_non_null(cell);
	cell[0] = VX6_CELL_RELAY;
	memcpy(cell + VX6_CELL_PAYLOAD_AT, payload, VX6_CELL_PAYLOAD);
	seal(c, to, cell);
	vx6_hop_commit(c->hop);
}

void client_send(struct client *c, int to, enum vx6_payload_type type, const void *data, size_t n)
{
	uint8_t payload[VX6_CELL_PAYLOAD] = {0};

	if (n)
		memcpy(payload + VX6_PAYLOAD_HEADER, data, n);
	vx6_payload_seal(payload, type, n);
	client_payload(c, to, payload);
}

struct handshake *client_extend_ask(struct client *c, const struct relay_node *to,
				    const uint8_t *record, size_t record_n)
{
	uint8_t payload[VX6_CELL_PAYLOAD];
	struct vx6_extend e = {.record = record, .record_n = record_n};
	struct handshake *h = handshake_begin(to, NULL, 0, &e.create);
	size_t used;

	memcpy(e.node, to->n.id.id.b, sizeof e.node);
	assert_true(vx6_is_ok(vx6_payload_put_extend(payload, &e, &used)));
	client_send(c, c->layers_n - 1, VX6_PAYLOAD_EXTEND, payload + VX6_PAYLOAD_HEADER,
		    used - VX6_PAYLOAD_HEADER);
	return h;
}

struct waiting_for {
	struct client *c;
	int index;
};

static bool has_come(void *arg)
{
	struct waiting_for *w = arg;

	return w->c->got_n > w->index || w->c->closed;
}

struct got *client_wait(struct client *c, int index)
{
	struct waiting_for w = {c, index};

	patient_run(has_come, &w);
	return c->got_n > index ? &c->got[index % GOT_MAX] : NULL;
}

uint32_t client_extend_with(struct client *c, const struct relay_node *to, const uint8_t *record,
			    size_t record_n)
{
	int index = c->got_n;
	struct handshake *h = client_extend_ask(c, to, record, record_n);
	struct got *g = client_wait(c, index);
	struct vx6_created created;
	struct vx6_payload p;
	uint8_t sm[VX6_SM_MAX];
	uint16_t code;

	while (g && (g->type == VX6_PAYLOAD_PONG || vx6_hs_is_answer(g->type))) /* of before */
		g = client_wait(c, ++index);
	if (!g) {
		handshake_free(h);
		return c->code;
	}
	assert_int_equal(g->from, c->layers_n - 1);
	p = (struct vx6_payload){.type = g->type, .data = g->data, .n = g->n};
	if (g->type == VX6_PAYLOAD_REFUSED) {
		handshake_free(h);
		assert_true(vx6_is_ok(vx6_payload_get_code(&p, &code)));
		return code;
	}
	assert_true(vx6_is_ok(vx6_payload_get_extended(&p, &created)));
	assert_int_equal(client_layer(c, h, &created, sm), 0);
	return 0;
}

uint32_t client_extend(struct client *c, const struct relay_node *to)
{
	return client_extend_with(c, to, to->record, to->record_n);
}

bool client_ping(struct client *c, int to)
{
	static const uint8_t token[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	int index = c->got_n;
	struct got *g;

	client_send(c, to, VX6_PAYLOAD_PING, token, sizeof token);
	g = client_wait(c, index);
	return g && g->from == to && g->type == VX6_PAYLOAD_PONG && g->n == sizeof token &&
	       memcmp(g->data, token, sizeof token) == 0;
}

static bool has_closed(void *arg)
{
	return ((struct client *)arg)->closed > 0;
}

uint32_t client_wait_closed(struct client *c)
{
	patient_run(has_closed, c);
	return c->code;
}
