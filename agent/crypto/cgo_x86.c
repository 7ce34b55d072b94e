/* CGO's parts with AES-NI and PCLMULQDQ. */
#include "crypto/cgo_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define FAST __attribute__((target("aes,pclmul,ssse3,sse4.1")))
#define FAST_INLINE FAST __attribute__((always_inline)) static inline
#define UNROLL _Pragma("GCC unroll 16")

FAST_INLINE __m128i load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

FAST_INLINE void store(uint8_t *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)(void *)p, v);
}

/* ---- AES ---- */

FAST_INLINE __m128i expand_step(__m128i key, __m128i assist)
{
	assist = _mm_shuffle_epi32(assist, 0xff);
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	return _mm_xor_si128(key, assist);
}

FAST static void expand(const uint8_t key[static 16], uint8_t rk[static 11][16])
{
	__m128i k = load(key);

	store(rk[0], k);
#define STEP(i, rcon)                                                                              \
	k = expand_step(k, _mm_aeskeygenassist_si128(k, rcon));                                    \
	store(rk[i], k)
	STEP(1, 0x01);
	STEP(2, 0x02);
	STEP(3, 0x04);
	STEP(4, 0x08);
	STEP(5, 0x10);
	STEP(6, 0x20);
	STEP(7, 0x40);
	STEP(8, 0x80);
	STEP(9, 0x1b);
	STEP(10, 0x36);
#undef STEP
}

FAST static void invert(const uint8_t rk[static 11][16], uint8_t inv[static 11][16])
{
	memcpy(inv[0], rk[10], 16);
	for (int i = 1; i < 10; i++)
		store(inv[i], _mm_aesimc_si128(load(rk[10 - i])));
	memcpy(inv[10], rk[0], 16);
}

FAST static void encrypt(const uint8_t rk[static 11][16], uint8_t block[static 16])
{
	__m128i b = _mm_xor_si128(load(block), load(rk[0]));

	for (int i = 1; i < 10; i++)
		b = _mm_aesenc_si128(b, load(rk[i]));
	store(block, _mm_aesenclast_si128(b, load(rk[10])));
}

FAST static void decrypt(const uint8_t inv[static 11][16], uint8_t block[static 16])
{
	__m128i b = _mm_xor_si128(load(block), load(inv[0]));

	for (int i = 1; i < 10; i++)
		b = _mm_aesdec_si128(b, load(inv[i]));
	store(block, _mm_aesdeclast_si128(b, load(inv[10])));
}

enum { LANES = 8 };

/* The low bits of the beginning are clear and a payload has fewer blocks than they can count: only the last byte moves. */
FAST static void ctr(const uint8_t rk[static 11][16], const uint8_t iv[static 16], uint8_t *p,
		     size_t n)
{
	__m128i key[11], at = load(iv);
	const __m128i one = _mm_set_epi8(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

	UNROLL
	for (int i = 0; i < 11; i++)
		key[i] = load(rk[i]);
	while (n > 0) {
		__m128i b[LANES];
		size_t take = n < (size_t)LANES * 16 ? n : (size_t)LANES * 16;

		UNROLL
		for (int i = 0; i < LANES; i++) {
			b[i] = _mm_xor_si128(at, key[0]);
			at = _mm_add_epi8(at, one);
		}
		UNROLL
		for (int r = 1; r < 10; r++)
			UNROLL
		for (int i = 0; i < LANES; i++)
			b[i] = _mm_aesenc_si128(b[i], key[r]);
		UNROLL
		for (int i = 0; i < LANES; i++)
			b[i] = _mm_aesenclast_si128(b[i], key[10]);
		if (take == (size_t)LANES * 16) {
			UNROLL
			for (int i = 0; i < LANES; i++)
				store(p + 16 * i, _mm_xor_si128(load(p + 16 * i), b[i]));
		} else {
			uint8_t stream[LANES * 16];

			UNROLL
			for (int i = 0; i < LANES; i++)
				store(stream + 16 * i, b[i]);
			for (size_t i = 0; i < take; i++)
				p[i] ^= stream[i];
		}
		p += take;
		n -= take;
	}
}

/* ---- POLYVAL: products are added up and reduced once for eight blocks ---- */

struct product {
	__m128i low, mid, high;
};

FAST_INLINE void multiply_add(struct product *s, __m128i x, __m128i h)
{
	__m128i t = _mm_clmulepi64_si128(x, h, 0x01);

	s->low = _mm_xor_si128(s->low, _mm_clmulepi64_si128(x, h, 0x00));
	s->high = _mm_xor_si128(s->high, _mm_clmulepi64_si128(x, h, 0x11));
	s->mid = _mm_xor_si128(s->mid, _mm_xor_si128(t, _mm_clmulepi64_si128(x, h, 0x10)));
}

/* times x^-128 modulo x^128 + x^127 + x^126 + x^121 + 1, twice 64 bits */
FAST_INLINE __m128i reduce(const struct product *s)
{
	const __m128i poly = _mm_set_epi64x((long long)0xc200000000000000ULL, 1);
	__m128i low = _mm_xor_si128(s->low, _mm_slli_si128(s->mid, 8));
	__m128i high = _mm_xor_si128(s->high, _mm_srli_si128(s->mid, 8));

	UNROLL
	for (int i = 0; i < 2; i++)
		low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e),
				    _mm_clmulepi64_si128(low, poly, 0x10));
	return _mm_xor_si128(low, high);
}

FAST_INLINE __m128i dot(__m128i a, __m128i b)
{
	struct product s = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

	multiply_add(&s, a, b);
	return reduce(&s);
}

FAST static void powers(const uint8_t key[static 16], uint8_t u[static 8][16])
{
	__m128i h = load(key), x = h;

	for (int i = 0; i < 8; i++) {
		store(u[i], x);
		x = dot(x, h);
	}
}

struct hashing {
	__m128i u[8], sum;
};

FAST_INLINE void hash_eight(struct hashing *h, const __m128i x[static 8])
{
	struct product s = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

	multiply_add(&s, _mm_xor_si128(x[0], h->sum), h->u[7]);
	UNROLL
	for (int i = 1; i < 8; i++)
		multiply_add(&s, x[i], h->u[7 - i]);
	h->sum = reduce(&s);
}

FAST_INLINE void hash_some(struct hashing *h, const __m128i *x, int n)
{
	struct product s = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

	multiply_add(&s, _mm_xor_si128(x[0], h->sum), h->u[n - 1]);
	for (int i = 1; i < n; i++)
		multiply_add(&s, x[i], h->u[n - 1 - i]);
	h->sum = reduce(&s);
}

/* The byte before the payload shifts it against the blocks by one: a load from one byte before it brings each block as it is hashed. */
FAST static void hash(const uint8_t u[static 8][16], const uint8_t head[static 16], uint8_t ad,
		      const uint8_t *p, size_t n, uint8_t out[static 16])
{
	struct hashing h = {.sum = _mm_setzero_si128()};
	__m128i x[8];
	size_t at = 15;
	uint8_t first[16];
	int have = 2;

	for (int i = 0; i < 8; i++)
		h.u[i] = load(u[i]);
	first[0] = ad;
	memcpy(first + 1, p, 15);
	x[0] = load(head);
	x[1] = load(first);
	while (n - at >= 16) {
		x[have++] = load(p + at);
		at += 16;
		if (have < 8)
			continue;
		hash_eight(&h, x);
		have = 0;
	}
	if (n > at) {
		uint8_t last[16] = {0};

		memcpy(last, p + at, n - at);
		x[have++] = load(last);
	}
	if (have > 0)
		hash_some(&h, x, have);
	store(out, h.sum);
}

FAST static void hash_one(const uint8_t key[static 16], const uint8_t x[static 16],
			  uint8_t out[static 16])
{
	store(out, dot(load(x), load(key)));
}

static const struct cgo_ops ops = {
	.expand = expand,
	.invert = invert,
	.encrypt = encrypt,
	.decrypt = decrypt,
	.ctr = ctr,
	.powers = powers,
	.hash = hash,
	.hash_one = hash_one,
};

const struct cgo_ops *cgo_accelerated(void)
{
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
			       __builtin_cpu_supports("sse4.1")
		       ? &ops
		       : NULL;
}

#else

const struct cgo_ops *cgo_accelerated(void)
{
	return 0;
}

#endif
