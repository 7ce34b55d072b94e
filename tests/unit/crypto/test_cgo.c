#include "tests/unit/vectors.h"

#include "crypto/cgo_internal.h"
#include "crypto/secret.h"

enum { HOPS = 3, AD = 3, BODY = VX6_CGO_BODY, PAYLOAD = BODY - VX6_CGO_TAG };

/* Both ends of a circuit. */
struct ends {
	struct vx6_cgo client_out[HOPS], client_in[HOPS], relay_in[HOPS], relay_out[HOPS];
};

static int setup(void **state)
{
	(void)state;
	if (!cgo_accelerated())
		print_message("no AES-NI and PCLMULQDQ here: both are the portable one\n");
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

/* ---- what CGO is made of ---- */

static const struct cgo_ops *ops_of(int portable)
{
	const struct cgo_ops *fast = cgo_accelerated();

	return portable || !fast ? &cgo_portable : fast;
}

static void cgo_aes__fips_197__both_ways(void **state)
{
	cJSON *vectors = vec_load("fips197");
	int seen = 0;

	(void)state;
	VEC_EACH(v, vectors)
	{
		uint8_t key[32], plain[16], closed[16], block[16], rk[11][16], inv[11][16];

		if (vec_hex(v, "key", key, sizeof key) != 16)
			continue;
		vec_hex(v, "plain", plain, sizeof plain);
		vec_hex(v, "closed", closed, sizeof closed);
		for (int portable = 0; portable < 2; portable++) {
			const struct cgo_ops *o = ops_of(portable);
			uint8_t zero[40] = {0}, stream[48];

			o->expand(key, rk);
			o->invert(rk, inv);
			memcpy(block, plain, sizeof block);
			o->encrypt(rk, block);
			assert_memory_equal(block, closed, 16);
			o->decrypt(inv, block);
			assert_memory_equal(block, plain, 16);
			/* and as a counter, which ends in the middle of a block */
			for (int i = 0; i < 3; i++) {
				memcpy(stream + 16 * i, plain, 16);
				stream[16 * i + 15] = (uint8_t)(plain[15] + i);
				o->encrypt(rk, stream + 16 * i);
			}
			o->ctr(rk, plain, zero, sizeof zero);
			assert_memory_equal(zero, stream, sizeof zero);
			seen++;
		}
	}
	assert_int_equal(seen, 4);
	vec_free(vectors);
}

static void cgo_polyval__rfc_8452__same(void **state)
{
	cJSON *vectors = vec_load("rfc8452");

	(void)state;
	VEC_EACH(v, vectors)
	{
		uint8_t key[16], data[32], want[16], out[16], u[8][16];

		vec_hex(v, "key", key, sizeof key);
		assert_int_equal(vec_hex(v, "data", data, sizeof data), sizeof data);
		vec_hex(v, "hash", want, sizeof want);
		for (int portable = 0; portable < 2; portable++) {
			const struct cgo_ops *o = ops_of(portable);

			o->powers(key, u);
			o->hash(u, data, data[16], data + 17, 15, out);
			assert_memory_equal(out, want, 16);
			/* the same in two steps of one block */
			o->hash_one(key, data, out);
			for (int i = 0; i < 16; i++)
				data[i] = out[i] ^ data[16 + i];
			o->hash_one(key, data, out);
			assert_memory_equal(out, want, 16);
			vec_hex(v, "data", data, sizeof data);
		}
	}
	vec_free(vectors);
}

static void cgo_parts__any_length__both_implementations_agree(void **state)
{
	static uint8_t data[1100], a[1100], b[1100];
	const struct cgo_ops *fast = ops_of(false);

	(void)state;
	for (size_t n = 15; n < sizeof data; n++) {
		uint8_t key[16], head[16], rk[2][11][16], u[2][8][16], out[2][16];

		vx6_random_bytes(data, n);
		vx6_random_bytes(key, sizeof key);
		vx6_random_bytes(head, sizeof head);
		head[15] &= 0x80;
		cgo_portable.expand(key, rk[0]);
		fast->expand(key, rk[1]);
		assert_memory_equal(rk[0], rk[1], sizeof rk[0]);
		cgo_portable.powers(key, u[0]);
		fast->powers(key, u[1]);
		assert_memory_equal(u[0], u[1], sizeof u[0]);
		cgo_portable.hash(u[0], head, (uint8_t)n, data, n, out[0]);
		fast->hash(u[1], head, (uint8_t)n, data, n, out[1]);
		assert_memory_equal(out[0], out[1], 16);
		memcpy(a, data, n);
		memcpy(b, data, n);
		cgo_portable.ctr(rk[0], head, a, n);
		fast->ctr(rk[1], head, b, n);
		assert_memory_equal(a, b, n);
	}
}

/* ---- golden vectors ---- */

static const struct vx6_cgo_shape *shape_of(const cJSON *v)
{
	return strcmp(vec_text(v, "shape"), "tor") == 0 ? &vx6_cgo_tor : &vx6_cgo_cell;
}

static void init(struct vx6_cgo *s, const struct vx6_cgo_shape *shape, int portable, const cJSON *v,
		 const char *field)
{
	uint8_t seed[VX6_CGO_SEED_BYTES];

	assert_int_equal(vec_hex(v, field, seed, sizeof seed), sizeof seed);
	vx6_cgo_init_shape(s, shape, portable, seed);
}

static void assert_keys(const struct vx6_cgo *s, const uint8_t seed[static VX6_CGO_SEED_BYTES])
{
	assert_memory_equal(s->kb[0], seed, 16);
	assert_memory_equal(s->u[0], seed + 16, 16);
	assert_memory_equal(s->kp[0], seed + 32, 16);
	assert_memory_equal(s->p, seed + 48, 16);
	assert_memory_equal(s->nonce, seed + 64, 16);
}

static void golden_step(const cJSON *v, int portable)
{
	uint8_t body[BODY], want[BODY], seed[VX6_CGO_SEED_BYTES];
	const struct vx6_cgo_shape *shape = shape_of(v);
	const char *op = vec_text(v, "op");
	uint8_t ad = (uint8_t)vec_num(v, "ad");
	struct vx6_cgo s;
	bool mine = false;

	init(&s, shape, portable, v, "seed");
	vec_hex(v, "chain", s.chain, sizeof s.chain);
	assert_int_equal(vec_hex(v, "body", body, sizeof body), VX6_CGO_TAG + shape->payload);
	if (strcmp(op, "forward") == 0)
		mine = vx6_cgo_relay_forward(&s, ad, body);
	else if (strcmp(op, "originate") == 0)
		vx6_cgo_relay_originate(&s, ad, body);
	else
		vx6_cgo_relay_backward(&s, ad, body);
	assert_int_equal(mine, vec_num(v, "mine"));
	assert_memory_equal(body, want, vec_hex(v, "out", want, sizeof want));
	vec_hex(v, "seed_after", seed, sizeof seed);
	assert_keys(&s, seed);
	vec_hex(v, "chain_after", want, 16);
	assert_memory_equal(s.chain, want, 16);
}

static void golden_keys(const cJSON *v, int portable)
{
	const struct vx6_cgo_shape *shape = shape_of(v);
	uint8_t at = 0;
	struct vx6_cgo s;

	init(&s, shape, portable, v, "seed");
	VEC_EACH(row, cJSON_GetObjectItem(v, "rows"))
	{
		uint8_t body[BODY], want[16], seed[VX6_CGO_SEED_BYTES];

		memset(body, at++, sizeof body);
		vx6_cgo_relay_originate(&s, 3, body);
		vec_hex(row, "tag", want, sizeof want);
		assert_memory_equal(body, want, sizeof want);
		vec_hex(row, "end", want, sizeof want);
		assert_memory_equal(body + shape->payload, want, sizeof want);
		vec_hex(row, "seed", seed, sizeof seed);
		assert_keys(&s, seed);
	}
	assert_int_equal(at, 12);
}

static void expect_link(const cJSON *row, int link, const uint8_t *body)
{
	uint8_t want[BODY];

	assert_int_equal(vec_hex_at(row, "links", link, want, sizeof want), BODY);
	assert_memory_equal(body, want, BODY);
}

static void golden_out(struct vx6_cgo client[static HOPS], struct vx6_cgo relay[static HOPS],
		       const cJSON *row)
{
	int hop = (int)vec_num(row, "hop");
	uint8_t ad = (uint8_t)vec_num(row, "ad"), body[BODY], payload[PAYLOAD];

	vec_hex(row, "payload", payload, sizeof payload);
	memcpy(body + VX6_CGO_TAG, payload, sizeof payload);
	vx6_cgo_client_forward(client, (size_t)hop, ad, body);
	for (int i = 0; i <= hop; i++) {
		expect_link(row, i, body);
		assert_int_equal(vx6_cgo_relay_forward(&relay[i], ad, body), i == hop);
	}
	assert_memory_equal(body + VX6_CGO_TAG, payload, sizeof payload);
}

static void golden_in(struct vx6_cgo client[static HOPS], struct vx6_cgo relay[static HOPS],
		      const cJSON *row)
{
	int hop = (int)vec_num(row, "hop");
	uint8_t ad = (uint8_t)vec_num(row, "ad"), body[BODY], payload[PAYLOAD];

	vec_hex(row, "payload", payload, sizeof payload);
	memcpy(body + VX6_CGO_TAG, payload, sizeof payload);
	vx6_cgo_relay_originate(&relay[hop], ad, body);
	expect_link(row, 0, body);
	for (int i = hop - 1; i >= 0; i--) {
		vx6_cgo_relay_backward(&relay[i], ad, body);
		expect_link(row, hop - i, body);
	}
	assert_int_equal(vx6_cgo_client_backward(client, HOPS, ad, body), hop);
	assert_memory_equal(body + VX6_CGO_TAG, payload, sizeof payload);
}

static void golden_circuit(const cJSON *v, int portable)
{
	uint8_t seed[VX6_CGO_SEED_BYTES];
	struct ends e;

	for (int i = 0; i < HOPS; i++) {
		vec_hex_at(v, "seeds_out", i, seed, sizeof seed);
		vx6_cgo_init_shape(&e.client_out[i], &vx6_cgo_cell, portable, seed);
		vx6_cgo_init_shape(&e.relay_in[i], &vx6_cgo_cell, portable, seed);
		vec_hex_at(v, "seeds_in", i, seed, sizeof seed);
		vx6_cgo_init_shape(&e.client_in[i], &vx6_cgo_cell, portable, seed);
		vx6_cgo_init_shape(&e.relay_out[i], &vx6_cgo_cell, portable, seed);
	}
	VEC_EACH(row, cJSON_GetObjectItem(v, "rows"))
	if (strcmp(vec_text(row, "way"), "out") == 0)
		golden_out(e.client_out, e.relay_in, row);
	else
		golden_in(e.client_in, e.relay_out, row);
}

static void cgo__golden_vectors__same(void **state)
{
	static void (*const check[])(const cJSON *, int) = {golden_step, golden_keys,
							    golden_circuit};
	static const char *const kinds[] = {"step", "keys", "circuit"};
	cJSON *vectors = vec_load("cgo");
	int seen[3] = {0};

	(void)state;
	VEC_EACH(v, vectors)
	for (int i = 0; i < 3; i++)
		for (int portable = 0; portable < 2; portable++)
			if (strcmp(vec_text(v, "kind"), kinds[i]) == 0) {
				check[i](v, portable);
				seen[i]++;
			}
	assert_int_equal(seen[0], 24);
	assert_int_equal(seen[1], 4);
	assert_int_equal(seen[2], 2);
	vec_free(vectors);
}

/* At either end: what a client sent to a hop alone makes both go on to the next key. */
static void cgo_update__published_vectors__same_at_client_and_relay(void **state)
{
	cJSON *vectors = vec_load("cgo_updates");
	int seen = 0;

	(void)state;
	VEC_EACH(v, vectors)
	for (int portable = 0; portable < 2; portable++) {
		uint8_t after[VX6_CGO_SEED_BYTES], body[16 + 493] = {0};
		struct vx6_cgo client, relay;

		init(&client, &vx6_cgo_tor, portable, v, "seed");
		init(&relay, &vx6_cgo_tor, portable, v, "seed");
		assert_int_equal(vec_hex(v, "seed_after", after, sizeof after), sizeof after);
		vx6_cgo_client_forward(&client, 0, 3, body);
		assert_keys(&client, after);
		assert_true(vx6_cgo_relay_forward(&relay, 3, body));
		assert_keys(&relay, after);
		seen++;
	}
	assert_int_equal(seen, 20);
	vec_free(vectors);
}

static void published_relay(const cJSON *v, int portable)
{
	uint8_t seed[VX6_CGO_SEED_BYTES], body[16 + 493], want[16 + 493], ad;
	struct vx6_cgo s;

	vec_hex(v, "key", seed, 64);
	vec_hex(v, "nonce", seed + 64, 16);
	vx6_cgo_init_shape(&s, &vx6_cgo_tor, portable, seed);
	vec_hex(v, "t_prime", s.chain, 16);
	vec_hex(v, "ad", &ad, 1);
	vec_hex(v, "t", body, 16);
	assert_int_equal(vec_hex(v, "c", body + 16, 493), 493);
	if (cJSON_IsTrue(cJSON_GetObjectItem(v, "inbound")))
		vx6_cgo_relay_backward(&s, ad, body);
	else
		assert_false(vx6_cgo_relay_forward(&s, ad, body));
	vec_hex(v, "t_out", want, 16);
	vec_hex(v, "c_out", want + 16, 493);
	assert_memory_equal(body, want, sizeof body);
	vec_hex(v, "key_out", seed, 64);
	vec_hex(v, "nonce_out", seed + 64, 16);
	assert_keys(&s, seed);
	vec_hex(v, "t_prime_out", want, 16);
	assert_memory_equal(s.chain, want, 16);
}

static void cgo__published_vectors__same(void **state)
{
	cJSON *vectors = vec_published("cgo", "relay");

	(void)state;
	assert_int_equal(cJSON_GetArraySize(vectors), 12);
	VEC_EACH(v, vectors)
	for (int portable = 0; portable < 2; portable++)
		published_relay(v, portable);
	vec_free(vectors);
}

/* ---- both ends of a circuit ---- */

static void ends_init(struct ends *e, bool client_portable, bool relay_portable)
{
	uint8_t seed[VX6_CGO_SEED_BYTES];

	for (int i = 0; i < HOPS; i++) {
		vx6_random_bytes(seed, sizeof seed);
		vx6_cgo_init_shape(&e->client_out[i], &vx6_cgo_cell, client_portable, seed);
		vx6_cgo_init_shape(&e->relay_in[i], &vx6_cgo_cell, relay_portable, seed);
		vx6_random_bytes(seed, sizeof seed);
		vx6_cgo_init_shape(&e->client_in[i], &vx6_cgo_cell, client_portable, seed);
		vx6_cgo_init_shape(&e->relay_out[i], &vx6_cgo_cell, relay_portable, seed);
	}
}

/* @return the hop that recognised it, -1: none did */
static int to_relays(struct ends *e, uint8_t body[static BODY])
{
	for (int i = 0; i < HOPS; i++)
		if (vx6_cgo_relay_forward(&e->relay_in[i], AD, body))
			return i;
	return -1;
}

static void to_client(struct ends *e, int from, uint8_t body[static BODY])
{
	vx6_cgo_relay_originate(&e->relay_out[from], AD, body);
	for (int i = from - 1; i >= 0; i--)
		vx6_cgo_relay_backward(&e->relay_out[i], AD, body);
}

static void cgo__both_ways__every_hop_reads_its_own(void **state)
{
	(void)state;
	for (int portable = 0; portable < 4; portable++) {
		struct ends e;

		ends_init(&e, portable & 1, portable >> 1);
		for (int round = 0; round < 60; round++) {
			uint8_t body[BODY], was[BODY];
			int hop = (int)vx6_random_below(HOPS);

			vx6_random_bytes(was, sizeof was);
			memcpy(body, was, sizeof body);
			vx6_cgo_client_forward(e.client_out, (size_t)hop, AD, body);
			assert_int_equal(to_relays(&e, body), hop);
			assert_memory_equal(body + VX6_CGO_TAG, was + VX6_CGO_TAG, PAYLOAD);
			memcpy(body, was, sizeof body);
			to_client(&e, hop, body);
			assert_int_equal(vx6_cgo_client_backward(e.client_in, HOPS, AD, body), hop);
			assert_memory_equal(body + VX6_CGO_TAG, was + VX6_CGO_TAG, PAYLOAD);
		}
	}
}

/* How many bits two payloads differ in: half of them, when one is random. */
static int distance(const uint8_t *a, const uint8_t *b)
{
	int n = 0;

	for (int i = 0; i < PAYLOAD; i++)
		n += __builtin_popcount((unsigned)(a[i] ^ b[i]));
	return n;
}

static void cgo__one_bit_changed_on_the_way__nothing_is_read_ever_after(void **state)
{
	(void)state;
	for (int bit = 0; bit < BODY * 8; bit += 331) {
		uint8_t body[BODY], was[BODY] = {0};
		struct ends e;

		ends_init(&e, false, false);
		memcpy(body, was, sizeof body);
		vx6_cgo_client_forward(e.client_out, HOPS - 1, AD, body);
		assert_false(vx6_cgo_relay_forward(&e.relay_in[0], AD, body));
		body[bit / 8] ^= (uint8_t)(1U << bit % 8);
		for (int i = 1; i < HOPS; i++)
			assert_false(vx6_cgo_relay_forward(&e.relay_in[i], AD, body));
		/* 8056 bits: a random payload is within six deviations of half */
		assert_in_range(distance(body + VX6_CGO_TAG, was), 4028 - 270, 4028 + 270);
		for (int k = 0; k < 3; k++) {
			memcpy(body, was, sizeof body);
			vx6_cgo_client_forward(e.client_out, HOPS - 1, AD, body);
			assert_int_equal(to_relays(&e, body), -1);
		}
	}
}

static void cgo__changed_on_the_way_back__released_wiped(void **state)
{
	uint8_t body[BODY], zero[BODY] = {0};
	struct ends e;

	(void)state;
	ends_init(&e, false, false);
	vx6_random_bytes(body, sizeof body);
	to_client(&e, 2, body);
	body[700] ^= 1;
	assert_int_equal(vx6_cgo_client_backward(e.client_in, HOPS, AD, body), -1);
	assert_memory_equal(body, zero, sizeof body);
	vx6_random_bytes(body, sizeof body);
	to_client(&e, 2, body);
	assert_int_equal(vx6_cgo_client_backward(e.client_in, HOPS, AD, body), -1);
}

/* Two circuits that a relay, the last of both, joins: `a` is the client's, `b` that of the one who accepts. */
struct joined {
	struct ends a, b;
	struct vx6_cgo client_out, client_in, accept_in, accept_out;
};

static void joined_init(struct joined *j)
{
	uint8_t seed[VX6_CGO_SEED_BYTES];

	ends_init(&j->a, false, false);
	ends_init(&j->b, false, false);
	vx6_random_bytes(seed, sizeof seed);
	vx6_cgo_init(&j->client_out, seed);
	vx6_cgo_init(&j->accept_in, seed);
	vx6_random_bytes(seed, sizeof seed);
	vx6_cgo_init(&j->client_in, seed);
	vx6_cgo_init(&j->accept_out, seed);
}

/* From the one circuit's end through the join to the other's, where each relay of the second adds its layer. @param bit changed at the join; -1: none */
static void across(struct ends *from, struct ends *to, int bit, uint8_t body[static BODY])
{
	assert_int_equal(to_relays(from, body), -1);
	if (bit >= 0)
		body[bit / 8] ^= (uint8_t)(1U << bit % 8);
	for (int i = HOPS - 1; i >= 0; i--)
		vx6_cgo_relay_backward(&to->relay_out[i], AD, body);
}

/* @return whether the acceptor read it */
static bool client_says(struct joined *j, int bit, uint8_t body[static BODY])
{
	vx6_cgo_client_forward(&j->client_out, 0, AD, body);
	vx6_cgo_client_wrap(j->a.client_out, HOPS, AD, body);
	across(&j->a, &j->b, bit, body);
	assert_int_equal(vx6_cgo_client_unwrap(j->b.client_in, HOPS, AD, body), -1);
	return vx6_cgo_relay_forward(&j->accept_in, AD, body);
}

static bool acceptor_says(struct joined *j, int bit, uint8_t body[static BODY])
{
	vx6_cgo_relay_originate(&j->accept_out, AD, body);
	vx6_cgo_client_wrap(j->b.client_out, HOPS, AD, body);
	across(&j->b, &j->a, bit, body);
	assert_int_equal(vx6_cgo_client_unwrap(j->a.client_in, HOPS, AD, body), -1);
	return vx6_cgo_client_backward(&j->client_in, 1, AD, body) == 0;
}

static void cgo__two_circuits_joined__ends_read_each_other_and_relays_their_own(void **state)
{
	static struct joined j;

	(void)state;
	joined_init(&j);
	for (int round = 0; round < 60; round++) {
		uint8_t body[BODY], was[BODY];
		struct ends *e = round & 1 ? &j.a : &j.b;
		int hop = (int)vx6_random_below(HOPS);

		vx6_random_bytes(was, sizeof was);
		memcpy(body, was, sizeof body);
		assert_true(client_says(&j, -1, body));
		assert_memory_equal(body + VX6_CGO_TAG, was + VX6_CGO_TAG, PAYLOAD);
		memcpy(body, was, sizeof body);
		assert_true(acceptor_says(&j, -1, body));
		assert_memory_equal(body + VX6_CGO_TAG, was + VX6_CGO_TAG, PAYLOAD);
		memcpy(body, was, sizeof body);
		vx6_cgo_client_forward(e->client_out, (size_t)hop, AD, body);
		assert_int_equal(to_relays(e, body), hop);
		to_client(e, hop, body);
		assert_int_equal(vx6_cgo_client_unwrap(e->client_in, HOPS, AD, body), hop);
		assert_memory_equal(body + VX6_CGO_TAG, was + VX6_CGO_TAG, PAYLOAD);
	}
}

static void cgo__changed_where_circuits_are_joined__nothing_is_read_ever_after(void **state)
{
	static struct joined j;

	(void)state;
	for (int bit = 0; bit < BODY * 8; bit += 997) {
		uint8_t body[BODY] = {0}, was[BODY] = {0};

		joined_init(&j);
		assert_false(client_says(&j, bit, body));
		assert_in_range(distance(body + VX6_CGO_TAG, was), 4028 - 270, 4028 + 270);
		assert_false(acceptor_says(&j, bit, body));
		for (int k = 0; k < 3; k++) {
			assert_false(client_says(&j, -1, body));
			assert_false(acceptor_says(&j, -1, body));
		}
	}
}

static void cgo__swapped_replayed_or_another_command__not_recognised(void **state)
{
	uint8_t a[BODY], b[BODY], c[BODY];
	struct ends e;

	(void)state;
	ends_init(&e, false, false);
	vx6_random_bytes(a, sizeof a);
	vx6_random_bytes(b, sizeof b);
	vx6_cgo_client_forward(e.client_out, 0, AD, a);
	vx6_cgo_client_forward(e.client_out, 0, AD, b);
	memcpy(c, b, sizeof c);
	assert_false(vx6_cgo_relay_forward(&e.relay_in[0], AD, c));
	ends_init(&e, false, false);
	vx6_random_bytes(a, sizeof a);
	vx6_cgo_client_forward(e.client_out, 0, AD, a);
	memcpy(c, a, sizeof c);
	assert_true(vx6_cgo_relay_forward(&e.relay_in[0], AD, a));
	assert_false(vx6_cgo_relay_forward(&e.relay_in[0], AD, c));
	ends_init(&e, false, false);
	vx6_random_bytes(a, sizeof a);
	vx6_cgo_client_forward(e.client_out, 0, AD, a);
	assert_false(vx6_cgo_relay_forward(&e.relay_in[0], AD + 1, a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgo_aes__fips_197__both_ways),
		cmocka_unit_test(cgo_polyval__rfc_8452__same),
		cmocka_unit_test(cgo_parts__any_length__both_implementations_agree),
		cmocka_unit_test(cgo__golden_vectors__same),
		cmocka_unit_test(cgo_update__published_vectors__same_at_client_and_relay),
		cmocka_unit_test(cgo__published_vectors__same),
		cmocka_unit_test(cgo__both_ways__every_hop_reads_its_own),
		cmocka_unit_test(cgo__one_bit_changed_on_the_way__nothing_is_read_ever_after),
		cmocka_unit_test(cgo__changed_on_the_way_back__released_wiped),
		cmocka_unit_test(
			cgo__two_circuits_joined__ends_read_each_other_and_relays_their_own),
		cmocka_unit_test(
			cgo__changed_where_circuits_are_joined__nothing_is_read_ever_after),
		cmocka_unit_test(cgo__swapped_replayed_or_another_command__not_recognised),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
