#include "circuits_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/circuits_internal.h"
#include "circuit/relay_internal.h"
#include "tests/unit/circuit/tnode.h"
#include "transport/mem/mem.h"

enum {
	RIG_POLICY = VX6_RELAY_GUARD | VX6_RELAY_MIDDLE | VX6_RELAY_END | VX6_RELAY_INTRO |
		     VX6_RELAY_REND,
};

struct rig rig;
struct vx6_circuit_show rig_row[RIG_ROWS];
static struct tnode echoes; /* counts what is echoed */
static int rows_n;

int rig_index(const struct vx6_node_id *node)
{
	for (int i = 0; i < RIG_NODES; i++)
		if (vx6_node_id_eq(&rig.node[i].n.id.id, node))
			return i;
	return -1;
}

/* ---- time ---- */

void rig_until(bool (*done)(void *arg), void *arg, uint64_t ms)
{
	assert_true(test_run_for(done, arg, ms));
}

void rig_pass(uint64_t ms)
{
	test_run_ms(ms);
}

/* ---- what circuits ask ---- */

static bool on_node(void *user, const struct vx6_node_id *node, struct vx6_circuits_node *out)
{
	int i = rig_index(node);
	const struct vx6_circuit_hop *hop;

	if (i < 0 || rig.unknown[i])
		return false;
	hop = &rig.as_known[i];
	*out = (struct vx6_circuits_node){
		.info = {.policy = RIG_POLICY, .keys_n = 1},
		.endpoint = hop->record,
		.endpoint_n = hop->record_n,
	};
	memcpy(out->info.keys[0].pk, hop->onion_key, sizeof hop->onion_key);
	out->info.keys[0].not_after_s = (uint32_t)vx6_wall_s() + 86400;
	return true;
}

static bool on_ask(void *user, const struct vx6_node_id *node, bool anonymous)
{
	assert_true(rig.asks_n < RIG_ASKS);
	rig.ask[rig.asks_n].who = *node;
	rig.ask[rig.asks_n++].anonymous = anonymous;
	return !rig.nobody_to_ask;
}

static void on_direct(void *user, const struct vx6_node_id *node)
{
	rig.directs++;
}

static void on_view(void *user, struct vx6_path_view *out)
{
	*out = (struct vx6_path_view){.now_s = vx6_wall_s(),
				      .self = rig.me.id.id,
				      .diversity = VX6_PATH_DIVERSITY_OFF};
}

static void on_path_end(void *user, const struct vx6_node_id *node, struct vx6_path_end *out)
{
	*out = (struct vx6_path_end){.node = *node};
}

static void on_news(void *user, enum vx6_circuits_news what, const char *id,
		    const struct vx6_node_id *target, const char *why)
{
	rig.news[what]++;
}

static void on_rendezvous(void *user, uint64_t leg, const struct vx6_node_id *service,
			  struct vx6_circuit *circuit, const struct vx6_node_id *x)
{
	rig.met = leg;
	rig.met_n++;
	rig.x = *x;
	if (rig.rendezvous)
		rig.rendezvous(leg, service, circuit, x);
}

static void on_rendezvous_begins(void *user, uint64_t leg, const struct vx6_node_id *service,
				 const struct vx6_node_id *x)
{
	rig.begun_n++;
	rig.begun = leg;
	if (rig.rendezvous_begins)
		rig.rendezvous_begins(leg, service, x);
}

static void on_rendezvous_gone(void *user, uint64_t leg)
{
	rig.gone = leg;
	rig.gone_n++;
	if (rig.leg_gone)
		rig.leg_gone(leg);
}

static void on_rendezvous_said(void *user, uint64_t leg, uint8_t type, const uint8_t *data,
			       size_t n)
{
	if (rig.said)
		rig.said(leg, type, data, n);
}

static void on_adrift(struct test_node *n, const struct vx6_node_id *node, unsigned bits,
		      uint64_t route)
{
	if (rig.adrift)
		rig.adrift(route);
	else if (route && rig.circuits)
		vx6_circuits_adrift(rig.circuits, route);
}

static void on_doubt(struct test_node *n, uint64_t route)
{
	if (rig.circuits)
		vx6_circuits_doubt(rig.circuits, route);
}

static const struct test_hooks my_hooks = {.adrift = on_adrift, .doubt = on_doubt};

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct relay_node *r = (struct relay_node *)(void *)n;

	if (what->kind == VX6_OPEN_CIRCUIT)
		vx6_relay_incoming(r->relay, s, stream, rest, rest_n, fin);
	else
		tnode_echo(&echoes, stream, rest, rest_n, fin);
}

static const struct test_hooks node_hooks = {.incoming = on_incoming};

/* ---- life ---- */

void rig_learn(int i)
{
	struct relay_node *n = &rig.node[i];
	struct vx6_onion_keys_view view;
	struct vx6_relay_facts f = {
		.node = n->n.id.id,
		.until_s = vx6_wall_s() + 86400,
		.onion_until_s = vx6_wall_s() + 86400,
		.policy = RIG_POLICY,
		.addrs = {n->n.at},
		.addrs_n = 1,
	};

	vx6_onion_keys_view(n->keys, &view);
	memcpy(f.onion_key, view.key[0].pk.b, sizeof f.onion_key);
	rig.as_known[i] = (struct vx6_circuit_hop){.node = n->n.id.id,
						   .record = n->record,
						   .record_n = n->record_n};
	memcpy(rig.as_known[i].onion_key, f.onion_key, sizeof f.onion_key);
	if (i < RIG_RELAYS)
		assert_true(vx6_is_ok(vx6_relays_put(rig.relays, &f, vx6_wall_s())));
}

int rig_setup(void **state)
{
	test_loop_start();
	memset(&rig, 0, sizeof rig);
	memset(&echoes, 0, sizeof echoes);
	node_start_at(&rig.me, "[2001:db8:100::1]:0");
	rig.me.hooks = &my_hooks;
	rig.relays = vx6_relays_new();
	rig.guards = vx6_guards_new();
	rig.vanguards = vx6_vanguards_new();
	rig.times = vx6_build_times_new();
	for (int i = 0; i < RIG_NODES; i++) {
		char at[32];

		snprintf(at, sizeof at, "[2001:db8:%d::1]:0", i + 1);
		relay_start(&rig.node[i], at, NULL);
		rig.node[i].n.hooks = &node_hooks;
		rig_learn(i);
	}
	rig.sched = vx6_hop_sched_new(test_loop, 64 << 20);
	rig.origin = vx6_origin_new(&(struct vx6_origin_config){.loop = test_loop,
								.sessions = rig.me.m,
								.sched = rig.sched,
								.net = &vx6_net_default});
	rig.circuits = vx6_circuits_new(&(struct vx6_circuits_config){
		.loop = test_loop,
		.sessions = rig.me.m,
		.origin = rig.origin,
		.relays = rig.relays,
		.guards = rig.guards,
		.vanguards = rig.vanguards,
		.times = rig.times,
		.self = rig.me.id.id,
		.node = on_node,
		.ask = on_ask,
		.direct = on_direct,
		.view = on_view,
		.end = on_path_end,
		.news = on_news,
		.rendezvous = on_rendezvous,
		.rendezvous_begins = on_rendezvous_begins,
		.rendezvous_gone = on_rendezvous_gone,
		.rendezvous_said = on_rendezvous_said,
	});
	return 0;
}

void rig_free_circuits(void)
{
	vx6_circuits_free(rig.circuits);
	rig.circuits = NULL;
}

int rig_teardown(void **state)
{
	rig_free_circuits();
	vx6_origin_free(rig.origin);
	for (int i = 0; i < RIG_NODES; i++)
		relay_stop(&rig.node[i]);
	node_stop(&rig.me);
	vx6_hop_sched_free(rig.sched);
	vx6_build_times_free(rig.times);
	vx6_vanguards_free(rig.vanguards);
	vx6_guards_free(rig.guards);
	vx6_relays_free(rig.relays);
	test_loop_end();
	return 0;
}

/* ---- what befalls relays ---- */

/* The last but one is accepted still. */
void rig_forget_keys(int i)
{
	vx6_onion_keys_rotate(rig.node[i].keys);
	vx6_onion_keys_rotate(rig.node[i].keys);
}

void rig_all_proved(void)
{
	for (int i = 0; i < RIG_RELAYS * VX6_RELAY_PROVEN_USES; i++)
		vx6_relays_seen_success(rig.relays, &rig.node[i % RIG_RELAYS].n.id.id, 0,
					vx6_wall_s());
}

void rig_silence(int i)
{
	vx6_mem_set_dead(rig.node[i].n.t, true);
}

static bool swallow(struct vx6_hop *hop, uint8_t cell[static VX6_CELL_BYTES], void *user)
{
	return true;
}

void rig_swallow(int i)
{
	static struct vx6_hop_events prev, next;

	prev = relay_prev_events;
	next = relay_next_events;
	prev.cell = next.cell = swallow;
	VX6_LIST_EACH(node, &rig.node[i].relay->all)
	{
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);

		if (c->state != CIRC_MIDDLE)
			continue;
		vx6_hop_set_events(c->prev, &prev, c);
		vx6_hop_set_events(c->next, &next, c);
	}
}

static void cut_one(struct vx6_session *s, void *user)
{
	vx6_session_close(s, VX6_ERR(CLOSED));
}

void rig_cut(int i)
{
	vx6_sessions_each(rig.node[i].n.m, cut_one, NULL);
}

const struct vx6_relay_entry *rig_entry(int i)
{
	return vx6_relays_find(rig.relays, &rig.node[i].n.id.id);
}

/* ---- routes ---- */

struct vx6_routing rig_how(uint8_t hops, bool anonymous)
{
	return (struct vx6_routing){.via = VX6_ROUTE_RELAY, .hops = hops, .anonymous = anonymous};
}

uint64_t rig_route_to(int i, uint8_t hops, bool anonymous)
{
	struct vx6_routing how = rig_how(hops, anonymous);

	return vx6_circuits_route(rig.circuits, &rig.node[i].n.id.id, &how);
}

uint64_t rig_route(uint8_t hops, bool anonymous)
{
	return rig_route_to(RIG_END, hops, anonymous);
}

static void on_told(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct rig_wait *w = user;

	assert_true(vx6_is_ok(err) == (s != NULL));
	w->w = NULL;
	w->told++;
	w->err = err;
	w->s = s;
	vx6_strlcpy(w->detail, detail, sizeof w->detail);
	if (w->then)
		w->then(w);
}

void rig_want(struct rig_wait *w, uint64_t route)
{
	void (*then)(struct rig_wait *) = w->then;

	*w = (struct rig_wait){.then = then, .route = route};
	w->w = vx6_circuits_want(rig.circuits, route, on_told, w);
	assert_int_equal(w->told, 0); /* never inside the call */
}

bool rig_told(void *wait)
{
	return ((struct rig_wait *)wait)->told > 0;
}

struct vx6_session *rig_session(uint64_t route)
{
	struct rig_wait w = {0};

	rig_want(&w, route);
	assert_non_null(w.w);
	rig_until(rig_told, &w, 25000);
	assert_int_equal(w.told, 1);
	assert_int_equal(w.err.code, VX6_E_OK);
	return w.s;
}

/* ---- talk ---- */

enum { TALK_MS = 20, TALKS = 3 };

static void on_talk(struct vx6_timer *timer)
{
	struct talk *t = timer->user;
	size_t cap = 0;
	uint8_t *room = t->s ? vx6_stream_reserve(t->s, &cap) : NULL;

	vx6_timer_in_ms(timer, t->every_ms ? t->every_ms : TALK_MS);
	if (!room)
		return;
	*room = (uint8_t)t->tx++;
	vx6_stream_commit(t->s, 1, false);
}

static void on_talk_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct talk *t = user;

	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < iov[i].iov_len; k++)
			t->wrong |= ((const uint8_t *)iov[i].iov_base)[k] != (uint8_t)t->rx++;
		vx6_stream_consume(s, iov[i].iov_len);
	}
}

static void on_talk_writable(struct vx6_stream *s, void *user)
{
}

static void on_talk_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct talk *t = user;

	t->s = NULL;
	t->closed++;
	t->why = why;
	vx6_timer_stop(&t->timer);
}

static const struct vx6_stream_events talk_events = {.data = on_talk_data,
						     .writable = on_talk_writable,
						     .closed = on_talk_closed};

static void on_talk_outcome(void *user, vx6_err err, struct vx6_stream *stream,
			    const struct iovec *rest, int rest_n, bool fin)
{
	struct talk *t = user;

	t->opening = NULL;
	t->answered = vx6_is_ok(err);
	t->why = err;
	if (!stream)
		return;
	talk_take(t, stream);
	on_talk_data(stream, rest, rest_n, fin, t);
}

void talk_take(struct talk *t, struct vx6_stream *stream)
{
	vx6_timer_init(test_loop, &t->timer, on_talk, t);
	t->s = stream;
	vx6_stream_set_events(stream, &talk_events, t);
	vx6_timer_in_ms(&t->timer, TALK_MS);
}

void talk_open(struct talk *t, struct vx6_session *s)
{
	static const struct vx6_opening_events events = {.outcome = on_talk_outcome};
	const struct vx6_open what = {.kind = VX6_OPEN_SERVICE,
				      .flags = VX6_OPEN_RESUMABLE,
				      .name = "echo"};

	*t = (struct talk){0};
	vx6_timer_init(test_loop, &t->timer, on_talk, t);
	assert_true(vx6_is_ok(vx6_session_open(s, &what, &events, t, &t->opening)));
}

void talk_end(struct talk *t)
{
	vx6_timer_stop(&t->timer);
	if (t->s)
		vx6_stream_reset(t->s, 0);
}

static bool has_talked(void *talk)
{
	struct talk *t = talk;

	return t->closed || t->rx >= TALKS;
}

void talk_run(struct talk *t, uint64_t route)
{
	talk_open(t, rig_session(route));
	rig_until(has_talked, t, 2000);
	assert_int_equal(t->closed, 0);
}

void assert_talks(struct talk *t, unsigned ms)
{
	uint64_t before = t->rx;

	rig_pass(ms);
	assert_int_equal(t->closed, 0);
	assert_true(t->rx > before);
	assert_false(t->wrong);
}

/* ---- rows ---- */

static bool take_row(void *user, const struct vx6_circuit_show *row)
{
	rig_row[rows_n++] = *row;
	return rows_n < RIG_ROWS;
}

int rig_rows(void)
{
	rows_n = 0;
	vx6_circuits_each(rig.circuits, take_row, NULL);
	return rows_n;
}

int rig_live(enum vx6_circuit_purpose purpose, bool open)
{
	int n = 0;

	for (int i = rig_rows() - 1; i >= 0; i--)
		n += !rig_row[i].is_closed && rig_row[i].purpose == purpose &&
		     rig_row[i].is_open == open;
	return n;
}

const struct vx6_circuit_show *rig_find(const char *id)
{
	for (int i = rig_rows() - 1; i >= 0; i--)
		if (strcmp(rig_row[i].id, id) == 0)
			return &rig_row[i];
	return NULL;
}

const struct vx6_circuit_show *rig_busy(void)
{
	for (int i = rig_rows() - 1; i >= 0; i--)
		if (rig_row[i].is_open && !rig_row[i].is_closed && rig_row[i].streams > 0)
			return &rig_row[i];
	return NULL;
}

struct looked_for {
	const char *what, *text;
	int n;
};

static bool is_it(void *user, const struct vx6_decision *d)
{
	struct looked_for *l = user;

	l->n += strcmp(d->what, l->what) == 0 && strstr(d->why, l->text) != NULL;
	return true;
}

int rig_decided(const char *what, const char *text)
{
	struct looked_for l = {.what = what, .text = text};

	vx6_circuits_decisions(rig.circuits, is_it, &l);
	return l.n;
}

bool rig_suspects(const struct vx6_node_id *node)
{
	struct vx6_node_id of[SUSPECTS_MAX];
	size_t n = circuits_suspects(rig.circuits, of);

	for (size_t i = 0; i < n; i++)
		if (vx6_node_id_eq(&of[i], node))
			return true;
	return false;
}
