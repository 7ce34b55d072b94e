#include "guest_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "tests/unit/session/fixture.h"
#include "wire/code.h"

struct rig rig;

/* ---- what guests speak with ---- */

static vx6_err say(void *user, struct vx6_circuit *c, uint8_t type, const void *data, size_t n)
{
	if (!vx6_is_ok(rig.say_err))
		return rig.say_err;
	assert_true(n <= sizeof c->said);
	c->said_n++;
	c->said_type = type;
	c->said_bytes = n;
	memcpy(c->said, data, n);
	return VX6_OK;
}

static void joined(void *user, uint64_t leg, const struct vx6_circuit_join *j)
{
	struct vx6_circuit *c = &rig.leg[leg];

	assert_false(c->joined || c->not_joined || j->acceptor);
	c->joined = true;
	memcpy(c->keys, j->keys, sizeof c->keys);
	memcpy(c->kh, j->kh, sizeof c->kh);
	c->far = *j->far;
	c->at_ms = vx6_now_ms();
}

static void not_joined(void *user, uint64_t leg, vx6_err err, const char *detail, bool x_is_fine)
{
	struct vx6_circuit *c = &rig.leg[leg];

	assert_false(c->joined || c->not_joined);
	c->not_joined = true;
	c->err = err;
	c->x_is_fine = x_is_fine;
	vx6_strlcpy(c->detail, detail, sizeof c->detail);
	c->at_ms = vx6_now_ms();
}

static vx6_err bare_begin(void *user, const struct vx6_bare_want *w,
			  const struct vx6_bare_events *ev, void *ev_user, struct vx6_bare **out,
			  char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_bare *b = &rig.line[rig.lines_n];

	detail[0] = '\0';
	if (!vx6_is_ok(rig.begin_err))
		return rig.begin_err;
	assert_true(rig.lines_n < RIG_LINES);
	assert_int_equal(w->purpose, VX6_PURPOSE_INTRODUCE);
	rig.lines_n++;
	b->last = *w->last;
	b->relays = w->relays;
	b->ev = ev;
	b->user = ev_user;
	*out = b;
	return VX6_OK;
}

static vx6_err bare_say(void *user, struct vx6_bare *b, uint8_t type, const void *data, size_t n)
{
	assert_true(b->open && !b->closed);
	assert_int_equal(type, VX6_PAYLOAD_INTRODUCE1);
	assert_int_equal(n, VX6_HS_INTRODUCE);
	b->said_n++;
	memcpy(b->said, data, n);
	return VX6_OK;
}

static void bare_close(void *user, struct vx6_bare *b, const char *why)
{
	assert_false(b->closed);
	b->closed = true;
}

static const struct vx6_guests_ways ways = {
	.say = say,
	.joined = joined,
	.not_joined = not_joined,
	.bare_begin = bare_begin,
	.bare_say = bare_say,
	.bare_close = bare_close,
};

static void *fetch(void *user, const struct vx6_node_id *service, bool strict,
		   const struct vx6_guest_seen *seen, size_t seen_n, vx6_guest_fetched_cb *cb,
		   void *cb_user)
{
	if (rig.no_fetch)
		return NULL;
	assert_null(rig.fetch_cb);
	rig.fetches++;
	rig.strict = strict;
	rig.asked_seen_n = seen_n;
	memcpy(rig.asked_seen, seen, seen_n * sizeof *seen);
	rig.fetch_cb = cb;
	rig.fetch_user = cb_user;
	return &rig;
}

static void fetch_cancel(void *user, void *f)
{
	assert_non_null(rig.fetch_cb);
	rig.fetch_cb = NULL;
	rig.cancels++;
}

static void access_changed(void *user, const struct vx6_node_id *service,
			   const struct vx6_guest_access *access)
{
	rig.access_told++;
	rig.access = *access;
}

static void seen(void *user, const struct vx6_node_id *service, const struct vx6_guest_seen *s)
{
	rig.seen_told++;
	rig.seen = *s;
}

static void on_step(void *user, const struct vx6_node_id *service, uint64_t attempt,
		    const struct vx6_guest_step *s)
{
	if (rig.steps_n < RIG_STEPS)
		rig.step[rig.steps_n++] = s->kind;
}

int rig_setup(void **state)
{
	const struct vx6_guests_config cfg = {
		.ways = &ways,
		.net = &vx6_net_default,
		.fetch = fetch,
		.fetch_cancel = fetch_cancel,
		.access_changed = access_changed,
		.seen = seen,
		.step = on_step,
	};
	struct vx6_guests_config own = cfg;

	test_loop_start();
	memset(&rig, 0, sizeof rig);
	own.loop = test_loop;
	rig.g = vx6_guests_new(&own);
	vx6_sign_keypair_random(&rig.service);
	vx6_node_id_from_pk(&rig.service.pk, &rig.id);
	rig.desc.period = vx6_hs_period(vx6_wall_s());
	owner_points(3, 2);
	owner_publishes();
	return 0;
}

int rig_teardown(void **state)
{
	vx6_guests_free(rig.g);
	for (int i = 0; i < rig.lines_n; i++)
		assert_true(rig.line[i].closed);
	assert_null(rig.fetch_cb);
	test_loop_end();
	return 0;
}

static void on_passed(struct vx6_timer *timer)
{
	vx6_loop_stop(timer->loop);
}

void rig_pass(uint64_t ms)
{
	struct vx6_timer timer;

	vx6_timer_init(test_loop, &timer, on_passed, NULL);
	vx6_timer_in_ms(&timer, ms);
	vx6_loop_run(test_loop);
	vx6_timer_stop(&timer);
}

/* ---- the owner ---- */

void owner_points(size_t active, size_t standby)
{
	rig.desc.intros_n = active + standby;
	for (size_t i = 0; i < rig.desc.intros_n; i++) {
		struct vx6_hs_intro *in = &rig.desc.intro[i];
		struct vx6_sign_keypair auth, node;
		struct vx6_kx_pk enc_pk;
		struct vx6_kx_sk enc_sk;

		vx6_sign_keypair_random(&auth);
		vx6_sign_keypair_random(&node);
		vx6_kx_keypair(&enc_pk, &enc_sk);
		*in = (struct vx6_hs_intro){
			.standby = i >= active,
			.not_after_s = (uint32_t)vx6_wall_s() + 86400,
		};
		vx6_node_id_from_pk(&node.pk, &in->node);
		memcpy(in->auth_key, auth.pk.b, sizeof in->auth_key);
		memcpy(in->enc_key, enc_pk.b, sizeof in->enc_key);
		vx6_random_bytes(in->handle, sizeof in->handle);
		memcpy(rig.keys[i].enc_sk, enc_sk.b, sizeof enc_sk.b);
	}
}

void owner_publishes(void)
{
	size_t n;

	rig.desc.seq++;
	assert_true(vx6_is_ok(vx6_hs_desc_build(&rig.desc, &rig.service,
						(const uint8_t(*)[32])rig.clients,
						rig.desc.closed ? rig.clients_n : 0,
						&vx6_net_default, vx6_wall_s(), rig.record, &n)));
	assert_int_equal(n, VX6_HS_DESC_BYTES);
}

static struct vx6_hs_names names(void)
{
	struct vx6_hs_names out;

	assert_true(vx6_is_ok(vx6_hs_names(&rig.service.pk, rig.desc.period, &out)));
	return out;
}

static int point_of(const uint8_t *auth_key)
{
	for (size_t i = 0; i < rig.desc.intros_n; i++)
		if (memcmp(rig.desc.intro[i].auth_key, auth_key, 32) == 0)
			return (int)i;
	return -1;
}

int owner_opens(const struct vx6_bare *b, struct vx6_introduce *out, uint8_t client_pk[static 32],
		size_t *mac_at, uint8_t plain[static VX6_HS_PLAIN])
{
	struct vx6_introduce1 i;
	struct vx6_hs_names n = names();
	uint8_t head[VX6_HS_HEAD];
	int p;

	assert_true(vx6_is_ok(vx6_introduce1_decode(b->said, sizeof b->said, &i)));
	p = point_of(i.auth_key);
	if (p < 0)
		return p;
	assert_true(vx6_node_id_eq(&rig.desc.intro[p].node, &b->last));
	assert_true(memcmp(i.handle, rig.desc.intro[p].handle[0], 8) == 0 ||
		    memcmp(i.handle, rig.desc.intro[p].handle[1], 8) == 0);
	vx6_introduce_head(i.auth_key, i.pow, head);
	assert_true(vx6_is_ok(vx6_hs_ntor_open(
		vx6_hs_ntor_protoid,
		&(struct vx6_hs_ntor_who){i.auth_key, rig.desc.intro[p].enc_key, n.subcred},
		rig.keys[p].enc_sk, head, sizeof head, i.sealed, VX6_HS_SEALED, plain, client_pk)));
	assert_true(vx6_is_ok(vx6_introduce_decode(plain, out, mac_at)));
	/* the owner may try three times to get there */
	assert_int_equal(out->rends_n, 3);
	for (int k = 1; k < 3; k++)
		assert_memory_equal(&out->rend[k], &out->rend[0], sizeof out->rend[0]);
	assert_int_equal(out->key_epoch, rig.desc.period);
	return p;
}

void owner_meets(const struct vx6_bare *b, struct vx6_circuit *leg)
{
	struct vx6_hs_names n = names();
	struct vx6_introduce i;
	struct vx6_hs_e2e e2e;
	uint8_t client_pk[32], plain[VX6_HS_PLAIN], answer[VX6_HS_ANSWER];
	size_t mac_at;
	int p = owner_opens(b, &i, client_pk, &mac_at, plain);

	assert_true(p >= 0);
	assert_int_equal(leg->said_type, VX6_PAYLOAD_ESTABLISH_REND);
	assert_memory_equal(i.rend[0].cookie, leg->said, VX6_REND_COOKIE);
	assert_memory_equal(i.rend[0].node, leg->x.b, VX6_REND_NODE);
	assert_true(vx6_is_ok(
		vx6_hs_ntor_answer(vx6_hs_ntor_protoid,
				   &(struct vx6_hs_ntor_who){rig.desc.intro[p].auth_key,
							     rig.desc.intro[p].enc_key, n.subcred},
				   rig.keys[p].enc_sk, client_pk, answer, &e2e)));
	vx6_guests_said(rig.g, leg->leg, VX6_PAYLOAD_RENDEZVOUS2, answer, sizeof answer);
	assert_true(leg->joined);
	assert_memory_equal(leg->keys, e2e.keys, sizeof e2e.keys);
	assert_memory_equal(leg->kh, e2e.kh, sizeof e2e.kh);
	assert_true(vx6_node_id_eq(&leg->far, &rig.id));
}

bool owner_knows(const struct vx6_introduce *i, int point, const uint8_t *plain, size_t mac_at,
		 const uint8_t pk[static 32])
{
	struct vx6_hs_names n = names();
	struct vx6_hs_auth_key key;
	uint8_t mac[VX6_HS_AUTH_MAC];

	assert_true(vx6_is_ok(vx6_hs_auth_derive(rig.keys[point].enc_sk, pk, n.subcred, &key)));
	vx6_hs_auth_mac(&key, plain, mac_at,
			i->client == VX6_HS_CLIENT_ENROL ? i->client_key : NULL, mac);
	return memcmp(key.id, i->client_id, sizeof key.id) == 0 &&
	       memcmp(mac, i->client_mac, sizeof mac) == 0;
}

/* ---- what the network does ---- */

void fetch_ends(vx6_err err, const uint8_t *record, bool confirmed)
{
	vx6_guest_fetched_cb *cb = rig.fetch_cb;
	const struct vx6_guest_fetched f = {
		.err = err,
		.record = record,
		.record_n = record ? VX6_HS_DESC_BYTES : 0,
		.sources = confirmed ? 2 : 1,
		.asked = 3,
		.confirmed = confirmed,
		.detail = record ? NULL : "as the DHT says",
	};

	assert_non_null(cb);
	rig.fetch_cb = NULL;
	cb(rig.fetch_user, &f);
}

void fetch_agrees_early(const uint8_t *record)
{
	const struct vx6_guest_fetched f = {.early = true,
					    .record = record,
					    .record_n = VX6_HS_DESC_BYTES,
					    .sources = 2,
					    .asked = 2};

	assert_non_null(rig.fetch_cb);
	rig.fetch_cb(rig.fetch_user, &f);
}

void line_opens(struct vx6_bare *b)
{
	b->open = true;
	b->ev->open(b->user, b);
}

void line_falls(struct vx6_bare *b)
{
	b->closed = true;
	b->ev->down(b->user, b, VX6_ERR(UNREACHABLE), "it fell");
}

void line_acks(struct vx6_bare *b, uint16_t code)
{
	uint8_t out[VX6_HS_CODE_BYTES];

	vx6_hs_code_encode(code, out);
	b->ev->said(b->user, b, VX6_PAYLOAD_INTRODUCE_ACK, out, sizeof out);
}

struct vx6_bare *last_line(void)
{
	assert_true(rig.lines_n > 0);
	return &rig.line[rig.lines_n - 1];
}

static struct vx6_circuit *leg_drawn(uint64_t leg)
{
	struct vx6_circuit *c = &rig.leg[leg];
	struct vx6_sign_keypair x;

	assert_true(leg > 0 && leg < RIG_LEGS);
	memset(c, 0, sizeof *c);
	vx6_sign_keypair_random(&x);
	vx6_node_id_from_pk(&x.pk, &c->x);
	c->leg = leg;
	return c;
}

struct vx6_circuit *leg_builds(uint64_t leg)
{
	struct vx6_circuit *c = leg_drawn(leg);

	vx6_guests_begin(rig.g, leg, &rig.id, &c->x);
	return c;
}

void leg_at_x(struct vx6_circuit *c)
{
	vx6_guests_rendezvous(rig.g, c->leg, &rig.id, c, &c->x);
}

struct vx6_circuit *leg_begins(uint64_t leg)
{
	struct vx6_circuit *c = leg_drawn(leg);

	leg_at_x(c);
	return c;
}

void leg_established(struct vx6_circuit *c, uint16_t code)
{
	uint8_t out[VX6_HS_CODE_BYTES];

	vx6_hs_code_encode(code, out);
	vx6_guests_said(rig.g, c->leg, VX6_PAYLOAD_REND_ESTABLISHED, out, sizeof out);
}

void leg_meets(struct vx6_circuit *c)
{
	struct vx6_bare *b;

	if (rig.fetch_cb)
		fetch_ends(VX6_OK, rig.record, true);
	leg_established(c, VX6_CODE_OK);
	b = last_line();
	if (!b->open)
		line_opens(b);
	line_acks(b, VX6_CODE_OK);
	owner_meets(b, c);
}

void assert_failed(const struct vx6_circuit *c, int code, bool x_is_fine, const char *detail)
{
	assert_true(c->not_joined);
	if (c->err.code != code)
		fail_msg("%s (%s), not %s", vx6_err_name(c->err), c->detail,
			 vx6_err_name((vx6_err){code}));
	assert_int_equal(c->x_is_fine, x_is_fine);
	if (!strstr(c->detail, detail))
		fail_msg("\"%s\" does not say \"%s\"", c->detail, detail);
}

static bool take_row(void *user, const struct vx6_guest_show *row)
{
	*(struct vx6_guest_show *)user = *row;
	return !vx6_node_id_eq(&row->service, &rig.id);
}

void rig_show(struct vx6_guest_show *out)
{
	memset(out, 0, sizeof *out);
	vx6_guests_each(rig.g, take_row, out);
}
