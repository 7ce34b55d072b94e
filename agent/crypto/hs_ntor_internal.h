/**
 * @file hs_ntor_internal.h
 * The handshake with keys that are known beforehand: for vectors.
 *
 * Layer:   crypto
 */
#ifndef VX6_CRYPTO_HS_NTOR_INTERNAL_H
#define VX6_CRYPTO_HS_NTOR_INTERNAL_H

#include "crypto/hs_ntor.h"
#include "crypto/kx.h"

/** @param x NULL: drawn */
vx6_err hs_ntor_begin_with(const char *protoid, const struct vx6_hs_ntor_who *who,
			   const struct vx6_kx_sk *x, struct vx6_hs_ntor **out);
/** @param y NULL: drawn */
vx6_err hs_ntor_answer_with(const char *protoid, const struct vx6_hs_ntor_who *who,
			    const uint8_t enc_sk[static 32], const uint8_t client_pk[static 32],
			    const struct vx6_kx_sk *y, uint8_t answer[static VX6_HS_ANSWER],
			    struct vx6_hs_e2e *out);

#endif
