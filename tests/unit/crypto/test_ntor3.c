#include "tests/unit/vectors.h"

#include "crypto/ntor3.h"
#include "crypto/secret.h"

enum { KEYS = VX6_NTOR3_KEYSTREAM, MSG = 300, WHOLE = VX6_NTOR3_OVERHEAD + MSG };

struct rig {
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;
	uint8_t id[VX6_NTOR3_ID], net[16];
	struct vx6_ntor3_with with;
	struct vx6_ntor3_client client;
	struct vx6_ntor3_server server;
	uint8_t cm[MSG], sm[MSG], got[VX6_NTOR3_MSG_MAX];
	uint8_t out[WHOLE], reply[WHOLE], client_keys[KEYS], server_keys[KEYS];
	size_t got_n;
};

/* ---- known answers ---- */

/* One handshake, by the names of the fields that its vector has. */
struct fields {
	const char *id, *ver, *b, *pk, *x, *y, *cm, *sm, *keys;
};

enum { KEYS_MAX = 256, PART_MAX = VX6_NTOR3_OVERHEAD + VX6_NTOR3_MSG_MAX };

static void known(const cJSON *v, const char *protoid, const struct fields *f,
		  const uint8_t *client, size_t client_n, const uint8_t *server, size_t server_n)
{
	uint8_t id[VX6_NTOR3_ID], ver[VX6_NTOR3_VER_MAX], cm[VX6_NTOR3_MSG_MAX],
		sm[VX6_NTOR3_MSG_MAX], got[VX6_NTOR3_MSG_MAX], out[PART_MAX];
	uint8_t keys[KEYS_MAX], want[KEYS_MAX];
	size_t cm_n, sm_n, keys_n, got_n;
	struct vx6_kx_sk b, x, y;
	struct vx6_kx_pk pk;
	struct vx6_ntor3_with with = {protoid, id, &pk, ver, 0};
	struct vx6_ntor3_client c;
	struct vx6_ntor3_server s;

	vec_hex(v, f->id, id, sizeof id);
	with.ver_n = vec_hex(v, f->ver, ver, sizeof ver);
	vec_hex(v, f->b, b.b, sizeof b.b);
	vec_hex(v, f->pk, pk.b, sizeof pk.b);
	vec_hex(v, f->x, x.b, sizeof x.b);
	vec_hex(v, f->y, y.b, sizeof y.b);
	cm_n = vec_hex(v, f->cm, cm, sizeof cm);
	sm_n = vec_hex(v, f->sm, sm, sizeof sm);
	keys_n = vec_hex(v, f->keys, want, sizeof want);
	assert_ok(vx6_ntor3_client_begin(&c, &with, &x, cm, cm_n, out));
	assert_int_equal(client_n, VX6_NTOR3_OVERHEAD + cm_n);
	assert_memory_equal(out, client, client_n);
	assert_ok(vx6_ntor3_server_open(&s, &with, &b, client, client_n, got, &got_n));
	assert_int_equal(got_n, cm_n);
	assert_memory_equal(got, cm, cm_n);
	assert_ok(vx6_ntor3_server_reply(&s, &with, &y, sm, sm_n, out, keys, keys_n));
	assert_int_equal(server_n, VX6_NTOR3_OVERHEAD + sm_n);
	assert_memory_equal(out, server, server_n);
	assert_memory_equal(keys, want, keys_n);
	memset(keys, 0, sizeof keys);
	assert_ok(vx6_ntor3_client_finish(&c, &with, server, server_n, got, &got_n, keys, keys_n));
	assert_int_equal(got_n, sm_n);
	assert_memory_equal(got, sm, sm_n);
	assert_memory_equal(keys, want, keys_n);
}

static void ntor3__golden_vectors__same(void **state)
{
	static const struct fields names = {"id", "ver", "b", "B", "x", "y", "cm", "sm", "keys"};
	uint8_t client[PART_MAX], server[PART_MAX], key_id[VX6_NTOR3_KEY_ID];
	cJSON *vectors = vec_load("ntor3");

	(void)state;
	assert_int_equal(cJSON_GetArraySize(vectors), 6);
	VEC_EACH(v, vectors)
	{
		uint8_t want[VX6_NTOR3_KEY_ID];
		struct vx6_kx_pk pk;
		size_t client_n = vec_hex(v, "client", client, sizeof client);
		size_t server_n = vec_hex(v, "server", server, sizeof server);

		known(v, vx6_ntor3_protoid, &names, client, client_n, server, server_n);
		vec_hex(v, "B", pk.b, sizeof pk.b);
		vec_hex(v, "key_id", want, sizeof want);
		vx6_ntor3_key_id(&pk, key_id);
		assert_memory_equal(key_id, want, sizeof want);
	}
	vec_free(vectors);
}

static void ntor3__published_vector__same(void **state)
{
	static const struct fields names = {"ID", "VER", "b",  "B",        "x",
					    "y",  "CM",  "SM", "KEYSTREAM"};
	enum { ONION = VX6_NTOR3_ID + VX6_KX_BYTES }; /* what names the onion key there */
	uint8_t client[ONION + PART_MAX], server[PART_MAX];
	cJSON *values = vec_published("ntor_v3", "values");
	size_t client_n = vec_hex(values, "client_handshake", client, sizeof client);
	size_t server_n = vec_hex(values, "server_handshake", server, sizeof server);

	(void)state;
	assert_true(client_n > ONION);
	known(values, "ntor3-curve25519-sha3_256-1", &names, client + ONION, client_n - ONION,
	      server, server_n);
	vec_free(values);
}

/* ---- what may come instead ---- */

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);

	if (!r || !vx6_is_ok(vx6_crypto_init()))
		return 1;
	vx6_kx_keypair(&r->pk, &r->sk);
	vx6_random_bytes(r->id, sizeof r->id);
	vx6_random_bytes(r->net, sizeof r->net);
	vx6_random_bytes(r->cm, sizeof r->cm);
	vx6_random_bytes(r->sm, sizeof r->sm);
	r->with = (struct vx6_ntor3_with){vx6_ntor3_protoid, r->id, &r->pk, r->net, sizeof r->net};
	assert_ok(vx6_ntor3_client_begin(&r->client, &r->with, NULL, r->cm, MSG, r->out));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static vx6_err open(struct rig *r)
{
	return vx6_ntor3_server_open(&r->server, &r->with, &r->sk, r->out, WHOLE, r->got,
				     &r->got_n);
}

static vx6_err finish(struct rig *r, size_t n)
{
	return vx6_ntor3_client_finish(&r->client, &r->with, r->reply, n, r->got, &r->got_n,
				       r->client_keys, KEYS);
}

static void answer(struct rig *r)
{
	assert_ok(open(r));
	assert_ok(vx6_ntor3_server_reply(&r->server, &r->with, NULL, r->sm, MSG, r->reply,
					 r->server_keys, KEYS));
}

static void ntor3__both_sides__same_keys_and_messages(void **state)
{
	struct rig *r = *state;

	assert_ok(open(r));
	assert_int_equal(r->got_n, MSG);
	assert_memory_equal(r->got, r->cm, MSG);
	answer(r);
	assert_ok(finish(r, WHOLE));
	assert_int_equal(r->got_n, MSG);
	assert_memory_equal(r->got, r->sm, MSG);
	assert_memory_equal(r->client_keys, r->server_keys, KEYS);
}

static void ntor3__each_bit_of_either_part__refused(void **state)
{
	struct rig *r = *state;
	uint8_t zero[KEYS] = {0};

	for (size_t i = 0; i < WHOLE; i++) {
		r->out[i] ^= 1;
		assert_fails(open(r));
		r->out[i] ^= 1;
	}
	answer(r);
	for (size_t i = 0; i < WHOLE; i++) {
		r->reply[i] ^= 0x10;
		assert_fails(finish(r, WHOLE));
		assert_memory_equal(r->client_keys, zero, KEYS);
		r->reply[i] ^= 0x10;
	}
	assert_ok(finish(r, WHOLE));
}

static void ntor3__another_node_network_or_key__refused(void **state)
{
	struct rig *r = *state;
	struct vx6_kx_sk other;
	struct vx6_kx_pk other_pk;

	r->id[5] ^= 1;
	assert_err(open(r), SIGNATURE);
	r->id[5] ^= 1;
	r->net[0] ^= 1;
	assert_err(open(r), SIGNATURE);
	r->net[0] ^= 1;
	vx6_kx_keypair(&other_pk, &other);
	assert_err(vx6_ntor3_server_open(&r->server, &r->with, &other, r->out, WHOLE, r->got,
					 &r->got_n),
		   SIGNATURE);
	assert_ok(open(r));
}

static void ntor3__sizes__bounded(void **state)
{
	struct rig *r = *state;
	static uint8_t big[VX6_NTOR3_OVERHEAD + VX6_NTOR3_MSG_MAX + 1];

	for (size_t n = 0; n < VX6_NTOR3_OVERHEAD; n++)
		assert_err(vx6_ntor3_server_open(&r->server, &r->with, &r->sk, r->out, n, r->got,
						 &r->got_n),
			   SHORT);
	assert_err(vx6_ntor3_server_open(&r->server, &r->with, &r->sk, big, sizeof big, r->got,
					 &r->got_n),
		   LIMIT);
	answer(r);
	for (size_t n = 0; n < VX6_NTOR3_OVERHEAD; n++)
		assert_err(finish(r, n), SHORT);
	for (size_t n = VX6_NTOR3_OVERHEAD; n < WHOLE; n++)
		assert_err(finish(r, n), SIGNATURE);
	assert_err(vx6_ntor3_client_finish(&r->client, &r->with, big, sizeof big, r->got, &r->got_n,
					   r->client_keys, KEYS),
		   LIMIT);
	assert_err(vx6_ntor3_server_reply(&r->server, &r->with, NULL, big, VX6_NTOR3_MSG_MAX + 1,
					  big, r->server_keys, KEYS),
		   LIMIT);
	assert_err(vx6_ntor3_client_begin(&r->client, &r->with, NULL, big, VX6_NTOR3_MSG_MAX + 1,
					  big),
		   LIMIT);
}

static void ntor3__points_of_small_order__refused(void **state)
{
	struct rig *r = *state;
	struct vx6_kx_pk none = {{0}};
	struct vx6_ntor3_with with = r->with;

	answer(r);
	memset(r->reply, 0, VX6_KX_BYTES);
	assert_err(finish(r, WHOLE), KEY);
	memset(r->out, 0, VX6_KX_BYTES);
	assert_err(open(r), KEY);
	with.onion = &none;
	assert_err(vx6_ntor3_client_begin(&r->client, &with, NULL, r->cm, MSG, r->out), KEY);
}

static void ntor3_key_id__two_keys__two_ids(void **state)
{
	struct rig *r = *state;
	struct vx6_kx_pk other = r->pk;
	uint8_t a[VX6_NTOR3_KEY_ID], b[VX6_NTOR3_KEY_ID];

	other.b[31] ^= 1;
	vx6_ntor3_key_id(&r->pk, a);
	vx6_ntor3_key_id(&other, b);
	assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ntor3__golden_vectors__same),
		TEST(ntor3__published_vector__same),
		TEST(ntor3__both_sides__same_keys_and_messages),
		TEST(ntor3__each_bit_of_either_part__refused),
		TEST(ntor3__another_node_network_or_key__refused),
		TEST(ntor3__sizes__bounded),
		TEST(ntor3__points_of_small_order__refused),
		TEST(ntor3_key_id__two_keys__two_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
