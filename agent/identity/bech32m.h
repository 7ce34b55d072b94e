/**
 * @file bech32m.h
 * The bech32m text encoding.
 *
 * Spec:    BIP-350; schemas/wire/names.md#keys-as-text
 * Layer:   identity
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_IDENTITY_BECH32M_H
#define VX6_IDENTITY_BECH32M_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_BECH32M_MAX = 90, /* characters */
	VX6_BECH32M_TEXT = VX6_BECH32M_MAX + 1,
	VX6_BECH32M_HRP_MAX = 83,
	VX6_BECH32M_DATA_MAX =
		52, /* bytes: 83 symbols of 5 bits, less the separator and checksum */
};

/** @param hrp lower case @return VX6_OK | LIMIT (more than 90 characters) | INVALID (hrp) */
VX6_RES vx6_bech32m_encode(const char *hrp, const uint8_t *data, size_t n,
			   char out[static VX6_BECH32M_TEXT]);
/**
 * @param hrp  the part before the last '1', in lower case
 * @param data at least VX6_BECH32M_DATA_MAX bytes
 * @return VX6_OK | LIMIT | FORMAT (character, mixed case, no separator, padding bits) | CHECKSUM
 */
VX6_RES vx6_bech32m_decode(const char *text, char hrp[static VX6_BECH32M_HRP_MAX + 1],
			   uint8_t data[static VX6_BECH32M_DATA_MAX], size_t *n);

/** The checksum alone, without conversion to bytes: for the published vectors. @return whether @p text is valid bech32m of at most 90 characters */
VX6_RES vx6_bech32m_check(const char *text);

#endif
