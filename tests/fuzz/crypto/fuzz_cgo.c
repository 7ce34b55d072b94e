#include "tests/fuzz/fuzz.h"

#include "crypto/cgo.h"
#include "crypto/hash.h"

/*
 * Input: seed u8 | cells. A cell: what u8 (bit 0: to the client, bits 1 to 2: hop, bits 3 to 4: link) | at u16 | mask u8. It is changed
 * by the mask, if there is one, after `link` relays had it. At one hop, which the seed names, one end works without the processor's
 * instructions and the other one with them: what they do differently is not recognised. One end only and few cells, for speed: without
 * these instructions a cell takes two hundred times as long.
 */
enum { HOPS = 3, BODY = VX6_CGO_BODY, CELL = 4, CELLS_MAX = 13 };

struct circuit {
	struct vx6_cgo client_out[HOPS], client_in[HOPS], relay_in[HOPS], relay_out[HOPS];
};

struct cell {
	bool to_client;
	int hop, link, at;
	uint8_t mask, ad;
};

/* No byte repeated: a POLYVAL key of zero hashes everything to zero. */
static void draw(uint8_t seed_byte, int hop, bool back, uint8_t out[static VX6_CGO_SEED_BYTES])
{
	uint8_t in[4] = {seed_byte, (uint8_t)hop, back, 0};
	struct vx6_hash h;

	for (size_t at = 0; at < VX6_CGO_SEED_BYTES; at += sizeof h.b, in[3]++) {
		size_t left = VX6_CGO_SEED_BYTES - at;

		vx6_hash_personal("fuzz", in, sizeof in, &h);
		memcpy(out + at, h.b, left < sizeof h.b ? left : sizeof h.b);
	}
}

static void begin(struct circuit *c, uint8_t seed_byte)
{
	uint8_t seed[VX6_CGO_SEED_BYTES];

	for (int i = 0; i < HOPS; i++) {
		bool slow = i == seed_byte % HOPS, at_client = slow && (seed_byte & 1);
		bool at_relay = slow && !at_client;

		draw(seed_byte, i, false, seed);
		vx6_cgo_init_shape(&c->client_out[i], &vx6_cgo_cell, at_client, seed);
		vx6_cgo_init_shape(&c->relay_in[i], &vx6_cgo_cell, at_relay, seed);
		draw(seed_byte, i, true, seed);
		vx6_cgo_init_shape(&c->client_in[i], &vx6_cgo_cell, at_client, seed);
		vx6_cgo_init_shape(&c->relay_out[i], &vx6_cgo_cell, at_relay, seed);
	}
}

/* @return who recognised it, -1: nobody */
static int send_out(struct circuit *c, const struct cell *cell, uint8_t body[static BODY])
{
	vx6_cgo_client_forward(c->client_out, (size_t)cell->hop, cell->ad, body);
	for (int i = 0; i < HOPS; i++) {
		if (i == cell->link)
			body[cell->at] ^= cell->mask;
		if (vx6_cgo_relay_forward(&c->relay_in[i], cell->ad, body))
			return i;
	}
	return -1;
}

static int send_in(struct circuit *c, const struct cell *cell, uint8_t body[static BODY])
{
	for (int i = cell->hop; i >= 0; i--) {
		if (i == cell->hop)
			vx6_cgo_relay_originate(&c->relay_out[i], cell->ad, body);
		else
			vx6_cgo_relay_backward(&c->relay_out[i], cell->ad, body);
		if (i == cell->link)
			body[cell->at] ^= cell->mask;
	}
	return vx6_cgo_client_backward(c->client_in, HOPS, cell->ad, body);
}

static void read_cell(const uint8_t *p, struct cell *c)
{
	c->to_client = p[0] & 1;
	c->hop = (p[0] >> 1 & 3) % HOPS;
	c->link = (p[0] >> 3 & 3) % (c->hop + 1);
	c->at = (p[1] << 8 | p[2]) % BODY;
	c->mask = p[3];
	c->ad = p[0] >> 5;
}

/*
 * A relay that got a changed cell reads none any more, and those behind it neither. A client that read none ends the circuit, so what it
 * would make of the cells after that is compared alone.
 */
static void check_who(const struct cell *cell, int who, int *out_until, bool *in_ended)
{
	if (cell->to_client) {
		if (*in_ended)
			return;
		FUZZ_CHECK(who == (cell->mask ? -1 : cell->hop));
		*in_ended = who < 0;
		return;
	}
	if (cell->mask && cell->link < *out_until)
		*out_until = cell->link;
	FUZZ_CHECK(who == (cell->hop < *out_until ? cell->hop : -1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t zero[BODY];
	static struct circuit c;
	int out_until = HOPS;
	bool in_ended = false;

	if (n == 0)
		return 0;
	begin(&c, data[0]);
	for (size_t at = 1, i = 0; n - at >= CELL && i < CELLS_MAX; at += CELL, i++) {
		uint8_t body[BODY], payload[BODY];
		struct cell cell;
		int who;

		read_cell(data + at, &cell);
		memset(payload, (int)i, sizeof payload);
		memcpy(body, payload, sizeof body);
		who = cell.to_client ? send_in(&c, &cell, body) : send_out(&c, &cell, body);
		check_who(&cell, who, &out_until, &in_ended);
		if (who == cell.hop)
			fuzz_same(body + VX6_CGO_TAG, BODY - VX6_CGO_TAG, payload + VX6_CGO_TAG,
				  BODY - VX6_CGO_TAG);
		else if (cell.to_client && who < 0)
			fuzz_same(body, sizeof body, zero, sizeof zero);
	}
	return 0;
}
