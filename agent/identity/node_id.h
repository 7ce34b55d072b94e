/**
 * @file node_id.h
 * Node ids: the Ed25519 master public key, and its text `vx1…`.
 *
 * Spec:    schemas/wire/names.md#keys-as-text
 * Layer:   identity
 * Shape:   bech32m(hrp, version 1 | key(32)); hrp "vx" a node, "vxh" a hidden service, "vxs" a secret, "vxc" a catalog
 * Trust:   text is hostile: whole ids only, checksum right, key a valid point
 * Threads: pure, any thread
 */
#ifndef VX6_IDENTITY_NODE_ID_H
#define VX6_IDENTITY_NODE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/sign.h"

enum {
	VX6_NODE_ID_BYTES = 32,
	VX6_NODE_ID_TEXT = 64,  /* NUL included: 62 characters for a node, 63 for the others */
	VX6_NODE_ID_SHORT = 16, /* for people only, never accepted as input: "vx1qyk3abc…" */
};

struct vx6_node_id {
	uint8_t b[VX6_NODE_ID_BYTES];
};

enum vx6_key_kind {
	VX6_KEY_NODE,    /* vx1…  */
	VX6_KEY_HIDDEN,  /* vxh1… */
	VX6_KEY_CLIENT,  /* vxs1… secret */
	VX6_KEY_CATALOG, /* vxc1… */
};

/** @return @p out */
char *vx6_node_id_format(const struct vx6_node_id *id, char out[static VX6_NODE_ID_TEXT]);
/** The first 10 characters and an ellipsis, for logs and tables. @return @p out */
char *vx6_node_id_format_short(const struct vx6_node_id *id, char out[static VX6_NODE_ID_SHORT]);
/** @return VX6_OK | FORMAT | LIMIT | CHECKSUM | UNSUPPORTED (version) | MISMATCH (another kind of key) | KEY (not a valid point) */
VX6_RES vx6_node_id_parse(const char *text, struct vx6_node_id *out);
/** Whether @p text begins like a node id, so that a bad one is reported as such and not taken for a name. */
bool vx6_node_id_looks_like(const char *text);

bool vx6_node_id_eq(const struct vx6_node_id *a, const struct vx6_node_id *b);
/** Order of the bytes: which of two duplicate links stays depends on it. @return <0, 0, >0 */
int vx6_node_id_cmp(const struct vx6_node_id *a, const struct vx6_node_id *b);
void vx6_node_id_from_pk(const struct vx6_sign_pk *pk, struct vx6_node_id *out);
void vx6_node_id_to_pk(const struct vx6_node_id *id, struct vx6_sign_pk *out);

/** The general codec of all kinds of text. */
void vx6_key_format(enum vx6_key_kind kind, const uint8_t key[static 32],
		    char out[static VX6_NODE_ID_TEXT]);
VX6_RES vx6_key_parse(enum vx6_key_kind kind, const char *text, uint8_t key[static 32]);

#endif
