#include "tests/unit/record/common.h"

#include "record/admit.h"
#include "record/catalog_list.h"
#include "record/hwm_mem.h"

struct owner {
	struct vx6_sign_keypair kp;
	struct vx6_catalog_key key; /* what an invitation says */
};

static void owner_of(const cJSON *v, struct owner *o)
{
	struct vx6_sign_seed seed;

	vec_hex(v, "seed", seed.b, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &o->kp);
	o->key.pk = o->kp.pk;
	vec_hex(v, "secret", o->key.secret, sizeof o->key.secret);
}

static vx6_err verify(const struct vx6_record *rec, uint64_t now_s)
{
	struct vx6_record_check check = {.net = &vx6_net_default, .now_s = now_s};

	return vx6_record_verify(rec, &check);
}

static void catalog__golden_bytes__open_and_encode(void **state)
{
	cJSON *vectors = vec_load("catalogs");

	VEC_EACH(v, vectors)
	{
		const cJSON *entries = cJSON_GetObjectItem(v, "entries");
		static uint8_t bytes[VX6_RECORD_MAX], list[VX6_CATALOG_MAX], again[VX6_CATALOG_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes);
		size_t list_n = vec_hex(v, "list", list, sizeof list);
		static struct vx6_catalog c;
		struct vx6_record rec;
		struct owner o;
		struct vx6_wr w;

		owner_of(v, &o);
		assert_ok(vx6_record_parse(bytes, n, &rec));
		assert_ok(verify(&rec, NOW));
		assert_ok(vx6_catalog_open(&rec, &o.key, &vx6_net_default, &c));
		assert_string_equal(c.title, vec_text(v, "title"));
		assert_true(c.period == vec_num(v, "period"));
		assert_int_equal(c.entries_n, cJSON_GetArraySize(entries));
		for (size_t i = 0; i < c.entries_n; i++) {
			const cJSON *e = cJSON_GetArrayItem(entries, (int)i);
			uint8_t node[32];

			vec_hex(e, "node", node, sizeof node);
			assert_memory_equal(c.entries[i].node.b, node, sizeof node);
			assert_string_equal(c.entries[i].service, vec_text(e, "service"));
			assert_string_equal(c.entries[i].alias, vec_text(e, "alias"));
			assert_string_equal(c.entries[i].alpn, vec_text(e, "alpn"));
		}
		vx6_wr_init(&w, again, sizeof again);
		vx6_catalog_list_encode(&w, &c);
		assert_ok(w.err);
		assert_int_equal(w.len, list_n);
		assert_memory_equal(again, list, list_n);
	}
	vec_free(vectors);
}

static struct owner some_owner(void)
{
	struct owner o;

	vx6_sign_keypair_random(&o.kp);
	o.key.pk = o.kp.pk;
	vx6_random_bytes(o.key.secret, sizeof o.key.secret);
	return o;
}

static void add(struct vx6_catalog *c, const char *alias)
{
	struct vx6_catalog_entry *e = &c->entries[c->entries_n++];
	struct vx6_sign_keypair kp;

	vx6_sign_keypair_random(&kp);
	vx6_node_id_from_pk(&kp.pk, &e->node);
	strcpy(e->service, "web");
	snprintf(e->alias, sizeof e->alias, "%s", alias);
	e->kind = VX6_SERVICE_TCP;
}

static struct vx6_catalog sample(void)
{
	struct vx6_catalog c = {.seq = 5,
				.issued_s = NOW,
				.lifetime_s = VX6_CATALOG_LIFETIME_S,
				.period = vx6_catalog_period(NOW),
				.title = "work"};

	add(&c, "wiki");
	return c;
}

static void catalog__built__only_the_invited_read_it(void **state)
{
	struct owner o = some_owner(), other = some_owner();
	struct vx6_catalog c = sample(), got;
	struct vx6_catalog_key wrong = o.key;
	uint8_t out[VX6_CATALOG_MAX];
	struct vx6_record rec;
	struct vx6_sign_pk subject;
	uint64_t period;
	size_t n;

	assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n));
	assert_int_equal(n, 1024);
	assert_ok(vx6_record_parse(out, n, &rec));
	assert_ok(verify(&rec, NOW));
	assert_ok(vx6_catalog_check(&rec, &period));
	assert_true(period == c.period);
	assert_ok(vx6_catalog_subject(&o.key, period, &subject));
	assert_memory_equal(subject.b, rec.subject.b, 32);
	assert_memory_not_equal(o.kp.pk.b, rec.subject.b, 32);
	assert_ok(vx6_catalog_open(&rec, &o.key, &vx6_net_default, &got));
	assert_int_equal(got.entries_n, 1);
	assert_string_equal(got.entries[0].alias, "wiki");
	assert_true(got.seq == 5);
	/* the key without the secret does not even find it, nor does another catalog's */
	wrong.secret[0] ^= 1;
	assert_err(vx6_catalog_open(&rec, &wrong, &vx6_net_default, &got), MISMATCH);
	assert_err(vx6_catalog_open(&rec, &other.key, &vx6_net_default, &got), MISMATCH);
	assert_int_equal(got.entries_n, 0);
}

/* Who has an invitation can read, and cannot write: another secret scalar gives another subject. */
static void catalog__forged_by_a_reader__does_not_verify(void **state)
{
	struct owner o = some_owner();
	struct vx6_catalog c = sample();
	struct vx6_sign_keypair mine;
	uint8_t out[VX6_CATALOG_MAX];
	struct vx6_record rec;
	struct vx6_sign_pk subject;
	size_t n;

	vx6_sign_keypair_random(&mine);
	assert_ok(vx6_catalog_build(&c, &mine, o.key.secret, &vx6_net_default, out, &n));
	assert_ok(vx6_catalog_subject(&o.key, c.period, &subject));
	memcpy(out + 8, subject.b, 32);
	assert_ok(vx6_record_parse(out, n, &rec));
	assert_err(verify(&rec, NOW), SIGNATURE);
}

static void catalog__every_flipped_bit__is_noticed(void **state)
{
	struct owner o = some_owner();
	struct vx6_catalog c = sample(), got;
	uint8_t out[VX6_CATALOG_MAX];
	struct vx6_record rec;
	size_t n;

	assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n));
	for (size_t i = 0; i < n; i += 7) {
		vx6_err err;

		out[i] ^= 0x10;
		err = vx6_record_parse(out, n, &rec);
		if (vx6_is_ok(err)) {
			assert_fails(verify(&rec, NOW));
			/* and even without the signature */
			if (i >= VX6_RECORD_HEADER && i < n - VX6_RECORD_SIG)
				assert_fails(
					vx6_catalog_open(&rec, &o.key, &vx6_net_default, &got));
		}
		out[i] ^= 0x10;
	}
}

static void catalog__sizes__three_and_no_more(void **state)
{
	struct owner o = some_owner();
	struct vx6_catalog c = sample(), got;
	uint8_t out[VX6_CATALOG_MAX];
	struct vx6_record rec;
	char alias[VX6_LABEL_TEXT];
	size_t n;

	for (unsigned i = 1; i < VX6_CATALOG_ENTRIES_MAX; i++) {
		snprintf(alias, sizeof alias, "a%u", i);
		add(&c, alias);
		assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n));
		assert_true(n == 1024 || n == 2048 || n == 4096);
		assert_ok(vx6_record_parse(out, n, &rec));
		assert_ok(vx6_catalog_open(&rec, &o.key, &vx6_net_default, &got));
		assert_int_equal(got.entries_n, i + 1);
	}
	assert_int_equal(n, 4096);
	c.entries_n++;
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), LIMIT);
	c.entries_n = VX6_CATALOG_ENTRIES_MAX;
	for (size_t i = 0; i < c.entries_n; i++)
		memset(c.entries[i].alpn, 'x', VX6_SERVICE_ALPN_MAX);
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), LIMIT);
}

static void catalog_build__what_may_not_travel__is_refused(void **state)
{
	struct owner o = some_owner();
	struct vx6_catalog c = sample();
	uint8_t out[VX6_CATALOG_MAX];
	size_t n;

	add(&c, "wiki");
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), INVALID);
	c.entries_n = 1;
	c.entries[0].kind = 9;
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), INVALID);
	c.entries[0].kind = VX6_SERVICE_TCP;
	strcpy(c.entries[0].alpn, "a b");
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), INVALID);
	c.entries[0].alpn[0] = '\0';
	strcpy(c.title, "No");
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), INVALID);
	c.title[0] = '\0';
	c.period += 2;
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), INVALID);
	c.period -= 2;
	assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n));
}

static void catalog__near_the_edge__the_next_period_may_be_published(void **state)
{
	struct owner o = some_owner();
	struct vx6_catalog c = sample();
	uint64_t edge = (c.period + 1) * VX6_CATALOG_PERIOD_S;
	uint8_t out[VX6_CATALOG_MAX];
	size_t n;

	c.period++;
	c.issued_s = edge - VX6_CATALOG_EDGE_S;
	assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n));
	c.issued_s = edge - 3 * VX6_CATALOG_EDGE_S;
	assert_err(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n), INVALID);
	c.period--;
	c.issued_s = edge + VX6_CATALOG_EDGE_S;
	assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, out, &n));
}

static void catalog__admitted__newer_replaces_older(void **state)
{
	struct owner o = some_owner();
	struct vx6_catalog c = sample();
	struct vx6_hwm_mem *mem = vx6_hwm_mem_new(16);
	struct vx6_hwm_store store = vx6_hwm_mem_store(mem);
	struct vx6_admit ctx = {.net = &vx6_net_default, .store = &store, .now_s = NOW};
	uint8_t older[VX6_CATALOG_MAX], newer[VX6_CATALOG_MAX];
	struct vx6_admission a;
	size_t older_n, newer_n;

	assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, older, &older_n));
	c.seq++;
	assert_ok(vx6_catalog_build(&c, &o.kp, o.key.secret, &vx6_net_default, newer, &newer_n));
	assert_ok(vx6_record_admit(&ctx, newer, newer_n, &a));
	assert_int_equal(a.result, VX6_ADMIT_NEW);
	assert_ok(vx6_record_admit(&ctx, older, older_n, &a));
	assert_int_equal(a.result, VX6_ADMIT_STALE);
	vx6_hwm_mem_free(mem);
}

static void catalog_list_decode__cut_or_changed__is_refused(void **state)
{
	cJSON *vectors = vec_load("catalogs");
	static struct vx6_catalog c;
	static uint8_t list[VX6_CATALOG_MAX];
	size_t n = vec_hex(vec_find(vectors, "two"), "list", list, sizeof list);

	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = exact_copy(list, cut);

		assert_fails(vx6_catalog_list_decode(copy, cut, &c));
		assert_int_equal(c.entries_n, 0);
		free(copy);
	}
	assert_ok(vx6_catalog_list_decode(list, n, &c));
	assert_ok(vx6_catalog_list_decode(list, n + 100, &c)); /* padding */
	list[n + 50] = 1;
	assert_err(vx6_catalog_list_decode(list, n + 100, &c), FORMAT);
	list[0] = 2;
	assert_err(vx6_catalog_list_decode(list, n, &c), UNSUPPORTED);
	list[0] = 1;
	list[6] = VX6_CATALOG_ENTRIES_MAX + 1;
	assert_err(vx6_catalog_list_decode(list, n, &c), LIMIT);
	list[6] = 2;
	memset(list + 7, 0, 32); /* a node id of small order */
	assert_err(vx6_catalog_list_decode(list, n, &c), KEY);
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(catalog__golden_bytes__open_and_encode),
		cmocka_unit_test(catalog__built__only_the_invited_read_it),
		cmocka_unit_test(catalog__forged_by_a_reader__does_not_verify),
		cmocka_unit_test(catalog__every_flipped_bit__is_noticed),
		cmocka_unit_test(catalog__sizes__three_and_no_more),
		cmocka_unit_test(catalog_build__what_may_not_travel__is_refused),
		cmocka_unit_test(catalog__near_the_edge__the_next_period_may_be_published),
		cmocka_unit_test(catalog__admitted__newer_replaces_older),
		cmocka_unit_test(catalog_list_decode__cut_or_changed__is_refused),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
