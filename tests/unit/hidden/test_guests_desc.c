/* What a guest knows of a service, when it is looked up again, and who it says it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "guest_rig.h"
#include "wire/code.h"

enum { HALF_LIFE_MS = VX6_HS_DESC_LIFETIME_S * 1000 / 2 };

/* A key pair of a client. @return its secret, in @p sk */
static void client_key(uint8_t sk[static 32], uint8_t pk[static 32])
{
	struct vx6_kx_pk p;
	struct vx6_kx_sk s;

	vx6_kx_keypair(&p, &s);
	memcpy(sk, s.b, 32);
	memcpy(pk, p.b, 32);
}

static void public_of(const uint8_t sk[static 32], uint8_t pk[static 32])
{
	struct vx6_kx_pk p;
	struct vx6_kx_sk s;

	memcpy(s.b, sk, 32);
	vx6_kx_public(&s, &p);
	memcpy(pk, p.b, 32);
}

/* The service is for clients from now on: for this one. */
static void close_for(const uint8_t pk[static 32])
{
	rig.desc.closed = true;
	rig.clients_n = 1;
	memcpy(rig.clients[0], pk, 32);
	owner_publishes();
}

/* ---- fetching ---- */

static void fetch__fails__who_waits_is_told_what_the_dht_said(void **state)
{
	const int errs[] = {VX6_E_NOT_FOUND, VX6_E_NO_QUORUM, VX6_E_UNREACHABLE, VX6_E_TIMEOUT,
			    VX6_E_NO_RELAYS};

	for (uint64_t i = 0; i < VX6_ARRAY_N(errs); i++) {
		struct vx6_circuit *c = leg_begins(i + 1);

		fetch_ends((vx6_err){errs[i]}, NULL, false);
		rig_pass(1);
		assert_failed(c, errs[i], true, "as the DHT says");
		rig_pass(10000);
	}
}

static void fetch__failed_a_moment_ago__not_asked_again_and_told_the_same(void **state)
{
	struct vx6_circuit *c;

	leg_begins(1);
	fetch_ends(VX6_ERR(NOT_FOUND), NULL, false);
	rig_pass(100);
	c = leg_begins(2);
	rig_pass(1);
	assert_failed(c, VX6_E_NOT_FOUND, true, "as the DHT says");
	assert_int_equal(rig.fetches, 1);
	rig_pass(1000);
	leg_begins(3);
	assert_int_equal(rig.fetches, 2);
}

static void fetch__nobody_to_ask__told(void **state)
{
	struct vx6_circuit *c;

	rig.no_fetch = true;
	c = leg_begins(1);
	rig_pass(1);
	assert_failed(c, VX6_E_UNREACHABLE, true, "nobody to ask");
}

static void early__two_agree__introduced_while_others_are_heard(void **state)
{
	struct vx6_circuit *c = leg_begins(1);
	struct vx6_guest_show show;

	fetch_agrees_early(rig.record);
	rig_show(&show);
	assert_true(show.has_descriptor);
	assert_false(show.confirmed);
	leg_established(c, VX6_CODE_OK);
	line_opens(last_line());
	assert_int_equal(last_line()->said_n, 1);
	fetch_agrees_early(rig.record); /* changes nothing */
	fetch_ends(VX6_OK, rig.record, true);
	rig_show(&show);
	assert_true(show.confirmed);
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), c);
	assert_int_equal(rig.fetches, 1);
	assert_int_equal(rig.lines_n, 1);
}

static void early__was_an_older_one__begins_again_with_the_newer(void **state)
{
	struct vx6_circuit *c = leg_begins(1);

	fetch_agrees_early(rig.record);
	leg_established(c, VX6_CODE_OK);
	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK); /* and that is the last of it */
	owner_points(3, 2);
	owner_publishes();
	fetch_ends(VX6_OK, rig.record, true);
	assert_int_equal(rig.lines_n, 2);
	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), c);
	assert_false(c->not_joined);
}

static void early__strict_or_older_than_seen__not_taken(void **state)
{
	static uint8_t old[VX6_HS_DESC_BYTES];
	struct vx6_guest_show show;

	memcpy(old, rig.record, sizeof old);
	vx6_guests_access(rig.g, &rig.id, &(struct vx6_guest_access){.strict = true});
	leg_begins(1);
	fetch_agrees_early(rig.record);
	rig_show(&show);
	assert_false(show.has_descriptor);
	vx6_guests_access(rig.g, &rig.id, &(struct vx6_guest_access){0});
	vx6_guests_remember(rig.g, &rig.id,
			    &(struct vx6_guest_seen){rig.desc.period, rig.desc.seq + 1});
	fetch_agrees_early(old);
	rig_show(&show);
	assert_false(show.has_descriptor);
	owner_publishes();
	fetch_agrees_early(rig.record);
	rig_show(&show);
	assert_true(show.has_descriptor);
	fetch_ends(VX6_OK, rig.record, true);
}

static void fetch__strict_as_told__passed_on(void **state)
{
	vx6_guests_access(rig.g, &rig.id, &(struct vx6_guest_access){.strict = true});
	leg_begins(1);
	assert_true(rig.strict);
}

static void fetch__forged_or_of_another_service__not_taken(void **state)
{
	struct vx6_sign_keypair own = rig.service;
	struct vx6_circuit *c = leg_begins(1);

	rig.record[2000] ^= 1;
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_SIGNATURE, true, "");
	rig_pass(1000);
	vx6_sign_keypair_random(&rig.service);
	owner_publishes();
	c = leg_begins(2);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_MISMATCH, true, "");
	assert_int_equal(rig.seen_told, 0);
	rig_pass(1000);
	rig.service = own;
	owner_publishes();
	leg_meets(leg_begins(3));
}

/* ---- numbers ---- */

static void seq__older_than_before__not_taken_whoever_vouches_for_it(void **state)
{
	uint8_t old[VX6_HS_DESC_BYTES];
	struct vx6_circuit *c;

	memcpy(old, rig.record, sizeof old);
	owner_publishes();
	leg_meets(leg_begins(1));
	assert_int_equal(rig.seen.seq, 2);
	assert_int_equal(rig.seen.period, rig.desc.period);
	/* what is known is good for three hours, and then it is forgotten, but for its number */
	vx6_guests_gone(rig.g, 1);
	rig_pass(VX6_HS_DESC_LIFETIME_S * 1000ULL);
	c = leg_begins(2);
	assert_int_equal(rig.fetches, 2);
	assert_int_equal(rig.asked_seen_n, 1);
	assert_int_equal(rig.asked_seen[0].seq, 2);
	fetch_ends(VX6_OK, old, true);
	rig_pass(1);
	assert_failed(c, VX6_E_STALE, true, "older");
}

static void seq__remembered_from_an_earlier_life__counts(void **state)
{
	struct vx6_circuit *c;

	vx6_guests_remember(rig.g, &rig.id,
			    &(struct vx6_guest_seen){.period = rig.desc.period, .seq = 7});
	c = leg_begins(1);
	assert_int_equal(rig.asked_seen[0].seq, 7);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_STALE, true, "older");
	rig_pass(1000);
	rig.desc.seq = 6;
	owner_publishes();
	leg_meets(leg_begins(2));
}

static void seq__of_other_periods__means_nothing_for_this_one(void **state)
{
	for (uint64_t i = 1; i < 6; i++)
		vx6_guests_remember(rig.g, &rig.id,
				    &(struct vx6_guest_seen){.period = rig.desc.period - i,
							     .seq = 100});
	leg_begins(1);
	/* the latest are kept */
	assert_int_equal(rig.asked_seen_n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(rig.asked_seen[i].period >= rig.desc.period - 3);
	leg_meets(&rig.leg[1]);
}

/* ---- renewal ---- */

static void renew__half_of_its_life_in_use__beside_it(void **state)
{
	struct vx6_guest_show row;

	leg_meets(leg_begins(1));
	rig_pass(HALF_LIFE_MS - 60 * 60 * 1000);
	assert_int_equal(rig.fetches, 1);
	rig_pass(61 * 60 * 1000);
	assert_int_equal(rig.fetches, 2);
	/* what is there goes on being good */
	leg_begins(2);
	assert_int_equal(rig.lines_n, 2);
	owner_publishes();
	fetch_ends(VX6_OK, rig.record, true);
	rig_show(&row);
	assert_int_equal(row.seq, 2);
	assert_true(row.has_descriptor && row.confirmed);
}

static void renew__not_in_use__left_to_expire(void **state)
{
	struct vx6_guest_show row;

	leg_meets(leg_begins(1));
	vx6_guests_gone(rig.g, 1);
	rig_pass(VX6_HS_DESC_LIFETIME_S * 1000ULL + 1000);
	assert_int_equal(rig.fetches, 1);
	rig_show(&row);
	assert_false(row.has_descriptor);
}

static void renew__not_confirmed__again_after_a_minute(void **state)
{
	struct vx6_guest_show row;

	leg_begins(1);
	fetch_ends(VX6_OK, rig.record, false);
	rig_show(&row);
	assert_true(row.has_descriptor);
	assert_false(row.confirmed);
	assert_int_equal(row.sources, 1);
	leg_meets(&rig.leg[1]);
	rig_pass(70000);
	assert_int_equal(rig.fetches, 2);
	fetch_ends(VX6_OK, rig.record, true);
	rig_show(&row);
	assert_true(row.confirmed);
	rig_pass(600000);
	assert_int_equal(rig.fetches, 2);
}

static void renew__fails__what_is_there_goes_on(void **state)
{
	leg_meets(leg_begins(1));
	rig_pass(HALF_LIFE_MS + 10000);
	assert_int_equal(rig.fetches, 2);
	fetch_ends(VX6_ERR(TIMEOUT), NULL, false);
	leg_begins(2);
	assert_int_equal(rig.fetches, 2);
	leg_meets(&rig.leg[2]);
	rig_pass(70000);
	assert_int_equal(rig.fetches, 3);
}

/* ---- clients ---- */

static void client__no_key_for_a_closed_service__told(void **state)
{
	uint8_t sk[32], pk[32];
	struct vx6_circuit *c;

	client_key(sk, pk);
	close_for(pk);
	c = leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_HS_AUTH, true, "there is none here");
	assert_int_equal(rig.lines_n, 0); /* nobody was asked anything */
}

static void client__wrong_key__told(void **state)
{
	struct vx6_guest_access a = {.has_key = true};
	uint8_t sk[32], pk[32];
	struct vx6_circuit *c;

	client_key(sk, pk);
	close_for(pk);
	client_key(a.key, pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	c = leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_HS_AUTH, true, "none of those");
}

static void client__right_key__shown_and_nothing_else(void **state)
{
	struct vx6_guest_access a = {.has_key = true};
	uint8_t pk[32], eph[32], plain[VX6_HS_PLAIN];
	struct vx6_introduce i;
	size_t mac_at;
	int p;

	client_key(a.key, pk);
	close_for(pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	p = owner_opens(last_line(), &i, eph, &mac_at, plain);
	assert_int_equal(i.client, VX6_HS_CLIENT_AUTH);
	assert_true(owner_knows(&i, p, plain, mac_at, pk));
	client_key(a.key, pk);
	assert_false(owner_knows(&i, p, plain, mac_at, pk));
	leg_meets(&rig.leg[1]);
}

static void client__key_at_an_open_service__not_shown(void **state)
{
	struct vx6_guest_access a = {.has_key = true};
	uint8_t pk[32], eph[32], plain[VX6_HS_PLAIN];
	struct vx6_introduce i;
	size_t mac_at;

	client_key(a.key, pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	assert_true(owner_opens(last_line(), &i, eph, &mac_at, plain) >= 0);
	assert_int_equal(i.client, VX6_HS_CLIENT_NONE);
	assert_int_equal(mac_at, 0);
}

static void client__revoked__told_as_soon_as_it_shows(void **state)
{
	struct vx6_guest_access a = {.has_key = true};
	uint8_t pk[32], sk[32], other[32];
	struct vx6_circuit *c;

	client_key(a.key, pk);
	close_for(pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	leg_meets(leg_begins(1));
	assert_true(rig.access.enrolled);
	rig_pass(20000);
	/* the owner says nothing; what it publishes does */
	client_key(sk, other);
	close_for(other);
	c = leg_begins(2);
	leg_established(c, VX6_CODE_OK);
	line_acks(last_line(), VX6_CODE_OK);
	rig_pass(3000);
	assert_int_equal(rig.fetches, 2);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_REVOKED, true, "revoked");
	/* an older one that would open is not taken back */
	rig_pass(10000);
	c = leg_begins(3);
	rig.desc.seq = 0;
	close_for(pk);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_STALE, true, "older");
}

/* ---- invites ---- */

static void invite__opens__a_key_of_our_own_takes_its_place(void **state)
{
	struct vx6_guest_access a = {.has_invite = true};
	uint8_t invite_pk[32], own_pk[32], eph[32], plain[VX6_HS_PLAIN];
	struct vx6_introduce i;
	size_t mac_at;
	int p;

	client_key(a.invite, invite_pk);
	close_for(invite_pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	/* told before it is used: it would be lost with the process */
	assert_int_equal(rig.access_told, 1);
	assert_true(rig.access.has_key && !rig.access.enrolled);
	public_of(rig.access.key, own_pk);
	p = owner_opens(last_line(), &i, eph, &mac_at, plain);
	assert_int_equal(i.client, VX6_HS_CLIENT_ENROL);
	assert_memory_equal(i.client_key, own_pk, sizeof own_pk);
	assert_true(owner_knows(&i, p, plain, mac_at, invite_pk));
	leg_meets(&rig.leg[1]);
	assert_int_equal(rig.access_told, 2);
	assert_true(rig.access.enrolled);
	/* the descriptor is still the one that the invite opens, but the owner knows us */
	leg_begins(2);
	p = owner_opens(last_line(), &i, eph, &mac_at, plain);
	assert_int_equal(i.client, VX6_HS_CLIENT_AUTH);
	assert_true(owner_knows(&i, p, plain, mac_at, own_pk));
	leg_meets(&rig.leg[2]);
	/* and in the next one we stand in the invite's place */
	vx6_guests_gone(rig.g, 1);
	vx6_guests_gone(rig.g, 2);
	rig_pass(VX6_HS_DESC_LIFETIME_S * 1000ULL);
	close_for(own_pk);
	leg_meets(leg_begins(3));
}

static void invite__answer_was_lost__the_same_key_is_told_again(void **state)
{
	struct vx6_guest_access a = {.has_invite = true};
	uint8_t invite_pk[32], first[32], eph[32], plain[VX6_HS_PLAIN];
	struct vx6_introduce i;
	size_t mac_at;

	client_key(a.invite, invite_pk);
	close_for(invite_pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	assert_true(owner_opens(last_line(), &i, eph, &mac_at, plain) >= 0);
	memcpy(first, i.client_key, sizeof first);
	vx6_guests_gone(rig.g, 1);
	leg_begins(2);
	assert_true(owner_opens(last_line(), &i, eph, &mac_at, plain) >= 0);
	assert_int_equal(i.client, VX6_HS_CLIENT_ENROL);
	assert_memory_equal(first, i.client_key, sizeof first);
	/* it was the first that the owner took, and publishes */
	vx6_guests_gone(rig.g, 2);
	close_for(first);
	rig_pass(VX6_HS_DESC_LIFETIME_S * 1000ULL);
	leg_begins(3);
	fetch_ends(VX6_OK, rig.record, true);
	assert_true(rig.access.enrolled);
	line_opens(last_line());
	assert_true(owner_opens(last_line(), &i, eph, &mac_at, plain) >= 0);
	assert_int_equal(i.client, VX6_HS_CLIENT_AUTH);
}

/* The owner met us, and ended before it had written that down. */
static void invite__owner_has_forgotten_us__the_same_key_is_told_again(void **state)
{
	struct vx6_guest_access a = {.has_invite = true};
	uint8_t invite_pk[32], own_pk[32], eph[32], plain[VX6_HS_PLAIN];
	struct vx6_introduce i;
	size_t mac_at;
	int p;

	client_key(a.invite, invite_pk);
	close_for(invite_pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	leg_meets(leg_begins(1));
	assert_true(rig.access.enrolled);
	public_of(rig.access.key, own_pk);
	vx6_guests_gone(rig.g, 1);
	rig_pass(VX6_HS_DESC_LIFETIME_S * 1000ULL);
	close_for(invite_pk);
	leg_begins(2);
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	p = owner_opens(last_line(), &i, eph, &mac_at, plain);
	assert_int_equal(i.client, VX6_HS_CLIENT_ENROL);
	assert_memory_equal(i.client_key, own_pk, sizeof own_pk);
	assert_true(owner_knows(&i, p, plain, mac_at, invite_pk));
	leg_meets(&rig.leg[2]);
	/* once is enough */
	leg_begins(3);
	assert_true(owner_opens(last_line(), &i, eph, &mac_at, plain) >= 0);
	assert_int_equal(i.client, VX6_HS_CLIENT_AUTH);
}

static void invite__expired__told_and_nobody_asked(void **state)
{
	struct vx6_guest_access a = {.has_invite = true, .invite_expires_s = vx6_wall_s() - 1};
	struct vx6_circuit *c;

	vx6_guests_access(rig.g, &rig.id, &a);
	c = leg_begins(1);
	rig_pass(1);
	assert_failed(c, VX6_E_EXPIRED, true, "the invite expired");
	assert_int_equal(rig.fetches, 0);
	assert_int_equal(c->said_n, 0);
}

static void invite__expired_after_it_was_used__means_nothing(void **state)
{
	struct vx6_guest_access a = {.has_invite = true,
				     .has_key = true,
				     .enrolled = true,
				     .invite_expires_s = vx6_wall_s() - 1};
	uint8_t pk[32];

	client_key(a.key, pk);
	close_for(pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	leg_meets(leg_begins(1));
}

/* The invite was made a moment ago: what the owner publishes for it is on its way. */
static void invite__opens_nothing_yet__looked_up_until_it_does(void **state)
{
	struct vx6_guest_access a = {.has_invite = true};
	uint8_t sk[32], pk[32], other[32];
	struct vx6_circuit *c;

	client_key(a.invite, pk);
	client_key(sk, other);
	close_for(other);
	vx6_guests_access(rig.g, &rig.id, &a);
	c = leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(400);
	assert_false(c->not_joined);
	assert_null(rig.fetch_cb);
	rig_pass(200);
	assert_non_null(rig.fetch_cb);
	close_for(pk);
	leg_meets(c);
	assert_true(c->joined);
}

static void invite__used_up__told(void **state)
{
	struct vx6_guest_access a = {.has_invite = true};
	uint8_t sk[32], pk[32];
	struct vx6_circuit *c;

	client_key(a.invite, pk);
	client_key(sk, pk);
	close_for(pk);
	vx6_guests_access(rig.g, &rig.id, &a);
	c = leg_begins(1);
	leg_established(c, VX6_CODE_OK);
	for (uint32_t wait = 500; wait <= 4000; wait *= 2) { /* it might be on its way */
		fetch_ends(VX6_OK, rig.record, true);
		rig_pass(wait + 10);
		assert_false(c->not_joined);
	}
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_INVITE_SPENT, true, "used up");
}

/* ---- a service that is hosted here, too ---- */

static void meet_as(uint64_t leg, enum vx6_hs_client as, const uint8_t pk[static 32])
{
	uint8_t eph[32], plain[VX6_HS_PLAIN];
	struct vx6_introduce i;
	size_t mac_at;
	int p;

	leg_begins(leg);
	if (rig.fetch_cb)
		fetch_ends(VX6_OK, rig.record, true);
	if (!last_line()->open)
		line_opens(last_line());
	p = owner_opens(last_line(), &i, eph, &mac_at, plain);
	assert_true(p >= 0);
	assert_int_equal(i.client, as);
	assert_true(owner_knows(&i, p, plain, mac_at, pk));
	leg_meets(&rig.leg[leg]);
	vx6_guests_gone(rig.g, leg);
}

/* What its user may show under an alias stays, and comes first. */
static void own__there_is_an_alias__keeps_its_access(void **state)
{
	struct vx6_guest_access a = {.has_invite = true, .strict = true};
	uint8_t invite_pk[32], own[32], own_pk[32];

	client_key(own, own_pk);
	client_key(a.invite, invite_pk);
	close_for(invite_pk);
	memcpy(rig.clients[rig.clients_n++], own_pk, sizeof own_pk);
	owner_publishes();
	vx6_guests_access(rig.g, &rig.id, &a);
	vx6_guests_own(rig.g, &rig.id, own);
	meet_as(1, VX6_HS_CLIENT_ENROL, invite_pk);
	assert_true(rig.strict);
	assert_true(rig.access.enrolled && rig.access.has_invite && rig.access.strict);
	assert_memory_equal(rig.access.invite, a.invite, sizeof a.invite);
	/* the alias is forgotten, and it still is ours */
	vx6_guests_access(rig.g, &rig.id, NULL);
	meet_as(2, VX6_HS_CLIENT_AUTH, own_pk);
}

/* Whether it can be reached is not a question of whether the alias may. */
static void own__alias_is_not_let_in__is(void **state)
{
	struct vx6_guest_access a = {.has_invite = true,
				     .has_key = true,
				     .enrolled = true,
				     .invite_expires_s = vx6_wall_s() - 1};
	uint8_t pk[32], own[32], own_pk[32];

	client_key(a.key, pk);
	client_key(a.invite, pk);
	client_key(own, own_pk);
	close_for(own_pk);
	memcpy(rig.clients[rig.clients_n++], pk, sizeof pk); /* the invite's */
	owner_publishes();
	vx6_guests_access(rig.g, &rig.id, &a);
	vx6_guests_own(rig.g, &rig.id, own);
	meet_as(1, VX6_HS_CLIENT_AUTH, own_pk);
	a.enrolled = false; /* nor is that one whose invite has expired unused */
	vx6_guests_access(rig.g, &rig.id, &a);
	rig.clients_n = 0;
	close_for(own_pk);
	meet_as(2, VX6_HS_CLIENT_AUTH, own_pk);
}

static void own__no_longer_hosted_here__no_way_in(void **state)
{
	uint8_t own[32], own_pk[32];
	struct vx6_circuit *c;

	client_key(own, own_pk);
	close_for(own_pk);
	vx6_guests_own(rig.g, &rig.id, own);
	meet_as(1, VX6_HS_CLIENT_AUTH, own_pk);
	vx6_guests_own(rig.g, &rig.id, NULL);
	c = leg_begins(2);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1);
	assert_failed(c, VX6_E_HS_AUTH, true, "");
}

static void access__changed_while_a_leg_waits__looked_up_anew(void **state)
{
	struct vx6_guest_access a = {.has_key = true};
	uint8_t pk[32];

	client_key(a.key, pk);
	leg_begins(1);
	vx6_guests_access(rig.g, &rig.id, &a);
	assert_int_equal(rig.cancels, 1);
	assert_int_equal(rig.fetches, 2);
	close_for(pk);
	leg_meets(&rig.leg[1]);
	vx6_guests_access(rig.g, &rig.id, NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(fetch__fails__who_waits_is_told_what_the_dht_said),
		T(fetch__failed_a_moment_ago__not_asked_again_and_told_the_same),
		T(fetch__nobody_to_ask__told),
		T(early__two_agree__introduced_while_others_are_heard),
		T(early__was_an_older_one__begins_again_with_the_newer),
		T(early__strict_or_older_than_seen__not_taken),
		T(fetch__strict_as_told__passed_on),
		T(fetch__forged_or_of_another_service__not_taken),
		T(seq__older_than_before__not_taken_whoever_vouches_for_it),
		T(seq__remembered_from_an_earlier_life__counts),
		T(seq__of_other_periods__means_nothing_for_this_one),
		T(renew__half_of_its_life_in_use__beside_it),
		T(renew__not_in_use__left_to_expire),
		T(renew__not_confirmed__again_after_a_minute),
		T(renew__fails__what_is_there_goes_on),
		T(client__no_key_for_a_closed_service__told),
		T(client__wrong_key__told),
		T(client__right_key__shown_and_nothing_else),
		T(client__key_at_an_open_service__not_shown),
		T(client__revoked__told_as_soon_as_it_shows),
		T(invite__opens__a_key_of_our_own_takes_its_place),
		T(invite__answer_was_lost__the_same_key_is_told_again),
		T(invite__owner_has_forgotten_us__the_same_key_is_told_again),
		T(invite__expired__told_and_nobody_asked),
		T(invite__expired_after_it_was_used__means_nothing),
		T(invite__opens_nothing_yet__looked_up_until_it_does),
		T(invite__used_up__told),
		T(own__there_is_an_alias__keeps_its_access),
		T(own__alias_is_not_let_in__is),
		T(own__no_longer_hosted_here__no_way_in),
		T(access__changed_while_a_leg_waits__looked_up_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
