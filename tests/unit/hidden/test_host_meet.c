/* From the queue to the session: rendezvous, who goes first, how much work is asked for, and what a flood costs. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "host_rig.h"
#include "tests/unit/session/fixture.h"
#include "tests/unit/vtime.h"

static int setup(void **state)
{
	(void)rig_setup(state);
	rig_live(3000);
	assert_true(vx6_is_ok(rig_read(NULL)));
	return 0;
}

static struct host_service *service(void)
{
	return host_find(rig.host, RIG_SCOPE);
}

static struct vx6_bare *come_and_build(struct guest *g)
{
	assert_int_equal(guest_try(g, 0), VX6_HOST_REFUSED_NONE);
	rig_pass(1);
	return rig_latest(VX6_PURPOSE_RENDEZVOUS);
}

static const struct vx6_host_rend_info *rend(int n)
{
	static struct vx6_host_rend_info found;
	struct host_service *s = service();
	int k = 0;

	for (struct vx6_list *node = s->meets.prev; node != &s->meets; node = node->prev)
		if (k++ == n) {
			found = VX6_CONTAINER_OF(node, struct host_meet, node)->info;
			return &found;
		}
	found = s->history[(s->history_n - 1 - (uint64_t)(n - k)) % VX6_HOST_HISTORY];
	return &found;
}

/* ---- one client ---- */

static void meet__introduced__met_at_its_rendezvous_as_the_service(void **state)
{
	struct guest g = {0};
	struct vx6_bare *b = come_and_build(&g);

	assert_non_null(b);
	assert_int_equal(b->want.relays, 3);
	assert_int_equal(b->want.guard, 0);
	assert_memory_equal(b->last.b, g.what.rend[0].node, 32);
	rig_open(b);
	guest_met(&g, b);
	assert_memory_equal(b->session.how.as->id.b, rig.service.pk.b, 32);
	assert_int_equal(rig_info()->sessions, 0);
	rig_session_up(b);
	assert_int_equal(rig_info()->sessions, 1);
	assert_int_equal(rig.sessions_up, 1);
	assert_int_equal(rig_events(VX6_HOST_REND_UP), 1);
	assert_string_equal(rend(0)->state, "up");
	rig_live(3600 * 1000); /* as long as it likes */
	assert_true(b->alive);
	rig_session_down(b);
	rig_pass(1);
	assert_false(b->alive);
	assert_int_equal(rig.sessions_down, 1);
	assert_int_equal(rig_info()->sessions, 0);
	assert_string_equal(rend(0)->state, "closed");
	guest_free(&g);
}

static void meet__circuit_ends__session_is_told_gone(void **state)
{
	struct guest g = {0};
	struct vx6_bare *b = come_and_build(&g);

	rig_open(b);
	rig_session_up(b);
	rig_kill(b, VX6_ERR(CLOSED));
	rig_pass(1);
	assert_int_equal(rig.sessions_down, 1);
	assert_int_equal(rig_info()->sessions, 0);
	assert_string_equal(rend(0)->state, "closed");
	guest_free(&g);
}

static void meet__first_rendezvous_is_slow__the_next_after_two_seconds(void **state)
{
	struct guest g = {.rends_n = 3};
	struct vx6_bare *first = come_and_build(&g), *second, *third;

	rig_pass(X_MS - 10);
	assert_true(first->alive);
	rig_pass(20);
	assert_false(first->alive);
	second = rig_latest(VX6_PURPOSE_RENDEZVOUS);
	assert_memory_equal(second->last.b, g.what.rend[1].node, 32);
	rig_kill(second, VX6_ERR(UNREACHABLE));
	rig_pass(1);
	third = rig_latest(VX6_PURPOSE_RENDEZVOUS);
	assert_memory_equal(third->last.b, g.what.rend[2].node, 32);
	rig_open(third);
	guest_met(&g, third);
	rig_session_up(third);
	assert_int_equal(rend(0)->tried, 3);
	guest_free(&g);
}

/* Which of them we get to, and how soon, would tell which we know. */
static void meet__several_places__refused(void **state)
{
	struct guest g = {.rends_n = 2, .scattered = true};

	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_FORMAT);
	g.rends_n = 3;
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_FORMAT);
	rig_pass(1);
	assert_int_equal(rig_count(VX6_PURPOSE_RENDEZVOUS), 0);
	guest_free(&g);
}

static void meet__cookie_is_unknown_there__the_next_one(void **state)
{
	struct guest g = {.rends_n = 2};
	struct vx6_bare *b = come_and_build(&g);

	rig_open(b);
	rig_kill(b, VX6_ERR(CLOSED));
	rig_pass(1);
	b = rig_latest(VX6_PURPOSE_RENDEZVOUS);
	assert_non_null(b);
	rig_open(b);
	guest_met(&g, b); /* with a handshake of its own */
	guest_free(&g);
}

static void meet__no_rendezvous_works__failed_and_put_away(void **state)
{
	struct guest g = {.rends_n = 3};

	(void)come_and_build(&g);
	rig_pass(3 * X_MS + 100);
	assert_int_equal(rig_count(VX6_PURPOSE_RENDEZVOUS), 0);
	assert_int_equal(rig_info()->rendezvous_failed, 1);
	assert_int_equal(rig_info()->building, 0);
	assert_string_equal(rend(0)->state, "failed");
	guest_free(&g);
}

static void meet__rendezvous_cannot_be_begun__failed(void **state)
{
	struct guest g = {.rends_n = 3};

	rig.begin_err = VX6_ERR(UNSUPPORTED);
	assert_null(come_and_build(&g));
	assert_int_equal(rig_info()->rendezvous_failed, 1);
	guest_free(&g);
}

static void meet__client_says_nothing__given_up(void **state)
{
	struct guest g = {0};
	struct vx6_bare *b = come_and_build(&g);

	rig_open(b);
	rig_pass(JOIN_MS + 100);
	assert_false(b->alive);
	assert_int_equal(rig_info()->rendezvous_failed, 1);
	guest_free(&g);
}

static void meet__rendezvous_says_something__left(void **state)
{
	struct guest g = {0};
	struct vx6_bare *b = come_and_build(&g);
	const uint8_t data[64] = {0};

	b->open = true;
	b->ev->said(b->user, b, VX6_PAYLOAD_RENDEZVOUS2, data, sizeof data);
	rig_pass(1);
	assert_false(b->alive);
	guest_free(&g);
}

static void meet__service_is_removed__sessions_end_names_stay_until_the_end(void **state)
{
	const struct vx6_identity *as;
	struct guest g = {0};
	struct vx6_bare *b = come_and_build(&g);
	struct vx6_node_id id;

	rig_open(b);
	rig_session_up(b);
	as = b->session.how.as;
	assert_true(vx6_is_ok(vx6_host_remove(rig.host, RIG_SCOPE)));
	assert_false(b->alive);
	assert_int_equal(rig.sessions_down, 1);
	id = as->id; /* the session may still say who it is */
	assert_memory_equal(id.b, rig.service.pk.b, 32);
	guest_free(&g);
}

static void meet__draining__sessions_go_on_and_none_come(void **state)
{
	struct guest g = {0}, late = {0};
	struct vx6_bare *b = come_and_build(&g);

	rig_open(b);
	rig_session_up(b);
	guest_make(&late, 0, 3);
	vx6_host_drain(rig.host);
	rig_pass(1000);
	assert_true(b->alive);
	assert_int_equal(rig_info()->sessions, 1);
	rig_session_down(b);
	rig_pass(1);
	assert_int_equal(rig_info()->sessions, 0);
	guest_free(&g);
	guest_free(&late);
}

static void meet__client_is_revoked__its_sessions_end(void **state)
{
	struct vx6_host_client who;
	struct vx6_kx_sk sk;
	struct vx6_kx_pk pk;
	struct guest g = {.key = sk.b};
	struct vx6_bare *b;

	rig.spec.closed = true;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	vx6_kx_keypair(&pk, &sk);
	assert_true(vx6_is_ok(vx6_host_client_add(rig.host, RIG_SCOPE, "bob", pk.b, 0, &who)));
	b = come_and_build(&g);
	rig_open(b);
	rig_session_up(b);
	assert_string_equal(rend(0)->client, "bob");
	assert_true(vx6_is_ok(vx6_host_revoke(rig.host, RIG_SCOPE, who.id)));
	assert_int_equal(b->session.hung_up.code, VX6_E_REVOKED);
	rig_session_down(b);
	rig_pass(1);
	assert_false(b->alive);
	assert_int_equal(rig.sessions_down, 1);
	guest_free(&g);
}

static struct vx6_bare *come_as(struct guest *g, const char *name, uint64_t expires_s,
				struct vx6_kx_sk *sk)
{
	struct vx6_kx_pk pk;
	struct vx6_bare *b;

	vx6_kx_keypair(&pk, sk);
	assert_true(
		vx6_is_ok(vx6_host_client_add(rig.host, RIG_SCOPE, name, pk.b, expires_s, NULL)));
	*g = (struct guest){.key = sk->b};
	b = come_and_build(g);
	rig_open(b);
	rig_session_up(b);
	return b;
}

static void assert_shown_out(struct vx6_bare *b, const char *why)
{
	assert_int_equal(b->session.hung_up.code, VX6_E_REVOKED);
	assert_true(b->alive); /* until that was said */
	rig_pass(HANG_UP_MS + 1);
	assert_false(b->alive);
	assert_int_equal(rig.sessions_down, 1);
	assert_non_null(strstr(rig_last(VX6_HOST_REND_DOWN), why));
}

/* A key is good until a time: then nobody is there by it, either. */
static void meet__clients_time_is_over__its_sessions_end(void **state)
{
	struct vx6_kx_sk bob, carol;
	struct guest g[2];
	struct vx6_bare *b, *other;

	rig.spec.closed = true;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	b = come_as(&g[0], "bob", rig_wall_s() + 600, &bob);
	other = come_as(&g[1], "carol", 0, &carol);
	rig_live(590 * 1000);
	assert_int_equal(b->session.hung_up.code, VX6_E_OK);
	rig_pass(11 * 1000);
	assert_shown_out(b, vx6_host_refusal_text(VX6_HOST_REFUSED_EXPIRED));
	assert_true(other->alive);
	assert_int_equal(other->session.hung_up.code, VX6_E_OK);
	assert_int_equal(rig_info()->sessions, 1);
	guest_free(&g[0]);
	guest_free(&g[1]);
}

/* Whoever came while everybody might is not there any more; nor does one of them come in who still waits. */
static void meet__service_is_closed__who_came_without_a_key_goes(void **state)
{
	struct guest g[2] = {0};
	struct vx6_bare *b = come_and_build(&g[0]);
	int published = rig.published_n;

	rig_open(b);
	rig_session_up(b);
	assert_int_equal(guest_try(&g[1], 0), VX6_HOST_REFUSED_NONE);
	rig.spec.closed = true;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	assert_int_equal(rig_info()->queue, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_AUTH_MISSING], 1);
	assert_shown_out(b, vx6_host_refusal_text(VX6_HOST_REFUSED_AUTH_MISSING));
	rig_live(ADMITS_MS + 1000);
	assert_true(rig.published_n > published); /* who has a key need not wait to be told */
	assert_int_equal(rig_read(NULL).code, VX6_E_ACCESS_REFUSED);
	guest_free(&g[0]);
	guest_free(&g[1]);
}

static void meet__service_is_opened__who_is_there_stays(void **state)
{
	struct vx6_kx_sk bob;
	struct guest g;
	struct vx6_bare *b;

	rig.spec.closed = true;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	b = come_as(&g, "bob", 0, &bob);
	rig.spec.closed = false;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	rig_live(60 * 1000);
	assert_true(b->alive);
	assert_int_equal(b->session.hung_up.code, VX6_E_OK);
	guest_free(&g);
}

/* Or who fills one of them would see that another one has no room, and is hosted by the same node. */
static void meet__several_services__each_has_its_part(void **state)
{
	struct vx6_host_spec other = {.scope = RIG_SCOPE + 1};

	assert_int_equal(rig_info()->sessions_max, VX6_HOST_SESSIONS_MAX);
	for (int k = 0; k < 3; k++, other.scope++) {
		vx6_random_bytes(other.seed, sizeof other.seed);
		assert_true(vx6_is_ok(vx6_host_add(rig.host, &other)));
	}
	assert_int_equal(rig_info()->sessions_max, VX6_CIRCUITS_MAX * 3 / 4 / 4);
}

static uint32_t shown_at(uint64_t wall_s)
{
	struct guest g = {0};
	struct vx6_bare *b;
	uint32_t seq;

	rig_set_wall(wall_s);
	rig_restart();
	rig_live(3000);
	assert_true(vx6_is_ok(rig_read(NULL)));
	b = come_and_build(&g);
	rig_open(b);
	seq = b->session.how.as->subkey.cert.cert_seq;
	guest_free(&g);
	return seq;
}

/* Or it would be the days on which the node is, too. */
static void meet__started_another_day__name_does_not_show_it(void **state)
{
	uint64_t week_s = (rig_wall_s() / (7 * 86400) + 1) * 7 * 86400;
	uint32_t seq = shown_at(week_s + 3600);

	assert_int_equal(shown_at(week_s + 3 * 86400), seq);
	assert_int_equal(shown_at(week_s + 7 * 86400 - 3600), seq);
	assert_true(shown_at(week_s + 7 * 86400 + 60) > seq);
}

static void meet__as_many_as_may_be__refused(void **state)
{
	struct guest g = {0};

	rig.spec.sessions_max = 2;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	for (int k = 0; k < 2; k++) {
		struct vx6_bare *b = come_and_build(&g);

		rig_open(b);
		rig_session_up(b);
	}
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_SESSIONS);
	guest_free(&g);
}

static void meet__days_pass__the_name_is_renewed(void **state)
{
	const struct vx6_identity *first;
	struct guest g = {0};
	struct vx6_bare *b = come_and_build(&g);

	rig_open(b);
	first = b->session.how.as;
	rig_session_up(b);
	rig_live(UINT64_C(8) * 86400 * 1000);
	assert_true(vx6_is_ok(rig_read(NULL)));
	b = come_and_build(&g);
	rig_open(b);
	assert_ptr_not_equal(b->session.how.as, first);
	assert_true(b->session.how.as->subkey.cert.cert_seq > first->subkey.cert.cert_seq);
	guest_free(&g);
}

/* ---- many ---- */

static void come_many(int n)
{
	struct guest g = {0};

	for (int k = 0; k < n; k++) {
		guest_make(&g, (size_t)k % rig.desc.intros_n, (uint32_t)k);
		guest_come(&g, 0);
	}
	guest_free(&g);
}

static void queue__more_than_can_be_built__the_rest_waits_its_turn(void **state)
{
	come_many(VX6_HOST_BUILDS_MAX + 5);
	rig_pass(1);
	assert_int_equal(rig_count(VX6_PURPOSE_RENDEZVOUS), VX6_HOST_BUILDS_MAX);
	assert_int_equal(rig_info()->queue, 5);
	rig_kill(rig_latest(VX6_PURPOSE_RENDEZVOUS), VX6_ERR(UNREACHABLE));
	rig_pass(1);
	assert_int_equal(rig_info()->queue, 4);
	assert_int_equal(rig_count(VX6_PURPOSE_RENDEZVOUS), VX6_HOST_BUILDS_MAX);
}

static void queue__one_who_worked__goes_first(void **state)
{
	uint8_t proof[VX6_PUZZLE_BYTES];
	struct guest worked = {.pow = proof};
	struct vx6_bare *b;

	rig_prove(2, proof);
	come_many(VX6_HOST_BUILDS_MAX + 50);
	rig_pass(1);
	assert_int_equal(guest_try(&worked, 0), VX6_HOST_REFUSED_NONE);
	assert_true(rig_info()->queue_top >= 2);
	rig_kill(rig_latest(VX6_PURPOSE_RENDEZVOUS), VX6_ERR(UNREACHABLE));
	rig_pass(1);
	b = rig_latest(VX6_PURPOSE_RENDEZVOUS);
	rig_open(b);
	guest_met(&worked, b);
	guest_free(&worked);
}

static void queue__full__the_least_effort_is_left_out(void **state)
{
	uint8_t proof[VX6_PUZZLE_BYTES];
	struct guest worked = {.pow = proof}, lazy = {0};

	rig_prove(1, proof);
	come_many(VX6_HOST_BUILDS_MAX);
	rig_pass(1);
	come_many(VX6_HOST_QUEUE_MAX);
	assert_int_equal(rig_info()->queue, VX6_HOST_QUEUE_MAX);
	guest_make(&lazy, 0, 1);
	guest_come(&lazy, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_QUEUE], 1);
	guest_make(&worked, 0, 2);
	guest_come(&worked, 0);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_QUEUE], 2);
	assert_true(rig_info()->queue_top >= 1);
	assert_int_equal(rig_info()->queue, VX6_HOST_QUEUE_MAX);
	guest_free(&lazy);
	guest_free(&worked);
}

static void queue__waits_too_long__left_out(void **state)
{
	come_many(VX6_HOST_BUILDS_MAX);
	rig_pass(1);
	for (size_t i = 0; i < rig.bares_n; i++)
		if (rig.bare[i].alive && rig.bare[i].want.purpose == VX6_PURPOSE_RENDEZVOUS)
			rig_open(&rig.bare[i]); /* their clients say nothing for 10 s */
	come_many(3);
	rig_pass(WAIT_MAX_MS + 100);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_TOO_OLD], 3);
	assert_int_equal(rig_info()->queue, 0);
}

/* ---- effort ---- */

static void effort__nobody_is_left_out__stays_at_nothing(void **state)
{
	for (int k = 0; k < 10; k++) {
		come_many(4);
		rig_live(60000);
	}
	assert_int_equal(rig_info()->effort, 0);
	assert_int_equal(rig_events(VX6_HOST_EFFORT), 0);
}

/* More than can be met, for a while, then nobody. */
static void effort__overload__asked_for_soon_and_given_up_again(void **state)
{
	int k;

	for (k = 0; k < 40 && rig_info()->effort == 0; k++) {
		come_many(VX6_HOST_QUEUE_MAX + VX6_HOST_BUILDS_MAX + 1);
		rig_live(1000);
	}
	assert_true(k > 1 && k < 40);
	assert_int_equal(rig_info()->effort, 1);
	rig_live(PUBLISH_MS + 1000);
	assert_true(vx6_is_ok(rig_read(NULL)));
	assert_int_equal(rig.desc.pow_effort, 1);
	rig_live(2 * EFFORT_MS + PUBLISH_MS);
	assert_int_equal(rig_info()->effort, 0);
	assert_true(vx6_is_ok(rig_read(NULL)));
	assert_int_equal(rig.desc.pow_effort, 0);
}

static void effort__those_who_come_work__goes_to_what_is_usual(void **state)
{
	struct host_service *s = service();

	s->pow.total_effort = 5000;
	s->pow.handled = 10;
	s->pow.trimmed = true;
	s->pow.max_trimmed = 70;
	host_wake(s);
	rig_live(EFFORT_SOON_MS + 1000);
	assert_int_equal(rig_info()->effort, 500);
	rig_live(EFFORT_MS + 1000);
	assert_int_equal(rig_info()->effort, 333);
}

static void effort__owner_wants_none__none_is_asked_for(void **state)
{
	rig.spec.no_pow = true;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	rig_live(PUBLISH_MS + 1000);
	assert_true(vx6_is_ok(rig_read(NULL)));
	assert_false(rig.desc.pow);
	service()->pow.trimmed = true;
	host_wake(service());
	rig_live(EFFORT_MS);
	assert_int_equal(rig_info()->effort, 0);
}

static void effort__flood_without_proofs__bounded_and_those_with_one_come_in(void **state)
{
	struct host_service *s = service();
	uint8_t proof[VX6_PUZZLE_BYTES];
	struct guest g = {0}, worked = {.pow = proof};

	rig_prove(1, proof);
	s->pow.allowance = 500; /* as after ten thousand within a second */
	s->pow.allowed_ms = vtime_ms();
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_UNPROVED);
	assert_int_equal(guest_try(&worked, 0), VX6_HOST_REFUSED_NONE);
	rig_live(EFFORT_SOON_MS + 1000);
	assert_int_equal(rig_info()->effort, 1);
	guest_free(&g);
	guest_free(&worked);
}

/* What costs next to nothing is not kept, nor does it come before those who do nothing. */
static void effort__less_than_is_asked_for__as_none(void **state)
{
	struct host_service *s = service();
	uint8_t little[VX6_PUZZLE_BYTES], enough[VX6_PUZZLE_BYTES];
	struct guest g = {.pow = little}, worked = {.pow = enough};

	rig_prove(1, little);
	rig_prove(3, enough);
	s->pow.suggested = 3;
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_NONE); /* nobody was told yet */
	rig_pass(1);
	assert_int_equal(vx6_nonces_count(s->pow.seed[0].seen), 1);
	s->pow.published = 2;
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_NONE); /* and no replay */
	assert_int_equal(vx6_nonces_count(s->pow.seed[0].seen), 1);
	assert_int_equal(rig_info()->queue_top, 0);
	s->pow.allowance = 500;
	s->pow.allowed_ms = vtime_ms();
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_UNPROVED);
	assert_int_equal(guest_try(&worked, 0), VX6_HOST_REFUSED_NONE);
	assert_int_equal(vx6_nonces_count(s->pow.seed[0].seen), 2);
	guest_free(&g);
	guest_free(&worked);
}

static void fill_seed(struct host_service *s, size_t n)
{
	uint8_t nonce[VX6_NONCE_BYTES];

	while (vx6_nonces_count(s->pow.seed[0].seen) < n) {
		vx6_random_bytes(nonce, sizeof nonce);
		assert_true(vx6_nonces_add(s->pow.seed[0].seen, nonce));
	}
}

/* Or who makes many proofs has those of others forgotten before they can know the new one. */
static void effort__many_proofs__one_new_seed_for_a_descriptor(void **state)
{
	struct host_service *s = service();
	uint8_t first[VX6_PUZZLE_BYTES], second[VX6_PUZZLE_BYTES], third[VX6_PUZZLE_BYTES];
	uint8_t seed[VX6_PUZZLE_SEED];
	struct guest g = {.pow = first};

	rig_prove(1, first);
	rig_prove(1, second);
	rig_prove(1, third);
	fill_seed(s, PROOFS_LEAVE - 1);
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_NONE);
	assert_memory_equal(s->pow.seed[1].seed, rig.desc.pow_seed, sizeof seed);
	memcpy(seed, s->pow.seed[0].seed, sizeof seed);
	fill_seed(s, PROOFS_MAX);
	g.pow = second;
	assert_int_equal(guest_try(&g, 0), VX6_HOST_REFUSED_NONE);
	assert_memory_equal(s->pow.seed[0].seed, seed, sizeof seed);
	rig_live(PUBLISH_MS + 1000);
	g.pow = third;
	(void)guest_try(&g, 0);
	assert_memory_equal(s->pow.seed[1].seed, seed, sizeof seed);
	guest_free(&g);
}

/* ---- what a flood costs ---- */

static double cpu_us(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The least of some rounds, for other programs run as well. */
static double cost_of(void (*one)(int n), int n)
{
	double best = 1e9;

	for (int round = 0; round < 10; round++) {
		double from = cpu_us(), each;

		for (int k = 0; k < n; k++)
			one(round * n + k);
		each = (cpu_us() - from) / n;
		best = each < best ? each : best;
	}
	return best;
}

static struct guest bench;
static uint8_t bench_proof[VX6_PUZZLE_BYTES];

static void one_bad_proof(int n)
{
	memcpy(bench.message + 4 + VX6_INTRO_KEY + 1, &n, sizeof n); /* another nonce */
	guest_come(&bench, 0);
}

static void one_replay(int n)
{
	guest_come(&bench, 0);
}

static void one_bad_seal(int n)
{
	memcpy(bench.message + sizeof bench.message - 8, &n, sizeof n);
	guest_come(&bench, 0);
}

/* Of an owner who lets that many through. */
static int setup_generous(void **state)
{
	rig.spec.rate = 16384;
	rig.spec.burst = 65536;
	return setup(state);
}

static void flood__bad_introductions__cheap_and_memory_is_flat(void **state)
{
	enum { N = 1000 };
	double proof_us, replay_us, seal_us;
	size_t before;

	rig_prove(1, bench_proof);
	bench = (struct guest){.pow = bench_proof};
	guest_make(&bench, 0, 1);
	before = mallinfo2().uordblks;
	proof_us = cost_of(one_bad_proof, N);
	assert_int_equal(rig_info()->refused[VX6_HOST_REFUSED_PROOF], 10 * N);
	guest_free(&bench);
	bench = (struct guest){0};
	guest_make(&bench, 0, 2);
	guest_come(&bench, 0);
	replay_us = cost_of(one_replay, N);
	guest_make(&bench, 0, 3);
	rig_pass(1000);
	seal_us = cost_of(one_bad_seal, N / 10);
	assert_int_equal(rig_info()->accepted, 1);
	assert_true(mallinfo2().uordblks < before + 65536);
	guest_free(&bench);
	print_message("us each: bad proof %.1f, replay %.1f, bad seal %.1f\n", proof_us, replay_us,
		      seal_us);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(proof_us <= 20);
	assert_true(replay_us <= 20);
#endif
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(meet__introduced__met_at_its_rendezvous_as_the_service),
		TEST(meet__circuit_ends__session_is_told_gone),
		TEST(meet__first_rendezvous_is_slow__the_next_after_two_seconds),
		TEST(meet__several_places__refused),
		TEST(meet__cookie_is_unknown_there__the_next_one),
		TEST(meet__no_rendezvous_works__failed_and_put_away),
		TEST(meet__rendezvous_cannot_be_begun__failed),
		TEST(meet__client_says_nothing__given_up),
		TEST(meet__rendezvous_says_something__left),
		TEST(meet__service_is_removed__sessions_end_names_stay_until_the_end),
		TEST(meet__draining__sessions_go_on_and_none_come),
		TEST(meet__client_is_revoked__its_sessions_end),
		TEST(meet__clients_time_is_over__its_sessions_end),
		TEST(meet__service_is_closed__who_came_without_a_key_goes),
		TEST(meet__service_is_opened__who_is_there_stays),
		TEST(meet__as_many_as_may_be__refused),
		TEST(meet__days_pass__the_name_is_renewed),
		TEST(meet__several_services__each_has_its_part),
		TEST(meet__started_another_day__name_does_not_show_it),
		TEST(queue__more_than_can_be_built__the_rest_waits_its_turn),
		TEST(queue__one_who_worked__goes_first),
		TEST(queue__full__the_least_effort_is_left_out),
		TEST(queue__waits_too_long__left_out),
		TEST(effort__nobody_is_left_out__stays_at_nothing),
		TEST(effort__overload__asked_for_soon_and_given_up_again),
		TEST(effort__those_who_come_work__goes_to_what_is_usual),
		TEST(effort__owner_wants_none__none_is_asked_for),
		TEST(effort__flood_without_proofs__bounded_and_those_with_one_come_in),
		TEST(effort__less_than_is_asked_for__as_none),
		TEST(effort__many_proofs__one_new_seed_for_a_descriptor),
		cmocka_unit_test_setup_teardown(flood__bad_introductions__cheap_and_memory_is_flat,
						setup_generous, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
