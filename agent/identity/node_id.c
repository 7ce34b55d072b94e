#include "identity/node_id.h"

#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "identity/bech32m.h"

enum {
	TEXT_VERSION = 1,
	SHORT_CHARS = 10,
};

static const char *const hrps[] = {
	[VX6_KEY_NODE] = "vx",
	[VX6_KEY_HIDDEN] = "vxh",
	[VX6_KEY_CLIENT] = "vxs",
	[VX6_KEY_CATALOG] = "vxc",
};

void vx6_key_format(enum vx6_key_kind kind, const uint8_t key[static 32],
		    char out[static VX6_NODE_ID_TEXT])
{
	uint8_t data[33] = {TEXT_VERSION};
	char text[VX6_BECH32M_TEXT];
	vx6_err err;

	memcpy(data + 1, key, 32);
	err = vx6_bech32m_encode(hrps[kind], data, sizeof data, text);
	VX6_ASSERT(vx6_is_ok(err));
	vx6_strlcpy(out, text, VX6_NODE_ID_TEXT); /* 62 or 63 characters */
	vx6_wipe(data, sizeof data);              /* a client's key is a secret */
	vx6_wipe(text, sizeof text);
}

vx6_err vx6_key_parse(enum vx6_key_kind kind, const char *text, uint8_t key[static 32])
{
	char hrp[VX6_BECH32M_HRP_MAX + 1];
	uint8_t data[VX6_BECH32M_DATA_MAX];
	vx6_err err;
	size_t n;

	memset(key, 0, 32);
	err = vx6_bech32m_decode(text, hrp, data, &n);
	if (!vx6_is_ok(err))
		goto out;
	if (strcmp(hrp, hrps[kind]) != 0)
		err = VX6_ERR(MISMATCH);
	else if (n < 1 || data[0] != TEXT_VERSION)
		err = VX6_ERR(UNSUPPORTED);
	else if (n != 33)
		err = VX6_ERR(FORMAT);
	else
		memcpy(key, data + 1, 32);
out:
	vx6_wipe(data, sizeof data);
	return err;
}

char *vx6_node_id_format(const struct vx6_node_id *id, char out[static VX6_NODE_ID_TEXT])
{
	vx6_key_format(VX6_KEY_NODE, id->b, out);
	return out;
}

char *vx6_node_id_format_short(const struct vx6_node_id *id, char out[static VX6_NODE_ID_SHORT])
{
	char text[VX6_NODE_ID_TEXT];

	vx6_node_id_format(id, text);
	memcpy(out, text, SHORT_CHARS);
	memcpy(out + SHORT_CHARS, "…", sizeof "…");
	return out;
}

vx6_err vx6_node_id_parse(const char *text, struct vx6_node_id *out)
{
	struct vx6_sign_pk pk;

	VX6_TRY(vx6_key_parse(VX6_KEY_NODE, text, out->b));
	vx6_node_id_to_pk(out, &pk);
	if (!vx6_sign_pk_is_valid(&pk)) {
		memset(out, 0, sizeof *out);
		return VX6_ERR(KEY);
	}
	return VX6_OK;
}

/* The longest label is 32 characters, so a longer text with our prefix can only be meant as an id. */
bool vx6_node_id_looks_like(const char *text)
{
	bool prefix = strncasecmp(text, "vx1", 3) == 0;

	return prefix && strnlen(text, VX6_NODE_ID_TEXT) > 32;
}

bool vx6_node_id_eq(const struct vx6_node_id *a, const struct vx6_node_id *b)
{
	/* nothing secret: tables of the DHT compare millions of them */
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

int vx6_node_id_cmp(const struct vx6_node_id *a, const struct vx6_node_id *b)
{
	for (size_t i = 0; i < sizeof a->b; i++)
		if (a->b[i] != b->b[i])
			return a->b[i] < b->b[i] ? -1 : 1;
	return 0;
}

void vx6_node_id_from_pk(const struct vx6_sign_pk *pk, struct vx6_node_id *out)
{
	memcpy(out->b, pk->b, sizeof out->b);
}

void vx6_node_id_to_pk(const struct vx6_node_id *id, struct vx6_sign_pk *out)
{
	memcpy(out->b, id->b, sizeof out->b);
}
