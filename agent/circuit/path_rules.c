/* Rules about which relays may stand in one path. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "circuit/path_internal.h"

static bool has_family(const uint8_t *family)
{
	static const uint8_t none[VX6_RELAY_FAMILY_BYTES];

	return memcmp(family, none, sizeof none) != 0;
}

static bool share_prefix(const struct vx6_networks *a, const struct vx6_networks *b)
{
	for (size_t i = 0; i < a->prefix_n; i++)
		for (size_t k = 0; k < b->prefix_n; k++)
			if (a->prefix[i] == b->prefix[k])
				return true;
	return false;
}

static bool share_asn(const struct vx6_networks *a, const struct vx6_networks *b)
{
	for (size_t i = 0; i < a->asn_n; i++)
		for (size_t k = 0; k < b->asn_n; k++)
			if (a->asn[i] == b->asn[k])
				return true;
	return false;
}

static enum vx6_path_rule clash(const uint8_t *family_a, const struct vx6_networks *a,
				const uint8_t *family_b, const struct vx6_networks *b, bool diverse)
{
	if (has_family(family_a) && memcmp(family_a, family_b, VX6_RELAY_FAMILY_BYTES) == 0)
		return VX6_PATH_RULE_FAMILY;
	if (diverse && share_prefix(a, b))
		return VX6_PATH_RULE_PREFIX;
	if (diverse && share_asn(a, b))
		return VX6_PATH_RULE_ASN;
	return VX6_PATH_RULE_NONE;
}

enum vx6_path_rule path_clash_relay(const struct vx6_relay_entry *a,
				    const struct vx6_relay_entry *b, bool diverse)
{
	if (vx6_node_id_eq(&a->node, &b->node))
		return VX6_PATH_RULE_TWICE;
	return clash(a->family, &a->nets, b->family, &b->nets, diverse);
}

enum vx6_path_rule path_clash_end(const struct vx6_path_end *a, const struct vx6_relay_entry *b,
				  bool diverse)
{
	if (vx6_node_id_eq(&a->node, &b->node))
		return VX6_PATH_RULE_TARGET;
	return clash(a->family, &a->nets, b->family, &b->nets, diverse);
}

enum vx6_path_rule path_clash_self(const struct vx6_path_view *view,
				   const struct vx6_relay_entry *e, bool diverse)
{
	if (vx6_node_id_eq(&view->self, &e->node))
		return VX6_PATH_RULE_SELF;
	return clash(view->family, &view->nets, e->family, &e->nets, diverse);
}

bool path_is_in(const struct vx6_node_id *v, size_t n, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < n; i++)
		if (vx6_node_id_eq(&v[i], node))
			return true;
	return false;
}

enum vx6_path_rule path_outer_clash(const struct path_draw *d, const struct vx6_relay_entry *e,
				    bool diverse)
{
	enum vx6_path_rule rule = path_clash_self(d->view, e, diverse);

	if (rule == VX6_PATH_RULE_NONE && d->req->target)
		rule = path_clash_end(d->req->target, e, diverse);
	return rule;
}

enum vx6_path_rule path_inner_clash(const struct path_draw *d, const struct vx6_relay_entry *e,
				    size_t place, bool diverse)
{
	enum vx6_path_rule rule = VX6_PATH_RULE_NONE;

	for (size_t i = 0; i < d->req->n && rule == VX6_PATH_RULE_NONE; i++)
		if (d->hop[i] && i != place)
			rule = path_clash_relay(d->hop[i], e, diverse);
	return rule;
}

bool path_relay_fits(const struct vx6_relay_entry *e, uint32_t may, uint64_t now_s)
{
	return vx6_relay_is_listed(e, now_s) && now_s < e->onion_until_s && !e->draining &&
	       (e->policy & may) == may;
}

enum vx6_path_standing vx6_path_standing(const struct vx6_relay_entry *e, uint64_t now_s)
{
	if (vx6_relay_is_listed(e, now_s) && e->draining)
		return VX6_PATH_DRAINING;
	if (!path_relay_fits(e, VX6_RELAY_MIDDLE, now_s))
		return VX6_PATH_UNUSABLE;
	if (vx6_relay_is_failing(e, now_s))
		return VX6_PATH_FAILING;
	return path_age_missing(e, now_s) ? VX6_PATH_YOUNG : VX6_PATH_CANDIDATE;
}

uint8_t path_age_missing(const struct vx6_relay_entry *e, uint64_t now_s)
{
	uint64_t age_s = vx6_relay_age_s(e, now_s);

	if (age_s >= VX6_PATH_AGE_S)
		return 0;
	return age_s >= VX6_PATH_YOUNG_AGE_S ? VX6_PATH_RELAXED_YOUNG
					     : VX6_PATH_RELAXED_YOUNG | VX6_PATH_RELAXED_NEW;
}

uint8_t path_age_stage(const struct vx6_relays *relays, uint32_t may, uint64_t now_s)
{
	size_t old = 0, young = 0;

	for (size_t i = 0; i < vx6_relays_count(relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(relays, i);
		uint8_t missing;

		if (!path_relay_fits(e, may, now_s))
			continue;
		missing = path_age_missing(e, now_s);
		old += missing == 0;
		young += (missing & VX6_PATH_RELAXED_NEW) == 0;
	}
	if (old >= VX6_PATH_SETTLED)
		return 0;
	return young >= VX6_PATH_SETTLED ? VX6_PATH_RELAXED_YOUNG
					 : VX6_PATH_RELAXED_YOUNG | VX6_PATH_RELAXED_NEW;
}

bool vx6_path_is_new(const struct vx6_relays *relays, uint64_t now_s)
{
	return path_age_stage(relays, VX6_RELAY_MIDDLE, now_s) & VX6_PATH_RELAXED_NEW;
}

bool vx6_path_takes_word(const struct vx6_relays *relays, const struct vx6_relay_entry *e,
			 uint32_t may, uint64_t now_s)
{
	uint8_t stage = path_age_stage(relays, VX6_RELAY_MIDDLE, now_s);

	if (stage & VX6_PATH_RELAXED_NEW)
		return !e || !vx6_relay_is_listed(e, now_s) || (e->policy & may) == may;
	return e && path_relay_fits(e, VX6_RELAY_MIDDLE | may, now_s) &&
	       !vx6_relay_is_failing(e, now_s) && !(path_age_missing(e, now_s) & ~stage);
}

const struct vx6_relay_entry *path_by_weight(const struct vx6_relays *relays, uint64_t now_s,
					     bool (*fits)(const void *ctx,
							  const struct vx6_relay_entry *e),
					     const void *ctx, const struct vx6_rand *rand)
{
	double median = vx6_relays_median(relays, now_s), sum = 0, at;
	size_t n = vx6_relays_count(relays);
	const struct vx6_relay_entry *last = NULL;
	double *w = vx6_zalloc(VX6_MAX(n, (size_t)1) * sizeof *w);

	for (size_t i = 0; i < n; i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(relays, i);

		if (fits(ctx, e))
			sum += w[i] = vx6_relay_weight(e, median, now_s);
	}
	at = vx6_rand_unit(rand) * sum;
	for (size_t i = 0; i < n; i++) {
		if (w[i] <= 0)
			continue;
		last = vx6_relays_at(relays, i);
		at -= w[i];
		if (at < 0)
			break;
	}
	free(w);
	return last;
}

bool vx6_path_is_diverse(const struct vx6_path_view *view, const struct vx6_relays *relays)
{
	if (view->diversity != VX6_PATH_DIVERSITY_AUTO)
		return view->diversity == VX6_PATH_DIVERSITY_ON;
	for (size_t i = 0; i < vx6_relays_count(relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(relays, i);

		if (vx6_relay_is_listed(e, view->now_s) && e->nets.prefix_n > 0 &&
		    e->nets.prefix[0] != VX6_RELAY_PREFIX_PRIVATE)
			return true;
	}
	return false;
}
