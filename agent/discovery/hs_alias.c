/* Who claims an alias: one lookup for all claims, over circuits that serve nothing else. */
#include "discovery/hs_alias.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "dht/key.h"
#include "discovery/hs_dht_internal.h"

struct vx6_hs_alias_find {
	struct hs_side door;
	char alias[VX6_LABEL_TEXT];
	struct vx6_dht_lookup *lookup; /* NULL: ended, or there was nobody to ask */
	struct vx6_claims claims;
	struct vx6_hs_alias_found found;
	struct vx6_task over;
	uint64_t began_ms;
	vx6_hs_alias_cb *done;
	void *user;
};

static void take(struct vx6_hs_alias_find *f, const struct vx6_dht_value *v)
{
	struct vx6_name_claim_seen seen = {.holders = v->holders,
					   .prefixes = v->prefixes,
					   .median_age_s = v->median_age_s};
	struct vx6_name_claim claim;
	struct vx6_record rec;

	if (!vx6_is_ok(vx6_record_parse(v->record, v->n, &rec)) ||
	    !vx6_is_ok(vx6_alias_claim_read(&rec, &f->door.h->cfg.net, &claim)) ||
	    claim.withdrawn || strcmp(claim.name, f->alias) != 0)
		return;
	seen.node = claim.node;
	seen.claimed_at_s = claim.claimed_at_s;
	seen.work_bits = (uint8_t)VX6_MIN(claim.work_bits, 255u);
	for (size_t i = 0; i < sizeof rec.hash.b; i++)
		snprintf(seen.record_hash + 2 * i, 3, "%02x", rec.hash.b[i]);
	vx6_claims_add(&f->claims, &seen);
}

static void on_looked(void *user, const struct vx6_dht_result *r)
{
	struct vx6_hs_alias_find *f = user;

	f->lookup = NULL;
	for (size_t i = 0; i < r->values_n; i++)
		take(f, &r->value[i]);
	f->found.err = r->err;
	if (vx6_is_ok(r->err) && f->claims.n == 0)
		f->found.err = VX6_ERR(NOT_FOUND);
	f->found.asked = (struct vx6_claims_asked){
		.network = vx6_is_ok(r->err) || r->err.code == VX6_E_NOT_FOUND,
		.holders = r->holders_asked,
		.prefixes = r->prefixes_asked,
	};
	f->found.queries = r->queries;
	/* not from inside the DHT that ends with it */
	vx6_loop_defer(f->door.h->cfg.loop, &f->over);
}

static bool knows_proxies(const struct vx6_hs_dht_config *cfg)
{
	struct vx6_node_id any;

	return cfg->pick(cfg->user, NULL, 0, &any);
}

static void on_over(struct vx6_task *task)
{
	struct vx6_hs_alias_find *f = task->user;
	const struct vx6_hs_dht_config *cfg = &f->door.h->cfg;

	hs_side_close(&f->door);
	f->found.claims = &f->claims;
	f->found.ms = (uint32_t)(vx6_loop_now_ms(cfg->loop) - f->began_ms);
	if (f->found.err.code == VX6_E_UNREACHABLE && !knows_proxies(cfg))
		f->found.err = VX6_ERR(NO_RELAYS);
	f->done(f->user, &f->found);
	free(f);
}

static void look(struct vx6_hs_alias_find *f)
{
	struct vx6_dht_ask ask = {.want = VX6_DHT_WANT_ALL, .type = VX6_RTYPE_ALIAS};
	struct vx6_dht *dht = hs_side_open(&f->door, VX6_DHT_CIRCUIT_PROXIES);
	struct vx6_dht_now now;

	if (dht) {
		vx6_dht_key_alias(&f->door.h->cfg.net, f->alias, &ask.key);
		now = hs_side_now(&f->door);
		f->lookup = vx6_dht_look(dht, &ask, on_looked, f, &now);
		VX6_ASSERT(f->lookup); /* it is the only one there */
		return;
	}
	f->found.err = VX6_ERR(UNREACHABLE);
	vx6_loop_defer(f->door.h->cfg.loop, &f->over);
}

struct vx6_hs_alias_find *vx6_hs_alias_find(struct vx6_hs_dht *h, const char *alias,
					    vx6_hs_alias_cb *done, void *user)
{
	struct vx6_hs_alias_find *f = vx6_zalloc(sizeof *f);

	f->door.h = h;
	vx6_strlcpy(f->alias, alias, sizeof f->alias);
	f->done = done;
	f->user = user;
	f->began_ms = vx6_loop_now_ms(h->cfg.loop);
	vx6_task_init(&f->over, on_over, f);
	look(f);
	return f;
}

void vx6_hs_alias_find_cancel(struct vx6_hs_alias_find *f)
{
	if (!f)
		return;
	if (f->lookup)
		vx6_dht_lookup_cancel(f->lookup);
	vx6_task_cancel(&f->over);
	hs_side_close(&f->door);
	free(f);
}
