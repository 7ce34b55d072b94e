/*
 * Claims of hosted services to their aliases, where their owner wants that. One is worked for, published, and signed anew every half a day; when it
 * is no longer wanted, its withdrawal is published until holders have it. It then has nothing to do with its service any more, which may be gone, or
 * have another key.
 *
 *   working --> publishing --> published --not wanted--> taken back --> gone
 *                    ^  a holder has a later one of ours: above that
 *
 * A claim says nothing that its key does not: its hour is a whole one, and its number follows from that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "node/hidden_internal.h"

enum {
	HOUR_S = 3600,
	RENEW_MS = 12 * HOUR_S * 1000,
	BACK_MS = 2 * HOUR_S * 1000, /* that holders have to take a withdrawal */
	WORK_AGAIN_MS = 1000,        /* after workers had too much to do */
	SLICE = 65536,
};

struct claim_work {
	struct vx6_job job;
	struct hidden_claim *claim; /* NULL: it is gone */
	struct vx6_net net;
	char alias[VX6_LABEL_TEXT];
	struct vx6_node_id id;
	uint64_t first, nonce;
	bool found;
};

struct hidden_claim {
	struct vx6_list node; /* hidden.claims */
	struct vx6_node *owner;
	struct hidden_service *service; /* NULL: it is taken back */
	struct vx6_sign_keypair key;    /* secret */
	struct vx6_name_claim claim;    /* as it was last signed */
	struct claim_work *work;        /* under way */
	struct vx6_hs_claim *kept;      /* NULL: not published yet */
	struct vx6_timer timer; /* worked for again; signed anew; or, taken back, given up */
	uint64_t back_ms;       /* taken back: since when */
	struct vx6_hidden_rival rival[VX6_HIDDEN_RIVALS];
	size_t rivals_n;
};

/* ---- publishing ---- */

static void claim_free(struct hidden_claim *c)
{
	if (c->service)
		c->service->claim = NULL;
	if (c->work)
		c->work->claim = NULL;
	vx6_hs_claim_free(c->kept);
	vx6_timer_stop(&c->timer);
	vx6_list_remove(&c->node);
	vx6_sign_keypair_wipe(&c->key);
	vx6_wipe_free(c, sizeof *c);
}

static void sign(struct hidden_claim *c)
{
	uint64_t now_s = vx6_wall_s();
	uint8_t record[VX6_ALIAS_CLAIM_MAX];
	vx6_err err;
	size_t n;

	c->claim.issued_s = now_s - now_s % HOUR_S;
	c->claim.seq = VX6_MAX(c->claim.seq, c->claim.issued_s * 1000);
	err = vx6_alias_claim_build(&c->claim, &c->key, &c->owner->identity.net, record, &n);
	if (vx6_is_ok(err))
		err = vx6_hs_claim_publish(c->kept, record, n);
	if (!vx6_is_ok(err))
		VX6_ERROR("hidden", "the claim to %s cannot be made: %s", c->claim.name,
			  vx6_err_text(err));
}

static void on_changed(void *user)
{
	struct hidden_claim *c = user;
	struct vx6_hs_publish_index i;

	c->owner->snapshot_dirty = true;
	vx6_hs_claim_info(c->kept, &i);
	if (!c->service && i.proved_ms > c->back_ms)
		claim_free(c); /* holders have it that it is taken back */
}

static void on_newer(void *user, uint64_t seq)
{
	struct hidden_claim *c = user;

	if (seq < c->claim.seq || seq == UINT64_MAX)
		return;
	c->claim.seq = seq + 1;
	sign(c);
}

static struct vx6_hidden_rival *rival_of(struct hidden_claim *c, const struct vx6_node_id *key)
{
	for (size_t i = 0; i < c->rivals_n; i++)
		if (vx6_node_id_eq(&c->rival[i].key, key))
			return &c->rival[i];
	return NULL;
}

static void on_other(void *user, const struct vx6_name_claim *claim)
{
	struct hidden_claim *c = user;
	struct vx6_hidden_rival *r = rival_of(c, &claim->node);
	char key[VX6_NODE_ID_TEXT];

	c->owner->snapshot_dirty = true;
	if (claim->withdrawn) {
		if (r)
			*r = c->rival[--c->rivals_n];
		return;
	}
	if (r) {
		r->heard_ms = vx6_wall_ms();
		return;
	}
	if (!c->service || c->rivals_n == VX6_ARRAY_N(c->rival))
		return;
	c->rival[c->rivals_n++] =
		(struct vx6_hidden_rival){.key = claim->node, .heard_ms = vx6_wall_ms()};
	hidden_tell(c->owner, "hidden.alias_contested", "service", c->service->data.id,
		    c->claim.name, vx6_hidden_key_format(&claim->node, key));
}

static const struct vx6_hs_claim_events events = {.changed = on_changed,
						  .newer = on_newer,
						  .other = on_other};

static void begin_work(struct hidden_claim *c);

static void on_timer(struct vx6_timer *timer)
{
	struct hidden_claim *c = timer->user;

	if (!c->service) {
		claim_free(c);
		return;
	}
	if (!c->kept) {
		begin_work(c);
		return;
	}
	sign(c);
	vx6_timer_in_ms(timer, RENEW_MS);
}

static void publish(struct hidden_claim *c)
{
	c->kept = vx6_hs_claim_new(c->owner->hidden->dht, c->claim.name, &events, c);
	sign(c);
	vx6_timer_in_ms(&c->timer, RENEW_MS);
}

/* ---- the work ---- */

static void work(struct vx6_job *job)
{
	struct claim_work *w = VX6_CONTAINER_OF(job, struct claim_work, job);

	w->found = vx6_alias_work_solve(&w->net, w->alias, &w->id, VX6_NAME_WORK_BITS, w->first,
					SLICE, &w->nonce);
}

static void on_worked(struct vx6_job *job)
{
	struct claim_work *w = VX6_CONTAINER_OF(job, struct claim_work, job);
	struct hidden_claim *c = w->claim;

	w->first += SLICE;
	if (c && !w->found && vx6_is_ok(vx6_loop_work(c->owner->loop, &w->job)))
		return;
	if (c)
		c->work = NULL;
	if (c && w->found) {
		c->claim.nonce = w->nonce;
		publish(c);
	} else if (c) {
		vx6_timer_in_ms(&c->timer, WORK_AGAIN_MS);
	}
	free(w);
}

/* From nothing on: the same nonce again after a restart, so that the same hour's claim is the same record. */
static void begin_work(struct hidden_claim *c)
{
	struct claim_work *w = vx6_zalloc(sizeof *w);

	w->job = (struct vx6_job){.work = work, .done = on_worked};
	w->claim = c;
	w->net = c->owner->identity.net;
	vx6_strlcpy(w->alias, c->claim.name, sizeof w->alias);
	vx6_node_id_from_pk(&c->key.pk, &w->id);
	c->work = w;
	if (vx6_is_ok(vx6_loop_work(c->owner->loop, &w->job)))
		return;
	c->work = NULL;
	free(w);
	vx6_timer_in_ms(&c->timer, WORK_AGAIN_MS);
}

/* ---- for the service ---- */

static void claim_new(struct hidden_service *s)
{
	struct hidden_claim *c = vx6_zalloc(sizeof *c);
	struct vx6_sign_seed seed;

	c->owner = s->owner;
	c->service = s;
	memcpy(seed.b, s->data.seed, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &c->key);
	vx6_wipe(&seed, sizeof seed);
	vx6_strlcpy(c->claim.name, s->spec.alias, sizeof c->claim.name);
	c->claim.lifetime_s = VX6_ALIAS_CLAIM_LIFETIME_S;
	vx6_timer_init(s->owner->loop, &c->timer, on_timer, c);
	vx6_list_push(&s->owner->hidden->claims, &c->node);
	s->claim = c;
	begin_work(c);
}

static void take_back(struct hidden_claim *c)
{
	c->service->claim = NULL;
	c->service = NULL;
	if (!c->kept || c->owner->stopping) {
		claim_free(c);
		return;
	}
	c->back_ms = vx6_loop_now_ms(c->owner->loop);
	c->claim.withdrawn = true;
	c->claim.seq++;
	sign(c);
	vx6_timer_in_ms(&c->timer, BACK_MS);
}

/* Of the key that its service has now, to the alias that it has now. */
static bool is_still(const struct hidden_claim *c, const struct hidden_service *s)
{
	struct vx6_sign_keypair key;
	struct vx6_sign_seed seed;
	bool same;

	memcpy(seed.b, s->data.seed, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &key);
	same = memcmp(&key.pk, &c->key.pk, sizeof key.pk) == 0 &&
	       strcmp(c->claim.name, s->spec.alias) == 0;
	vx6_sign_keypair_wipe(&key);
	vx6_wipe(&seed, sizeof seed);
	return same;
}

void hidden_claim_see(struct hidden_service *s)
{
	bool wanted = s->publish_alias && s->scope && s->owner->hidden->dht && !s->owner->stopping;

	if (s->claim && !(wanted && is_still(s->claim, s)))
		take_back(s->claim);
	if (wanted && !s->claim)
		claim_new(s);
}

void hidden_claims_stop(struct vx6_node *node)
{
	while (!vx6_list_is_empty(&node->hidden->claims))
		claim_free(VX6_CONTAINER_OF(node->hidden->claims.next, struct hidden_claim, node));
}

/* ---- to look at ---- */

void hidden_claim_show(const struct hidden_service *s, struct vx6_hidden_claim_row *out)
{
	const struct hidden_claim *c = s->claim;
	struct vx6_hs_publish_index i;
	uint64_t oldest_ms = vx6_wall_ms() - VX6_ALIAS_CLAIM_LIFETIME_S * 1000ULL;

	*out = (struct vx6_hidden_claim_row){.wanted = s->publish_alias};
	if (!c)
		return;
	out->state = c->kept ? VX6_HIDDEN_CLAIM_PUBLISHING : VX6_HIDDEN_CLAIM_WORKING;
	if (!c->kept)
		return;
	vx6_hs_claim_info(c->kept, &i);
	if (i.proved_ms) {
		out->state = VX6_HIDDEN_CLAIM_PUBLISHED;
		out->proved_ms = vx6_wall_ms() - (vx6_loop_now_ms(s->owner->loop) - i.proved_ms);
	}
	out->holders_wanted = i.wanted;
	out->stored = i.stored;
	out->proved = i.proved;
	for (size_t k = 0; k < c->rivals_n; k++)
		if (c->rival[k].heard_ms >= oldest_ms)
			out->rival[out->rivals_n++] = c->rival[k];
}
