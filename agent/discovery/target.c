#include "discovery/target.h"

#include <stdio.h>
#include <string.h>

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

/* "wiki@work": no label has an '@', so this cannot be meant for anything else. */
static vx6_err parse_in_catalog(const char *alias, const char *catalog, struct vx6_target *out)
{
	if (!vx6_label_is_valid(alias, strlen(alias)) ||
	    !vx6_label_is_valid(catalog, strlen(catalog)))
		return VX6_ERR(FORMAT);
	memset(out->node, 0, sizeof out->node);
	out->has_node_id = false;
	vx6_strlcpy(out->service, alias, sizeof out->service);
	vx6_strlcpy(out->catalog, catalog, sizeof out->catalog);
	return VX6_OK;
}

vx6_err vx6_target_parse(const char *text, struct vx6_target *out)
{
	char copy[VX6_TARGET_TEXT], *sep;
	struct vx6_node_id id;
	bool is_id;

	if (vx6_strlcpy(copy, text, sizeof copy) >= sizeof copy)
		return VX6_ERR(FORMAT);
	sep = strpbrk(copy, "./@");
	if (!sep)
		return VX6_ERR(FORMAT);
	if (*sep == '@') {
		*sep++ = 0;
		return parse_in_catalog(copy, sep, out);
	}
	*sep++ = 0;
	if (!vx6_label_is_valid(sep, strlen(sep)))
		return VX6_ERR(FORMAT);
	is_id = vx6_node_id_looks_like(copy);
	if (is_id)
		VX6_TRY(vx6_node_id_parse(copy, &id));
	else if (!vx6_label_is_valid(copy, strlen(copy)))
		return VX6_ERR(FORMAT);
	memset(out->node, 0, sizeof out->node);
	memset(out->catalog, 0, sizeof out->catalog);
	out->has_node_id = is_id;
	if (is_id)
		out->node_id = id;
	else
		vx6_strlcpy(out->node, copy, sizeof out->node);
	vx6_strlcpy(out->service, sep, sizeof out->service);
	return VX6_OK;
}

const char *vx6_target_fault(const char *text)
{
	(void)text;
	return NULL;
}

char *vx6_target_format(const struct vx6_target *t, char out[VX6_TARGET_TEXT])
{
	char addr[VX6_ADDR_TEXT], id[VX6_NODE_ID_TEXT];

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
