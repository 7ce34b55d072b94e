#include "tests/unit/dht/lab.h"

#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "dht/holder_internal.h"
#include "record/hs_desc.h"
#include "record/service.h"
#include "wire/code.h"

struct answer {
	uint8_t b[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_resp r;
};

static void ask(struct lab *l, size_t from, size_t to, const struct vx6_dht_req *req,
		struct answer *a)
{
	size_t n = lab_ask(l, from, to, req, a->b);

	assert_ok(vx6_dht_resp_decode(a->b, n, &a->r));
	assert_int_equal(a->r.op, req->op);
}

static void get(struct lab *l, size_t from, size_t to, const struct vx6_dht_key *key,
		struct answer *a)
{
	struct vx6_dht_req req = {.op = VX6_DHT_GET};

	memcpy(req.key, key->b, sizeof req.key);
	ask(l, from, to, &req, a);
}

/* With the token that a GET before it gives. */
static uint16_t put_as(struct lab *l, size_t from, size_t to, const struct lab_record *r,
		       uint8_t flags, struct answer *a)
{
	struct vx6_dht_req req = {.op = VX6_DHT_PUT,
				  .flags = flags,
				  .record = r->b,
				  .record_n = r->n};

	get(l, from, to, &r->key, a);
	memcpy(req.token, a->r.token, sizeof req.token);
	memcpy(req.key, r->key.b, sizeof req.key);
	ask(l, from, to, &req, a);
	return a->r.status;
}

static uint16_t put(struct lab *l, size_t from, size_t to, const struct lab_record *r)
{
	struct answer a;

	return put_as(l, from, to, r, 0, &a);
}

/* The only value of an answer. */
static void assert_value(struct answer *a, const struct lab_record *r)
{
	const uint8_t *record;
	uint32_t age_s;
	size_t n;

	assert_int_equal(a->r.values_n, 1);
	assert_true(vx6_dht_resp_value(&a->r, &age_s, &record, &n));
	assert_int_equal(n, r->n);
	assert_memory_equal(record, r->b, n);
}

static void serve__put_then_get__gives_it_with_its_age(void **state)
{
	struct lab_record r;
	struct answer a;
	const uint8_t *record;
	struct lab l;
	uint32_t age_s;
	size_t n;

	lab_init(&l, 3, false);
	lab_service(&l, 0, "web", 5, false, &r);
	assert_int_equal(put(&l, 0, 1, &r), VX6_CODE_OK);
	lab_run(&l, 90 * 1000);
	get(&l, 2, 1, &r.key, &a);
	assert_int_equal(a.r.status, VX6_CODE_OK);
	assert_int_equal(a.r.nodes_n, 1); /* whoever asks is not told of itself */
	assert_true(vx6_dht_resp_value(&a.r, &age_s, &record, &n));
	assert_int_equal(age_s, 90);
	assert_memory_equal(record, r.b, r.n);
	lab_fini(&l);
}

static void serve__no_token_or_anothers__is_refused_with_a_good_one(void **state)
{
	struct vx6_dht_req req = {.op = VX6_DHT_PUT};
	struct lab_record r;
	struct answer a;
	struct lab l;

	lab_init(&l, 3, true);
	lab_service(&l, 0, "web", 5, false, &r);
	req.record = r.b;
	req.record_n = r.n;
	memcpy(req.key, r.key.b, sizeof req.key);
	ask(&l, 0, 1, &req, &a);
	assert_int_equal(a.r.status, VX6_CODE_BAD_TOKEN);
	assert_int_equal(a.r.values_n, 0);
	memcpy(req.token, a.r.token, sizeof req.token);
	ask(&l, 2, 1, &req, &a); /* host 2 with the token of host 0 */
	assert_int_equal(a.r.status, VX6_CODE_BAD_TOKEN);
	ask(&l, 0, 1, &req, &a);
	assert_int_equal(a.r.status, VX6_CODE_OK);
	lab_run(&l, 10 * 60 * 1000 + 1);
	ask(&l, 0, 1, &req, &a);
	assert_int_equal(a.r.status, VX6_CODE_BAD_TOKEN);
	lab_fini(&l);
}

static void serve__older_record__is_stale_and_the_newer_comes_back(void **state)
{
	struct lab_record older, newer;
	struct answer a;
	struct lab l;

	lab_init(&l, 2, false);
	lab_service(&l, 0, "web", 5, false, &older);
	lab_service(&l, 0, "web", 6, false, &newer);
	assert_int_equal(put(&l, 0, 1, &older), VX6_CODE_OK);
	assert_int_equal(put(&l, 0, 1, &newer), VX6_CODE_OK);
	assert_int_equal(put_as(&l, 0, 1, &older, 0, &a), VX6_CODE_STALE);
	assert_value(&a, &newer);
	assert_int_equal(put(&l, 0, 1, &newer), VX6_CODE_OK); /* again */
	lab_fini(&l);
}

static void serve__same_seq_other_bytes__is_equivocation_and_the_first_stays(void **state)
{
	struct lab_record first, second;
	struct answer a;
	struct lab l;

	lab_init(&l, 2, false);
	lab_service(&l, 0, "web", 5, false, &first);
	l.now.wall_s++;
	lab_service(&l, 0, "web", 5, false, &second);
	assert_int_equal(put(&l, 0, 1, &first), VX6_CODE_OK);
	assert_int_equal(put_as(&l, 0, 1, &second, 0, &a), VX6_CODE_EQUIVOCATION);
	assert_value(&a, &first);
	assert_int_equal(l.host[1].d->holder->store.equivocations, 1);
	second.b[second.n - 1] ^= 1; /* not signed by its subject: no evidence */
	assert_int_equal(put(&l, 0, 1, &second), VX6_CODE_SIG);
	assert_int_equal(l.host[1].d->holder->store.equivocations, 1);
	lab_fini(&l);
}

static void serve__withdrawn_record__stays_so_that_nobody_brings_the_old_one_back(void **state)
{
	struct lab_record r, taken_back;
	struct answer a;
	struct lab l;

	lab_init(&l, 3, false);
	lab_service(&l, 0, "web", 5, false, &r);
	lab_service(&l, 0, "web", 6, true, &taken_back);
	assert_int_equal(put(&l, 0, 1, &r), VX6_CODE_OK);
	assert_int_equal(put(&l, 0, 1, &taken_back), VX6_CODE_OK);
	assert_int_equal(put(&l, 2, 1, &r), VX6_CODE_STALE);
	get(&l, 2, 1, &r.key, &a);
	assert_value(&a, &taken_back);
	lab_run(&l, VX6_SERVICE_LIFETIME_S * 1000ULL);
	get(&l, 2, 1, &r.key, &a);
	assert_int_equal(a.r.values_n, 0);
	assert_int_equal(put(&l, 2, 1, &r), VX6_CODE_CERT_EXPIRED); /* and that is over too */
	lab_fini(&l);
}

static void serve__bad_records__are_refused_and_nothing_is_kept(void **state)
{
	struct lab_record r, other;
	struct lab l;

	lab_init(&l, 2, false);
	lab_service(&l, 0, "web", 5, false, &r);
	lab_service(&l, 0, "ssh", 5, false, &other);

	other = r;
	other.b[other.n - 1] ^= 1;
	assert_int_equal(put(&l, 0, 1, &other), VX6_CODE_SIG);
	other = r;
	other.key.b[3] ^= 1; /* under a key that is not its own */
	assert_int_equal(put(&l, 0, 1, &other), VX6_CODE_BAD_FORMAT);
	other = r;
	other.n--;
	assert_int_equal(put(&l, 0, 1, &other), VX6_CODE_BAD_FORMAT);
	other = r;
	other.b[4] = 99;
	assert_int_equal(put(&l, 0, 1, &other), VX6_CODE_UNSUPPORTED);
	other = r;
	other.b[5] = VX6_RECORD_UNLISTED;
	assert_int_equal(put(&l, 0, 1, &other), VX6_CODE_UNSUPPORTED);
	l.now.wall_s -= 3600; /* from the future */
	assert_int_equal(put(&l, 0, 1, &r), VX6_CODE_CLOCK);
	assert_int_equal(l.host[1].d->holder->store.n, 0);
	lab_fini(&l);
}

static void serve__claims__publishers_learn_of_each_other(void **state)
{
	struct lab_record a_claim, b_claim;
	struct answer a;
	struct lab l;

	lab_init(&l, 3, false);
	lab_claim(&l, 0, "alice", 1, &a_claim);
	lab_claim(&l, 1, "alice", 1, &b_claim);
	assert_memory_equal(&a_claim.key, &b_claim.key, sizeof a_claim.key);
	assert_int_equal(put_as(&l, 0, 2, &a_claim, 0, &a), VX6_CODE_OK);
	assert_int_equal(a.r.values_n, 0);
	assert_int_equal(put_as(&l, 1, 2, &b_claim, 0, &a), VX6_CODE_OK);
	assert_value(&a, &a_claim);
	assert_int_equal(put_as(&l, 0, 2, &a_claim, 0, &a), VX6_CODE_OK);
	assert_value(&a, &b_claim);
	get(&l, 0, 2, &a_claim.key, &a);
	assert_int_equal(a.r.values_n, 2);
	assert_int_equal(put_as(&l, 0, 2, &a_claim, VX6_DHT_CACHE, &a), VX6_CODE_UNSUPPORTED);
	lab_fini(&l);
}

static void serve__copies__are_taken_anywhere_for_a_while(void **state)
{
	struct lab_record r;
	struct answer a;
	struct lab l;

	lab_init(&l, 3, false);
	lab_service(&l, 0, "web", 5, false, &r);
	assert_int_equal(put_as(&l, 1, 2, &r, VX6_DHT_CACHE, &a), VX6_CODE_OK);
	get(&l, 0, 2, &r.key, &a);
	assert_value(&a, &r);
	lab_run(&l, DHT_CACHE_S * 1000);
	get(&l, 0, 2, &r.key, &a);
	assert_int_equal(a.r.values_n, 0);
	lab_fini(&l);
}

static void serve__descriptors__under_both_keys_and_only_whole_ones(void **state)
{
	const uint64_t period = LAB_WALL / VX6_HS_PERIOD_S;
	struct lab_record one, two, bad;
	struct answer a;
	struct lab l;

	lab_init(&l, 3, false);
	lab_descriptor(&l, 7, period, 4, 1, &one);
	two = one;
	vx6_dht_key_descriptor(&vx6_net_default, one.b + 8, 2, period, &two.key);
	bad = one;
	bad.b[bad.n / 2] ^= 1; /* what it says cannot be read here, but who says it can be told */
	assert_int_equal(put(&l, 0, 1, &bad), VX6_CODE_SIG);
	bad = one;
	bad.key.b[31] ^= 1;
	assert_int_equal(put(&l, 0, 1, &bad), VX6_CODE_BAD_FORMAT);
	bad = one;
	bad.n--;
	assert_int_equal(put(&l, 0, 1, &bad), VX6_CODE_BAD_FORMAT);
	assert_int_equal(put_as(&l, 0, 1, &one, VX6_DHT_CACHE, &a), VX6_CODE_UNSUPPORTED);
	assert_int_equal(l.host[1].d->holder->store.n, 0);
	assert_int_equal(put(&l, 0, 1, &one), VX6_CODE_OK);
	assert_int_equal(put(&l, 0, 1, &two), VX6_CODE_OK);
	get(&l, 2, 1, &one.key, &a);
	assert_value(&a, &one);
	get(&l, 2, 1, &two.key, &a);
	assert_value(&a, &two);
	lab_fini(&l);
}

/* Found on a prototype: whoever knew the key could put something unsigned in the place of what its owner had published. */
static void serve__descriptor_of_another__replaces_none(void **state)
{
	const uint64_t period = LAB_WALL / VX6_HS_PERIOD_S;
	struct lab_record mine, other, old, twin, newer;
	struct answer a;
	struct lab l;

	lab_init(&l, 3, false);
	lab_descriptor(&l, 7, period, 4, 1, &mine);
	assert_int_equal(put(&l, 0, 1, &mine), VX6_CODE_OK);
	lab_descriptor(&l, 8, period, 9, 1, &other);
	other.key = mine.key;
	assert_int_equal(put(&l, 2, 1, &other), VX6_CODE_BAD_FORMAT);
	memcpy(other.b + 8, mine.b + 8, 32); /* its subject, without its key */
	assert_int_equal(put(&l, 2, 1, &other), VX6_CODE_SIG);
	lab_descriptor(&l, 7, period, 3, 1, &old);
	assert_int_equal(put_as(&l, 2, 1, &old, 0, &a), VX6_CODE_STALE);
	assert_value(&a, &mine);
	lab_descriptor(&l, 7, period, 4, 1, &twin);
	assert_int_equal(put(&l, 2, 1, &twin), VX6_CODE_EQUIVOCATION);
	get(&l, 0, 1, &mine.key, &a);
	assert_value(&a, &mine);
	lab_descriptor(&l, 7, period, 5, 1, &newer);
	assert_int_equal(put(&l, 2, 1, &newer), VX6_CODE_OK);
	get(&l, 0, 1, &mine.key, &a);
	assert_value(&a, &newer);
	lab_fini(&l);
}

static void serve__flood_from_one_address__ends_at_its_quota(void **state)
{
	unsigned ok = 0, quota = 0;
	struct lab l;

	lab_init(&l, 3, true);
	for (unsigned i = 0; i < 200; i++) {
		struct lab_record r;
		char name[16];
		uint16_t status;

		(void)snprintf(name, sizeof name, "s%u", i);
		lab_service(&l, 0, name, 5, false, &r);
		status = put(&l, 0, 1, &r);
		ok += status == VX6_CODE_OK;
		quota += status == VX6_CODE_QUOTA;
	}
	assert_in_range(ok, 128, 129);
	assert_int_equal(ok + quota, 200);
	assert_int_equal(l.host[1].d->refused, quota);
	lab_fini(&l);
}

/* A lab of a hundred agents behind one address: all of them put four records to the same holder, and again every half an hour. */
static void serve__hundred_agents_on_one_host__all_get_in(void **state)
{
	static struct lab_record r[100][4];
	static struct lab l;

	lab_init(&l, 101, false);
	for (size_t i = 0; i < 101; i++)
		memcpy(l.host[i].contact.ip, (uint8_t[16]){[15] = 1}, 16);
	for (size_t i = 0; i < 100; i++)
		for (size_t j = 0; j < 4; j++)
			lab_service(&l, i, (const char *[]){"a", "b", "c", "d"}[j], 1, false,
				    &r[i][j]);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < 100; i++)
			for (size_t j = 0; j < 4; j++)
				assert_int_equal(put(&l, i, 100, &r[i][j]), VX6_CODE_OK);
		l.now.ms += 30 * 60 * 1000;
	}
	assert_int_equal(l.host[100].d->holder->store.n, 400);
	lab_fini(&l);
}

static void serve__not_serving__refuses_everything(void **state)
{
	struct lab_record r;
	struct answer a;
	struct lab l;

	lab_init(&l, 2, false);
	lab_service(&l, 0, "web", 5, false, &r);
	vx6_dht_set_self(l.host[1].d, NULL, &l.now);
	get(&l, 0, 1, &r.key, &a);
	assert_int_equal(a.r.status, VX6_CODE_UNSUPPORTED);
	assert_int_equal(a.r.nodes_n, 0);
	assert_int_equal(put(&l, 0, 1, &r), VX6_CODE_UNSUPPORTED);
	lab_fini(&l);
}

static void serve__garbage__is_answered_with_its_status(void **state)
{
	uint8_t req[64], out[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_requester who = {.ip = {0x20, 1}};
	struct vx6_dht_resp r;
	struct lab l;

	lab_init(&l, 2, false);
	for (unsigned i = 0; i < 5000; i++) {
		size_t n = vx6_random_u32() % sizeof req;

		vx6_random_bytes(req, n);
		if (i % 2 && n > 1) { /* past the first check */
			req[0] = (uint8_t)(1 + req[0] % 5);
			req[1] = 0;
		}
		n = vx6_dht_serve(l.host[1].d, &who, req, n, out, &l.now);
		assert_ok(vx6_dht_resp_decode(out, n, &r));
	}
	assert_int_equal(vx6_dht_serve(l.host[1].d, &who, req, 0, out, &l.now), 13);
	assert_int_equal(l.host[1].d->served, 5001);
	assert_int_equal(l.host[1].d->holder->store.n, 0);
	lab_fini(&l);
}

/* Far from us by our own table: others are to hold it. A crowd from one prefix does not make us think so. */
static void serve__key_of_others__is_not_close(void **state)
{
	static struct lab l;
	unsigned refused = 0;

	lab_init(&l, 101, true);
	lab_mesh(&l);
	for (unsigned i = 0; i < 40; i++) {
		struct lab_record r;
		char name[16];
		unsigned nearer = 0;
		uint16_t status;

		(void)snprintf(name, sizeof name, "s%u", i);
		lab_service(&l, 0, name, 5, false, &r);
		for (size_t j = 1; j < l.n; j++)
			nearer +=
				vx6_dht_closer(&r.key, &l.host[j].d->pos, &l.host[100].d->pos) < 0;
		status = put(&l, 0, 100, &r);
		if (nearer < 2 * VX6_DHT_K - 1)
			assert_int_equal(status, VX6_CODE_OK);
		refused += status == VX6_CODE_NOT_CLOSE;
	}
	assert_in_range(refused, 1, 39);
	lab_fini(&l);
}

static int crypto_setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serve__put_then_get__gives_it_with_its_age),
		cmocka_unit_test(serve__no_token_or_anothers__is_refused_with_a_good_one),
		cmocka_unit_test(serve__older_record__is_stale_and_the_newer_comes_back),
		cmocka_unit_test(serve__same_seq_other_bytes__is_equivocation_and_the_first_stays),
		cmocka_unit_test(
			serve__withdrawn_record__stays_so_that_nobody_brings_the_old_one_back),
		cmocka_unit_test(serve__bad_records__are_refused_and_nothing_is_kept),
		cmocka_unit_test(serve__claims__publishers_learn_of_each_other),
		cmocka_unit_test(serve__copies__are_taken_anywhere_for_a_while),
		cmocka_unit_test(serve__descriptors__under_both_keys_and_only_whole_ones),
		cmocka_unit_test(serve__descriptor_of_another__replaces_none),
		cmocka_unit_test(serve__flood_from_one_address__ends_at_its_quota),
		cmocka_unit_test(serve__hundred_agents_on_one_host__all_get_in),
		cmocka_unit_test(serve__not_serving__refuses_everything),
		cmocka_unit_test(serve__garbage__is_answered_with_its_status),
		cmocka_unit_test(serve__key_of_others__is_not_close),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
