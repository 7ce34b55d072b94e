#include "discovery/target.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

bool vx6_transport_choice_parse(const char *text, enum vx6_transport_choice *out)
{
	for (int c = VX6_TRANSPORT_AUTO; c <= VX6_TRANSPORT_TCP_ONLY; c++) {
		if (strcmp(text, vx6_transport_choice_text((enum vx6_transport_choice)c)) == 0) {
			*out = (enum vx6_transport_choice)c;
			return true;
		}
	}
	return false;
}

const char *vx6_transport_choice_text(enum vx6_transport_choice c)
{
	switch (c) {
	case VX6_TRANSPORT_QUIC_ONLY:
		return "quic";
	case VX6_TRANSPORT_TCP_ONLY:
		return "tcp";
	default:
		return "auto";
	}
}

/* Nothing but what one of the forms below says. */
static void clear(struct vx6_target *out)
{
	memset(out->node, 0, sizeof out->node);
	memset(out->service, 0, sizeof out->service);
	memset(out->catalog, 0, sizeof out->catalog);
	out->is_hidden = out->has_node_id = false;
}

/* "wiki@work": no label has an '@', so this cannot be meant for anything else. */
static vx6_err parse_in_catalog(const char *alias, const char *catalog, struct vx6_target *out)
{
	if (!vx6_label_is_valid(alias, strlen(alias)) ||
	    !vx6_label_is_valid(catalog, strlen(catalog)))
		return VX6_ERR(FORMAT);
	clear(out);
	vx6_strlcpy(out->service, alias, sizeof out->service);
	vx6_strlcpy(out->catalog, catalog, sizeof out->catalog);
	return VX6_OK;
}

static vx6_err parse_of_node(const char *node, const char *service, struct vx6_target *out)
{
	bool is_id = vx6_node_id_looks_like(node);
	struct vx6_node_id id;

	if (!vx6_label_is_valid(service, strlen(service)))
		return VX6_ERR(FORMAT);
	if (is_id)
		VX6_TRY(vx6_node_id_parse(node, &id));
	else if (!vx6_label_is_valid(node, strlen(node)))
		return VX6_ERR(FORMAT);
	clear(out);
	out->has_node_id = is_id;
	if (is_id)
		out->node_id = id;
	else
		vx6_strlcpy(out->node, node, sizeof out->node);
	vx6_strlcpy(out->service, service, sizeof out->service);
	return VX6_OK;
}

/* ---- hidden services ---- */

static bool begins(const char *text, const char *with)
{
	return strncasecmp(text, with, strlen(with)) == 0;
}

/* More than the key: it says what its receiver is to be called there, or lets him in. */
static bool is_invite(const char *text)
{
	return begins(text, "vx6:") || (begins(text, "vxh1") && strpbrk(text, " +"));
}

const char *vx6_target_fault(const char *text)
{
	if (is_invite(text))
		return "that is an invite: accept it first, then name the alias that it has here";
	if (begins(text, "vxs1"))
		return "that is a client's secret and names no service: accept the invite that it "
		       "is part of";
	if (begins(text, "vxh1") && strpbrk(text, "./@"))
		return "a hidden service is one service: name its key alone";
	return NULL;
}

/* "vxh1…", "ghost" */
static vx6_err parse_hidden(const char *text, struct vx6_target *out)
{
	bool is_key = begins(text, "vxh1");
	struct vx6_node_id key;
	struct vx6_sign_pk pk;

	if (is_key) {
		VX6_TRY(vx6_key_parse(VX6_KEY_HIDDEN, text, key.b));
		vx6_node_id_to_pk(&key, &pk);
		if (!vx6_sign_pk_is_valid(&pk))
			return VX6_ERR(KEY);
	} else if (!vx6_label_is_valid(text, strlen(text))) {
		return VX6_ERR(FORMAT);
	}
	clear(out);
	out->is_hidden = true;
	out->has_node_id = is_key;
	if (is_key)
		out->node_id = key;
	else
		vx6_strlcpy(out->node, text, sizeof out->node);
	return VX6_OK;
}

vx6_err vx6_target_parse(const char *text, struct vx6_target *out)
{
	char copy[VX6_TARGET_TEXT], *sep;
	bool in_catalog;

	if (is_invite(text))
		return VX6_ERR(UNSUPPORTED);
	if (vx6_strlcpy(copy, text, sizeof copy) >= sizeof copy)
		return VX6_ERR(FORMAT);
	sep = strpbrk(copy, "./@");
	if (!sep)
		return parse_hidden(copy, out);
	in_catalog = *sep == '@';
	*sep++ = 0;
	return in_catalog ? parse_in_catalog(copy, sep, out) : parse_of_node(copy, sep, out);
}

static char *format_hidden(const struct vx6_target *t, char out[VX6_TARGET_TEXT])
{
	char key[VX6_NODE_ID_TEXT];

	if (t->node[0]) {
		vx6_strlcpy(out, t->node, VX6_TARGET_TEXT);
		return out;
	}
	vx6_key_format(VX6_KEY_HIDDEN, t->node_id.b, key);
	vx6_strlcpy(out, key, VX6_TARGET_TEXT);
	return out;
}

char *vx6_target_format(const struct vx6_target *t, char out[VX6_TARGET_TEXT])
{
	char addr[VX6_ADDR_TEXT], id[VX6_NODE_ID_TEXT];

	if (t->is_hidden)
		return format_hidden(t, out);
	if (t->address.family != VX6_ADDR_NONE)
		snprintf(out, VX6_TARGET_TEXT, "%.92s/%s", vx6_addr_format(&t->address, addr),
			 t->service);
	else if (t->catalog[0])
		snprintf(out, VX6_TARGET_TEXT, "%s@%s", t->service, t->catalog);
	else
		snprintf(out, VX6_TARGET_TEXT, "%s.%s",
			 t->has_node_id ? vx6_node_id_format(&t->node_id, id) : t->node,
			 t->service);
	return out;
}
