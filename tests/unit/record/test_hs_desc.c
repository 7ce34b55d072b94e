#include "tests/unit/record/common.h"

#include "crypto/kx.h"
#include "record/admit.h"
#include "record/hs_desc_internal.h"
#include "record/hs_desc_text.h"
#include "record/hwm_mem.h"

enum {
	BYTES = VX6_HS_DESC_BYTES,
	OUTER_TEXT_AT = 64 + 3 + 40,
	SLOTS_AT = 32,
	HOUR = 3600,
};

struct client {
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;
};

struct rig {
	struct vx6_sign_keypair service;
	struct vx6_hs_desc d, got;
	struct client client[VX6_HS_CLIENTS_MAX];
	uint8_t clients[VX6_HS_CLIENTS_MAX][32];
	uint8_t out[BYTES];
	size_t n;
	struct vx6_record rec;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);

	if (!r || !vx6_is_ok(vx6_crypto_init()))
		return 1;
	vx6_sign_keypair_random(&r->service);
	r->d = (struct vx6_hs_desc){.seq = 1,
				    .period = vx6_hs_period(NOW),
				    .intros_n = VX6_HS_INTROS_MAX};
	for (size_t i = 0; i < VX6_HS_INTROS_MAX; i++) {
		vx6_random_bytes(&r->d.intro[i], sizeof r->d.intro[i]);
		r->d.intro[i].standby = i > 2;
	}
	for (size_t i = 0; i < VX6_HS_CLIENTS_MAX; i++) {
		vx6_kx_keypair(&r->client[i].pk, &r->client[i].sk);
		memcpy(r->clients[i], r->client[i].pk.b, 32);
	}
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static vx6_err verify(const struct vx6_record *rec, uint64_t now_s)
{
	struct vx6_record_check check = {.net = &vx6_net_default, .now_s = now_s};

	return vx6_record_verify(rec, &check);
}

static vx6_err build_at(struct rig *r, size_t clients_n, uint64_t now_s)
{
	return vx6_hs_desc_build(&r->d, &r->service, (const uint8_t(*)[32])r->clients, clients_n,
				 &vx6_net_default, now_s, r->out, &r->n);
}

static void build(struct rig *r, size_t clients_n)
{
	assert_ok(build_at(r, clients_n, NOW));
	assert_int_equal(r->n, BYTES);
	assert_ok(vx6_record_parse(r->out, r->n, &r->rec));
	assert_ok(verify(&r->rec, NOW));
}

static vx6_err open(struct rig *r, const uint8_t *client_sk)
{
	return vx6_hs_desc_open(&r->rec, &r->service.pk, client_sk, &r->got);
}

static void assert_intros(const struct vx6_hs_desc *a, const struct vx6_hs_desc *b)
{
	assert_int_equal(a->intros_n, b->intros_n);
	for (size_t i = 0; i < a->intros_n; i++) {
		const struct vx6_hs_intro *x = &a->intro[i], *y = &b->intro[i];

		assert_int_equal(x->standby, y->standby);
		assert_memory_equal(x->node.b, y->node.b, sizeof x->node.b);
		assert_memory_equal(x->auth_key, y->auth_key, sizeof x->auth_key);
		assert_memory_equal(x->enc_key, y->enc_key, sizeof x->enc_key);
		assert_memory_equal(x->handle, y->handle, sizeof x->handle);
		assert_int_equal(x->not_after_s, y->not_after_s);
	}
}

/* ---- known answers ---- */

static void check_names(const cJSON *v, const struct vx6_sign_pk *service)
{
	uint8_t want[32], place[32];
	struct vx6_hs_names names;

	assert_ok(vx6_hs_names(service, vec_num(v, "period"), &names));
	vec_hex(v, "blinded", want, sizeof want);
	assert_memory_equal(names.blinded.b, want, sizeof want);
	vec_hex(v, "subcred", want, sizeof want);
	assert_memory_equal(names.subcred, want, sizeof want);
	for (int i = 0; i < 2; i++) {
		vec_hex_at(v, "places", i, want, sizeof want);
		vx6_hs_index(&vx6_net_default, &names.blinded, (unsigned)i + 1,
			     vec_num(v, "period"), place);
		assert_memory_equal(place, want, sizeof want);
	}
}

static void check_text(const cJSON *v, const struct vx6_hs_desc *d)
{
	uint8_t text[VX6_HS_DESC_TEXT_MAX], want[VX6_HS_DESC_TEXT_MAX];
	const cJSON *intros = cJSON_GetObjectItem(v, "intros");
	uint64_t flags = vec_num(v, "flags");
	size_t want_n = vec_hex(v, "text", want, sizeof want);
	struct vx6_wr w;

	assert_int_equal(d->fast, flags & 1);
	assert_int_equal(d->closed, flags >> 1 & 1);
	assert_int_equal(d->pow, flags >> 2);
	assert_int_equal(d->pow_effort, vec_num(v, "pow_effort"));
	assert_int_equal(d->intros_n, cJSON_GetArraySize(intros));
	for (size_t i = 0; i < d->intros_n; i++) {
		const cJSON *e = cJSON_GetArrayItem(intros, (int)i);
		uint8_t key[32];

		assert_int_equal(d->intro[i].standby, vec_num(e, "standby"));
		vec_hex(e, "enc_key", key, sizeof key);
		assert_memory_equal(d->intro[i].enc_key, key, sizeof key);
	}
	vx6_wr_init(&w, text, sizeof text);
	vx6_hs_desc_text_encode(&w, d);
	assert_ok(w.err);
	assert_int_equal(w.len, want_n);
	assert_memory_equal(text, want, want_n);
}

/* Each client by itself, and nobody else when it is closed. */
static void check_readers(const cJSON *v, const struct vx6_record *rec,
			  const struct vx6_sign_pk *service)
{
	bool closed = vec_num(v, "flags") & 2;
	int clients_n = cJSON_GetArraySize(cJSON_GetObjectItem(v, "clients"));
	struct vx6_hs_desc d;
	uint8_t sk[32];

	for (int i = 0; i < clients_n; i++) {
		vec_hex_at(v, "clients", i, sk, sizeof sk);
		assert_ok(vx6_hs_desc_open(rec, service, sk, &d));
		check_text(v, &d);
	}
	vec_hex(v, "stranger", sk, sizeof sk);
	if (closed) {
		assert_err(vx6_hs_desc_open(rec, service, sk, &d), ACCESS_REFUSED);
		assert_err(vx6_hs_desc_open(rec, service, NULL, &d), ACCESS_REFUSED);
		return;
	}
	assert_ok(vx6_hs_desc_open(rec, service, sk, &d));
	check_text(v, &d);
	assert_ok(vx6_hs_desc_open(rec, service, NULL, &d));
	check_text(v, &d);
	assert_true(d.seq == vec_num(v, "seq"));
	assert_true(d.period == vec_num(v, "period"));
	assert_true(d.expires_s == vec_num(v, "issued") + VX6_HS_DESC_LIFETIME_S);
}

static void hs_desc__golden_bytes__open_and_encode(void **state)
{
	cJSON *vectors = vec_load("hs_descs");

	(void)state;
	assert_int_equal(cJSON_GetArraySize(vectors), 6);
	VEC_EACH(v, vectors)
	{
		struct vx6_sign_pk service;
		uint8_t bytes[BYTES];
		struct vx6_record rec;

		assert_int_equal(vec_hex(v, "bytes", bytes, sizeof bytes), BYTES);
		vec_hex(v, "key", service.b, sizeof service.b);
		check_names(v, &service);
		assert_ok(vx6_record_parse(bytes, sizeof bytes, &rec));
		assert_ok(verify(&rec, vec_num(v, "issued")));
		check_readers(v, &rec, &service);
	}
	vec_free(vectors);
}

/* ---- what is built ---- */

static void hs_desc__open__for_all_who_know_the_key(void **state)
{
	struct rig *r = *state;
	struct vx6_sign_keypair other;
	uint64_t period;

	r->d.fast = r->d.pow = true;
	r->d.pow_effort = 77;
	r->d.pow_expires_s = NOW + 7200;
	build(r, 0);
	assert_ok(vx6_hs_desc_check(&r->rec, &period));
	assert_true(period == r->d.period);
	assert_ok(open(r, NULL));
	assert_true(r->got.fast && r->got.pow && !r->got.closed);
	assert_int_equal(r->got.pow_effort, 77);
	assert_true(r->got.pow_expires_s == NOW + 7200);
	assert_intros(&r->got, &r->d);
	assert_ok(open(r, r->client[0].sk.b)); /* a key that is not needed does not hurt */
	/* the key of another service opens nothing, and the record names nobody */
	vx6_sign_keypair_random(&other);
	assert_err(vx6_hs_desc_open(&r->rec, &other.pk, NULL, &r->got), MISMATCH);
	assert_int_equal(r->got.intros_n, 0);
	assert_memory_not_equal(r->service.pk.b, r->rec.subject.b, 32);
}

static void hs_desc__closed__for_its_clients_alone(void **state)
{
	static const size_t numbers[] = {0, 1, 15, 16, 17, VX6_HS_CLIENTS_MAX};
	struct rig *r = *state;

	r->d.closed = true;
	for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
		size_t n = numbers[k];

		build(r, n);
		for (size_t i = 0; i < VX6_HS_CLIENTS_MAX; i++) {
			if (i < n) {
				assert_ok(open(r, r->client[i].sk.b));
				assert_true(r->got.closed);
				assert_intros(&r->got, &r->d);
			} else {
				assert_err(open(r, r->client[i].sk.b), ACCESS_REFUSED);
				assert_int_equal(r->got.intros_n, 0);
			}
		}
		assert_err(open(r, NULL), ACCESS_REFUSED);
	}
}

/* A client is taken out: what it has of the former descriptor does not open the next. */
static void hs_desc__client_removed__reads_the_former_only(void **state)
{
	struct rig *r = *state;

	r->d.closed = true;
	build(r, 2);
	assert_ok(open(r, r->client[1].sk.b));
	r->d.seq++;
	build(r, 1);
	assert_err(open(r, r->client[1].sk.b), ACCESS_REFUSED);
	assert_ok(open(r, r->client[0].sk.b));
}

/* Built twice from the same: nothing but the header is the same, so nobody sees whether clients changed. */
static void hs_desc__built_again__nothing_is_alike(void **state)
{
	struct rig *r = *state;
	static uint8_t first[BYTES];
	size_t same = 0;

	r->d.closed = true;
	build(r, 5);
	memcpy(first, r->out, BYTES);
	build(r, 5);
	assert_memory_equal(first, r->out, VX6_RECORD_HEADER);
	for (size_t i = VX6_RECORD_HEADER; i < BYTES; i++)
		same += first[i] == r->out[i];
	assert_true(same < 80); /* of 4032, by chance 16 */
}

static void hs_desc__two_periods__share_nothing(void **state)
{
	struct rig *r = *state;
	struct vx6_hs_names a, b;
	uint8_t at[4][32];

	assert_ok(vx6_hs_names(&r->service.pk, 5, &a));
	assert_ok(vx6_hs_names(&r->service.pk, 6, &b));
	assert_memory_not_equal(a.blinded.b, b.blinded.b, 32);
	assert_memory_not_equal(a.subcred, b.subcred, 32);
	for (unsigned i = 0; i < 4; i++)
		vx6_hs_index(&vx6_net_default, i < 2 ? &a.blinded : &b.blinded, 1 + i % 2,
			     5 + i / 2, at[i]);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(at[i], at[j], 32);
}

static void hs_desc__clock__shows_by_the_hour(void **state)
{
	struct rig *r = *state;

	for (uint64_t now_s = NOW; now_s < NOW + 2 * HOUR; now_s += 607) {
		r->d.period = vx6_hs_period(now_s);
		assert_ok(build_at(r, 0, now_s));
		assert_ok(vx6_record_parse(r->out, r->n, &r->rec));
		assert_true(r->rec.view.issued_s == now_s - now_s % HOUR);
		assert_ok(verify(&r->rec, now_s));
		assert_ok(open(r, NULL));
		assert_true(r->got.expires_s > now_s + 7200);
	}
}

static void hs_desc__near_an_edge__the_neighbour_too(void **state)
{
	struct rig *r = *state;
	uint64_t period = vx6_hs_period(NOW), begin = period * VX6_HS_PERIOD_S;

	r->d.period = period - 1;
	assert_ok(build_at(r, 0, begin + HOUR - 1));
	assert_err(build_at(r, 0, begin + 3 * HOUR), INVALID);
	r->d.period = period + 1;
	assert_ok(build_at(r, 0, begin + 5 * HOUR + 1));
	assert_err(build_at(r, 0, begin + 3 * HOUR), INVALID);
	r->d.period = period + 2;
	assert_err(build_at(r, 0, begin + 5 * HOUR + 1), INVALID);
}

static void hs_desc_build__what_cannot_be__refused(void **state)
{
	struct rig *r = *state;
	struct vx6_hs_desc good = r->d;

	assert_err(build_at(r, 1, NOW), INVALID); /* clients of an open one */
	r->d.closed = true;
	assert_err(build_at(r, VX6_HS_CLIENTS_MAX + 1, NOW), LIMIT);
	memset(r->clients[1], 0, 32);
	assert_err(build_at(r, 2, NOW), KEY);
	assert_true(vx6_ct_is_zero(r->out, BYTES));
	r->d = good;
	r->d.seq = 0;
	assert_err(build_at(r, 0, NOW), INVALID);
	r->d = good;
	r->d.intros_n++;
	assert_err(build_at(r, 0, NOW), LIMIT);
	r->d = good;
	memcpy(r->d.intro[4].auth_key, r->d.intro[0].auth_key, 32);
	assert_err(build_at(r, 0, NOW), INVALID);
	r->d = good;
	memset(r->service.pk.b, 0, 32);
	assert_err(build_at(r, 0, NOW), KEY);
	assert_int_equal(r->n, 0);
}

/* ---- what may come instead ---- */

static void hs_desc__every_flipped_bit__is_noticed(void **state)
{
	struct rig *r = *state;

	build(r, 0);
	for (size_t i = 0; i < BYTES; i += 7) {
		vx6_err err;

		r->out[i] ^= 0x10;
		err = vx6_record_parse(r->out, BYTES, &r->rec);
		if (vx6_is_ok(err)) {
			assert_fails(verify(&r->rec, NOW));
			/* and even without the signature */
			if (i < BYTES - VX6_RECORD_SIG)
				assert_fails(open(r, NULL));
		}
		r->out[i] ^= 0x10;
	}
}

/* Who knows the service's key can read, and cannot write. */
static void hs_desc__forged_by_a_reader__does_not_verify(void **state)
{
	struct rig *r = *state;
	struct vx6_sign_keypair mine, theirs = r->service;
	struct vx6_hs_names names;

	vx6_sign_keypair_random(&mine);
	r->service = mine;
	build(r, 0);
	assert_ok(vx6_hs_names(&theirs.pk, r->d.period, &names));
	memcpy(r->out + 8, names.blinded.b, 32);
	assert_ok(vx6_record_parse(r->out, BYTES, &r->rec));
	assert_err(verify(&r->rec, NOW), SIGNATURE);
}

/* Under another header the same layers open no more: no older text in a newer record. */
static void hs_desc__layers_of_another_seq__refused(void **state)
{
	struct rig *r = *state;

	build(r, 0);
	r->out[47]++;
	assert_ok(vx6_record_parse(r->out, BYTES, &r->rec));
	assert_err(open(r, NULL), SIGNATURE);
}

static void check_with(struct rig *r, vx6_err want)
{
	uint64_t period;

	assert_ok(vx6_record_parse(r->out, BYTES, &r->rec));
	assert_string_equal(vx6_err_name(vx6_hs_desc_check(&r->rec, &period)), vx6_err_name(want));
}

static void put_u64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static void hs_desc_check__whatever_would_tell_them_apart__refused(void **state)
{
	struct rig *r = *state;
	uint64_t hour = NOW - NOW % HOUR, period;

	build(r, 0);
	r->out[5] = 1; /* withdrawn */
	check_with(r, VX6_ERR(FORMAT));
	r->out[5] = 0;
	r->out[64] = 0x7f; /* another TLV */
	check_with(r, VX6_ERR(UNSUPPORTED));
	r->out[64] = 0x10;
	put_u64(r->out + 40, 0);
	check_with(r, VX6_ERR(FORMAT));
	put_u64(r->out + 40, 1);
	put_u64(r->out + 48, hour + 1);
	check_with(r, VX6_ERR(RANGE));
	put_u64(r->out + 48, hour);
	r->out[59]--; /* lifetime */
	check_with(r, VX6_ERR(RANGE));
	r->out[59]++;
	r->out[63] += 2; /* period */
	check_with(r, VX6_ERR(RANGE));
	r->out[63] -= 2;
	check_with(r, VX6_OK);
	r->out[4] = VX6_RTYPE_CATALOG;
	assert_ok(vx6_record_parse(r->out, BYTES, &r->rec));
	assert_err(vx6_hs_desc_check(&r->rec, &period), MISMATCH);
}

/* Another size: shorter, with the lengths to match. */
static void hs_desc_check__another_size__refused(void **state)
{
	struct rig *r = *state;
	uint16_t body_n = BYTES - 128 - 16, text_n = (uint16_t)(body_n - 3);
	uint64_t period;

	build(r, 0);
	r->out[6] = (uint8_t)(body_n >> 8);
	r->out[7] = (uint8_t)body_n;
	r->out[65] = (uint8_t)(text_n >> 8);
	r->out[66] = (uint8_t)text_n;
	assert_ok(vx6_record_parse(r->out, BYTES - 16, &r->rec));
	assert_err(vx6_hs_desc_check(&r->rec, &period), FORMAT);
}

/* What only the owner could have sealed. */
static void hs_desc__number_of_entries__16_or_32(void **state)
{
	static uint8_t text[HS_DESC_OUTER_TEXT];
	struct rig *r = *state;
	struct vx6_hs_names names;

	build(r, 0);
	assert_ok(vx6_hs_names(&r->service.pk, r->d.period, &names));
	for (unsigned slots = 0; slots < 256; slots++) {
		memset(text, 7, sizeof text);
		text[SLOTS_AT] = (uint8_t)slots;
		if (slots == 16 || slots == 32)
			assert_err(hs_desc_open_inner(&r->rec, &names, r->client[0].sk.b, text,
						      &r->got),
				   ACCESS_REFUSED);
		else
			assert_err(hs_desc_open_inner(&r->rec, &names, NULL, text, &r->got),
				   FORMAT);
	}
	/* an ephemeral key that is none: nobody has an entry */
	memset(text, 0, sizeof text);
	text[SLOTS_AT] = 16;
	assert_err(hs_desc_open_inner(&r->rec, &names, r->client[0].sk.b, text, &r->got),
		   ACCESS_REFUSED);
}

static vx6_err decode(uint8_t *text, size_t n)
{
	struct vx6_hs_desc d;
	uint8_t *copy = exact_copy(text, n);
	vx6_err err = vx6_hs_desc_text_decode(copy, n, &d);

	free(copy);
	return err;
}

static void hs_desc_text__what_no_owner_may_say__refused(void **state)
{
	enum {
		WHOLE = VX6_HS_DESC_TEXT_MAX + 10,
		POW_AT = 2,
		N_AT = 46,
		INTRO_AT = 47,
		INTRO = 117
	};
	struct rig *r = *state;
	uint8_t text[WHOLE] = {0};
	struct vx6_wr w;

	vx6_wr_init(&w, text, sizeof text);
	vx6_hs_desc_text_encode(&w, &r->d);
	assert_ok(w.err);
	assert_int_equal(w.len, VX6_HS_DESC_TEXT_MAX);
	for (size_t n = 0; n < w.len; n++)
		assert_err(decode(text, n), SHORT);
	assert_ok(decode(text, w.len));
	assert_ok(decode(text, WHOLE));
	text[WHOLE - 1] = 1; /* padding */
	assert_err(decode(text, WHOLE), FORMAT);
	text[0] = 2;
	assert_err(decode(text, w.len), UNSUPPORTED);
	text[0] = 1;
	text[1] |= 8;
	assert_err(decode(text, w.len), UNSUPPORTED);
	text[1] &= 7;
	text[POW_AT] = 1; /* of a puzzle that is not asked for */
	assert_err(decode(text, w.len), FORMAT);
	text[POW_AT] = 0;
	text[INTRO_AT + INTRO] = 2;
	assert_err(decode(text, w.len), FORMAT);
	text[INTRO_AT + INTRO] = 0;
	memcpy(text + INTRO_AT + 33, text + INTRO_AT + INTRO + 33, 32); /* auth_key twice */
	assert_err(decode(text, w.len), FORMAT);
	text[INTRO_AT + 33] ^= 1;
	text[N_AT] = 6;
	assert_err(decode(text, w.len), LIMIT);
	text[N_AT] = 5;
	assert_ok(decode(text, w.len));
}

/* ---- admission ---- */

static void hs_desc__admitted__newer_only(void **state)
{
	struct rig *r = *state;
	struct vx6_hwm_mem *mem = vx6_hwm_mem_new(8);
	struct vx6_hwm_store store = vx6_hwm_mem_store(mem);
	struct vx6_admit ctx = {.net = &vx6_net_default, .store = &store, .now_s = NOW};
	struct vx6_admission a;

	r->d.seq = 3;
	build(r, 0);
	assert_ok(vx6_record_admit(&ctx, r->out, r->n, &a));
	assert_int_equal(a.result, VX6_ADMIT_NEW);
	build(r, 0); /* the same seq, other bytes */
	assert_ok(vx6_record_admit(&ctx, r->out, r->n, &a));
	assert_int_equal(a.result, VX6_ADMIT_EQUIVOCATION);
	r->d.seq = 2;
	build(r, 0);
	assert_ok(vx6_record_admit(&ctx, r->out, r->n, &a));
	assert_int_equal(a.result, VX6_ADMIT_STALE);
	r->d.seq = 4;
	build(r, 0);
	r->out[200] ^= 1;
	assert_err(vx6_record_admit(&ctx, r->out, r->n, &a), SIGNATURE);
	r->out[200] ^= 1;
	ctx.now_s = NOW + VX6_HS_DESC_LIFETIME_S;
	assert_err(vx6_record_admit(&ctx, r->out, r->n, &a), EXPIRED);
	vx6_hwm_mem_free(mem);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hs_desc__golden_bytes__open_and_encode),
		TEST(hs_desc__open__for_all_who_know_the_key),
		TEST(hs_desc__closed__for_its_clients_alone),
		TEST(hs_desc__client_removed__reads_the_former_only),
		TEST(hs_desc__built_again__nothing_is_alike),
		TEST(hs_desc__two_periods__share_nothing),
		TEST(hs_desc__clock__shows_by_the_hour),
		TEST(hs_desc__near_an_edge__the_neighbour_too),
		TEST(hs_desc_build__what_cannot_be__refused),
		TEST(hs_desc__every_flipped_bit__is_noticed),
		TEST(hs_desc__forged_by_a_reader__does_not_verify),
		TEST(hs_desc__layers_of_another_seq__refused),
		TEST(hs_desc_check__whatever_would_tell_them_apart__refused),
		TEST(hs_desc_check__another_size__refused),
		TEST(hs_desc__number_of_entries__16_or_32),
		TEST(hs_desc_text__what_no_owner_may_say__refused),
		TEST(hs_desc__admitted__newer_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
