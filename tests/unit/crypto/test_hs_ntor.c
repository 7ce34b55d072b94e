#include "tests/unit/vectors.h"

#include "crypto/hs_ntor_internal.h"
#include "crypto/secret.h"

enum {
	PLAIN = 480,
	SEALED = PLAIN + VX6_HS_SEAL_OVERHEAD,
	HEAD = 32,
	BIGGEST = VX6_HS_PLAIN_MAX + VX6_HS_SEAL_OVERHEAD
};

struct rig {
	struct vx6_kx_pk b;
	struct vx6_kx_sk b_sk;
	uint8_t auth_key[32], subcred[32], head[HEAD], plain[PLAIN];
	struct vx6_hs_ntor_who who;
	struct vx6_hs_ntor *client;
	uint8_t sealed[SEALED], got[PLAIN], client_pk[32];
	uint8_t answer[VX6_HS_ANSWER];
	struct vx6_hs_e2e at_client, at_service;
};

/* ---- known answers ---- */

struct known {
	char protoid[64];
	uint8_t auth_key[32], subcred[32], B[32];
	struct vx6_kx_sk b, x, y;
	uint8_t head[VX6_HS_HEAD_MAX], plain[VX6_HS_PLAIN_MAX], sealed[BIGGEST];
	size_t head_n, plain_n, sealed_n;
	uint8_t answer[VX6_HS_ANSWER], keys[VX6_HS_E2E_KEYS], kh[VX6_HS_KH];
};

static void read_known(const cJSON *v, struct known *k)
{
	snprintf(k->protoid, sizeof k->protoid, "%s", vec_text(v, "protoid"));
	vec_hex(v, "auth_key", k->auth_key, sizeof k->auth_key);
	vec_hex(v, "subcred", k->subcred, sizeof k->subcred);
	vec_hex(v, "B", k->B, sizeof k->B);
	vec_hex(v, "b", k->b.b, sizeof k->b.b);
	vec_hex(v, "x", k->x.b, sizeof k->x.b);
	vec_hex(v, "y", k->y.b, sizeof k->y.b);
	k->head_n = vec_hex(v, "head", k->head, sizeof k->head);
	k->plain_n = vec_hex(v, "plain", k->plain, sizeof k->plain);
	k->sealed_n = vec_hex(v, "sealed", k->sealed, sizeof k->sealed);
	vec_hex(v, "answer", k->answer, sizeof k->answer);
	vec_hex(v, "keys", k->keys, sizeof k->keys);
	vec_hex(v, "kh", k->kh, sizeof k->kh);
}

static void check_known(const struct known *k)
{
	const struct vx6_hs_ntor_who who = {k->auth_key, k->B, k->subcred};
	uint8_t out[BIGGEST], client_pk[32], answer[VX6_HS_ANSWER];
	struct vx6_hs_ntor *client;
	struct vx6_hs_e2e e2e;

	assert_ok(hs_ntor_begin_with(k->protoid, &who, &k->x, &client));
	assert_ok(vx6_hs_ntor_seal(client, k->head, k->head_n, k->plain, k->plain_n, out));
	assert_int_equal(k->sealed_n, k->plain_n + VX6_HS_SEAL_OVERHEAD);
	assert_memory_equal(out, k->sealed, k->sealed_n);
	assert_ok(vx6_hs_ntor_open(k->protoid, &who, k->b.b, k->head, k->head_n, k->sealed,
				   k->sealed_n, out, client_pk));
	assert_memory_equal(out, k->plain, k->plain_n);
	assert_memory_equal(client_pk, k->sealed, sizeof client_pk);
	assert_ok(hs_ntor_answer_with(k->protoid, &who, k->b.b, client_pk, &k->y, answer, &e2e));
	assert_memory_equal(answer, k->answer, sizeof answer);
	assert_memory_equal(e2e.keys, k->keys, sizeof e2e.keys);
	assert_memory_equal(e2e.kh, k->kh, sizeof e2e.kh);
	memset(&e2e, 0, sizeof e2e);
	assert_ok(vx6_hs_ntor_finish(client, k->answer, &e2e));
	assert_memory_equal(e2e.keys, k->keys, sizeof e2e.keys);
	assert_memory_equal(e2e.kh, k->kh, sizeof e2e.kh);
	vx6_hs_ntor_free(client);
}

static void check_file(const char *name, int n)
{
	cJSON *vectors = vec_load(name);

	assert_int_equal(cJSON_GetArraySize(vectors), n);
	VEC_EACH(v, vectors)
	{
		struct known k;

		read_known(v, &k);
		check_known(&k);
	}
	vec_free(vectors);
}

static void hs_ntor__golden_vectors__same(void **state)
{
	(void)state;
	check_file("hs_ntor", 4);
}

/* Tor's own, with Tor's name of the protocol. */
static void hs_ntor__published_vector__same(void **state)
{
	(void)state;
	check_file("hs_ntor_published", 1);
}

/* ---- what may come instead ---- */

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);

	if (!r || !vx6_is_ok(vx6_crypto_init()))
		return 1;
	vx6_kx_keypair(&r->b, &r->b_sk);
	vx6_random_bytes(r->auth_key, sizeof r->auth_key);
	vx6_random_bytes(r->subcred, sizeof r->subcred);
	vx6_random_bytes(r->head, sizeof r->head);
	vx6_random_bytes(r->plain, sizeof r->plain);
	r->who = (struct vx6_hs_ntor_who){r->auth_key, r->b.b, r->subcred};
	assert_ok(vx6_hs_ntor_begin(vx6_hs_ntor_protoid, &r->who, &r->client));
	assert_ok(vx6_hs_ntor_seal(r->client, r->head, HEAD, r->plain, PLAIN, r->sealed));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	vx6_hs_ntor_free(r->client);
	free(r);
	return 0;
}

static vx6_err open_n(struct rig *r, size_t n)
{
	uint8_t *in = exact_copy(r->sealed, n);
	vx6_err err = vx6_hs_ntor_open(vx6_hs_ntor_protoid, &r->who, r->b_sk.b, r->head, HEAD, in,
				       n, r->got, r->client_pk);

	free(in);
	return err;
}

static vx6_err open(struct rig *r)
{
	return open_n(r, SEALED);
}

static vx6_err answer(struct rig *r)
{
	return vx6_hs_ntor_answer(vx6_hs_ntor_protoid, &r->who, r->b_sk.b, r->client_pk, r->answer,
				  &r->at_service);
}

static void hs_ntor__both_sides__same_keys(void **state)
{
	struct rig *r = *state;

	assert_ok(open(r));
	assert_memory_equal(r->got, r->plain, PLAIN);
	assert_ok(answer(r));
	assert_ok(vx6_hs_ntor_finish(r->client, r->answer, &r->at_client));
	assert_memory_equal(&r->at_client, &r->at_service, sizeof r->at_client);
}

static void hs_ntor__answered_twice__other_keys(void **state)
{
	struct rig *r = *state;
	struct vx6_hs_e2e first;

	assert_ok(open(r));
	assert_ok(answer(r));
	first = r->at_service;
	assert_ok(answer(r));
	assert_memory_not_equal(&first, &r->at_service, sizeof first);
}

static void hs_ntor__each_bit_of_either_part__refused(void **state)
{
	static const struct vx6_hs_e2e zero;
	struct rig *r = *state;

	for (size_t i = 0; i < SEALED; i++) {
		r->sealed[i] ^= 1;
		assert_fails(open(r));
		r->sealed[i] ^= 1;
	}
	assert_true(vx6_ct_is_zero(r->got, PLAIN));
	assert_true(vx6_ct_is_zero(r->client_pk, sizeof r->client_pk));
	assert_ok(open(r));
	assert_ok(answer(r));
	for (size_t i = 0; i < VX6_HS_ANSWER; i++) {
		r->answer[i] ^= 0x10;
		assert_fails(vx6_hs_ntor_finish(r->client, r->answer, &r->at_client));
		assert_memory_equal(&r->at_client, &zero, sizeof zero);
		r->answer[i] ^= 0x10;
	}
	assert_ok(vx6_hs_ntor_finish(r->client, r->answer, &r->at_client));
}

static void hs_ntor__another_head_service_or_key__refused(void **state)
{
	struct rig *r = *state;
	uint8_t *const mixed_in[] = {r->head, r->auth_key, r->subcred, r->b.b, r->b_sk.b};

	for (size_t i = 0; i < 5; i++) {
		mixed_in[i][9] ^= 4;
		assert_err(open(r), SIGNATURE);
		mixed_in[i][9] ^= 4;
	}
	assert_err(vx6_hs_ntor_open("tor-hs-ntor-curve25519-sha3-256-1", &r->who, r->b_sk.b,
				    r->head, HEAD, r->sealed, SEALED, r->got, r->client_pk),
		   SIGNATURE);
	assert_ok(open(r));
	/* who does not have the secret of enc_key cannot answer */
	r->b_sk.b[9] ^= 4;
	assert_ok(answer(r));
	assert_err(vx6_hs_ntor_finish(r->client, r->answer, &r->at_client), SIGNATURE);
}

static void hs_ntor__several_names__says_which(void **state)
{
	struct rig *r = *state;
	uint8_t other[2][32] = {{1}, {2}};
	struct vx6_hs_ntor_who who[3] = {r->who, r->who, r->who};
	const struct vx6_hs_sealed in = {.head = r->head,
					 .head_n = HEAD,
					 .p = r->sealed,
					 .n = SEALED};
	size_t which = 9;

	who[0].subcred = other[0];
	who[2].subcred = other[1];
	assert_ok(vx6_hs_ntor_open_as(vx6_hs_ntor_protoid, who, 3, r->b_sk.b, &in, r->got, &which));
	assert_int_equal(which, 1);
	assert_memory_equal(r->got, r->plain, PLAIN);
	who[1].subcred = other[1];
	assert_err(vx6_hs_ntor_open_as(vx6_hs_ntor_protoid, who, 3, r->b_sk.b, &in, r->got, &which),
		   SIGNATURE);
	assert_err(vx6_hs_ntor_open_as(vx6_hs_ntor_protoid, who, 0, r->b_sk.b, &in, r->got, &which),
		   SIGNATURE);
}

static void hs_ntor__sizes__bounded(void **state)
{
	static uint8_t big[BIGGEST + 1], plain[VX6_HS_PLAIN_MAX + 1];
	struct rig *r = *state;
	struct vx6_hs_ntor *h;

	for (size_t n = 0; n < VX6_HS_SEAL_OVERHEAD; n++)
		assert_err(open_n(r, n), SHORT);
	for (size_t n = VX6_HS_SEAL_OVERHEAD; n < SEALED; n++)
		assert_err(open_n(r, n), SIGNATURE);
	assert_err(vx6_hs_ntor_open(vx6_hs_ntor_protoid, &r->who, r->b_sk.b, r->head, HEAD, big,
				    sizeof big, plain, r->client_pk),
		   LIMIT);
	assert_err(vx6_hs_ntor_open(vx6_hs_ntor_protoid, &r->who, r->b_sk.b, big,
				    VX6_HS_HEAD_MAX + 1, r->sealed, SEALED, r->got, r->client_pk),
		   LIMIT);
	assert_ok(vx6_hs_ntor_begin(vx6_hs_ntor_protoid, &r->who, &h));
	assert_err(vx6_hs_ntor_seal(h, r->head, HEAD, plain, sizeof plain, big), LIMIT);
	assert_err(vx6_hs_ntor_seal(h, big, VX6_HS_HEAD_MAX + 1, plain, 1, big), LIMIT);
	assert_ok(vx6_hs_ntor_seal(h, r->head, HEAD, plain, VX6_HS_PLAIN_MAX, big));
	vx6_hs_ntor_free(h);
}

/* The key of the cipher is used once: a second text under it would give both away. */
static void hs_ntor__sealed_twice__is_refused(void **state)
{
	struct rig *r = *state;

	assert_err(vx6_hs_ntor_seal(r->client, r->head, HEAD, r->got, PLAIN, r->sealed), INVALID);
}

static void hs_ntor__points_of_small_order__refused(void **state)
{
	static const uint8_t none[32];
	struct rig *r = *state;
	struct vx6_hs_ntor_who who = r->who;
	struct vx6_hs_ntor *h;

	assert_ok(open(r));
	assert_ok(answer(r));
	memset(r->answer, 0, 32);
	assert_err(vx6_hs_ntor_finish(r->client, r->answer, &r->at_client), KEY);
	memset(r->client_pk, 0, 32);
	assert_err(answer(r), KEY);
	assert_true(vx6_ct_is_zero(&r->at_service, sizeof r->at_service));
	memset(r->sealed, 0, 32);
	assert_err(open(r), KEY);
	who.enc_pk = none;
	assert_err(vx6_hs_ntor_begin(vx6_hs_ntor_protoid, &who, &h), KEY);
	assert_null(h);
	vx6_hs_ntor_free(NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hs_ntor__golden_vectors__same),
		TEST(hs_ntor__published_vector__same),
		TEST(hs_ntor__both_sides__same_keys),
		TEST(hs_ntor__answered_twice__other_keys),
		TEST(hs_ntor__each_bit_of_either_part__refused),
		TEST(hs_ntor__another_head_service_or_key__refused),
		TEST(hs_ntor__several_names__says_which),
		TEST(hs_ntor__sizes__bounded),
		TEST(hs_ntor__sealed_twice__is_refused),
		TEST(hs_ntor__points_of_small_order__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
