/*
 * A holder against a row of requests: u16 length, one byte of where it comes from, the request. A PUT gets its key and a good token, and
 * signatures count as good, so that the input reaches what lies behind these.
 */
#include "tests/fuzz/fuzz.h"

#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "dht/holder_internal.h"
#include "wire/rd.h"

enum { RECORDS_MAX = 24, BYTES_MAX = 16384, WALL = 1790000100 };

static void query(void *user, uint64_t id, uint8_t path, const struct vx6_dht_contact *to,
		  const uint8_t *req, size_t n)
{
}

static void cancel(void *user, uint64_t id)
{
}

static bool is_warm(void *user, const struct vx6_dht_contact *to)
{
	return true;
}

static void fill_random(void *user, void *out, size_t n)
{
	memset(out, 7, n);
}

static void wake_at(void *user, uint64_t ms)
{
}

static vx6_err verify(void *user, const uint8_t *record, size_t n, uint64_t wall_s,
		      struct vx6_record *out)
{
	return vx6_record_parse(record, n, out);
}

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = query,
	.cancel = cancel,
	.is_warm = is_warm,
	.random = fill_random,
	.wake_at = wake_at,
	.verify = verify,
};

/* The right key and token: neither can be guessed. */
static void complete(struct vx6_dht *d, const struct vx6_dht_requester *from, uint8_t *req,
		     size_t n)
{
	enum { KEY_AT = 3, TOKEN_AT = KEY_AT + VX6_DHT_KEY_BYTES };
	enum { RECORD_AT = TOKEN_AT + VX6_DHT_TOKEN_BYTES };
	struct vx6_dht_key key;
	struct vx6_record rec;

	if (n <= RECORD_AT || req[0] != VX6_DHT_PUT)
		return;
	if (vx6_is_ok(vx6_record_parse(req + RECORD_AT, n - RECORD_AT, &rec)) &&
	    vx6_is_ok(vx6_dht_key_of(&d->net, &rec, &key)))
		memcpy(req + KEY_AT, key.b, sizeof key.b);
	vx6_dht_token_make(&d->holder->tokens, d, from->ip, req + KEY_AT, req + TOKEN_AT);
}

static void serve(struct vx6_dht *d, uint8_t from, const uint8_t *p, size_t n,
		  const struct vx6_dht_now *now)
{
	struct vx6_dht_requester who = {.has_node = from & 1, .ip = {0x2a, [3] = from >> 1}};
	uint8_t out[VX6_DHT_RESPONSE_MAX], *req = malloc(n + 1);
	struct vx6_dht_resp resp;

	memcpy(req, p, n);
	complete(d, &who, req, n);
	n = vx6_dht_serve(d, &who, req, n, out, now);
	FUZZ_CHECK(vx6_is_ok(vx6_dht_resp_decode(out, n, &resp)));
	FUZZ_CHECK(d->holder->store.n <= RECORDS_MAX && d->holder->store.bytes <= BYTES_MAX);
	free(req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_dht_contact me = {.port = 1, .via = 1, .ip = {0x2a, 1}};
	struct vx6_dht_config cfg = {.net = vx6_net_default,
				     .io = &io,
				     .stored_max = RECORDS_MAX,
				     .stored_bytes_max = BYTES_MAX};
	struct vx6_dht_now now = {.ms = 1000, .wall_s = WALL};
	struct vx6_dht *d;
	struct vx6_rd r;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	d = vx6_dht_new(&cfg);
	vx6_dht_set_self(d, &me, &now);
	vx6_rd_init(&r, data, n);
	while (r.left > 0) {
		uint8_t from;
		struct vx6_rd req = vx6_rd_sub16(&r, VX6_DHT_REQ_MAX + 2);

		from = vx6_rd_u8(&req);
		if (vx6_is_ok(req.err))
			serve(d, from, req.p, req.left, &now);
		now.ms += 50;
		now.wall_s += from >> 6 ? 0 : 30;
	}
	vx6_dht_free(d);
	return 0;
}
