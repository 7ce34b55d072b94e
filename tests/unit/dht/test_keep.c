#include "tests/unit/dht/lab.h"

#include <time.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "dht/holder_internal.h"
#include "record/record.h"

enum { SECOND = 1000, MINUTE = 60 * 1000 };

struct owner {
	unsigned changes, clashes;
	uint8_t last[VX6_RECORD_MAX];
	size_t last_n;
	struct vx6_dht_kept *forget; /* in the next callback */
};

static void changed(void *user, const struct vx6_dht_kept *k)
{
	struct owner *o = user;

	o->changes++;
	vx6_dht_forget(o->forget);
	o->forget = NULL;
}

static void clash(void *user, const uint8_t *record, size_t n)
{
	struct owner *o = user;

	o->clashes++;
	memcpy(o->last, record, n);
	o->last_n = n;
}

static struct vx6_dht_kept *keep(struct lab *l, size_t host, const struct lab_record *r,
				 struct owner *o)
{
	return vx6_dht_keep(l->host[host].d, r->b, r->n, changed, clash, o, &l->now);
}

static struct vx6_dht_kept_info info(const struct vx6_dht_kept *k)
{
	struct vx6_dht_kept_info i;

	vx6_dht_kept_info(k, &i);
	return i;
}

/* The host that is holder number @p i. */
static struct lab_host *holder(struct lab *l, const struct vx6_dht_kept *k, size_t i)
{
	struct vx6_dht_kept_info in = info(k);

	assert_true(i < in.holders_n);
	for (size_t j = 0; j < l->n; j++)
		if (vx6_node_id_eq(&l->host[j].id.id, &in.holder[i].node))
			return &l->host[j];
	fail_msg("a holder that is none of the hosts");
	return NULL;
}

static void start(struct lab *l, size_t n, bool global)
{
	lab_init(l, n, global);
	lab_mesh(l);
	lab_run(l, 2 * SECOND);
}

static void keep__sixteen_nodes__the_nearest_eight_prove_it(void **state)
{
	static struct lab l;
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;

	start(&l, 16, true);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	assert_int_equal(info(k).proved, 0);
	lab_run(&l, 1 * SECOND);
	assert_int_equal(info(k).wanted, 8);
	assert_int_equal(info(k).proved, 8);
	assert_int_equal(info(k).stored, 8);
	assert_ok(info(k).last_err);
	assert_in_range(info(k).took_ms, 3 * LAB_RTT_MS, 10 * LAB_RTT_MS);
	assert_true(info(k).proved_ms > 0);
	assert_int_equal(lab_holders(&l, &r), 8);
	assert_true(o.changes > 0);
	assert_int_equal(o.clashes, 0);
	for (size_t i = 1; i < l.n; i++) {
		const struct vx6_dht_key *pos = &l.host[i].d->pos;
		unsigned nearer = 0;
		bool holds = false;

		for (size_t j = 1; j < l.n; j++)
			nearer += vx6_dht_closer(&r.key, &l.host[j].d->pos, pos) < 0;
		for (size_t j = 0; j < 8; j++)
			holds |= holder(&l, k, j) == &l.host[i];
		assert_int_equal(holds, nearer < 8);
	}
	vx6_dht_forget(k);
	lab_fini(&l);
}

static void keep__two_nodes__one_holder_is_enough(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	start(&l, 2, false);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 1 * SECOND);
	assert_int_equal(info(k).wanted, 1);
	assert_int_equal(info(k).proved, 1);
	assert_ok(info(k).last_err);
	lab_fini(&l); /* and what is kept ends with the node */
}

static void keep__alone_at_first__is_stored_as_soon_as_somebody_comes(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	lab_init(&l, 2, false);
	vx6_dht_remove(l.host[0].d, &l.host[1].id.id, &l.now);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 3 * MINUTE);
	assert_int_equal(info(k).proved, 0);
	assert_err(info(k).last_err, UNREACHABLE);
	vx6_dht_met(l.host[0].d, &l.host[1].contact, VX6_DHT_PROVED, &l.now);
	lab_run(&l, 2 * SECOND);
	assert_int_equal(info(k).proved, 1);
	lab_fini(&l);
}

static void keep__network_grows__holders_grow_with_it(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	lab_init(&l, 12, false);
	for (size_t i = 0; i < 12; i++)
		for (size_t j = 0; j < 12; j++)
			vx6_dht_remove(l.host[i].d, &l.host[j].id.id, &l.now);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	for (size_t i = 1; i < 12; i++) {
		vx6_dht_met(l.host[0].d, &l.host[i].contact, VX6_DHT_PROVED, &l.now);
		vx6_dht_met(l.host[i].d, &l.host[0].contact, VX6_DHT_PROVED, &l.now);
		lab_run(&l, 12 * SECOND);
		assert_int_equal(info(k).proved, VX6_MIN(i, 8));
	}
	lab_fini(&l);
}

/* Nodes that came after the holders were chosen, and are nearer, hold it, too: who looks from now on meets them. */
static void keep__network_is_twice_as_large__the_nearest_of_now_hold_it(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	lab_init(&l, 24, true);
	for (size_t i = 0; i < 24; i++)
		for (size_t j = 0; j < 24; j++)
			vx6_dht_remove(l.host[i].d, &l.host[j].id.id, &l.now);
	for (size_t i = 0; i < 10; i++)
		for (size_t j = 0; j < 10; j++)
			if (i != j)
				vx6_dht_met(l.host[i].d, &l.host[j].contact, VX6_DHT_PROVED,
					    &l.now);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 12 * SECOND);
	assert_int_equal(info(k).proved, 8);
	lab_mesh(&l);
	lab_run(&l, 12 * SECOND);
	assert_int_equal(info(k).proved, 8);
	for (size_t i = 1; i < l.n; i++) {
		unsigned nearer = 0;
		bool holds = false;

		for (size_t j = 1; j < l.n; j++)
			nearer += vx6_dht_closer(&r.key, &l.host[j].d->pos, &l.host[i].d->pos) < 0;
		for (size_t j = 0; j < info(k).holders_n; j++)
			holds |= holder(&l, k, j) == &l.host[i];
		if (nearer < 8)
			assert_true(holds);
	}
	lab_fini(&l);
}

static void keep_update__holders_have_it_within_two_seconds(void **state)
{
	struct lab_record old, new;
	struct owner o = {0};
	struct vx6_dht_kept *k;
	static struct lab l;

	start(&l, 16, true);
	lab_endpoint(&l, 0, 1, &old);
	k = keep(&l, 0, &old, &o);
	lab_run(&l, 20 * MINUTE);
	lab_endpoint(&l, 0, 2, &new);
	vx6_dht_keep_update(k, new.b, new.n, &l.now);
	lab_run(&l, 5 * LAB_RTT_MS);
	assert_int_equal(lab_holders(&l, &new), 8);
	assert_int_equal(lab_holders(&l, &old), 0);
	lab_run(&l, 1 * SECOND);
	assert_int_equal(info(k).proved, 8);
	assert_in_range(info(k).took_ms, 1, 1 * SECOND);
	vx6_dht_keep_update(k, new.b, new.n, &l.now); /* the same again is nothing new */
	assert_int_equal(info(k).proved, 8);
	/* one after the other, faster than they can be stored */
	for (uint64_t seq = 3; seq < 8; seq++) {
		lab_endpoint(&l, 0, seq, &new);
		vx6_dht_keep_update(k, new.b, new.n, &l.now);
		lab_run(&l, LAB_RTT_MS / 2 + 1);
	}
	lab_run(&l, 1 * SECOND);
	assert_int_equal(lab_holders(&l, &new), 8);
	assert_int_equal(info(k).proved, 8);
	lab_fini(&l);
}

static void keep__three_holders_die__found_by_the_audits_and_replaced(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	start(&l, 30, true);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 1 * SECOND);
	for (size_t i = 0; i < 5; i++)
		holder(&l, k, i)->is_down = true;
	assert_int_equal(lab_holders(&l, &r), 3);
	lab_run(&l,
		100 * MINUTE); /* each audit meets a dead one with 5/8; the renewal finds what they miss */
	assert_int_equal(lab_holders(&l, &r), 8);
	assert_int_equal(info(k).proved, 8);
	lab_fini(&l);
}

static void keep__holders_leave__replaced_at_once(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	start(&l, 30, true);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 1 * SECOND);
	for (unsigned i = 0; i < 3; i++)
		holder(&l, k, i)->is_down = true;
	for (size_t i = 1; i < l.n; i++)
		if (l.host[i].is_down)
			vx6_dht_remove(l.host[0].d, &l.host[i].id.id, &l.now);
	lab_run(&l, 5 * SECOND);
	assert_int_equal(lab_holders(&l, &r), 8);
	lab_fini(&l);
}

static void keep__holder_lost_its_memory__gets_it_again(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	start(&l, 3, false);
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 1 * SECOND);
	assert_int_equal(lab_holders(&l, &r), 2);
	lab_restart(&l, 1, 2);
	lab_restart(&l, 2, 1);
	assert_int_equal(lab_holders(&l, &r), 0);
	lab_run(&l, 100 * MINUTE); /* audits at random; a renewal after 90 minutes */
	assert_int_equal(lab_holders(&l, &r), 2);
	assert_int_equal(info(k).proved, 2);
	lab_fini(&l);
}

static void keep__holders_that_lie_or_are_full__others_take_their_place(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	start(&l, 30, true);
	for (size_t i = 1; i < l.n; i++) {
		l.host[i].forgets = i % 3 == 1;
		l.host[i].is_full = i % 3 == 2;
	}
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 2 * SECOND);
	/* a third of the twenty nearest, give or take */
	assert_int_equal(lab_holders(&l, &r), info(k).proved);
	assert_in_range(info(k).proved, 2, 8);
	assert_int_equal(info(k).wanted, 8);
	for (size_t i = 0; i < info(k).holders_n; i++)
		if (info(k).holder_state[i] == 2)
			assert_false(holder(&l, k, i)->forgets || holder(&l, k, i)->is_full);
	lab_fini(&l);
}

static void keep__too_few_take_it__is_tried_again(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	static struct lab l;

	start(&l, 9, false);
	for (size_t i = 1; i < 7; i++)
		l.host[i].is_full = true;
	lab_service(&l, 0, "web", 1, false, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 2 * SECOND);
	assert_int_equal(info(k).proved, 2);
	assert_err(info(k).last_err, AGAIN);
	for (size_t i = 1; i < 4; i++)
		l.host[i].is_full = false;
	lab_run(&l, 5 * SECOND);
	assert_int_equal(info(k).proved, 5);
	assert_ok(info(k).last_err);
	assert_int_equal(info(k).proved_ms, 0);
	lab_fini(&l);
}

static void keep__somebody_else_claims_the_name__both_are_told(void **state)
{
	struct owner a = {0}, b = {0};
	struct lab_record ra, rb;
	struct vx6_dht_kept *k;
	static struct lab l;

	start(&l, 12, true);
	lab_claim(&l, 0, "alice", 1, &ra);
	lab_claim(&l, 1, "alice", 1, &rb);
	k = keep(&l, 0, &ra, &a);
	lab_run(&l, 1 * SECOND);
	assert_int_equal(a.clashes, 0);
	(void)keep(&l, 1, &rb, &b);
	lab_run(&l, 1 * SECOND);
	assert_int_equal(b.clashes, 1);
	assert_int_equal(b.last_n, ra.n);
	assert_memory_equal(b.last, ra.b, ra.n);
	/* the first owner learns it by an audit, of whichever holder: the other owner may be one, and holds no claim of its own */
	for (unsigned i = 0; i < 8 && !a.clashes; i++)
		lab_run(&l, 20 * MINUTE);
	assert_int_equal(a.clashes, 1);
	assert_memory_equal(a.last, rb.b, rb.n);
	assert_int_equal(info(k).proved, 8);
	lab_run(&l, 600 * MINUTE); /* and neither is told again */
	assert_int_equal(a.clashes + b.clashes, 2);
	lab_fini(&l);
}

static void keep__our_key_in_other_hands__we_are_told(void **state)
{
	struct lab_record ours, theirs;
	struct owner a = {0};
	struct vx6_dht_kept *k;
	static struct lab l;

	start(&l, 12, true);
	lab_endpoint(&l, 0, 5, &ours);
	lab_endpoint(&l, 0, 9, &theirs);
	k = keep(&l, 0, &ours, &a);
	lab_run(&l, 1 * SECOND);
	(void)vx6_dht_keep(l.host[1].d, theirs.b, theirs.n, NULL, NULL, NULL, &l.now);
	lab_run(&l, 32 * MINUTE); /* by an audit, or when it is stored again at the latest */
	assert_int_equal(a.clashes, 1);
	assert_memory_equal(a.last, theirs.b, theirs.n);
	assert_in_range(lab_holders(&l, &theirs), 8,
			12); /* theirs is newer: who had ours is told */
	assert_in_range(info(k).proved, 0, 4);
	lab_fini(&l);
}

/* What a lookup of one of two types under a key ends with. */
struct looked {
	bool done;
	vx6_err err;
	size_t values_n;
	uint8_t types; /* bits */
};

static void on_looked(void *user, const struct vx6_dht_result *r)
{
	struct looked *o = user;

	o->done = true;
	o->err = r->err;
	o->values_n = r->values_n;
	for (size_t i = 0; i < r->values_n; i++)
		o->types |= (uint8_t)(1U << r->value[i].record[4]);
}

static struct looked look_for(struct lab *l, size_t host, const struct vx6_dht_key *key,
			      uint8_t type, enum vx6_dht_want want)
{
	struct vx6_dht_ask ask = {.key = *key, .want = want, .type = type};
	struct looked o = {0};

	assert_non_null(vx6_dht_look(l->host[host].d, &ask, on_looked, &o, &l->now));
	lab_run(l, 30 * SECOND);
	assert_true(o.done);
	return o;
}

static void keep__two_types_under_one_key__do_not_disturb_each_other(void **state)
{
	enum { ENDPOINT = 1 << VX6_RTYPE_ENDPOINT, RELAY = 1 << VX6_RTYPE_RELAY };
	static struct lab l;
	struct owner o = {0}, p = {0};
	struct vx6_dht_kept *k, *m;
	struct lab_record r, s;
	struct looked got;

	start(&l, 16, true);
	lab_relay(&l, 0, 5, &s);
	m = keep(&l, 0, &s, &p);
	lab_run(&l, 2 * SECOND);
	assert_int_equal(info(m).proved, 8);
	/* who looks for the other type is not content with this one, but gets it */
	for (int want = VX6_DHT_WANT_ONE; want <= VX6_DHT_WANT_BEST; want++) {
		got = look_for(&l, 9, &s.key, VX6_RTYPE_ENDPOINT, (enum vx6_dht_want)want);
		assert_err(got.err, NOT_FOUND);
		assert_int_equal(got.types, RELAY);
		got = look_for(&l, 9, &s.key, VX6_RTYPE_RELAY, (enum vx6_dht_want)want);
		assert_ok(got.err);
	}
	lab_endpoint(&l, 0, 7, &r);
	assert_memory_equal(&r.key, &s.key, sizeof r.key);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 2 * SECOND);
	assert_int_equal(info(k).proved, 8);
	assert_int_equal(lab_holders(&l, &r), 8);
	assert_int_equal(lab_holders(&l, &s), 8);
	for (int want = VX6_DHT_WANT_ONE; want <= VX6_DHT_WANT_ALL; want++) {
		got = look_for(&l, 9, &s.key, VX6_RTYPE_ENDPOINT, (enum vx6_dht_want)want);
		assert_ok(got.err);
		assert_int_equal(got.types, ENDPOINT | RELAY);
	}
	/* each is renewed, and neither is a clash with the other */
	lab_relay(&l, 0, 6, &s);
	vx6_dht_keep_update(m, s.b, s.n, &l.now);
	lab_run(&l, 65 * MINUTE);
	assert_int_equal(lab_holders(&l, &r), 8);
	assert_int_equal(lab_holders(&l, &s), 8);
	assert_int_equal(o.clashes + p.clashes, 0);
	vx6_dht_forget(k);
	vx6_dht_forget(m);
	lab_fini(&l);
}

static void keep__forgotten_at_any_moment__nothing_is_left_behind(void **state)
{
	struct owner o = {0};
	static struct lab l;
	struct lab_record r;

	start(&l, 12, true);
	lab_service(&l, 0, "web", 1, false, &r);
	for (unsigned ms = 0; ms < 12 * LAB_RTT_MS; ms += 3) {
		struct vx6_dht_kept *k = keep(&l, 0, &r, &o);

		lab_run(&l, ms);
		vx6_dht_forget(k);
		assert_int_equal(vx6_dht_keeper_n(l.host[0].d), 0);
	}
	lab_run(&l, 1 * SECOND);
	o.forget = keep(&l, 0, &r, &o); /* in its own callback */
	lab_run(&l, 1 * SECOND);
	assert_null(o.forget);
	vx6_dht_forget(NULL);
	(void)keep(&l, 0, &r, &o);
	lab_run(&l, LAB_RTT_MS + LAB_RTT_MS / 2);
	lab_fini(&l);
}

static void keep__not_a_record__is_null(void **state)
{
	static struct lab l;

	start(&l, 2, false);
	assert_null(
		vx6_dht_keep(l.host[0].d, (const uint8_t *)"x", 1, changed, clash, NULL, &l.now));
	lab_fini(&l);
}

static void keep__expired__is_left_alone_until_a_newer_one_comes(void **state)
{
	struct owner o = {0};
	struct vx6_dht_kept *k;
	struct lab_record r;
	uint64_t asked;
	static struct lab l;

	start(&l, 4, false);
	lab_endpoint(&l, 0, 1, &r);
	k = keep(&l, 0, &r, &o);
	lab_run(&l, 121 * MINUTE);
	assert_int_equal(lab_holders(&l, &r), 0);
	asked = l.host[0].d->asked;
	lab_run(&l, 20 * MINUTE);
	assert_in_range(l.host[0].d->asked - asked, 0, 12); /* upkeep only */
	lab_endpoint(&l, 0, 2, &r);
	vx6_dht_keep_update(k, r.b, r.n, &l.now);
	lab_run(&l, 1 * SECOND);
	assert_int_equal(lab_holders(&l, &r), 3);
	lab_fini(&l);
}

/* What a quiet network costs: requests and answers, without the transport's. */
static void keep__sixteen_quiet_nodes__cost_next_to_nothing(void **state)
{
	static struct lab_record r[16][3];
	static struct lab l;
	struct owner o = {0};
	uint64_t bytes, msgs;
	clock_t cpu;

	start(&l, 16, false);
	for (size_t i = 0; i < 16; i++) {
		lab_endpoint(&l, i, 1, &r[i][0]);
		lab_service(&l, i, "web", 1, false, &r[i][1]);
		lab_service(&l, i, "ssh", 1, false, &r[i][2]);
		for (size_t j = 0; j < 3; j++)
			(void)keep(&l, i, &r[i][j], &o);
	}
	lab_run(&l, 1 * MINUTE);
	bytes = l.bytes;
	msgs = l.msgs;
	cpu = clock();
	lab_run(&l, 100 * MINUTE);
	cpu = clock() - cpu;
	print_message(
		"16 nodes, 3 records each: %.1f KB and %.0f messages a minute, %.2f ms of CPU\n",
		(double)(l.bytes - bytes) / 100 / 1000, (double)(l.msgs - msgs) / 100,
		(double)cpu / CLOCKS_PER_SEC * 1000 / 100);
	assert_in_range(l.bytes - bytes, 1, 100 * 100 * 1000);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(lab_holders(&l, &r[i][1]), 8);
	lab_fini(&l);
}

static int crypto_setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keep__sixteen_nodes__the_nearest_eight_prove_it),
		cmocka_unit_test(keep__two_nodes__one_holder_is_enough),
		cmocka_unit_test(keep__alone_at_first__is_stored_as_soon_as_somebody_comes),
		cmocka_unit_test(keep__network_grows__holders_grow_with_it),
		cmocka_unit_test(keep__network_is_twice_as_large__the_nearest_of_now_hold_it),
		cmocka_unit_test(keep_update__holders_have_it_within_two_seconds),
		cmocka_unit_test(keep__three_holders_die__found_by_the_audits_and_replaced),
		cmocka_unit_test(keep__holders_leave__replaced_at_once),
		cmocka_unit_test(keep__holder_lost_its_memory__gets_it_again),
		cmocka_unit_test(keep__holders_that_lie_or_are_full__others_take_their_place),
		cmocka_unit_test(keep__too_few_take_it__is_tried_again),
		cmocka_unit_test(keep__somebody_else_claims_the_name__both_are_told),
		cmocka_unit_test(keep__our_key_in_other_hands__we_are_told),
		cmocka_unit_test(keep__two_types_under_one_key__do_not_disturb_each_other),
		cmocka_unit_test(keep__forgotten_at_any_moment__nothing_is_left_behind),
		cmocka_unit_test(keep__not_a_record__is_null),
		cmocka_unit_test(keep__expired__is_left_alone_until_a_newer_one_comes),
		cmocka_unit_test(keep__sixteen_quiet_nodes__cost_next_to_nothing),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
