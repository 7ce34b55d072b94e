/*
 * A node among peers that say anything, in any order: answers, failures, requests, time. The input is a list of events:
 *
 *     what u8 (low 3 bits; the others choose a query or a peer) | length u16 | bytes
 *
 * Whatever comes, the table stays bounded, nothing that does not verify is handed on, and every lookup ends.
 */
#include "tests/fuzz/fuzz.h"

#include "base/util.h"
#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "wire/rd.h"

enum { PENDING_MAX = 64, PEERS = 8, BYTES_MAX = 20000 };

struct world {
	struct vx6_dht *d;
	struct vx6_dht_now now;
	uint64_t pending[PENDING_MAX];
	size_t pending_n;
	uint8_t random;
	unsigned begun, ended;
	bool led; /* by others, who come and go */
};

static void io_query(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct world *w = user;
	struct vx6_dht_req r;

	FUZZ_CHECK(vx6_is_ok(vx6_dht_req_decode(req, n, &r)));
	FUZZ_CHECK(vx6_dht_contact_is_sane(to));
	FUZZ_CHECK(!w->led || (path < VX6_DHT_PATHS && r.op != VX6_DHT_PUT));
	if (w->pending_n < PENDING_MAX)
		w->pending[w->pending_n++] = query;
}

static void io_cancel(void *user, uint64_t query)
{
}

static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	return to->node.b[0] & 1;
}

static void io_random(void *user, void *out, size_t n)
{
	memset(out, ((struct world *)user)->random += 37, n);
}

static void io_wake_at(void *user, uint64_t ms)
{
}

static const struct vx6_dht_io io = {.abi = VX6_DHT_IO_ABI,
				     .query = io_query,
				     .cancel = io_cancel,
				     .is_warm = io_is_warm,
				     .random = io_random,
				     .wake_at = io_wake_at};

static uint8_t count(void *user)
{
	return (uint8_t)(((struct world *)user)->now.ms % (VX6_DHT_PATHS + 2));
}

static uint64_t guide(void *user, uint8_t path)
{
	return (((struct world *)user)->now.ms / 700 + path) % 5;
}

static bool may_ask(void *user, uint8_t path, const struct vx6_dht_contact *to)
{
	return to->node.b[0] % 7 != path;
}

static const struct vx6_dht_guides guides = {.count = count, .guide = guide, .may_ask = may_ask};
static const struct vx6_dht_io io_led = {.abi = VX6_DHT_IO_ABI,
					 .query = io_query,
					 .cancel = io_cancel,
					 .is_warm = io_is_warm,
					 .random = io_random,
					 .wake_at = io_wake_at,
					 .guides = &guides};

static void on_done(void *user, const struct vx6_dht_result *r)
{
	struct world *w = user;

	w->ended++;
	FUZZ_CHECK(r->closest_n <= VX6_DHT_K && r->answers <= r->queries);
	for (size_t i = 0; i < r->values_n; i++) {
		struct vx6_record_check check = {.net = &vx6_net_default, .now_s = w->now.wall_s};
		struct vx6_record rec;

		FUZZ_CHECK(vx6_is_ok(vx6_record_parse(r->value[i].record, r->value[i].n, &rec)));
		FUZZ_CHECK(vx6_is_ok(vx6_record_verify(&rec, &check)));
	}
}

static void peer(uint8_t number, struct vx6_dht_contact *out)
{
	*out = (struct vx6_dht_contact){.node = {.b = {number, 9}},
					.ip = {0x2a, 0, number},
					.port = 1,
					.via = VX6_DHT_VIA_QUIC};
}

static void look(struct world *w, uint8_t want, const uint8_t *p, size_t n)
{
	struct vx6_dht_ask ask = {.want = want % 4};

	if (n > 0)
		memcpy(ask.key.b, p, VX6_MIN(n, sizeof ask.key.b));
	w->begun += vx6_dht_look(w->d, &ask, on_done, w, &w->now) != NULL;
}

static void serve(struct world *w, uint8_t number, const uint8_t *p, size_t n)
{
	struct vx6_dht_requester from = {.has_node = number & 1, .ip = {0x2a, 0, number}};
	uint8_t out[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_resp resp;

	from.node.b[0] = number;
	n = vx6_dht_serve(w->d, &from, p, n, out, &w->now);
	FUZZ_CHECK(vx6_is_ok(vx6_dht_resp_decode(out, n, &resp)));
}

static void event(struct world *w, uint8_t what, const uint8_t *p, size_t n)
{
	uint8_t number = what >> 3;
	struct vx6_dht_contact c;

	peer(number, &c);
	switch (what & 7) {
	case 0:
	case 1:
		if (w->pending_n > 0)
			vx6_dht_answered(w->d, w->pending[number % w->pending_n], p, n, &w->now);
		break;
	case 2:
		if (w->pending_n > 0)
			vx6_dht_failed(w->d, w->pending[number % w->pending_n], VX6_ERR(CLOSED),
				       &w->now);
		break;
	case 3:
		w->now.ms += n;
		vx6_dht_step(w->d, &w->now);
		break;
	case 4:
		look(w, number, p, n);
		break;
	case 5:
		serve(w, number, p, n);
		break;
	case 6:
		vx6_dht_met(w->d, &c, n & 1 ? VX6_DHT_HEARD : VX6_DHT_PROVED, &w->now);
		break;
	default:
		vx6_dht_remove(w->d, &c.node, &w->now);
	}
}

static void begin(struct world *w)
{
	struct vx6_dht_config cfg = {.net = vx6_net_default,
				     .self = {.b = {255}},
				     .io = w->led ? &io_led : &io};
	struct vx6_dht_contact c;

	w->now = (struct vx6_dht_now){.ms = 1000, .wall_s = 1790000100};
	cfg.user = w;
	w->d = vx6_dht_new(&cfg);
	peer(255, &c);
	c.node = cfg.self;
	vx6_dht_set_self(w->d, &c, &w->now);
	for (uint8_t i = 0; i < PEERS; i++) {
		peer(i, &c);
		vx6_dht_met(w->d, &c, VX6_DHT_PROVED, &w->now);
	}
	look(w, VX6_DHT_WANT_ALL, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct world w = {0};
	struct vx6_rd r;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	w.led = n > 0 && data[0] & 1;
	begin(&w);
	vx6_rd_init(&r, data, VX6_MIN(n, (size_t)BYTES_MAX));
	while (r.left >= 3) {
		uint8_t what = vx6_rd_u8(&r);
		size_t len = vx6_rd_u16(&r);
		const uint8_t *p;

		len = VX6_MIN(len, r.left);
		p = vx6_rd_bytes(&r, len);
		event(&w, what, p, len);
	}
	FUZZ_CHECK(w.d->table->contacts + w.d->table->candidates < 4096);
	for (unsigned i = 0; i < 40; i++) {
		w.now.ms += 500;
		vx6_dht_step(w.d, &w.now);
	}
	FUZZ_CHECK(w.begun == w.ended);
	vx6_dht_free(w.d);
	return 0;
}
