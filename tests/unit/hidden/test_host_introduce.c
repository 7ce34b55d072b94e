/* What a hosted service does with introductions: good ones, and every kind of bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "host_rig.h"
#include "tests/unit/session/fixture.h"
#include "tests/unit/vtime.h"

#define assert_refused(g, why)                                                                     \
	assert_string_equal(vx6_host_refusal_name(guest_try((g), 0)),                              \
			    vx6_host_refusal_name(VX6_HOST_REFUSED_##why))

static void ready(void)
{
	rig_live(3000);
	assert_true(vx6_is_ok(rig_read(NULL)));
}

static int setup(void **state)
{
	(void)rig_setup(state);
	ready();
	return 0;
}

/* ---- for everybody ---- */

static void introduce__good__accepted_from_each_introduction_point(void **state)
{
	for (size_t n = 0; n < rig.desc.intros_n; n++) {
		struct guest g = {0};

		assert_int_equal(guest_try(&g, n), VX6_HOST_REFUSED_NONE);
		guest_free(&g);
	}
	assert_int_equal(rig_info()->introductions, 5);
}

static void introduce__replayed__refused_over_either_way(void **state)
{
	struct guest g = {0};

	guest_make(&g, 0, 1);
	guest_come(&g, 0);
	guest_come(&g, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_REPLAY], 1);
	g.message[3] = 9; /* another serial, over the other way */
	guest_come(&g, 1);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_REPLAY], 2);
	assert_int_equal(rig_info()->accepted, 1);
	rig_live(3 * 3600 * UINT64_C(1000));
	g.message[3] = 10;
	guest_come(&g, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_REPLAY], 3);
	guest_free(&g);
}

/* Our confirmation was lost: nobody did anything wrong. */
static void introduce__the_same_over_the_other_way__not_counted(void **state)
{
	struct guest g = {0};

	guest_make(&g, 0, 77);
	guest_come(&g, 0);
	guest_come(&g, 1);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_REPLAY], 0);
	assert_int_equal(rig_info()->accepted, 1);
	guest_free(&g);
}

static void introduce__replayed_after_a_restart__opens_nothing(void **state)
{
	struct guest g = {0};

	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_NONE);
	rig_restart();
	ready();
	/* to a circuit of another key: not even that fits */
	g.intro = &rig.desc.intro[0];
	guest_come(&g, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_FORMAT], 1);
	/* and with the new key in its place the seal does not */
	memcpy(g.message + 4, rig.desc.intro[0].auth_key, 32);
	guest_come(&g, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_SEAL], 1);
	assert_int_equal(rig_info()->accepted, 0);
	guest_free(&g);
}

static void introduce__each_byte_changed__refused(void **state)
{
	struct guest g = {0};

	guest_make(&g, 0, 5);
	for (size_t at = 4; at < sizeof g.message; at++) {
		g.message[at] ^= 0x40;
		guest_come(&g, 0);
		g.message[at] ^= 0x40;
	}
	assert_int_equal(rig_info()->accepted, 0);
	guest_come(&g, 0); /* a forged one does not spoil the real one */
	assert_int_equal(rig_info()->accepted, 1);
	guest_free(&g);
}

static void introduce__wrong_length__no_more_than_counted(void **state)
{
	struct vx6_bare *b = rig_way(rig.desc.intro[0].auth_key, 0);
	uint8_t junk[VX6_INTRODUCE2_BYTES + 1] = {0};

	for (size_t n = 0; n <= sizeof junk; n += 13)
		b->ev->said(b->user, b, VX6_PAYLOAD_INTRODUCE2, junk, n);
	assert_true(rig_info()->refused[VX6_HOST_REFUSED_FORMAT] > 40);
	assert_true(b->alive);
	assert_int_equal(rig_info()->accepted, 0);
}

static void introduce__sealed_for_another_key__refused(void **state)
{
	struct guest g = {.enc_key = rig.desc.intro[1].enc_key};

	assert_refused(&g, SEAL);
	guest_free(&g);
}

static void introduce__wrong_epoch_inside__refused(void **state)
{
	struct guest g = {.epoch = (uint32_t)rig.desc.period + 1};

	assert_refused(&g, EPOCH);
	guest_free(&g);
}

static void introduce__of_a_neighbouring_period__while_its_descriptor_may_live(void **state)
{
	struct guest late = {.period = rig.desc.period - 1}, soon = {.period = rig.desc.period + 1};
	uint64_t now = rig.desc.period * VX6_HS_PERIOD_S;

	rig_set_wall(now + VX6_HS_DESC_LIFETIME_S - 10);
	assert_refused(&late, NONE);
	rig_set_wall(now + VX6_HS_DESC_LIFETIME_S + 10);
	assert_refused(&late, EPOCH);
	assert_refused(&soon, EPOCH);
	rig_set_wall(now + VX6_HS_PERIOD_S - VX6_HS_EDGE_S + 10);
	assert_refused(&soon, NONE);
	late.period = rig.desc.period - 2;
	assert_refused(&late, SEAL);
	guest_free(&late);
	guest_free(&soon);
}

static void introduce__key_serves_often__next_key_takes_over_nobody_is_lost(void **state)
{
	struct host_intro *i = VX6_CONTAINER_OF(host_find(rig.host, RIG_SCOPE)->intros.next,
						struct host_intro, node);
	struct guest before = {0}, first = {0};
	uint8_t nonce[VX6_NONCE_BYTES];
	uint8_t old[32];
	size_t n = 0;

	rig_live(PUBLISH_MS);
	while (memcmp(rig.desc.intro[n].auth_key, i->auth.pk.b, 32) != 0)
		n++;
	memcpy(old, rig.desc.intro[n].enc_key, sizeof old);
	assert_int_equal(guest_try(&first, n), VX6_HOST_REFUSED_NONE);
	while (vx6_nonces_count(i->key[0].seen) < KEY_USES_LEAVE - 1) {
		vx6_random_bytes(nonce, sizeof nonce);
		assert_true(vx6_nonces_add(i->key[0].seen, nonce));
	}
	i->limit = UINT32_MAX;
	assert_int_equal(guest_try(&before, n), VX6_HOST_REFUSED_NONE);
	/* who has the old descriptor still comes in, and what was seen is still known */
	assert_int_equal(guest_try(&before, n), VX6_HOST_REFUSED_NONE);
	guest_come(&before, 0);
	guest_come(&first, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_REPLAY], 2);
	rig_live(PUBLISH_MS);
	assert_true(vx6_is_ok(rig_read(NULL)));
	assert_memory_not_equal(rig.desc.intro[n].enc_key, old, sizeof old);
	assert_int_equal(guest_try(&before, n), VX6_HOST_REFUSED_NONE);
	/* and when the old one is full, too, it is that key which is refused */
	while (!vx6_nonces_is_full(i->key[1].seen)) {
		vx6_random_bytes(nonce, sizeof nonce);
		(void)vx6_nonces_add(i->key[1].seen, nonce);
	}
	before.enc_key = old;
	assert_int_not_equal(guest_try(&before, n), VX6_HOST_REFUSED_NONE);
	guest_free(&before);
	guest_free(&first);
}

static void introduce__served_often_enough__another_introduction_point(void **state)
{
	struct host_service *s = host_find(rig.host, RIG_SCOPE);
	struct guest g = {0};

	VX6_LIST_EACH(node, &s->intros)
	{
		struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		assert_true(i->limit >= USES_MIN && i->limit <= USES_MAX);
		i->limit = 3;
	}
	rig_live(PUBLISH_MS);
	for (int k = 0; k < 3; k++)
		assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_NONE);
	assert_int_equal(rig_events(VX6_HOST_INTRO_ROTATED), 1);
	guest_free(&g);
}

/* ---- proofs of work ---- */

static void introduce__good_proof__counts_once(void **state)
{
	uint8_t proof[VX6_PUZZLE_BYTES];
	struct guest g = {.pow = proof}, again = {.pow = proof};

	rig_prove(3, proof);
	assert_refused(&g, NONE);
	assert_refused(&again, PROOF_REPLAY);
	guest_free(&g);
	guest_free(&again);
}

static void introduce__bad_proof__refused(void **state)
{
	uint8_t proof[VX6_PUZZLE_BYTES];
	struct guest g = {.pow = proof};

	rig_prove(1, proof);
	proof[VX6_PUZZLE_BYTES - 1] ^= 1;
	assert_refused(&g, PROOF);
	proof[VX6_PUZZLE_BYTES - 1] ^= 1;
	proof[17] = 0xff; /* more effort than it was */
	assert_refused(&g, PROOF);
	proof[17] = 0;
	proof[0] = 2;
	assert_refused(&g, PROOF);
	proof[0] = 1;
	assert_refused(&g, NONE);
	guest_free(&g);
}

static void introduce__proof_for_an_old_seed__good_for_one_more_seed(void **state)
{
	uint8_t proof[3][VX6_PUZZLE_BYTES];
	struct guest g = {0};

	for (int k = 0; k < 3; k++)
		rig_prove(1, proof[k]);
	g.pow = proof[0];
	assert_refused(&g, NONE);
	rig_live((uint64_t)SEED_MAX_S * 1000 + PUBLISH_MS); /* in the same period */
	g.pow = proof[1];
	assert_refused(&g, NONE);
	g.pow = proof[0];
	assert_refused(&g, PROOF_REPLAY);
	rig_live((uint64_t)SEED_MAX_S * 1000 + PUBLISH_MS);
	g.pow = proof[2];
	assert_refused(&g, PROOF_STALE);
	guest_free(&g);
}

/* The proof is part of the seal's head: whoever passes it on cannot put it before another introduction. */
static void introduce__proof_of_another__opens_nothing(void **state)
{
	uint8_t proof[VX6_PUZZLE_BYTES];
	struct guest g = {0};

	rig_prove(1, proof);
	guest_make(&g, 0, 4);
	memcpy(g.message + 4 + VX6_INTRO_KEY, proof, sizeof proof);
	guest_come(&g, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_SEAL], 1);
	guest_free(&g);
}

/* ---- introduction points that let too many through ---- */

/* @return how many of them came before it was left; @p n: it was not */
static unsigned flood(size_t intro, unsigned n)
{
	struct guest g = {0};
	struct vx6_bare *b;
	unsigned k = 0;

	guest_make(&g, intro, 1);
	b = rig_way(g.intro->auth_key, 0);
	while (k < n && b->alive) {
		b->ev->said(b->user, b, VX6_PAYLOAD_INTRODUCE2, g.message, sizeof g.message);
		k++;
	}
	guest_free(&g);
	return k;
}

static void flood__all_that_an_honest_one_may_ever_bring__stays(void **state)
{
	struct host_service *s = host_find(rig.host, RIG_SCOPE);

	/* after its way was blocked for long, all twice, and then as many as it may */
	assert_int_equal(flood(0, 2 * (s->spec.burst + HELD_UP)), 2 * (s->spec.burst + HELD_UP));
	for (unsigned k = 0; k < 600; k++) {
		rig_pass(100);
		assert_int_equal(flood(0, s->spec.rate / 5), s->spec.rate / 5);
	}
	assert_int_equal(rig_events(VX6_HOST_INTRO_DOWN), 0);
}

static void flood__through_one__it_is_left_for_another_relay(void **state)
{
	struct vx6_node_id liar = rig.desc.intro[0].node;
	uint8_t key[32];

	memcpy(key, rig.desc.intro[0].auth_key, sizeof key);
	assert_in_range(flood(0, 10000), 2000, 3000);
	assert_null(rig_way(key, 0));
	assert_non_null(strstr(rig_last(VX6_HOST_INTRO_DOWN), "25 a second"));
	rig_live(2 * PUBLISH_MS);
	assert_true(vx6_is_ok(rig_read(NULL)));
	assert_int_equal(rig.desc.intros_n, 5);
	for (size_t n = 0; n < rig.desc.intros_n; n++)
		assert_false(vx6_node_id_eq(&rig.desc.intro[n].node, &liar));
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
	assert_int_equal(rig_info()->effort, 0); /* nobody has to work for it */
}

/* In a small network there may be no others. */
static void flood__no_other_relays__the_set_is_smaller_without_the_liar(void **state)
{
	struct vx6_node_id liar = rig.desc.intro[0].node;

	for (size_t n = 0; n < rig.desc.intros_n; n++)
		rig.relay[n] = rig.desc.intro[n].node;
	rig.drawn_n = rig.desc.intros_n;
	assert_in_range(flood(0, 10000), 2000, 3000);
	rig_live(2 * PUBLISH_MS);
	assert_true(vx6_is_ok(rig_read(NULL)));
	assert_int_equal(rig.desc.intros_n, 4);
	for (size_t n = 0; n < rig.desc.intros_n; n++)
		assert_false(vx6_node_id_eq(&rig.desc.intro[n].node, &liar));
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
}

static void flood__only_liars__one_stays_and_proofs_are_asked_for(void **state)
{
	struct guest bare = {0};

	for (size_t n = 0; n < rig.desc.intros_n; n++)
		rig.relay[n] = rig.desc.intro[n].node;
	rig.drawn_n = rig.desc.intros_n;
	for (int k = 0; k < 5; k++) {
		assert_in_range(flood(0, 10000), 2000, 3000);
		rig_live(2 * PUBLISH_MS);
		assert_true(vx6_is_ok(rig_read(NULL)));
	}
	assert_int_equal(rig.desc.intros_n, 1);
	assert_int_equal(flood(0, 10000), 10000);
	assert_refused(&bare, UNPROVED);
	guest_free(&bare);
}

/* Who has many relays cannot chase the service from one to the next. What comes is for nothing then, unless somebody has worked for it. */
static void flood__through_one_after_the_other__they_stay_and_proofs_are_asked_for(void **state)
{
	struct guest bare = {0}, worked = {0};
	uint8_t proof[VX6_PUZZLE_BYTES];

	for (int k = 0; k < LIARS_MAX; k++) {
		assert_in_range(flood(0, 10000), 2000, 3000);
		rig_live(2 * PUBLISH_MS);
		assert_true(vx6_is_ok(rig_read(NULL)));
	}
	assert_int_equal(flood(0, 10000), 10000);
	assert_refused(&bare, UNPROVED);
	rig_prove(1, proof);
	worked.pow = proof;
	assert_refused(&worked, NONE);
	rig_live(2 * PUBLISH_MS);
	assert_true(rig_info()->effort > 0);
	/* the others are what they were */
	assert_int_equal(guest_try(&bare, 1), VX6_HOST_REFUSED_NONE);
	guest_free(&bare);
	guest_free(&worked);
}

/* ---- clients ---- */

static struct vx6_kx_sk alice_sk, bob_sk;
static struct vx6_kx_pk alice_pk, bob_pk;
static struct vx6_host_client alice;

static int setup_closed(void **state)
{
	rig.spec.closed = true;
	(void)rig_setup(state);
	vx6_kx_keypair(&alice_pk, &alice_sk);
	vx6_kx_keypair(&bob_pk, &bob_sk);
	assert_true(vx6_is_ok(
		vx6_host_client_add(rig.host, RIG_SCOPE, "alice", alice_pk.b, 0, &alice)));
	rig_live(3000);
	assert_true(vx6_is_ok(rig_read(alice_sk.b)));
	return 0;
}

static void closed__known_client__comes_in_and_can_read(void **state)
{
	struct guest g = {.key = alice_sk.b};

	assert_true(rig.desc.closed);
	assert_refused(&g, NONE);
	assert_refused(&g, NONE);
	assert_int_equal(rig.last_client.uses, 1); /* stored at most once an hour */
	assert_int_equal(rig.last_client.seen_s % 3600, 0);
	guest_free(&g);
}

static void closed__no_key__refused(void **state)
{
	struct guest g = {0};

	assert_refused(&g, AUTH_MISSING);
	guest_free(&g);
}

static void closed__wrong_key__refused_and_cannot_read(void **state)
{
	struct guest g = {.key = bob_sk.b};

	assert_refused(&g, AUTH_KEY);
	assert_int_equal(rig_read(bob_sk.b).code, VX6_E_ACCESS_REFUSED);
	guest_free(&g);
}

static void closed__right_id_wrong_mac__refused(void **state)
{
	struct guest g = {.key = alice_sk.b, .spoilt = true};

	assert_refused(&g, AUTH_KEY);
	guest_free(&g);
}

static void closed__revoked__refused_by_name_and_cannot_read_the_next(void **state)
{
	struct guest g = {.key = alice_sk.b};

	assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, alice.id)));
	assert_true(rig.last_client.revoked);
	assert_refused(&g, REVOKED);
	rig_live(PUBLISH_MS + 1000);
	assert_int_equal(rig_read(alice_sk.b).code, VX6_E_ACCESS_REFUSED);
	assert_int_equal(rig_info()->revoked, 1);
	assert_int_equal(rig_info()->clients, 0);
	guest_free(&g);
}

static void closed__revoked_while_it_is_there__hears_why_before_its_circuit_goes(void **state)
{
	struct guest g = {.key = alice_sk.b};
	struct vx6_bare *b;

	assert_refused(&g, NONE);
	rig_pass(1);
	b = rig_latest(VX6_PURPOSE_RENDEZVOUS);
	rig_open(b);
	rig_session_up(b);
	assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, alice.id)));
	assert_int_equal(b->session.hung_up.code, VX6_E_REVOKED);
	rig_pass(100);
	assert_true(b->alive);
	rig_session_down(b);
	rig_pass(1);
	assert_false(b->alive);
	assert_int_equal(rig_info()->sessions, 0);
	guest_free(&g);
}

/* What a client has as a spare is none if one relay's death ends both. */
static void closed__client_comes_again__beside_the_circuit_it_uses_or_the_latest(void **state)
{
	struct guest g[4] = {{.key = bob_sk.b},
			     {.key = alice_sk.b},
			     {.key = alice_sk.b},
			     {.key = alice_sk.b}};
	struct vx6_bare *b[4];

	assert_true(vx6_is_ok(vx6_host_client_add(rig.host, RIG_SCOPE, "bob", bob_pk.b, 0, NULL)));
	assert_int_equal(rig_count(VX6_PURPOSE_RENDEZVOUS), 0);
	for (int i = 0; i < 4; i++) {
		assert_refused(&g[i], NONE);
		rig_pass(1);
		b[i] = rig_latest(VX6_PURPOSE_RENDEZVOUS);
		if (i < 2)
			assert_null(b[i]->want.beside);
		else
			assert_ptr_equal(b[i]->want.beside, b[i - 1]);
		assert_int_equal(b[i]->want.avoid_n, i < 2 ? 0 : 1);
		if (i >= 2)
			assert_true(vx6_node_id_eq(b[i]->want.avoid, &b[i - 1]->last));
		rig_open(b[i]);
		rig_session_up(b[i]);
	}
	/* what it uses goes before what is new */
	b[1]->session.streams = 1;
	assert_int_equal(guest_try(&g[1], 0), VX6_HOST_REFUSED_NONE);
	rig_pass(1);
	assert_ptr_equal(rig_latest(VX6_PURPOSE_RENDEZVOUS)->want.beside, b[1]);
	for (int i = 0; i < 4; i++)
		guest_free(&g[i]);
}

static void closed__revoked_and_does_not_leave__its_circuit_goes(void **state)
{
	struct guest g = {.key = alice_sk.b};
	struct vx6_bare *b;

	assert_refused(&g, NONE);
	rig_pass(1);
	b = rig_latest(VX6_PURPOSE_RENDEZVOUS);
	rig_open(b);
	rig_session_up(b);
	assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, alice.id)));
	rig_pass(HANG_UP_MS + 10);
	assert_false(b->alive);
	guest_free(&g);
}

static void closed__revoked_while_it_waits__not_met(void **state)
{
	struct guest g[VX6_HOST_BUILDS_MAX + 1] = {0};
	size_t n;

	for (n = 0; n <= VX6_HOST_BUILDS_MAX; n++) {
		g[n].key = n == VX6_HOST_BUILDS_MAX ? alice_sk.b : bob_sk.b;
		if (n == 0)
			assert_true(vx6_is_ok(vx6_host_client_add(rig.host, RIG_SCOPE, "bob",
								  bob_pk.b, 0, NULL)));
		assert_refused(&g[n], NONE);
		rig_pass(1);
	}
	assert_int_equal(rig_info()->queue, 1);
	assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, alice.id)));
	assert_int_equal(rig_info()->queue, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_REVOKED], 1);
	for (n = 0; n <= VX6_HOST_BUILDS_MAX; n++)
		guest_free(&g[n]);
}

static void closed__client_of_a_day__refused_after_it(void **state)
{
	struct guest g = {.key = bob_sk.b};

	assert_true(vx6_is_ok(vx6_host_client_add(rig.host, RIG_SCOPE, "bob", bob_pk.b,
						  rig_wall_s() + 3600, NULL)));
	rig_live(PUBLISH_MS + 1000);
	assert_true(vx6_is_ok(rig_read(bob_sk.b)));
	assert_refused(&g, NONE);
	rig_live(3600 * 1000);
	assert_refused(&g, EXPIRED);
	rig_live(PUBLISH_MS);
	assert_int_equal(rig_read(bob_sk.b).code, VX6_E_ACCESS_REFUSED);
	guest_free(&g);
}

static void closed__dialled_by_ourselves__with_a_key_of_our_own(void **state)
{
	struct host_service *s = host_find(rig.host, RIG_SCOPE);
	struct guest g = {.key = s->own_sk.b};

	assert_true(rig.dialled > 0);
	assert_int_equal(rig.dial_key, rig.dialled);
	assert_true(vx6_is_ok(rig_read(s->own_sk.b)));
	assert_refused(&g, NONE);
	guest_free(&g);
}

static void closed__many_come__no_key_agreement_for_each(void **state)
{
	struct host_service *s = host_find(rig.host, RIG_SCOPE);
	struct guest g = {.key = alice_sk.b};
	const struct host_known *known;

	assert_refused(&g, NONE);
	known = VX6_CONTAINER_OF(s->intros.next, struct host_intro, node)->key[0].known[0];
	assert_non_null(known);
	assert_int_equal(known->period, rig.desc.period);
	guest_free(&g);
}

/* ---- invites ---- */

static struct vx6_host_client invite;
static uint8_t secret[32];

static void invite_for(uint64_t s, uint32_t uses)
{
	assert_true(vx6_is_ok(vx6_host_invite(rig.host, RIG_SCOPE, "friends",
					      s ? rig_wall_s() + s : 0, uses, secret, &invite)));
	rig_live(PUBLISH_MS + 1000);
	assert_true(vx6_is_ok(rig_read(secret)));
}

static void invite__exchanged__client_is_known_and_counted_once(void **state)
{
	struct guest g = {.key = bob_sk.b, .invite = secret}, after = {.key = bob_sk.b};

	invite_for(0, 2);
	assert_refused(&after, AUTH_KEY);
	assert_refused(&g, NONE);
	assert_refused(&g, NONE); /* of three legs each asks for itself */
	assert_refused(&g, NONE);
	assert_refused(&after, NONE);
	assert_int_equal(rig_events(VX6_HOST_ENROLLED), 1);
	assert_int_equal(rig_info()->clients, 2);
	assert_int_equal(rig_info()->invites, 1);
	rig_live(PUBLISH_MS + 1000);
	assert_true(vx6_is_ok(rig_read(bob_sk.b)));
	guest_free(&g);
	guest_free(&after);
}

static void invite__used_up__refused_by_name_its_client_stays(void **state)
{
	struct vx6_kx_sk carol_sk;
	struct vx6_kx_pk carol_pk;
	struct guest g = {.key = bob_sk.b, .invite = secret}, carol = {.invite = secret};

	vx6_kx_keypair(&carol_pk, &carol_sk);
	carol.key = carol_sk.b;
	invite_for(0, 1);
	assert_refused(&g, NONE);
	assert_refused(&carol, INVITE_USED);
	assert_refused(&g, NONE);
	rig_live(PUBLISH_MS + 1000);
	assert_int_equal(rig_read(secret).code, VX6_E_ACCESS_REFUSED);
	assert_true(vx6_is_ok(rig_read(bob_sk.b)));
	guest_free(&g);
	guest_free(&carol);
}

static void invite__expired__refused_by_name(void **state)
{
	struct guest g = {.key = bob_sk.b, .invite = secret};

	invite_for(7200, 0);
	rig_live(7200 * 1000);
	assert_refused(&g, INVITE_EXPIRED);
	guest_free(&g);
}

static void invite__revoked__refused_by_name_its_client_stays(void **state)
{
	struct guest g = {.key = bob_sk.b, .invite = secret}, after = {.key = bob_sk.b};
	struct vx6_kx_sk carol_sk;
	struct vx6_kx_pk carol_pk;
	struct guest carol = {.invite = secret};

	vx6_kx_keypair(&carol_pk, &carol_sk);
	carol.key = carol_sk.b;
	invite_for(0, 5);
	assert_refused(&g, NONE);
	assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, invite.id)));
	assert_refused(&carol, INVITE_REVOKED);
	assert_refused(&after, NONE);
	guest_free(&g);
	guest_free(&after);
	guest_free(&carol);
}

static void invite__client_was_revoked__not_let_in_by_the_invite(void **state)
{
	struct guest g = {.key = bob_sk.b, .invite = secret};

	invite_for(0, 5);
	assert_refused(&g, NONE);
	for (int k = 0; k < TABLE_CLIENTS; k++) {
		const struct host_client *c = &host_find(rig.host, RIG_SCOPE)->client[k];

		if (c->uid != 0 && memcmp(c->c.pk, bob_pk.b, 32) == 0)
			assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, c->c.id)));
	}
	assert_refused(&g, REVOKED);
	guest_free(&g);
}

static void invite__used_as_a_client_key__refused(void **state)
{
	struct guest g = {.key = secret}, other = {.key = bob_sk.b, .invite = alice_sk.b};

	invite_for(0, 0);
	assert_refused(&g, INVITE_KEY);
	assert_refused(&other, INVITE_KEY);
	guest_free(&g);
	guest_free(&other);
}

static void invite__no_room__refused_and_not_counted(void **state)
{
	struct guest g = {.key = bob_sk.b, .invite = secret};
	uint8_t pk[32];

	invite_for(0, 5);
	for (int k = 0; k < VX6_HOST_CLIENTS_MAX - 2; k++) {
		vx6_random_bytes(pk, sizeof pk);
		assert_true(vx6_is_ok(vx6_host_client_add(rig.host, RIG_SCOPE, "", pk, 0, NULL)));
	}
	vx6_random_bytes(pk, sizeof pk);
	assert_int_equal(vx6_host_client_add(rig.host, RIG_SCOPE, "", pk, 0, NULL).code,
			 VX6_E_FULL);
	assert_refused(&g, CLIENTS_FULL);
	assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, alice.id)));
	assert_refused(&g, NONE);
	guest_free(&g);
}

static bool count(void *user, const struct vx6_host_client *c)
{
	++*(int *)user;
	return true;
}

static void clients__many_are_revoked__the_oldest_make_room(void **state)
{
	int n = 0;

	for (int k = 0; k < 2 * TABLE_CLIENTS; k++) {
		struct vx6_host_client c;
		uint8_t pk[32];

		vx6_random_bytes(pk, sizeof pk);
		assert_true(vx6_is_ok(vx6_host_client_add(rig.host, RIG_SCOPE, "x", pk, 0, &c)));
		assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, c.id)));
	}
	vx6_host_clients_each(rig.host, RIG_SCOPE, count, &n);
	assert_int_equal(n, TABLE_CLIENTS);
	assert_int_equal(rig_info()->clients, 1);
}

static void clients__stored_and_loaded__are_the_same(void **state)
{
	struct guest g = {.key = alice_sk.b}, b = {.key = bob_sk.b};
	struct vx6_host_client revoked = {.kind = VX6_HOST_CLIENT, .revoked = true};

	memcpy(revoked.pk, bob_pk.b, 32);
	rig_restart();
	assert_true(vx6_is_ok(vx6_host_client_load(rig.host, RIG_SCOPE, &alice)));
	assert_true(vx6_is_ok(vx6_host_client_load(rig.host, RIG_SCOPE, &revoked)));
	assert_int_equal(vx6_host_client_load(rig.host, RIG_SCOPE, &alice).code, VX6_E_EXISTS);
	rig_live(3000);
	assert_true(vx6_is_ok(rig_read(alice_sk.b)));
	assert_refused(&g, NONE);
	assert_refused(&b, REVOKED);
	guest_free(&g);
	guest_free(&b);
}

static void clients__bad_ones__refused(void **state)
{
	const uint8_t zero[32] = {0};
	uint8_t out[32];

	assert_int_equal(vx6_host_client_add(rig.host, RIG_SCOPE, "", zero, 0, NULL).code,
			 VX6_E_INVALID);
	assert_int_equal(vx6_host_client_add(rig.host, RIG_SCOPE, "A b", bob_pk.b, 0, NULL).code,
			 VX6_E_INVALID);
	assert_int_equal(vx6_host_client_add(rig.host, RIG_SCOPE, "", bob_pk.b, 1, NULL).code,
			 VX6_E_INVALID);
	assert_int_equal(vx6_host_client_add(rig.host, RIG_SCOPE, "", alice_pk.b, 0, NULL).code,
			 VX6_E_EXISTS);
	assert_int_equal(vx6_host_client_add(rig.host, 99, "", bob_pk.b, 0, NULL).code,
			 VX6_E_NOT_FOUND);
	assert_int_equal(vx6_host_invite(rig.host, RIG_SCOPE, "", 1, 0, out, NULL).code,
			 VX6_E_INVALID);
	assert_memory_equal(out, zero, sizeof out);
	assert_int_equal(vx6_host_revoke(rig.host, RIG_SCOPE, zero).code, VX6_E_NOT_FOUND);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
#define TEST_CLOSED(f) cmocka_unit_test_setup_teardown(f, setup_closed, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(introduce__good__accepted_from_each_introduction_point),
		TEST(introduce__replayed__refused_over_either_way),
		TEST(introduce__the_same_over_the_other_way__not_counted),
		TEST(introduce__replayed_after_a_restart__opens_nothing),
		TEST(introduce__each_byte_changed__refused),
		TEST(introduce__wrong_length__no_more_than_counted),
		TEST(introduce__sealed_for_another_key__refused),
		TEST(introduce__wrong_epoch_inside__refused),
		TEST(introduce__of_a_neighbouring_period__while_its_descriptor_may_live),
		TEST(introduce__key_serves_often__next_key_takes_over_nobody_is_lost),
		TEST(introduce__served_often_enough__another_introduction_point),
		TEST(introduce__good_proof__counts_once),
		TEST(introduce__bad_proof__refused),
		TEST(introduce__proof_for_an_old_seed__good_for_one_more_seed),
		TEST(introduce__proof_of_another__opens_nothing),
		TEST(flood__all_that_an_honest_one_may_ever_bring__stays),
		TEST(flood__through_one__it_is_left_for_another_relay),
		TEST(flood__no_other_relays__the_set_is_smaller_without_the_liar),
		TEST(flood__only_liars__one_stays_and_proofs_are_asked_for),
		TEST(flood__through_one_after_the_other__they_stay_and_proofs_are_asked_for),
		TEST_CLOSED(closed__known_client__comes_in_and_can_read),
		TEST_CLOSED(closed__no_key__refused),
		TEST_CLOSED(closed__wrong_key__refused_and_cannot_read),
		TEST_CLOSED(closed__right_id_wrong_mac__refused),
		TEST_CLOSED(closed__revoked__refused_by_name_and_cannot_read_the_next),
		TEST_CLOSED(closed__revoked_while_it_is_there__hears_why_before_its_circuit_goes),
		TEST_CLOSED(closed__client_comes_again__beside_the_circuit_it_uses_or_the_latest),
		TEST_CLOSED(closed__revoked_and_does_not_leave__its_circuit_goes),
		TEST_CLOSED(closed__revoked_while_it_waits__not_met),
		TEST_CLOSED(closed__client_of_a_day__refused_after_it),
		TEST_CLOSED(closed__dialled_by_ourselves__with_a_key_of_our_own),
		TEST_CLOSED(closed__many_come__no_key_agreement_for_each),
		TEST_CLOSED(invite__exchanged__client_is_known_and_counted_once),
		TEST_CLOSED(invite__used_up__refused_by_name_its_client_stays),
		TEST_CLOSED(invite__expired__refused_by_name),
		TEST_CLOSED(invite__revoked__refused_by_name_its_client_stays),
		TEST_CLOSED(invite__client_was_revoked__not_let_in_by_the_invite),
		TEST_CLOSED(invite__used_as_a_client_key__refused),
		TEST_CLOSED(invite__no_room__refused_and_not_counted),
		TEST_CLOSED(clients__many_are_revoked__the_oldest_make_room),
		TEST_CLOSED(clients__stored_and_loaded__are_the_same),
		TEST_CLOSED(clients__bad_ones__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
