/**
 * @file internal.h
 * What the files of this layer share.
 *
 * Layer:   crypto
 */
#ifndef VX6_CRYPTO_INTERNAL_H
#define VX6_CRYPTO_INTERNAL_H

/** Draws the process's table key; once, from vx6_crypto_init(). */
void vx6_table_key_draw(void);

#endif
