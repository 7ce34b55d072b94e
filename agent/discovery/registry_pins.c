/* Pins by name, and what a name stands for. */
#include <stdio.h>
#include <string.h>

#include "discovery/registry_internal.h"

enum { PINS_MAX = 65536 };

static struct pin *pin_find(const struct vx6_registry *r, const char *name)
{
	char key[VX6_LABEL_TEXT] = "";
	struct pin *p;

	vx6_strlcpy(key, name, sizeof key);
	HASH_FIND(hh, r->pins, key, sizeof key, p);
	return p;
}

bool vx6_registry_pinned(const struct vx6_registry *r, const char *name, struct vx6_node_id *out)
{
	const struct pin *p = pin_find(r, name);

	if (p)
		*out = p->node;
	return p != NULL;
}

void vx6_registry_load_pin(struct vx6_registry *r, const char *name, const struct vx6_node_id *node)
{
	struct pin *p;

	if (pin_find(r, name) || HASH_COUNT(r->pins) >= PINS_MAX)
		return;
	p = vx6_zalloc(sizeof *p);
	vx6_strlcpy(p->name, name, sizeof p->name);
	p->node = *node;
	HASH_ADD(hh, r->pins, name, sizeof p->name, p);
}

void vx6_registry_pin(struct vx6_registry *r, const char *name, const struct vx6_node_id *node)
{
	if (pin_find(r, name))
		return;
	vx6_registry_load_pin(r, name, node);
	if (r->ev && r->ev->pinned)
		r->ev->pinned(r->user, name, node);
}

void watch_name(struct vx6_registry *r, const struct vx6_node_id *node, const char *name)
{
	struct pin *p = name[0] ? pin_find(r, name) : NULL;

	if (!p || p->conflict_told || vx6_node_id_eq(&p->node, node))
		return;
	p->conflict_told = true;
	if (r->ev && r->ev->name_conflict)
		r->ev->name_conflict(r->user, p->name, &p->node, node);
}

void pins_fini(struct vx6_registry *r)
{
	struct pin *p, *next;

	HASH_ITER(hh, r->pins, p, next)
	{
		HASH_DEL(r->pins, p);
		free(p);
	}
}

/* ---- what a name stands for ---- */

/*
 * Anybody may connect and call itself what it likes. So a stranger's claim counts only where no configured peer has the same name:
 * else it could take the name of one that is away, or make it ambiguous.
 * @param found the last of those that count @return how many there are
 */
static size_t find_claims(const struct vx6_registry *r, const char *name, uint64_t now_s,
			  struct vx6_node_id *found)
{
	size_t strangers = 0, configured = 0;
	uint32_t hash = name_hash(name);

	for (uint32_t i = 1; i <= r->entries.top; i++) {
		const struct entry *e = entry_at(r, i);
		struct vx6_node_id id;
		bool known_to_us;

		if (e->type != VX6_RTYPE_ENDPOINT || !entry_is_about(e, hash, name, now_s))
			continue;
		memcpy(id.b, entry_subject(e), sizeof id.b);
		known_to_us = is_configured(r, &id);
		if (known_to_us || configured == 0)
			*found = id;
		configured += known_to_us;
		strangers += !known_to_us;
	}
	return configured ? configured : strangers;
}

static bool claims_name(const struct vx6_registry *r, const struct vx6_node_id *node,
			const char *name, uint64_t now_s)
{
	struct vx6_endpoint e;

	return vx6_registry_endpoint(r, node, now_s, &e) && strcmp(e.name, name) == 0;
}

vx6_err vx6_registry_resolve(struct vx6_registry *r, const char *name, uint64_t now_s,
			     struct vx6_node_id *out, char *detail, size_t detail_n)
{
	const struct pin *pin = pin_find(r, name);
	char a[VX6_NODE_ID_SHORT], b[VX6_NODE_ID_SHORT];
	struct vx6_node_id found;
	size_t claims;

	if (pin && claims_name(r, &pin->node, name, now_s)) {
		*out = pin->node;
		return VX6_OK;
	}
	claims = find_claims(r, name, now_s, &found);
	if (pin && claims == 0) {
		*out = pin->node; /* not seen now; its address may still be known */
		return VX6_OK;
	}
	if (pin) {
		snprintf(detail, detail_n,
			 "%s stands for %s here, but the node that calls itself %s now is %s", name,
			 vx6_node_id_format_short(&pin->node, a), name,
			 vx6_node_id_format_short(&found, b));
		return VX6_ERR(MISMATCH);
	}
	if (claims == 0) {
		snprintf(detail, detail_n,
			 "no node called %s is known; add one with `vx6 peer add`", name);
		return VX6_ERR(PEER_UNKNOWN);
	}
	if (claims > 1) {
		snprintf(detail, detail_n,
			 "%zu nodes call themselves %s; say which by its id (`vx6 peer list`)",
			 claims, name);
		return VX6_ERR(AMBIGUOUS);
	}
	*out = found;
	return VX6_OK;
}
