#include "tests/unit/vectors.h"

#include "crypto/cgo.h"
#include "crypto/secret.h"

enum { HOPS = 3, AD = 3, BODY = VX6_CGO_BODY, PAYLOAD = BODY - VX6_CGO_TAG };

static int setup(void **state)
{
	(void)state;
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

/* Both ends of a circuit. */
struct ends {
	struct vx6_cgo client_out[HOPS], client_in[HOPS], relay_in[HOPS], relay_out[HOPS];
};

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
		cmocka_unit_test(cgo__both_ways__every_hop_reads_its_own),
		cmocka_unit_test(cgo__one_bit_changed_on_the_way__nothing_is_read_ever_after),
		cmocka_unit_test(cgo__changed_on_the_way_back__released_wiped),
		cmocka_unit_test(cgo__swapped_replayed_or_another_command__not_recognised),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
