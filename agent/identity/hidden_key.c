#include "identity/hidden_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "wire/wr.h"

#define URI "vx6://hidden/"

enum { DAY_S = 86400, DIGITS_MAX = 20 };

/* ---- the key ---- */

char *vx6_hidden_key_format(const struct vx6_node_id *service, char out[static VX6_NODE_ID_TEXT])
{
	vx6_key_format(VX6_KEY_HIDDEN, service->b, out);
	return out;
}

vx6_err vx6_hidden_key_parse(const char *text, struct vx6_node_id *out)
{
	struct vx6_sign_pk pk;

	VX6_TRY(vx6_key_parse(VX6_KEY_HIDDEN, text, out->b));
	vx6_node_id_to_pk(out, &pk);
	if (!vx6_sign_pk_is_valid(&pk)) {
		memset(out, 0, sizeof *out);
		return VX6_ERR(KEY);
	}
	return VX6_OK;
}

/* As with node ids: no label is so long. */
bool vx6_hidden_looks_like(const char *text)
{
	if (strncasecmp(text, URI, sizeof URI - 1) == 0)
		return true;
	return strncasecmp(text, "vxh1", 4) == 0 && strnlen(text, VX6_NODE_ID_TEXT) > VX6_LABEL_MAX;
}

/* ---- invites: writing ---- */

struct text {
	char *at;
	size_t left;
};

static void put(struct text *t, const char *s)
{
	size_t n = vx6_strlcpy(t->at, s, t->left);

	VX6_ASSERT(n < t->left); /* the buffer is for the longest */
	t->at += n;
	t->left -= n;
}

static void put_key(struct text *t, const char *before, enum vx6_key_kind kind, const uint8_t *key)
{
	char text[VX6_NODE_ID_TEXT];

	put(t, before);
	vx6_key_format(kind, key, text);
	put(t, text);
	vx6_wipe(text, sizeof text);
}

char *vx6_hidden_invite_format_uri(const struct vx6_hidden_invite *invite,
				   char out[static VX6_HIDDEN_INVITE_TEXT])
{
	struct text t = {out, VX6_HIDDEN_INVITE_TEXT};
	char number[DIGITS_MAX + 1];

	put(&t, URI);
	put(&t, invite->alias);
	put_key(&t, "?key=", VX6_KEY_HIDDEN, invite->service.b);
	if (invite->has_secret)
		put_key(&t, "&secret=", VX6_KEY_CLIENT, invite->secret);
	if (invite->expires_s) {
		snprintf(number, sizeof number, "%" PRIu64, invite->expires_s);
		put(&t, "&expires=");
		put(&t, number);
	}
	return out;
}

char *vx6_hidden_invite_format(const struct vx6_hidden_invite *invite,
			       char out[static VX6_HIDDEN_INVITE_TEXT])
{
	struct text t = {out, VX6_HIDDEN_INVITE_TEXT};

	if (invite->alias[0] || invite->expires_s)
		return vx6_hidden_invite_format_uri(invite, out);
	put_key(&t, "", VX6_KEY_HIDDEN, invite->service.b);
	if (invite->has_secret)
		put_key(&t, "+", VX6_KEY_CLIENT, invite->secret);
	return out;
}

/* ---- invites: reading ---- */

/* Copies what stands before the first of @p stops, or all, and moves there. */
static vx6_err take(const char **text, const char *stops, char *out, size_t cap)
{
	size_t n = strcspn(*text, stops);

	if (n >= cap)
		return VX6_ERR(LIMIT);
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += n;
	return VX6_OK;
}

/* Decimal, one way to write each number. */
static vx6_err read_number(const char *text, uint64_t *out)
{
	uint64_t v = 0;

	if (text[0] == '\0' || text[0] == '0')
		return VX6_ERR(FORMAT);
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (*text < '0' || *text > '9')
			return VX6_ERR(FORMAT);
		if (v > (UINT64_MAX - digit) / 10)
			return VX6_ERR(LIMIT);
		v = v * 10 + digit;
	}
	*out = v;
	return VX6_OK;
}

static vx6_err read_secret(const char *text, struct vx6_hidden_invite *out)
{
	VX6_TRY(vx6_key_parse(VX6_KEY_CLIENT, text, out->secret));
	out->has_secret = true;
	return VX6_OK;
}

enum part { PART_KEY, PART_SECRET, PART_EXPIRES, PARTS };
static const char *const part_names[PARTS] = {"key", "secret", "expires"};

static vx6_err read_value(enum part part, const char *value, struct vx6_hidden_invite *out)
{
	switch (part) {
	case PART_KEY:
		return vx6_hidden_key_parse(value, &out->service);
	case PART_SECRET:
		return read_secret(value, out);
	default:
		return read_number(value, &out->expires_s);
	}
}

/* One `name=value`. @param have the parts that were there already */
static vx6_err read_part(const char **text, unsigned *have, struct vx6_hidden_invite *out)
{
	char name[16], value[VX6_NODE_ID_TEXT];
	enum part part = PART_KEY;
	vx6_err err;

	VX6_TRY(take(text, "=&", name, sizeof name));
	if (**text != '=')
		return VX6_ERR(FORMAT);
	++*text;
	while (part < PARTS && strcmp(name, part_names[part]) != 0)
		part++;
	if (part == PARTS)
		return VX6_ERR(UNSUPPORTED);
	if (*have & 1u << part)
		return VX6_ERR(FORMAT);
	*have |= 1u << part;
	VX6_TRY(take(text, "&", value, sizeof value));
	err = read_value(part, value, out);
	vx6_wipe(value, sizeof value);
	return err;
}

static vx6_err read_uri(const char *text, struct vx6_hidden_invite *out)
{
	unsigned have = 0;

	VX6_TRY(take(&text, "?", out->alias, sizeof out->alias));
	if (out->alias[0] && !vx6_label_is_valid(out->alias, strlen(out->alias)))
		return VX6_ERR(FORMAT);
	if (*text != '?')
		return VX6_ERR(FORMAT);
	do {
		text++;
		VX6_TRY(read_part(&text, &have, out));
	} while (*text == '&');
	return have & 1u << PART_KEY ? VX6_OK : VX6_ERR(FORMAT);
}

static vx6_err read_keys(const char *text, struct vx6_hidden_invite *out)
{
	char key[VX6_NODE_ID_TEXT];

	VX6_TRY(take(&text, " +", key, sizeof key));
	VX6_TRY(vx6_hidden_key_parse(key, &out->service));
	return *text ? read_secret(text + 1, out) : VX6_OK;
}

vx6_err vx6_hidden_invite_parse(const char *text, struct vx6_hidden_invite *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (strnlen(text, VX6_HIDDEN_INVITE_TEXT) == VX6_HIDDEN_INVITE_TEXT)
		return VX6_ERR(LIMIT);
	if (strncmp(text, URI, sizeof URI - 1) == 0)
		err = read_uri(text + sizeof URI - 1, out);
	else
		err = read_keys(text, out);
	if (!vx6_is_ok(err))
		vx6_hidden_invite_wipe(out);
	return err;
}

void vx6_hidden_invite_wipe(struct vx6_hidden_invite *invite)
{
	vx6_wipe(invite, sizeof *invite);
}

/* ---- the identity ---- */

static vx6_err subkey_of_day(const uint8_t *seed, const struct vx6_net *net, uint64_t day,
			     struct vx6_sign_keypair *out)
{
	static const char label[] = "VX6 hidden subkey v1";
	uint8_t info[sizeof label + 8];
	struct vx6_sign_seed sub;
	struct vx6_wr w;

	vx6_wr_init(&w, info, sizeof info);
	vx6_wr_bytes(&w, label, sizeof label); /* with its NUL */
	vx6_wr_u64(&w, day);
	VX6_TRY(vx6_kdf(net->b, sizeof net->b, seed, VX6_SIGN_SEED_BYTES, info, w.len, sub.b,
			sizeof sub.b));
	vx6_sign_keypair_from_seed(&sub, out);
	vx6_wipe(&sub, sizeof sub);
	return VX6_OK;
}

static vx6_err certify(const struct vx6_sign_keypair *master, uint64_t day,
		       struct vx6_identity *out)
{
	struct vx6_subkey_cert *cert = &out->subkey.cert;

	*cert = (struct vx6_subkey_cert){
		.kind = VX6_SUBKEY_SIGN,
		.purposes = VX6_PURPOSE_TLS,
		.not_before_s = (day - 1) * DAY_S,
		.not_after_s = (day - 1) * DAY_S + VX6_SUBKEY_LIFETIME_S,
		.cert_seq = (uint32_t)day,
		.subject = out->subkey.key.pk,
	};
	return vx6_subkey_cert_sign(cert, master, &out->net, out->subkey.cert_bytes);
}

vx6_err vx6_identity_hidden(const uint8_t seed[static VX6_SIGN_SEED_BYTES],
			    const struct vx6_net *net, uint64_t now_s, struct vx6_identity *out)
{
	struct vx6_sign_keypair master;
	struct vx6_sign_seed s;
	uint64_t day = now_s / DAY_S;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (day == 0 || day > UINT32_MAX)
		return VX6_ERR(RANGE);
	memcpy(s.b, seed, sizeof s.b);
	vx6_sign_keypair_from_seed(&s, &master);
	vx6_node_id_from_pk(&master.pk, &out->id);
	out->net = *net;
	out->master = VX6_MASTER_READY;
	err = subkey_of_day(seed, net, day, &out->subkey.key);
	if (vx6_is_ok(err))
		err = certify(&master, day, out);
	vx6_sign_keypair_wipe(&master);
	vx6_wipe(&s, sizeof s);
	if (!vx6_is_ok(err))
		vx6_identity_wipe(out);
	return err;
}
