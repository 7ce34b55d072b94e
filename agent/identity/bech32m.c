#include "identity/bech32m.h"

#include <stdbool.h>
#include <string.h>

enum {
	CHECKSUM_N = 6, /* symbols */
	SYMBOL_BITS = 5,
};

static const uint32_t bech32m_const = 0x2bc830a3;
static const char charset[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint32_t polymod_step(uint32_t chk, uint8_t value)
{
	static const uint32_t gen[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	uint32_t top = chk >> 25;

	chk = (chk & 0x1ffffff) << 5 ^ value;
	for (unsigned i = 0; i < 5; i++)
		if (top >> i & 1)
			chk ^= gen[i];
	return chk;
}

static uint32_t polymod_hrp(const char *hrp, size_t n)
{
	uint32_t chk = 1;

	for (size_t i = 0; i < n; i++)
		chk = polymod_step(chk, (uint8_t)hrp[i] >> 5);
	chk = polymod_step(chk, 0);
	for (size_t i = 0; i < n; i++)
		chk = polymod_step(chk, (uint8_t)hrp[i] & 31);
	return chk;
}

/* ---- encode ---- */

/* Regroups bytes into symbols of 5 bits, zero bits at the end. @param out room for (n * 8 + 4) / 5 */
static size_t to_symbols(const uint8_t *data, size_t n, uint8_t *out)
{
	unsigned bits = 0;
	uint32_t acc = 0;
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		acc = (acc << 8 | data[i]) & 0xfff;
		for (bits += 8; bits >= SYMBOL_BITS; bits -= SYMBOL_BITS)
			out[k++] = acc >> (bits - SYMBOL_BITS) & 31;
	}
	if (bits)
		out[k++] = (uint8_t)(acc << (SYMBOL_BITS - bits) & 31);
	return k;
}

static bool hrp_is_valid(const char *hrp, size_t n)
{
	if (n < 1 || n > VX6_BECH32M_HRP_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (hrp[i] < 33 || hrp[i] > 126 || (hrp[i] >= 'A' && hrp[i] <= 'Z'))
			return false;
	return true;
}

vx6_err vx6_bech32m_encode(const char *hrp, const uint8_t *data, size_t n,
			   char out[static VX6_BECH32M_TEXT])
{
	uint8_t symbols[VX6_BECH32M_MAX];
	size_t hrp_n = strnlen(hrp, VX6_BECH32M_HRP_MAX + 1), symbols_n;
	uint32_t chk;
	char *p = out;

	out[0] = '\0';
	if (!hrp_is_valid(hrp, hrp_n))
		return VX6_ERR(INVALID);
	if (n > VX6_BECH32M_DATA_MAX || hrp_n + 1 + (n * 8 + 4) / 5 + CHECKSUM_N > VX6_BECH32M_MAX)
		return VX6_ERR(LIMIT);
	symbols_n = to_symbols(data, n, symbols);
	memcpy(p, hrp, hrp_n);
	p += hrp_n;
	*p++ = '1';
	chk = polymod_hrp(hrp, hrp_n);
	for (size_t i = 0; i < symbols_n; i++) {
		chk = polymod_step(chk, symbols[i]);
		*p++ = charset[symbols[i]];
	}
	for (unsigned i = 0; i < CHECKSUM_N; i++)
		chk = polymod_step(chk, 0);
	chk ^= bech32m_const;
	for (unsigned i = 0; i < CHECKSUM_N; i++)
		*p++ = charset[chk >> (5 * (5 - i)) & 31];
	*p = '\0';
	return VX6_OK;
}

/* ---- decode ---- */

struct symbols {
	size_t hrp_n, n; /* n: without the checksum */
	char hrp[VX6_BECH32M_HRP_MAX + 1];
	uint8_t v[VX6_BECH32M_MAX];
};

/* Copies in lower case. */
static vx6_err fold_case(const char *text, size_t n, char out[static VX6_BECH32M_TEXT])
{
	bool lower = false, upper = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c < 33 || c > 126)
			return VX6_ERR(FORMAT);
		lower = lower || (c >= 'a' && c <= 'z');
		upper = upper || (c >= 'A' && c <= 'Z');
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out[n] = '\0';
	return lower && upper ? VX6_ERR(FORMAT) : VX6_OK;
}

static vx6_err read_symbols(const char *text, struct symbols *s)
{
	char folded[VX6_BECH32M_TEXT];
	size_t text_n = strnlen(text, VX6_BECH32M_MAX + 1), n;
	const char *sep, *at;
	uint32_t chk;

	if (text_n > VX6_BECH32M_MAX)
		return VX6_ERR(LIMIT);
	VX6_TRY(fold_case(text, text_n, folded));
	sep = strrchr(folded, '1');
	if (!sep || sep == folded)
		return VX6_ERR(FORMAT);
	s->hrp_n = (size_t)(sep - folded);
	n = text_n - s->hrp_n - 1;
	if (n < CHECKSUM_N)
		return VX6_ERR(FORMAT);
	chk = polymod_hrp(folded, s->hrp_n);
	for (size_t i = 0; i < n; i++) {
		at = strchr(charset, sep[1 + i]);
		if (!at)
			return VX6_ERR(FORMAT);
		s->v[i] = (uint8_t)(at - charset);
		chk = polymod_step(chk, s->v[i]);
	}
	if (chk != bech32m_const)
		return VX6_ERR(CHECKSUM);
	s->n = n - CHECKSUM_N;
	memcpy(s->hrp, folded, s->hrp_n);
	s->hrp[s->hrp_n] = '\0';
	return VX6_OK;
}

vx6_err vx6_bech32m_check(const char *text)
{
	struct symbols s;

	return read_symbols(text, &s);
}

vx6_err vx6_bech32m_decode(const char *text, char hrp[static VX6_BECH32M_HRP_MAX + 1],
			   uint8_t data[static VX6_BECH32M_DATA_MAX], size_t *n)
{
	struct symbols s;
	unsigned bits = 0;
	uint32_t acc = 0;
	size_t k = 0;

	*n = 0;
	VX6_TRY(read_symbols(text, &s));
	for (size_t i = 0; i < s.n; i++) {
		acc = (acc << SYMBOL_BITS | s.v[i]) & 0xfff;
		bits += SYMBOL_BITS;
		if (bits >= 8) {
			bits -= 8;
			if (k == VX6_BECH32M_DATA_MAX)
				return VX6_ERR(LIMIT);
			data[k++] = (uint8_t)(acc >> bits);
		}
	}
	/* what is left over is padding: less than a symbol, and zero */
	if (bits >= SYMBOL_BITS || (acc & ((1u << bits) - 1)))
		return VX6_ERR(FORMAT);
	memcpy(hrp, s.hrp, s.hrp_n + 1);
	*n = k;
	return VX6_OK;
}
