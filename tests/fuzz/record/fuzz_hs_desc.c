#include "tests/fuzz/fuzz.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "record/hs_desc_internal.h"
#include "record/hs_desc_text.h"

/* Input: what u8 | rest. 0: a record, opened whatever its signature says. 1: the inner text. 2: the text of the outer layer, cut or filled. */

static struct vx6_sign_pk service;
static struct vx6_hs_names names;
static const uint8_t client_sk[32] = {5};

/* The service of the golden vectors. */
static void begin(void)
{
	struct vx6_sign_keypair kp;
	struct vx6_sign_seed seed;
	struct vx6_hash h;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (!vx6_ct_is_zero(&service, sizeof service))
		return;
	vx6_hash_personal("VX6-vector-seed", "service", 7, &h);
	memcpy(seed.b, h.b, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &kp);
	service = kp.pk;
	FUZZ_CHECK(vx6_is_ok(vx6_hs_names(&service, 82870, &names)));
}

static void check_desc(const struct vx6_hs_desc *d)
{
	FUZZ_CHECK(d->intros_n <= VX6_HS_INTROS_MAX);
	FUZZ_CHECK(d->pow || (d->pow_effort == 0 && d->pow_expires_s == 0));
}

static void whole(const uint8_t *in, size_t n)
{
	struct vx6_hs_desc d, as_client;
	struct vx6_record rec;
	uint64_t period;

	if (!vx6_is_ok(vx6_record_parse(in, n, &rec)))
		return;
	if (!vx6_is_ok(vx6_hs_desc_check(&rec, &period))) {
		FUZZ_CHECK(!vx6_is_ok(vx6_hs_desc_open(&rec, &service, NULL, &d)));
		FUZZ_CHECK(d.intros_n == 0);
		return;
	}
	FUZZ_CHECK(n == VX6_HS_DESC_BYTES);
	if (vx6_is_ok(vx6_hs_desc_open(&rec, &service, NULL, &d))) {
		check_desc(&d);
		FUZZ_CHECK(!d.closed && d.seq > 0 && d.period == period);
		FUZZ_CHECK(vx6_is_ok(vx6_hs_desc_open(&rec, &service, client_sk, &as_client)));
	}
}

static void text(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_HS_DESC_TEXT_MAX];
	struct vx6_hs_desc d;
	struct vx6_wr w;

	if (!vx6_is_ok(vx6_hs_desc_text_decode(in, n, &d))) {
		FUZZ_CHECK(d.intros_n == 0);
		return;
	}
	check_desc(&d);
	vx6_wr_init(&w, out, sizeof out);
	vx6_hs_desc_text_encode(&w, &d);
	FUZZ_CHECK(vx6_is_ok(w.err) && w.len <= n && memcmp(out, in, w.len) == 0);
}

static void outer(const uint8_t *in, size_t n)
{
	static uint8_t bytes[VX6_HS_DESC_BYTES];
	struct vx6_record rec = {.view = {.bytes = bytes, .seq = 1}};
	uint8_t filled[HS_DESC_OUTER_TEXT] = {0};
	struct vx6_hs_desc d;

	memcpy(filled, in, n < sizeof filled ? n : sizeof filled);
	/* nobody makes a tag by chance */
	FUZZ_CHECK(!vx6_is_ok(hs_desc_open_inner(&rec, &names, client_sk, filled, &d)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const what[])(const uint8_t *, size_t) = {whole, text, outer};

	begin();
	if (n > 0)
		what[data[0] % (sizeof what / sizeof *what)](data + 1, n - 1);
	return 0;
}
