#include "tests/fuzz/fuzz.h"

#include "crypto/hs_ntor_internal.h"
#include "crypto/secret.h"

/*
 * Input: what u8 | rest. 0: head_n u8 | head | what a service gets. 1: the answer that a client gets. 2: at u16 | mask u8 | plain text: a whole
 * handshake, of which one byte of the sealed part or of the answer is changed by the mask. All keys are known.
 */
enum { PART_MAX = VX6_HS_PLAIN_MAX + VX6_HS_SEAL_OVERHEAD };

static const struct vx6_kx_sk b_sk = {{7}}, x_sk = {{8}}, y_sk = {{9}};
static const uint8_t auth_key[32] = {1}, subcred[32] = {2}, head[] = "head";

struct rig {
	struct vx6_kx_pk b;
	struct vx6_hs_ntor_who who;
	uint8_t plain[PART_MAX], client_pk[32], answer[VX6_HS_ANSWER];
	struct vx6_hs_e2e e2e;
};

static struct vx6_hs_ntor *client(const struct rig *r)
{
	struct vx6_hs_ntor *h;

	FUZZ_CHECK(vx6_is_ok(hs_ntor_begin_with(vx6_hs_ntor_protoid, &r->who, &x_sk, &h)));
	return h;
}

static vx6_err open(struct rig *r, const uint8_t *before, size_t before_n, const uint8_t *in,
		    size_t n)
{
	return vx6_hs_ntor_open(vx6_hs_ntor_protoid, &r->who, b_sk.b, before, before_n, in, n,
				r->plain, r->client_pk);
}

static vx6_err answer(struct rig *r)
{
	return hs_ntor_answer_with(vx6_hs_ntor_protoid, &r->who, b_sk.b, r->client_pk, &y_sk,
				   r->answer, &r->e2e);
}

static void to_service(struct rig *r, const uint8_t *in, size_t n)
{
	if (n == 0 || n - 1 < in[0])
		return;
	if (vx6_is_ok(open(r, in + 1, in[0], in + 1 + in[0], n - 1 - in[0])))
		FUZZ_CHECK(vx6_is_ok(answer(r)));
	else
		FUZZ_CHECK(vx6_ct_is_zero(r->plain, sizeof r->plain) &&
			   vx6_ct_is_zero(r->client_pk, sizeof r->client_pk));
}

static void to_client(struct rig *r, const uint8_t *in, size_t n)
{
	struct vx6_hs_ntor *h;

	if (n != VX6_HS_ANSWER)
		return;
	h = client(r);
	if (!vx6_is_ok(vx6_hs_ntor_finish(h, in, &r->e2e)))
		FUZZ_CHECK(vx6_ct_is_zero(&r->e2e, sizeof r->e2e));
	vx6_hs_ntor_free(h);
}

static void finish(struct rig *r, struct vx6_hs_ntor *h, bool changed)
{
	struct vx6_hs_e2e mine;

	if (!vx6_is_ok(vx6_hs_ntor_finish(h, r->answer, &mine))) {
		FUZZ_CHECK(changed);
		return;
	}
	FUZZ_CHECK(!changed);
	fuzz_same((const uint8_t *)&mine, sizeof mine, (const uint8_t *)&r->e2e, sizeof r->e2e);
}

static void whole(struct rig *r, const uint8_t *in, size_t n)
{
	uint8_t sealed[PART_MAX];
	struct vx6_hs_ntor *h;
	size_t at, part_n;

	if (n < 3 || n - 3 > VX6_HS_PLAIN_MAX)
		return;
	part_n = n - 3 + VX6_HS_SEAL_OVERHEAD;
	at = (size_t)(in[0] << 8 | in[1]) % (part_n + VX6_HS_ANSWER);
	h = client(r);
	FUZZ_CHECK(vx6_is_ok(vx6_hs_ntor_seal(h, head, sizeof head, in + 3, n - 3, sealed)));
	if (at < part_n)
		sealed[at] ^= in[2];
	if (vx6_is_ok(open(r, head, sizeof head, sealed, part_n))) {
		FUZZ_CHECK(at >= part_n || in[2] == 0);
		fuzz_same(r->plain, n - 3, in + 3, n - 3);
		FUZZ_CHECK(vx6_is_ok(answer(r)));
		if (at >= part_n)
			r->answer[at - part_n] ^= in[2];
		finish(r, h, in[2] != 0);
	} else {
		FUZZ_CHECK(at < part_n && in[2] != 0);
	}
	vx6_hs_ntor_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const what[])(struct rig *, const uint8_t *, size_t) = {to_service, to_client,
									      whole};
	struct rig r = {0};

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (n == 0)
		return 0;
	vx6_kx_public(&b_sk, &r.b);
	r.who = (struct vx6_hs_ntor_who){auth_key, r.b.b, subcred};
	what[data[0] % (sizeof what / sizeof *what)](&r, data + 1, n - 1);
	return 0;
}
