#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "circuit/establish.h"
#include "crypto/secret.h"
#include "host_rig.h"
#include "record/record.h"
#include "tests/unit/session/fixture.h"
#include "tests/unit/vtime.h"
#include "wire/code.h"

struct rig rig;

#define NOON_S (UINT64_C(80000) * VX6_HS_PERIOD_S + 10000)

uint64_t rig_wall_s(void)
{
	return rig.wall_base_s + (vtime_ms() - rig.began_ms) / 1000;
}

void rig_set_wall(uint64_t wall_s)
{
	rig.wall_base_s = wall_s;
	rig.began_ms = vtime_ms();
}

/* ---- circuits ---- */

static bool is_avoided(const struct vx6_bare_want *w, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < w->avoid_n; i++)
		if (vx6_node_id_eq(&w->avoid[i], node))
			return true;
	return false;
}

static bool draw(const struct vx6_bare_want *w, struct vx6_node_id *out)
{
	size_t n = rig.drawn_n ? rig.drawn_n : rig.relays_n;

	for (size_t i = 0; i < n; i++) {
		*out = rig.relay[rig.next++ % n];
		if (!is_avoided(w, out))
			return true;
	}
	return false;
}

static vx6_err op_begin(const struct vx6_host_config *cfg, const struct vx6_bare_want *want,
			const struct vx6_bare_events *ev, void *user, struct vx6_bare **out,
			char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_bare *b = &rig.bare[rig.bares_n];

	snprintf(detail, VX6_CIRCUIT_WHY, "so the rig wants it");
	if (!vx6_is_ok(rig.begin_err))
		return rig.begin_err;
	assert_true(rig.bares_n < RIG_BARES);
	*b = (struct vx6_bare){.alive = true, .want = *want, .ev = ev, .user = user};
	if (want->last)
		b->last = *want->last;
	else if (!draw(want, &b->last))
		return VX6_ERR(NO_RELAYS);
	b->want.last = want->last ? &b->last : NULL;
	if (want->word.type) {
		assert_true(want->word.n <= VX6_CIRCUIT_WORD_MAX);
		b->type = want->word.type;
		b->n = want->word.n;
		memcpy(b->data, want->word.data, b->n);
		b->want.word.data = b->data;
	}
	b->guard = rig.relay[RIG_RELAYS - 1 - want->guard];
	snprintf(b->id, sizeof b->id, "circuit-%zu", rig.bares_n);
	vx6_random_bytes(b->binding, sizeof b->binding);
	rig.bares_n++;
	*out = b;
	return VX6_OK;
}

static vx6_err op_say(struct vx6_bare *b, uint8_t type, const void *data, size_t n)
{
	assert_true(b->alive && b->open && !b->joined);
	assert_true(n <= sizeof b->data);
	if (type == VX6_PAYLOAD_INTRODUCED) {
		b->confirmed_n++;
		return VX6_OK;
	}
	b->said_n++;
	b->type = type;
	b->n = n;
	memcpy(b->data, data, n);
	return VX6_OK;
}

static bool op_binding(struct vx6_bare *b, uint8_t out[static VX6_CB_BYTES])
{
	memcpy(out, b->binding, VX6_CB_BYTES);
	return true;
}

static const struct vx6_node_id *op_last(const struct vx6_bare *b)
{
	return &b->last;
}

static const struct vx6_node_id *op_guard(const struct vx6_bare *b)
{
	return &b->guard;
}

static bool op_first_lost(const struct vx6_bare *b)
{
	return rig.guards_die;
}

static const char *op_id(const struct vx6_bare *b)
{
	return b->id;
}

static void op_close(struct vx6_bare *b, const char *why)
{
	assert_true(b->alive);
	b->alive = false;
}

static vx6_err op_accept(const struct vx6_host_config *cfg, struct vx6_bare *b,
			 const struct vx6_circuit_join *join, const struct vx6_adopt *how,
			 struct vx6_session **out)
{
	assert_true(join->acceptor && !how->initiator && how->as && how->scope == RIG_SCOPE);
	b->joined = true;
	memcpy(b->keys, join->keys, sizeof b->keys);
	memcpy(b->kh, join->kh, sizeof b->kh);
	b->session = (struct vx6_session){.bare = b, .how = *how, .alive = true};
	*out = &b->session;
	return VX6_OK;
}

static void op_hang_up(struct vx6_session *s, vx6_err why)
{
	assert_true(s->alive && s->bare->alive);
	s->hung_up = why;
}

static void op_disown(struct vx6_session *s)
{
	assert_true(s->alive);
	s->alive = false;
}

static size_t op_streams(const struct vx6_session *s)
{
	return s->streams;
}

static const struct vx6_host_ops ops = {
	.begin = op_begin,
	.say = op_say,
	.binding = op_binding,
	.last = op_last,
	.guard = op_guard,
	.id = op_id,
	.first_lost = op_first_lost,
	.close = op_close,
	.accept = op_accept,
	.hang_up = op_hang_up,
	.disown = op_disown,
	.streams = op_streams,
};

void rig_kill(struct vx6_bare *b, vx6_err why)
{
	assert_true(b->alive);
	if (b->joined && b->session.alive)
		rig_session_down(b);
	if (!b->alive)
		return;
	b->alive = false;
	b->ev->down(b->user, b, why, "the rig killed it");
}

void rig_open(struct vx6_bare *b)
{
	assert_true(b->alive && !b->open);
	b->open = true;
	b->ev->open(b->user, b);
}

void rig_session_up(struct vx6_bare *b)
{
	assert_true(b->alive && b->session.alive);
	b->session.how.ev->up(b->session.how.user, &b->session);
}

void rig_session_down(struct vx6_bare *b)
{
	assert_true(b->session.alive);
	b->session.alive = false;
	b->session.how.ev->down(b->session.how.user, &b->session, VX6_ERR(CLOSED));
}

size_t rig_count(enum vx6_circuit_purpose purpose)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.bares_n; i++)
		n += rig.bare[i].alive && rig.bare[i].want.purpose == purpose;
	return n;
}

struct vx6_bare *rig_latest(enum vx6_circuit_purpose purpose)
{
	for (size_t i = rig.bares_n; i > 0; i--)
		if (rig.bare[i - 1].alive && rig.bare[i - 1].want.purpose == purpose)
			return &rig.bare[i - 1];
	return NULL;
}

/* ---- introduction points ---- */

static bool is_dead(const struct vx6_node_id *node)
{
	for (size_t i = 0; i < RIG_RELAYS; i++)
		if (vx6_node_id_eq(&rig.relay[i], node))
			return rig.dead[i];
	return false;
}

static void answer(struct vx6_bare *b)
{
	struct vx6_establish_intro e;
	uint8_t code[VX6_HS_CODE_BYTES];

	assert_int_equal(b->type, VX6_PAYLOAD_ESTABLISH_INTRO);
	assert_true(vx6_is_ok(vx6_establish_intro_decode(b->data, b->n, &e)));
	assert_true(vx6_is_ok(vx6_establish_intro_check(&vx6_net_default, b->binding, &e)));
	assert_int_equal(e.rate, rig_info()->rate);
	b->type = 0;
	vx6_hs_code_encode(VX6_CODE_OK, code);
	b->ev->said(b->user, b, VX6_PAYLOAD_INTRO_ESTABLISHED, code, sizeof code);
}

/* @return whether anything happened */
static bool step(struct vx6_bare *b)
{
	if (!b->alive || b->want.purpose != VX6_PURPOSE_INTRO)
		return false;
	if (is_dead(&b->last)) {
		rig_kill(b, VX6_ERR(UNREACHABLE));
		return true;
	}
	if (!b->open) {
		rig_open(b);
		return true;
	}
	if (b->type != VX6_PAYLOAD_ESTABLISH_INTRO)
		return false;
	answer(b);
	return true;
}

void rig_settle(void)
{
	bool any = true;

	while (any) {
		any = false;
		test_run_ms(1);
		if (rig.dials && !rig.manual_dial)
			vx6_host_dialed(rig.host, RIG_SCOPE, rig.dial_err, "the rig said so");
		rig.dials = false;
		for (size_t i = 0; i < rig.bares_n; i++)
			any |= step(&rig.bare[i]);
	}
}

void rig_pass(uint64_t ms)
{
	test_run_ms(ms);
}

void rig_live(uint64_t ms)
{
	uint64_t end = vtime_ms() + ms;

	while (vtime_ms() < end) {
		rig_settle();
		test_run_ms(VX6_MIN(end - vtime_ms(), VX6_MIN(ms / 100 + 50, (uint64_t)10000)));
	}
	rig_settle();
}

struct vx6_bare *rig_way(const uint8_t *auth_key, int way)
{
	VX6_LIST_EACH(node, &host_find(rig.host, RIG_SCOPE)->intros)
	{
		struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (memcmp(i->auth.pk.b, auth_key, sizeof i->auth.pk.b) == 0)
			return i->path[way].bare;
	}
	return NULL;
}

/* ---- hooks ---- */

static uint64_t wall_s(void *user)
{
	return rig_wall_s();
}

static size_t relays(void *user)
{
	return rig.relays_n;
}

static void publish(void *user, uint64_t scope, const struct vx6_host_record *rec, size_t n)
{
	rig.recs_n = n;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rec[i].n, VX6_HS_DESC_BYTES);
		rig.rec[i] = rec[i];
		memcpy(rig.rec_bytes[i], rec[i].bytes, rec[i].n);
		rig.rec[i].bytes = rig.rec_bytes[i];
	}
	if (n == 0)
		return;
	/* it was stored before */
	assert_true(rig.stored[0].seq == rec[0].seq || rig.stored[1].seq == rec[0].seq);
	rig.published_ms[rig.published_n++ % 64] = vtime_ms();
}

static bool own_seq(void *user, uint64_t scope, const struct vx6_node_id *service, uint64_t period)
{
	rig.seq_asked++;
	return true;
}

static void dial(void *user, uint64_t scope, const struct vx6_node_id *service,
		 const uint8_t *client_sk)
{
	rig.dialled++;
	rig.dial_key += client_sk != NULL;
	rig.dials = true;
}

static void changed(void *user, const struct vx6_host_change *what)
{
	rig.changed_n++;
	if (what->seq) {
		memcpy(rig.stored, what->seq, sizeof rig.stored);
		rig.stored_seq_n++;
	}
	if (what->client) {
		rig.last_client = *what->client;
		rig.last_removed = what->removed;
	}
}

static void event(void *user, uint64_t scope, enum vx6_host_news what, const char *text)
{
	struct rig_event *e = &rig.event[rig.events_n++ % RIG_EVENTS];

	e->what = what;
	vx6_strlcpy(e->text, text, sizeof e->text);
}

static void session(void *user, uint64_t scope, struct vx6_session *s, bool up)
{
	rig.sessions_up += up;
	rig.sessions_down += !up;
}

int rig_events(enum vx6_host_news what)
{
	int n = 0;

	for (int i = 0; i < VX6_MIN(rig.events_n, (int)RIG_EVENTS); i++)
		n += rig.event[i].what == what;
	return n;
}

const char *rig_last(enum vx6_host_news what)
{
	for (int i = rig.events_n; i > 0 && i > rig.events_n - RIG_EVENTS; i--)
		if (rig.event[(i - 1) % RIG_EVENTS].what == what)
			return rig.event[(i - 1) % RIG_EVENTS].text;
	return "";
}

const struct vx6_host_info *rig_info(void)
{
	static struct vx6_host_info info;

	assert_true(vx6_is_ok(vx6_host_info(rig.host, RIG_SCOPE, &info)));
	return &info;
}

/* ---- beginning and end ---- */

static void start(void)
{
	const struct vx6_host_config cfg = {
		.loop = test_loop,
		.net = &vx6_net_default,
		.ops = &ops,
		.wall_s = wall_s,
		.relays = relays,
		.publish = publish,
		.own_seq = rig.answers_seq ? own_seq : NULL,
		.dial = dial,
		.changed = changed,
		.event = event,
		.session = session,
	};

	rig.host = vx6_host_new(&cfg);
	assert_true(vx6_is_ok(vx6_host_add(rig.host, &rig.spec)));
}

int rig_setup(void **state)
{
	struct vx6_sign_seed seed;

	test_loop_start();
	rig.began_ms = vtime_ms();
	rig.wall_base_s = NOON_S;
	rig.bare = calloc(RIG_BARES, sizeof *rig.bare);
	assert_non_null(rig.bare);
	for (size_t i = 0; i < RIG_RELAYS; i++)
		vx6_random_bytes(&rig.relay[i], sizeof rig.relay[i]);
	if (rig.relays_n == 0)
		rig.relays_n = 30;
	rig.spec.scope = RIG_SCOPE;
	vx6_strlcpy(rig.spec.alias, "ghost", sizeof rig.spec.alias);
	vx6_random_bytes(rig.spec.seed, sizeof rig.spec.seed);
	memcpy(seed.b, rig.spec.seed, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &rig.service);
	start();
	return 0;
}

static void stop(void)
{
	for (size_t i = 0; i < rig.bares_n; i++)
		if (rig.bare[i].alive)
			rig_kill(&rig.bare[i], VX6_ERR(CLOSED));
	vx6_host_free(rig.host);
	for (size_t i = 0; i < rig.bares_n; i++)
		assert_false(rig.bare[i].alive);
	rig.bares_n = 0;
}

int rig_teardown(void **state)
{
	stop();
	test_loop_end();
	free(rig.bare);
	rig = (struct rig){0};
	return 0;
}

void rig_restart(void)
{
	stop();
	memcpy(rig.spec.seq, rig.stored, sizeof rig.spec.seq);
	start();
}

/* ---- clients ---- */

vx6_err rig_read(const uint8_t *key)
{
	const struct vx6_record_check check = {.net = &vx6_net_default, .now_s = rig_wall_s()};
	struct vx6_record rec;

	assert_true(rig.recs_n > 0);
	assert_true(vx6_is_ok(vx6_record_parse(rig.rec_bytes[0], rig.rec[0].n, &rec)));
	assert_true(vx6_is_ok(vx6_record_verify(&rec, &check)));
	return vx6_hs_desc_open(&rec, &rig.service.pk, key, &rig.desc);
}

static void show_key(struct guest *g, const uint8_t *key, const uint8_t *subcred,
		     uint8_t plain[static VX6_HS_PLAIN])
{
	struct vx6_hs_auth_key auth;
	size_t at;

	assert_true(vx6_is_ok(vx6_hs_auth_derive(key, g->intro->enc_key, subcred, &auth)));
	memcpy(g->what.client_id, auth.id, sizeof g->what.client_id);
	assert_true(vx6_is_ok(vx6_introduce_encode(&g->what, plain, &at)));
	vx6_hs_auth_mac(&auth, plain, at,
			g->what.client == VX6_HS_CLIENT_ENROL ? g->what.client_key : NULL,
			g->what.client_mac);
	g->what.client_mac[3] ^= g->spoilt;
}

static void fill(struct guest *g, const uint8_t *subcred, uint8_t plain[static VX6_HS_PLAIN])
{
	struct vx6_introduce *w = &g->what;

	w->rends_n = (uint8_t)VX6_MAX(g->rends_n, 1U);
	for (int k = 0; k < w->rends_n; k++) {
		vx6_random_bytes(w->rend[k].cookie, sizeof w->rend[k].cookie);
		memcpy(w->rend[k].node, rig.relay[g->scattered ? k : 0].b, sizeof w->rend[k].node);
	}
	if (g->invite) {
		struct vx6_kx_sk sk;
		struct vx6_kx_pk pk;

		memcpy(sk.b, g->key, sizeof sk.b);
		vx6_kx_public(&sk, &pk);
		memcpy(w->client_key, pk.b, sizeof w->client_key);
		w->client = VX6_HS_CLIENT_ENROL;
		show_key(g, g->invite, subcred, plain);
	} else if (g->key) {
		w->client = VX6_HS_CLIENT_AUTH;
		show_key(g, g->key, subcred, plain);
	}
	assert_true(vx6_is_ok(vx6_introduce_encode(w, plain, NULL)));
}

void guest_make(struct guest *g, size_t n, uint32_t serial)
{
	const uint64_t period = g->period ? g->period : rig.desc.period;
	uint8_t plain[VX6_HS_PLAIN], sealed[VX6_HS_SEALED], head[VX6_HS_HEAD];
	struct vx6_introduce2 out = {.serial = serial, .pow = g->pow, .sealed = sealed};
	struct vx6_hs_ntor_who who;
	struct vx6_hs_names names;

	assert_true(n < rig.desc.intros_n);
	g->intro = &rig.desc.intro[n];
	g->what = (struct vx6_introduce){.key_epoch = g->epoch ? g->epoch : (uint32_t)period};
	assert_true(vx6_is_ok(vx6_hs_names(&rig.service.pk, period, &names)));
	fill(g, names.subcred, plain);
	who = (struct vx6_hs_ntor_who){.auth_key = g->intro->auth_key,
				       .enc_pk = g->enc_key ? g->enc_key : g->intro->enc_key,
				       .subcred = names.subcred};
	vx6_introduce_head(g->intro->auth_key, g->pow, head);
	guest_free(g);
	assert_true(vx6_is_ok(vx6_hs_ntor_begin(vx6_hs_ntor_protoid, &who, &g->h)));
	assert_true(
		vx6_is_ok(vx6_hs_ntor_seal(g->h, head, sizeof head, plain, sizeof plain, sealed)));
	out.auth_key = g->intro->auth_key;
	vx6_introduce2_encode(&out, g->message);
}

void guest_come(const struct guest *g, int way)
{
	struct vx6_bare *b = rig_way(g->intro->auth_key, way);
	int confirmed = b->confirmed_n;

	b->ev->said(b->user, b, VX6_PAYLOAD_INTRODUCE2, g->message, sizeof g->message);
	assert_int_equal(b->confirmed_n, confirmed + 1);
}

enum vx6_host_refusal guest_try(struct guest *g, size_t n)
{
	static uint32_t serial = 1000;
	uint64_t before[VX6_HOST_REFUSALS], accepted = rig_info()->accepted;
	int why = VX6_HOST_REFUSED_NONE;

	memcpy(before, rig_info()->refused, sizeof before);
	guest_make(g, n, serial++);
	guest_come(g, 0);
	for (int k = 0; k < VX6_HOST_REFUSALS; k++)
		if (rig_info()->refused[k] != before[k])
			why = k;
	assert_int_equal(rig_info()->accepted - accepted, why == VX6_HOST_REFUSED_NONE);
	return (enum vx6_host_refusal)why;
}

void guest_free(struct guest *g)
{
	vx6_hs_ntor_free(g->h);
	g->h = NULL;
}

void guest_met(struct guest *g, struct vx6_bare *b)
{
	struct vx6_rendezvous1 r;
	struct vx6_hs_e2e e2e;
	bool is_one = false;

	assert_int_equal(b->type, VX6_PAYLOAD_RENDEZVOUS1);
	assert_true(vx6_is_ok(vx6_rendezvous1_decode(b->data, b->n, &r)));
	for (int k = 0; k < g->what.rends_n; k++)
		is_one |= memcmp(r.cookie, g->what.rend[k].cookie, VX6_REND_COOKIE) == 0 &&
			  memcmp(b->last.b, g->what.rend[k].node, sizeof b->last.b) == 0;
	assert_true(is_one);
	assert_true(vx6_is_ok(vx6_hs_ntor_finish(g->h, r.answer, &e2e)));
	assert_true(b->joined);
	assert_memory_equal(b->keys, e2e.keys, sizeof b->keys);
	assert_memory_equal(b->kh, e2e.kh, sizeof b->kh);
}

void rig_prove(uint32_t effort, uint8_t out[static VX6_PUZZLE_BYTES])
{
	struct vx6_puzzle p = {.effort = effort};
	struct vx6_hs_names names;
	uint8_t nonce[VX6_PUZZLE_NONCE];

	assert_true(rig.desc.pow);
	assert_true(vx6_is_ok(vx6_hs_names(&rig.service.pk, rig.desc.period, &names)));
	memcpy(p.seed, rig.desc.pow_seed, sizeof p.seed);
	memcpy(p.blinded, names.blinded.b, sizeof p.blinded);
	vx6_random_bytes(nonce, sizeof nonce);
	assert_true(vx6_is_ok(vx6_puzzle_solve(&p, nonce, NULL, NULL, out)));
}
