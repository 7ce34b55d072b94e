/*
 * CGO's parts in plain C, without tables and without branches on secrets. The S-box is the circuit of Boyar and Peralta over bit planes of 64
 * bytes, four blocks at a time; products of POLYVAL are integer products with holes between their bits, as carries may not meet.
 */
#include <string.h>

#include "crypto/cgo_internal.h"

enum { GROUP = 64 };

/* ---- bit planes: plane b has bit b of each of 64 bytes ---- */

/* Transposes the 8 × 8 bits of a word. */
static uint64_t flip(uint64_t x)
{
	uint64_t t;

	t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaULL;
	x ^= t ^ (t << 7);
	t = (x ^ (x >> 14)) & 0x0000cccc0000ccccULL;
	x ^= t ^ (t << 14);
	t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ULL;
	return x ^ t ^ (t << 28);
}

static void to_planes(const uint8_t in[static GROUP], uint64_t q[static 8])
{
	uint64_t w[8];

	for (int i = 0; i < 8; i++) {
		w[i] = 0;
		for (int k = 0; k < 8; k++)
			w[i] |= (uint64_t)in[8 * i + k] << (8 * k);
		w[i] = flip(w[i]);
	}
	for (int b = 0; b < 8; b++) {
		q[b] = 0;
		for (int i = 0; i < 8; i++)
			q[b] |= (w[i] >> (8 * b) & 0xff) << (8 * i);
	}
}

static void from_planes(const uint64_t q[static 8], uint8_t out[static GROUP])
{
	for (int i = 0; i < 8; i++) {
		uint64_t w = 0;

		for (int b = 0; b < 8; b++)
			w |= (q[b] >> (8 * i) & 0xff) << (8 * b);
		w = flip(w);
		for (int k = 0; k < 8; k++)
			out[8 * i + k] = (uint8_t)(w >> (8 * k));
	}
}

/* ---- S-box ---- */

static void sub_planes(uint64_t q[static 8])
{
	uint64_t x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1],
		 x7 = q[0];
	/* to the tower field */
	uint64_t y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2;
	uint64_t y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6;
	uint64_t y3 = y5 ^ y8, t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7;
	uint64_t y10 = y15 ^ t0, y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8;
	uint64_t y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;
	/* inversion */
	uint64_t t2 = y12 & y15, t3 = y3 & y6, t4 = t3 ^ t2, t5 = y4 & x7, t6 = t5 ^ t2;
	uint64_t t7 = y13 & y16, t8 = y5 & y1, t9 = t8 ^ t7, t10 = y2 & y7, t11 = t10 ^ t7;
	uint64_t t12 = y9 & y11, t13 = y14 & y17, t14 = t13 ^ t12, t15 = y8 & y10, t16 = t15 ^ t12;
	uint64_t t17 = t4 ^ t14, t18 = t6 ^ t16, t19 = t9 ^ t14, t20 = t11 ^ t16, t21 = t17 ^ y20;
	uint64_t t22 = t18 ^ y19, t23 = t19 ^ y21, t24 = t20 ^ y18, t25 = t21 ^ t22,
		 t26 = t21 & t23;
	uint64_t t27 = t24 ^ t26, t28 = t25 & t27, t29 = t28 ^ t22, t30 = t23 ^ t24,
		 t31 = t22 ^ t26;
	uint64_t t32 = t31 & t30, t33 = t32 ^ t24, t34 = t23 ^ t33, t35 = t27 ^ t33,
		 t36 = t24 & t35;
	uint64_t t37 = t36 ^ t34, t38 = t27 ^ t36, t39 = t29 & t38, t40 = t25 ^ t39,
		 t41 = t40 ^ t37;
	uint64_t t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
	uint64_t z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1;
	uint64_t z5 = t29 & y7, z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12;
	uint64_t z10 = t37 & y3, z11 = t33 & y4, z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2;
	uint64_t z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
	/* and back, with the affine part */
	uint64_t t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12;
	uint64_t t51 = z2 ^ z5, t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17;
	uint64_t t56 = z12 ^ t48, t57 = t50 ^ t53, t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57;
	uint64_t t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58, t64 = z4 ^ t59, t65 = t61 ^ t62;
	uint64_t t66 = z1 ^ t63, t67 = t64 ^ t65, s3 = t53 ^ t66;

	q[7] = t59 ^ t63;
	q[6] = t64 ^ ~s3;
	q[5] = t55 ^ ~t67;
	q[4] = s3;
	q[3] = t51 ^ t66;
	q[2] = t47 ^ t65;
	q[1] = t56 ^ ~t62;
	q[0] = t48 ^ ~t60;
}

/* The inverse of the affine part. */
static void unaffine(uint64_t q[static 8])
{
	uint64_t x[8];

	memcpy(x, q, sizeof x);
	for (int i = 0; i < 8; i++)
		q[i] = x[(i + 7) % 8] ^ x[(i + 5) % 8] ^ x[(i + 2) % 8];
	q[0] = ~q[0];
	q[2] = ~q[2];
}

static void sub_bytes(uint8_t s[static GROUP])
{
	uint64_t q[8];

	to_planes(s, q);
	sub_planes(q);
	from_planes(q, s);
}

/* S is the affine part of an inversion: what undoes it is the same inversion between two inverses of that part. */
static void unsub_bytes(uint8_t s[static GROUP])
{
	uint64_t q[8];

	to_planes(s, q);
	unaffine(q);
	sub_planes(q);
	unaffine(q);
	from_planes(q, s);
}

/* ---- rows, columns ---- */

static void shift_rows(uint8_t s[static 16], bool back)
{
	uint8_t t[16];

	for (int c = 0; c < 4; c++)
		for (int r = 0; r < 4; r++) {
			int from = 4 * ((c + r) % 4) + r, to = 4 * c + r;

			if (back)
				t[from] = s[to];
			else
				t[to] = s[from];
		}
	memcpy(s, t, sizeof t);
}

/* Each of four bytes times two. */
static uint32_t twice(uint32_t x)
{
	return ((x & 0x7f7f7f7fU) << 1) ^ ((x >> 7 & 0x01010101U) * 0x1b);
}

static uint32_t turn(uint32_t x, int bytes)
{
	return x >> (8 * bytes) | x << (32 - 8 * bytes);
}

static uint32_t get_column(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_column(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)x;
	p[1] = (uint8_t)(x >> 8);
	p[2] = (uint8_t)(x >> 16);
	p[3] = (uint8_t)(x >> 24);
}

static void mix_columns(uint8_t s[static 16])
{
	for (int c = 0; c < 4; c++) {
		uint32_t x = get_column(s + 4 * c), d = twice(x);

		put_column(s + 4 * c, d ^ turn(d ^ x, 1) ^ turn(x, 2) ^ turn(x, 3));
	}
}

static void unmix_columns(uint8_t s[static 16])
{
	for (int c = 0; c < 4; c++) {
		uint32_t x = get_column(s + 4 * c), x2 = twice(x), x4 = twice(x2), x8 = twice(x4);
		uint32_t x9 = x8 ^ x;

		put_column(s + 4 * c,
			   x8 ^ x4 ^ x2 ^ turn(x9 ^ x2, 1) ^ turn(x9 ^ x4, 2) ^ turn(x9, 3));
	}
}

/* ---- AES-128, four blocks at a time ---- */

static void add_key(uint8_t s[static GROUP], const uint8_t key[static 16])
{
	for (int i = 0; i < GROUP; i++)
		s[i] ^= key[i % 16];
}

static void encrypt_four(const uint8_t rk[static 11][16], uint8_t s[static GROUP])
{
	add_key(s, rk[0]);
	for (int r = 1; r <= 10; r++) {
		sub_bytes(s);
		for (int b = 0; b < GROUP; b += 16) {
			shift_rows(s + b, false);
			if (r < 10)
				mix_columns(s + b);
		}
		add_key(s, rk[r]);
	}
}

static void expand(const uint8_t key[static 16], uint8_t rk[static 11][16])
{
	uint8_t rcon = 1;

	memcpy(rk[0], key, 16);
	for (int r = 1; r <= 10; r++) {
		uint8_t t[GROUP] = {0};

		for (int i = 0; i < 4; i++)
			t[i] = rk[r - 1][12 + (i + 1) % 4];
		sub_bytes(t);
		t[0] ^= rcon;
		for (int i = 0; i < 16; i++)
			rk[r][i] = rk[r - 1][i] ^ (i < 4 ? t[i] : rk[r][i - 4]);
		rcon = (uint8_t)twice(rcon);
	}
}

static void invert(const uint8_t rk[static 11][16], uint8_t inv[static 11][16])
{
	for (int i = 0; i <= 10; i++) {
		memcpy(inv[i], rk[10 - i], 16);
		if (i > 0 && i < 10)
			unmix_columns(inv[i]);
	}
}

static void encrypt(const uint8_t rk[static 11][16], uint8_t block[static 16])
{
	uint8_t s[GROUP] = {0};

	memcpy(s, block, 16);
	encrypt_four(rk, s);
	memcpy(block, s, 16);
}

static void decrypt(const uint8_t inv[static 11][16], uint8_t block[static 16])
{
	uint8_t s[GROUP] = {0};

	memcpy(s, block, 16);
	add_key(s, inv[0]);
	for (int r = 1; r <= 10; r++) {
		unsub_bytes(s);
		shift_rows(s, true);
		if (r < 10)
			unmix_columns(s);
		add_key(s, inv[r]);
	}
	memcpy(block, s, 16);
}

static void ctr(const uint8_t rk[static 11][16], const uint8_t iv[static 16], uint8_t *p, size_t n)
{
	uint8_t at[16];

	memcpy(at, iv, sizeof at);
	while (n > 0) {
		uint8_t s[GROUP];
		size_t take = n < (size_t)GROUP ? n : (size_t)GROUP;

		for (int b = 0; b < GROUP; b += 16) {
			memcpy(s + b, at, 16);
			at[15]++; /* it does not run over: see the shapes */
		}
		encrypt_four(rk, s);
		for (size_t i = 0; i < take; i++)
			p[i] ^= s[i];
		p += take;
		n -= take;
	}
}

/* ---- POLYVAL ---- */

struct element {
	uint64_t low, high;
};

static struct element get(const uint8_t p[static 16])
{
	struct element e = {0, 0};

	for (int i = 0; i < 8; i++) {
		e.low |= (uint64_t)p[i] << (8 * i);
		e.high |= (uint64_t)p[8 + i] << (8 * i);
	}
	return e;
}

static void put(uint8_t p[static 16], struct element e)
{
	for (int i = 0; i < 8; i++) {
		p[i] = (uint8_t)(e.low >> (8 * i));
		p[8 + i] = (uint8_t)(e.high >> (8 * i));
	}
}

/* The low half of a product without carries: every fourth bit at a time, so that sums stay within the three zeroes between. */
static uint64_t multiply_low(uint64_t x, uint64_t y)
{
	const uint64_t every = 0x1111111111111111ULL;
	uint64_t xs[4], ys[4], z = 0;

	for (int i = 0; i < 4; i++) {
		xs[i] = x & every << i;
		ys[i] = y & every << i;
	}
	for (int i = 0; i < 4; i++) {
		uint64_t sum = 0;

		for (int k = 0; k < 4; k++)
			sum ^= xs[k] * ys[(i + 4 - k) % 4];
		z |= sum & every << i;
	}
	return z;
}

static uint64_t mirror(uint64_t x)
{
	x = (x & 0x5555555555555555ULL) << 1 | (x >> 1 & 0x5555555555555555ULL);
	x = (x & 0x3333333333333333ULL) << 2 | (x >> 2 & 0x3333333333333333ULL);
	x = (x & 0x0f0f0f0f0f0f0f0fULL) << 4 | (x >> 4 & 0x0f0f0f0f0f0f0f0fULL);
	return __builtin_bswap64(x);
}

/* The high half is the low one of what is read from behind. */
static struct element multiply(uint64_t x, uint64_t y)
{
	return (struct element){
		.low = multiply_low(x, y),
		.high = mirror(multiply_low(mirror(x), mirror(y))) >> 1,
	};
}

static struct element dot(struct element a, struct element b)
{
	struct element lo = multiply(a.low, b.low), hi = multiply(a.high, b.high),
		       mid = multiply(a.low ^ a.high, b.low ^ b.high);
	uint64_t v0 = lo.low, v1, v2, v3 = hi.high;

	mid.low ^= lo.low ^ hi.low;
	mid.high ^= lo.high ^ hi.high;
	v1 = lo.high ^ mid.low;
	v2 = hi.low ^ mid.high;
	v2 ^= v0 ^ v0 >> 1 ^ v0 >> 2 ^ v0 >> 7;
	v1 ^= v0 << 63 ^ v0 << 62 ^ v0 << 57;
	v3 ^= v1 ^ v1 >> 1 ^ v1 >> 2 ^ v1 >> 7;
	v2 ^= v1 << 63 ^ v1 << 62 ^ v1 << 57;
	return (struct element){v2, v3};
}

static void powers(const uint8_t key[static 16], uint8_t u[static 8][16])
{
	struct element h = get(key), x = h;

	for (int i = 0; i < 8; i++) {
		put(u[i], x);
		x = dot(x, h);
	}
}

static void absorb(struct element *sum, struct element h, const uint8_t block[static 16])
{
	struct element x = get(block);

	*sum = dot((struct element){sum->low ^ x.low, sum->high ^ x.high}, h);
}

static void hash(const uint8_t u[static 8][16], const uint8_t head[static 16], uint8_t ad,
		 const uint8_t *p, size_t n, uint8_t out[static 16])
{
	struct element h = get(u[0]), sum = {0, 0};
	uint8_t block[16];
	size_t at = 15;

	absorb(&sum, h, head);
	block[0] = ad;
	memcpy(block + 1, p, 15);
	absorb(&sum, h, block);
	for (; n - at >= 16; at += 16)
		absorb(&sum, h, p + at);
	if (n > at) {
		memset(block, 0, sizeof block);
		memcpy(block, p + at, n - at);
		absorb(&sum, h, block);
	}
	put(out, sum);
}

static void hash_one(const uint8_t key[static 16], const uint8_t x[static 16],
		     uint8_t out[static 16])
{
	put(out, dot(get(x), get(key)));
}

const struct cgo_ops cgo_portable = {
	.expand = expand,
	.invert = invert,
	.encrypt = encrypt,
	.decrypt = decrypt,
	.ctr = ctr,
	.powers = powers,
	.hash = hash,
	.hash_one = hash_one,
};
