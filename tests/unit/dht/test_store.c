#include "tests/unit/vectors.h"

#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "dht/holder_internal.h"
#include "record/record.h"

enum { WALL = 1790000000 };

static const struct vx6_dht_key pos_zero;

struct rig {
	struct dht_store s;
	struct vx6_dht_now now;
};

static void start(struct rig *r, uint32_t n_max, uint64_t bytes_max)
{
	memset(r, 0, sizeof *r);
	r->now = (struct vx6_dht_now){.ms = 1000, .wall_s = WALL};
	vx6_dht_store_init(&r->s, n_max, bytes_max);
}

static void stop(struct rig *r)
{
	vx6_dht_store_fini(&r->s);
	assert_int_equal(r->s.n, 0);
	assert_int_equal(r->s.bytes, 0);
	assert_int_equal(r->s.cached, 0);
	assert_int_equal(r->s.sources.n, 0);
}

/* What a put says, as a test wants it; zero is a good default. */
struct what {
	uint8_t key, subject; /* first bytes of these */
	uint8_t from;         /* 2001:db8:0:: and so on */
	uint8_t type;         /* 0: service */
	uint8_t work;
	uint32_t seq, lifetime_s, n, live_max;
	bool cache, withdrawn;
};

static struct dht_source *source(struct rig *r, unsigned from)
{
	uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(from >> 8), (uint8_t)from};

	return vx6_dht_source_of(&r->s.sources, ip);
}

static vx6_err put(struct rig *r, const struct what *w)
{
	static const uint8_t bytes[VX6_RECORD_MAX];
	struct vx6_dht_key key = {.b = {w->key}};
	struct vx6_record_view v = {.type = w->type ? w->type : VX6_RTYPE_SERVICE,
				    .flags = w->withdrawn ? VX6_RECORD_WITHDRAWN : 0,
				    .subject = {w->subject},
				    .seq = w->seq,
				    .issued_s = r->now.wall_s,
				    .lifetime_s = w->lifetime_s ? w->lifetime_s : 3600,
				    .bytes = bytes,
				    .n = w->n ? w->n : 200};
	struct dht_put p = {.key = &key,
			    .pos = &pos_zero,
			    .view = &v,
			    .source = source(r, w->from),
			    .live_max = w->live_max ? w->live_max : DHT_RECORDS_LIVE,
			    .work = w->work,
			    .cache = w->cache,
			    .now = r->now};

	return vx6_dht_store_put(&r->s, &p);
}

static struct dht_stored *find(struct rig *r, uint8_t key, uint8_t type, uint8_t subject)
{
	struct vx6_dht_key k = {.b = {key}};
	const struct dht_shelf *shelf = vx6_dht_store_shelf(&r->s, k.b);
	uint8_t id[32] = {subject};

	return shelf ? vx6_dht_shelf_find(shelf, type ? type : VX6_RTYPE_SERVICE, id) : NULL;
}

static void store_put__newer_record__replaces_and_keeps_its_age(void **state)
{
	struct rig r;

	start(&r, 10, 1 << 20);
	assert_ok(put(&r, &(struct what){.key = 1, .subject = 7, .seq = 1}));
	r.now.ms += 5000;
	assert_ok(put(&r, &(struct what){.key = 1, .subject = 7, .seq = 2, .from = 9}));
	assert_int_equal(r.s.n, 1);
	assert_int_equal(find(&r, 1, 0, 7)->seq, 2);
	assert_int_equal(find(&r, 1, 0, 7)->first_ms, 1000);
	assert_int_equal(source(&r, 9)->live, 1);
	assert_int_equal(source(&r, 0)->live, 0);
	stop(&r);
}

static void store_put__taken_back_and_claimed_again__age_begins_anew(void **state)
{
	struct what w = {.key = 1, .subject = 7, .type = VX6_RTYPE_NAME, .seq = 1};
	struct rig r;

	start(&r, 10, 1 << 20);
	assert_ok(put(&r, &w));
	w.withdrawn = true;
	w.seq = 2;
	r.now.ms = 2000;
	assert_ok(put(&r, &w));
	assert_int_equal(find(&r, 1, VX6_RTYPE_NAME, 7)->first_ms, 1000);
	w.withdrawn = false;
	w.seq = 3;
	r.now.ms = 3000;
	assert_ok(put(&r, &w));
	assert_int_equal(find(&r, 1, VX6_RTYPE_NAME, 7)->first_ms, 3000);
	stop(&r);
}

static void store_expire__any_order__each_ends_when_it_should(void **state)
{
	struct rig r;

	start(&r, 300, 1 << 20);
	for (unsigned i = 0; i < 200; i++)
		assert_ok(put(&r, &(struct what){.key = (uint8_t)i,
						 .subject = 1,
						 .lifetime_s = 1 + i * 37 % 200}));
	for (unsigned t = 1; t <= 200; t++) {
		assert_int_equal(vx6_dht_store_expires_s(&r.s), WALL + t);
		vx6_dht_store_expire(&r.s, WALL + t - 1);
		assert_int_equal(r.s.n, 200 - t + 1);
		vx6_dht_store_expire(&r.s, WALL + t);
		assert_int_equal(r.s.n, 200 - t);
	}
	assert_true(vx6_dht_store_expires_s(&r.s) == UINT64_MAX);
	stop(&r);
}

static void store_expire__many_at_once__a_bounded_number_each_time(void **state)
{
	struct rig r;

	start(&r, 300, 1 << 20);
	for (unsigned i = 0; i < 200; i++)
		assert_ok(put(&r, &(struct what){.key = (uint8_t)i, .subject = 1}));
	vx6_dht_store_expire(&r.s, WALL + 3600);
	assert_int_equal(r.s.n, 136);
	stop(&r);
}

static void store_put__source_at_its_quota__only_nearer_records_get_in(void **state)
{
	struct rig r;

	start(&r, 100, 1 << 20);
	for (uint8_t i = 10; i < 14; i++)
		assert_ok(put(&r, &(struct what){.key = i, .live_max = 4}));
	assert_err(put(&r, &(struct what){.key = 20, .live_max = 4}), FULL);
	assert_ok(put(&r, &(struct what){.key = 20, .live_max = 4, .from = 1}));
	assert_ok(put(&r, &(struct what){.key = 1, .live_max = 4}));
	assert_null(find(&r, 13, 0, 0));
	assert_int_equal(source(&r, 0)->live, 4);
	assert_ok(
		put(&r, &(struct what){.key = 12, .seq = 5, .live_max = 4})); /* in its own place */
	assert_int_equal(find(&r, 12, 0, 0)->seq, 5);
	stop(&r);
}

static void store_put__table_full__the_heaviest_source_makes_room(void **state)
{
	struct rig r;

	start(&r, 20, 1 << 20);
	for (uint8_t i = 0; i < 4; i++) /* four who have one record each, far away */
		assert_ok(put(&r, &(struct what){.key = 200 + i, .from = 1 + i}));
	for (uint8_t i = 0; i < 100; i++) /* a flood of near ones */
		(void)vx6_is_ok(put(&r, &(struct what){.key = 100 - i, .from = 100}));
	assert_int_equal(r.s.n, 20);
	for (uint8_t i = 0; i < 4; i++)
		assert_non_null(find(&r, 200 + i, 0, 0));
	assert_ok(put(&r, &(struct what){.key = 250, .from = 50})); /* and one more gets in */
	assert_int_equal(r.s.n, 20);
	assert_int_equal(source(&r, 100)->live, 15);
	assert_non_null(find(&r, 250, 0, 0));
	assert_non_null(find(&r, 1, 0, 0)); /* of the flood, the nearest stay */
	stop(&r);
}

static void store_put__bytes_full__large_records_do_not_push_out_small_ones(void **state)
{
	struct rig r;

	start(&r, 10000, 128 << 10);
	for (uint8_t i = 0; i < 40; i++)
		assert_ok(put(&r, &(struct what){.key = i, .from = i}));
	for (uint8_t i = 0; i < 100; i++)
		(void)vx6_is_ok(put(&r, &(struct what){.key = i,
						       .subject = 1,
						       .from = 100,
						       .type = VX6_RTYPE_CATALOG,
						       .n = 4096}));
	assert_true(r.s.bytes <= r.s.bytes_max);
	for (uint8_t i = 0; i < 40; i++)
		assert_non_null(find(&r, i, 0, 0));
	assert_true(source(&r, 100)->live > 10);
	stop(&r);
}

static void store_put__grown_beyond_the_room__is_refused_and_the_old_one_stays(void **state)
{
	struct rig r;

	start(&r, 10, 2048);
	assert_ok(put(&r, &(struct what){.key = 1, .seq = 1}));
	assert_err(put(&r, &(struct what){.key = 1, .seq = 2, .n = 4096}), FULL);
	assert_int_equal(find(&r, 1, 0, 0)->seq, 1);
	stop(&r);
}

static void store_put__copies__go_first_and_end_soon(void **state)
{
	struct rig r;

	start(&r, 16, 1 << 20);
	assert_ok(put(&r, &(struct what){.key = 1, .cache = true}));
	assert_int_equal(find(&r, 1, 0, 0)->expires_s, WALL + DHT_CACHE_S);
	assert_ok(put(&r, &(struct what){.key = 2, .cache = true, .lifetime_s = 100}));
	assert_int_equal(find(&r, 2, 0, 0)->expires_s, WALL + 25);
	assert_err(put(&r, &(struct what){.key = 3, .cache = true}), FULL); /* an eighth */
	assert_ok(put(&r, &(struct what){.key = 1})); /* its publisher puts it */
	assert_int_equal(find(&r, 1, 0, 0)->expires_s, WALL + 3600);
	assert_false(find(&r, 1, 0, 0)->cached);
	for (uint8_t i = 100; i < 114; i++)
		assert_ok(put(&r, &(struct what){.key = i}));
	assert_ok(put(&r, &(struct what){.key = 99, .from = 1}));
	assert_null(find(&r, 2, 0, 0));
	assert_int_equal(r.s.n, 16);
	stop(&r);
}

/* They come through a proxy, and are charged to it. */
static void store_put__descriptors__push_out_nothing_else(void **state)
{
	struct what own = {.key = 255, .live_max = 8},
		    desc = {.type = VX6_RTYPE_DESCRIPTOR, .live_max = 8};
	struct rig r;

	start(&r, 100, 1 << 20);
	for (uint8_t i = 0; i < 4; i++) {
		own.key = (uint8_t)(250 + i);
		assert_ok(put(&r, &own));
	}
	for (uint8_t i = 0; i < 20; i++) {
		desc.key = (uint8_t)(40 - i); /* each nearer than all before it */
		assert_ok(put(&r, &desc));
	}
	assert_int_equal(r.s.n, 8);
	for (uint8_t i = 0; i < 4; i++) {
		assert_non_null(find(&r, (uint8_t)(250 + i), 0, 0));
		assert_non_null(find(&r, (uint8_t)(21 + i), VX6_RTYPE_DESCRIPTOR, 0));
	}
	own.key = 249; /* and make way for the rest */
	assert_ok(put(&r, &own));
	assert_null(find(&r, 24, VX6_RTYPE_DESCRIPTOR, 0));
	stop(&r);
}

static void store_put__revocations__outlast_others_up_to_a_quarter(void **state)
{
	struct what revocation = {.type = VX6_RTYPE_REVOCATION,
				  .lifetime_s = VX6_RECORD_FOREVER,
				  .live_max = 16};
	struct rig r;

	start(&r, 1000, 1 << 20);
	for (uint8_t i = 0; i < 4; i++) {
		revocation.key = 200 + i;
		assert_ok(put(&r, &revocation));
	}
	for (uint8_t i = 0; i < 12; i++)
		assert_ok(put(&r, &(struct what){.key = 100 + i, .live_max = 16}));
	for (uint8_t i = 0; i < 50; i++)
		(void)vx6_is_ok(put(&r, &(struct what){.key = 50 - i, .live_max = 16}));
	for (uint8_t i = 0; i < 4; i++)
		assert_non_null(find(&r, 200 + i, VX6_RTYPE_REVOCATION, 0));
	/* beyond that they are like the others: farther than all, so it does not get in */
	revocation.key = 210;
	revocation.live_max = 12;
	assert_err(put(&r, &revocation), FULL);
	assert_int_equal(source(&r, 0)->revocations, 4);
	stop(&r);
}

static uint8_t claim_type = VX6_RTYPE_NAME;

static struct what claim(uint8_t subject, uint8_t work)
{
	return (struct what){.key = 1, .subject = subject, .type = claim_type, .work = work};
}

static vx6_err put_claim(struct rig *r, uint8_t subject, uint8_t work)
{
	struct what w = claim(subject, work);

	r->now.ms += 1000;
	return put(r, &w);
}

static void a_seventeenth_claim(uint8_t type)
{
	struct rig r;

	claim_type = type;
	start(&r, 1000, 1 << 20);
	for (uint8_t i = 1; i <= DHT_CLAIMS_MAX; i++)
		assert_ok(put_claim(&r, i, i == 12 ? 21 : i == 3 ? 20 : 22));
	assert_err(put_claim(&r, 50, 21), FULL);
	assert_ok(put_claim(&r, 51, 22)); /* instead of the twelfth */
	assert_null(find(&r, 1, type, 12));
	assert_err(put_claim(&r, 52, 22), FULL);
	for (uint8_t i = 60; i < 200; i++) /* however much they work */
		(void)vx6_is_ok(put_claim(&r, i, i));
	for (uint8_t i = 1; i <= DHT_CLAIMS_FIRST; i++)
		assert_non_null(find(&r, 1, type, i));
	assert_int_equal(r.s.n, DHT_CLAIMS_MAX);
	stop(&r);
	claim_type = VX6_RTYPE_NAME;
}

static void claims__a_seventeenth__needs_more_work_and_spares_the_first(void **state)
{
	a_seventeenth_claim(VX6_RTYPE_NAME);
	a_seventeenth_claim(VX6_RTYPE_ALIAS);
}

static void claims__one_taken_back__gives_way_first(void **state)
{
	struct what w = claim(2, 20);
	struct rig r;

	start(&r, 1000, 1 << 20);
	for (uint8_t i = 1; i <= DHT_CLAIMS_MAX; i++)
		assert_ok(put_claim(&r, i, 20));
	w.withdrawn = true;
	w.seq = 1;
	assert_ok(put(&r, &w));
	assert_ok(put_claim(&r, 50, 20));
	assert_null(find(&r, 1, VX6_RTYPE_NAME, 2));
	assert_err(put_claim(&r, 51, 20), FULL);
	stop(&r);
}

static void claims__renewed__keep_their_place_among_the_first(void **state)
{
	struct what w = claim(1, 20);
	const struct dht_stored *first;
	struct vx6_dht_key key = {.b = {1}};
	struct rig r;

	start(&r, 1000, 1 << 20);
	for (uint8_t i = 1; i <= 5; i++)
		assert_ok(put_claim(&r, i, 20));
	w.seq = 1;
	assert_ok(put(&r, &w));
	first = VX6_CONTAINER_OF(vx6_dht_store_shelf(&r.s, key.b)->records.next, struct dht_stored,
				 of_shelf);
	assert_int_equal(first->subject[0], 1);
	assert_int_equal(first->seq, 1);
	stop(&r);
}

static void sources__many_without_records__are_forgotten(void **state)
{
	struct dht_quota q = vx6_dht_quota_of(&(struct vx6_dht_requester){.ip = {0x20}});
	struct rig r;

	start(&r, 10, 1 << 20);
	for (unsigned i = 0; i < 3 * DHT_SOURCES_IDLE; i++)
		assert_true(vx6_dht_source_may_put(source(&r, i), &q, 1));
	assert_int_equal(r.s.sources.n, DHT_SOURCES_IDLE);
	stop(&r);
}

static void source_may_put__a_minutes_worth_then_one_by_one(void **state)
{
	static const struct vx6_dht_requester stranger = {.ip = {0x20, 0x01}},
					      known = {.has_node = true, .ip = {0x20, 0x01}},
					      lab = {.has_node = true, .ip = {[15] = 1}};
	const struct vx6_dht_requester *who[] = {&stranger, &known, &lab};
	static const unsigned want[] = {32, 128, 512};

	for (size_t i = 0; i < 3; i++) {
		struct dht_quota q = vx6_dht_quota_of(who[i]);
		struct dht_source src = {0};
		unsigned n = 0;

		assert_int_equal(q.live, want[i] * 8);
		while (n < 10000 && vx6_dht_source_may_put(&src, &q, 5000))
			n++;
		assert_in_range(n, want[i], want[i] + 3); /* a put's share is whole milliseconds */
		assert_false(vx6_dht_source_may_put(&src, &q, 5001));
		assert_true(vx6_dht_source_may_put(&src, &q, 5000 + 60000 / want[i] + 1));
		assert_false(vx6_dht_source_may_put(&src, &q, 5000 + 60000 / want[i] + 2));
	}
}

static void sources__prefixes_outside_whole_addresses_inside(void **state)
{
	static const struct {
		uint8_t a[16], b[16];
		bool same;
	} cases[] = {
		{{0x20, 1, 1, 1, 1, 1, 7, 1}, {0x20, 1, 1, 1, 1, 1, 8, 2}, true}, /* a /48 */
		{{0x20, 1, 1, 1, 1, 1}, {0x20, 1, 1, 1, 1, 2}, false},
		{{[10] = 255, 255, 8, 8, 8, 8}, {[10] = 255, 255, 8, 8, 8, 9}, true}, /* a /24 */
		{{[10] = 255, 255, 8, 8, 8, 8}, {[10] = 255, 255, 8, 8, 9, 8}, false},
		{{0xfd, [15] = 1}, {0xfd, [15] = 2}, false},
		{{[10] = 255, 255, 10, 0, 0, 1}, {[10] = 255, 255, 10, 0, 0, 2}, false},
	};
	struct rig r;

	start(&r, 10, 1 << 20);
	for (size_t i = 0; i < VX6_ARRAY_N(cases); i++) {
		bool same = vx6_dht_source_of(&r.s.sources, cases[i].a) ==
			    vx6_dht_source_of(&r.s.sources, cases[i].b);

		assert_int_equal(same, cases[i].same);
	}
	stop(&r);
}

/* ---- tokens ---- */

static void io_random(void *user, void *out, size_t n)
{
	vx6_random_bytes(out, n);
}

static void token__ten_minutes_at_most__for_one_network_and_key(void **state)
{
	static const struct vx6_dht_io io = {.random = io_random};
	struct vx6_dht d = {.io = &io, .now.ms = 77};
	uint8_t ip[16] = {0x20, 1, 2, 3, 4, 5, 6, 7, 8}, key[32] = {1}, other[32] = {2};
	uint8_t v4[16] = {[10] = 255, 255, 9, 9, 9, 9}, token[8], second[8];
	struct dht_tokens t = {0};

	vx6_dht_token_make(&t, &d, ip, key, token);
	assert_true(vx6_dht_token_is_valid(&t, &d, ip, key, token));
	assert_false(vx6_dht_token_is_valid(&t, &d, ip, other, token));
	ip[15] = 99; /* another address of the same network */
	assert_true(vx6_dht_token_is_valid(&t, &d, ip, key, token));
	ip[7] = 99;
	assert_false(vx6_dht_token_is_valid(&t, &d, ip, key, token));
	ip[7] = 7;
	vx6_dht_token_make(&t, &d, v4, key, second);
	v4[15] = 10;
	assert_true(vx6_dht_token_is_valid(&t, &d, v4, key, second));
	v4[14] = 10;
	assert_false(vx6_dht_token_is_valid(&t, &d, v4, key, second));

	d.now.ms = DHT_TOKEN_MS + 1;
	assert_true(vx6_dht_token_is_valid(&t, &d, ip, key, token));
	d.now.ms = 2 * DHT_TOKEN_MS;
	assert_false(vx6_dht_token_is_valid(&t, &d, ip, key, token));
	vx6_dht_token_make(&t, &d, ip, key, token);
	d.now.ms = 100 * (uint64_t)DHT_TOKEN_MS; /* long silence: nothing of before counts */
	assert_false(vx6_dht_token_is_valid(&t, &d, ip, key, token));
}

static int crypto_setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store_put__newer_record__replaces_and_keeps_its_age),
		cmocka_unit_test(store_put__taken_back_and_claimed_again__age_begins_anew),
		cmocka_unit_test(store_expire__any_order__each_ends_when_it_should),
		cmocka_unit_test(store_expire__many_at_once__a_bounded_number_each_time),
		cmocka_unit_test(store_put__source_at_its_quota__only_nearer_records_get_in),
		cmocka_unit_test(store_put__table_full__the_heaviest_source_makes_room),
		cmocka_unit_test(store_put__bytes_full__large_records_do_not_push_out_small_ones),
		cmocka_unit_test(
			store_put__grown_beyond_the_room__is_refused_and_the_old_one_stays),
		cmocka_unit_test(store_put__copies__go_first_and_end_soon),
		cmocka_unit_test(store_put__descriptors__push_out_nothing_else),
		cmocka_unit_test(store_put__revocations__outlast_others_up_to_a_quarter),
		cmocka_unit_test(claims__a_seventeenth__needs_more_work_and_spares_the_first),
		cmocka_unit_test(claims__one_taken_back__gives_way_first),
		cmocka_unit_test(claims__renewed__keep_their_place_among_the_first),
		cmocka_unit_test(sources__many_without_records__are_forgotten),
		cmocka_unit_test(source_may_put__a_minutes_worth_then_one_by_one),
		cmocka_unit_test(sources__prefixes_outside_whole_addresses_inside),
		cmocka_unit_test(token__ten_minutes_at_most__for_one_network_and_key),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
