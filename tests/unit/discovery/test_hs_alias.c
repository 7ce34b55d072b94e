/* Aliases of hidden services over circuits: claimed, found, contested, taken back. */
#include "tests/unit/discovery/proxy_net.h"

#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "discovery/hs_alias.h"
#include "tests/unit/discovery/alias.h"
#include "tests/unit/vtime.h"

enum { RUN_MS = 60 * 1000, MINUTE_MS = 60 * 1000, OTHERS = HOSTS - 1, WHO = 7, ELSE = 8 };

static struct vx6_hs_dht *h;

static int setup(void **state)
{
	struct vx6_hs_dht_config cfg = {.ways = &proxy_ways,
					.pick = proxy_pick,
					.other = proxy_other};

	proxy_net_start();
	cfg.loop = test_loop;
	cfg.sessions = us->node.m;
	cfg.net = vx6_net_default;
	h = vx6_hs_dht_new(&cfg);
	return 0;
}

static int teardown(void **state)
{
	vx6_hs_dht_free(h);
	proxy_net_end();
	return 0;
}

/* ---- claiming ---- */

static struct owner {
	struct vx6_hs_claim *c;
	unsigned changed, newer, others, taken_back;
	uint64_t newer_seq;
	struct vx6_node_id other;
	bool leaves;
} owner[2];

static void on_changed(void *user)
{
	struct owner *o = user;

	o->changed++;
	if (!o->leaves)
		return;
	vx6_hs_claim_free(o->c);
	o->c = NULL;
}

static void on_newer(void *user, uint64_t seq)
{
	struct owner *o = user;

	o->newer++;
	o->newer_seq = seq;
}

static void on_other(void *user, const struct vx6_name_claim *claim)
{
	struct owner *o = user;

	assert_string_equal(claim->name, "ghost");
	o->others += !claim->withdrawn;
	o->taken_back += claim->withdrawn;
	o->other = claim->node;
}

static const struct vx6_hs_claim_events events = {.changed = on_changed,
						  .newer = on_newer,
						  .other = on_other};

static void begin(struct owner *o, const struct alias_claim *what)
{
	memset(o, 0, sizeof *o);
	o->c = vx6_hs_claim_new(h, "ghost", &events, o);
	assert_true(vx6_is_ok(vx6_hs_claim_publish(o->c, what->b, what->n)));
}

static void end(struct owner *o)
{
	vx6_hs_claim_free(o->c);
	o->c = NULL;
}

static bool is_proved(const struct owner *o)
{
	struct vx6_hs_publish_index i;

	vx6_hs_claim_info(o->c, &i);
	return !i.busy && i.proved_ms != 0 && vx6_is_ok(i.last_err) && i.proved > 0;
}

static void wait_proved(const struct owner *o)
{
	uint64_t until = vtime_ms() + RUN_MS;

	while (!is_proved(o) && vtime_ms() < until)
		test_run_ms(20);
	assert_true(is_proved(o));
}

/* ---- finding ---- */

struct found {
	unsigned done;
	struct vx6_hs_alias_found f;
	struct vx6_claims claims;
};

static void on_found(void *user, const struct vx6_hs_alias_found *f)
{
	struct found *o = user;

	o->done++;
	o->f = *f;
	o->claims = *f->claims;
}

static struct found find(const char *alias)
{
	uint64_t until = vtime_ms() + RUN_MS;
	struct found o = {0};

	assert_non_null(vx6_hs_alias_find(h, alias, on_found, &o));
	assert_int_equal(o.done, 0);
	while (!o.done && vtime_ms() < until)
		test_run_ms(20);
	assert_int_equal(o.done, 1);
	return o;
}

static enum vx6_verdict judge(const struct found *o, struct vx6_node_id *out)
{
	return vx6_claims_judge(&o->claims, NULL, &o->f.asked, out);
}

/* ---- tests ---- */

static void claim__found_by_the_alias_alone(void **state)
{
	struct vx6_node_id who;
	struct alias_claim c;
	struct found o;

	alias_claim(&c, WHO, "ghost", 1, false);
	begin(&owner[0], &c);
	wait_proved(&owner[0]);
	assert_true(owner[0].changed > 0);
	assert_int_equal(owner[0].newer + owner[0].others, 0);
	/* nothing of it went by a session that has our name, nor is there a circuit left that knew of it */
	assert_int_equal(us->node.ups, us->node.downs);

	o = find("ghost");
	assert_true(vx6_is_ok(o.f.err));
	assert_int_equal(o.claims.n, 1);
	assert_true(vx6_node_id_eq(&o.claims.claim[0].node, &c.service));
	assert_true(o.claims.claim[0].work_bits >= VX6_NAME_WORK_BITS);
	assert_true(o.claims.claim[0].claimed_at_s == 0);
	assert_int_equal(strlen(o.claims.claim[0].record_hash), 64);
	assert_int_equal(judge(&o, &who), VX6_VERDICT_ONE);
	assert_true(vx6_node_id_eq(&who, &c.service));
	end(&owner[0]);
}

static void find__nobody_claims_it__is_final(void **state)
{
	struct vx6_node_id who;
	struct found o = find("ghost");

	assert_int_equal(o.f.err.code, VX6_E_NOT_FOUND);
	assert_int_equal(o.claims.n, 0);
	assert_int_equal(judge(&o, &who), VX6_VERDICT_NONE);
	only = 0;
	o = find("ghost");
	assert_int_equal(o.f.err.code, VX6_E_NO_RELAYS);
	only = OTHERS;
	ordinary = NULL;
	o = find("ghost");
	assert_int_equal(o.f.err.code, VX6_E_UNREACHABLE);
	ordinary = us->dht;
}

static void claim__two_services__both_are_listed_and_told(void **state)
{
	struct alias_claim first, second;
	struct vx6_node_id who;
	struct found o;

	alias_claim(&first, WHO, "ghost", 1, false);
	alias_claim(&second, ELSE, "ghost", 1, false);
	begin(&owner[0], &first);
	wait_proved(&owner[0]);
	begin(&owner[1], &second);
	wait_proved(&owner[1]);
	assert_true(owner[1].others > 0); /* whoever comes later learns of it at once */
	assert_true(vx6_node_id_eq(&owner[1].other, &first.service));
	o = find("ghost");
	assert_int_equal(o.claims.n, 2);
	assert_int_equal(judge(&o, &who), VX6_VERDICT_SEVERAL);
	/* the earlier one learns of it when it puts its own there again */
	assert_int_equal(owner[0].others, 0);
	test_run_ms(VX6_HS_PUBLISH_MAX_MS + MINUTE_MS);
	assert_true(owner[0].others > 0);
	assert_true(vx6_node_id_eq(&owner[0].other, &second.service));
	assert_true(is_proved(&owner[0]));
	end(&owner[0]);
	end(&owner[1]);
}

static void claim__taken_back__is_found_no_more(void **state)
{
	struct alias_claim c, back;
	struct found o;

	alias_claim(&c, WHO, "ghost", 1, false);
	alias_claim(&back, WHO, "ghost", 2, true);
	begin(&owner[0], &c);
	wait_proved(&owner[0]);
	assert_true(vx6_is_ok(vx6_hs_claim_publish(owner[0].c, back.b, back.n)));
	test_run_ms(RUN_MS);
	wait_proved(&owner[0]);
	o = find("ghost");
	assert_int_equal(o.f.err.code, VX6_E_NOT_FOUND);
	assert_int_equal(o.claims.n, 0);
	end(&owner[0]);
	/* and is not put there again by whoever kept it */
	begin(&owner[0], &c);
	test_run_ms(RUN_MS);
	assert_true(owner[0].newer > 0);
	assert_true(owner[0].newer_seq == 2);
	assert_int_equal(find("ghost").claims.n, 0);
	end(&owner[0]);
}

static void claim__from_an_earlier_life__its_number_is_told(void **state)
{
	struct alias_claim was, is, then;

	alias_claim(&was, WHO, "ghost", 5, false);
	alias_claim(&is, WHO, "ghost", 4, false);
	alias_claim(&then, WHO, "ghost", 6, false);
	begin(&owner[0], &was);
	wait_proved(&owner[0]);
	end(&owner[0]);
	begin(&owner[0], &is);
	test_run_ms(2000);
	assert_true(owner[0].newer > 0);
	assert_true(owner[0].newer_seq == 5);
	assert_true(vx6_is_ok(vx6_hs_claim_publish(owner[0].c, then.b, then.n)));
	wait_proved(&owner[0]);
	assert_int_equal(owner[0].others, 0);
	end(&owner[0]);
}

static void publish__what_is_no_such_claim__is_refused(void **state)
{
	struct alias_claim c, other;

	alias_claim(&c, WHO, "ghost", 1, false);
	alias_claim(&other, WHO, "shade", 1, false);
	owner[0].c = vx6_hs_claim_new(h, "ghost", &events, &owner[0]);
	assert_int_equal(vx6_hs_claim_publish(owner[0].c, other.b, other.n).code, VX6_E_MISMATCH);
	assert_false(vx6_is_ok(vx6_hs_claim_publish(owner[0].c, c.b, c.n - 1)));
	c.b[4] = VX6_RTYPE_NAME;
	assert_int_equal(vx6_hs_claim_publish(owner[0].c, c.b, c.n).code, VX6_E_MISMATCH);
	end(&owner[0]);
}

static void find_and_claim__cancelled_or_left__are_silent(void **state)
{
	struct vx6_hs_alias_find *f;
	struct alias_claim c;
	struct found o = {0};

	for (unsigned ms = 0; ms < 60; ms += 4) {
		f = vx6_hs_alias_find(h, "ghost", on_found, &o);
		test_run_ms(ms);
		if (!o.done)
			vx6_hs_alias_find_cancel(f);
		o.done = 0;
		test_run_ms(100);
		assert_int_equal(o.done, 0);
	}
	alias_claim(&c, WHO, "ghost", 1, false);
	begin(&owner[0], &c);
	owner[0].leaves = true;
	test_run_ms(RUN_MS);
	assert_null(owner[0].c);
	assert_int_equal(owner[0].changed, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(claim__found_by_the_alias_alone),
		T(find__nobody_claims_it__is_final),
		T(claim__two_services__both_are_listed_and_told),
		T(claim__taken_back__is_found_no_more),
		T(claim__from_an_earlier_life__its_number_is_told),
		T(publish__what_is_no_such_claim__is_refused),
		T(find_and_claim__cancelled_or_left__are_silent),
	};
#undef T

	return cmocka_run_group_tests_name("hs_alias", tests, NULL, NULL);
}
