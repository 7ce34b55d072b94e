/*
 * What a service publishes: a descriptor of this period, and near an edge one of the neighbouring period, too. A new one goes out when something in it
 * has changed, at most every PUBLISH_MS (ADMITS_MS), and before the last one expires. The number of a descriptor is stored before it goes out, so that no
 * two of a period ever have the same, whatever happens in between.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

/* ---- periods ---- */

void host_periods_update(struct host_service *s)
{
	uint64_t period = vx6_hs_period(host_wall_s(s->h));

	if (s->period[1].period == period)
		return;
	for (unsigned k = 0; k < PERIODS; k++) {
		vx6_err err;

		s->period[k].period = period + k - 1;
		err = vx6_hs_names(&s->key.pk, s->period[k].period, &s->period[k].names);
		VX6_ASSERT(vx6_is_ok(err)); /* the key was made from a seed */
	}
}

bool host_period_is_good(const struct vx6_host *h, uint64_t period)
{
	uint64_t now = host_wall_s(h), begin = period * VX6_HS_PERIOD_S;

	return now + VX6_HS_EDGE_S >= begin &&
	       now < begin + VX6_HS_PERIOD_S + VX6_HS_DESC_LIFETIME_S;
}

/* @return 0: none is near */
static uint64_t neighbour(uint64_t now_s)
{
	uint64_t into = now_s % VX6_HS_PERIOD_S, period = vx6_hs_period(now_s);

	if (into < VX6_HS_EDGE_S)
		return period - 1;
	return into >= VX6_HS_PERIOD_S - VX6_HS_EDGE_S ? period + 1 : 0;
}

/* @return ms until the answer of neighbour() is another one */
static uint64_t next_edge_ms(uint64_t now_s)
{
	uint64_t into = now_s % VX6_HS_PERIOD_S, at = VX6_HS_PERIOD_S;

	if (into < VX6_HS_EDGE_S)
		at = VX6_HS_EDGE_S;
	else if (into < VX6_HS_PERIOD_S - VX6_HS_EDGE_S)
		at = VX6_HS_PERIOD_S - VX6_HS_EDGE_S;
	return (at - into) * 1000;
}

/* ---- sequence numbers ---- */

/* @return that of the period; else NULL */
static struct vx6_host_seq *seq_find(struct host_service *s, uint64_t period)
{
	for (int k = 0; k < VX6_HOST_SEQS; k++)
		if (s->seq[k].period == period)
			return &s->seq[k];
	return NULL;
}

/* The same, in the place of the oldest one if it is not there. */
static struct vx6_host_seq *seq_of(struct host_service *s, uint64_t period)
{
	struct vx6_host_seq *seq = seq_find(s, period);

	if (seq)
		return seq;
	seq = s->seq[0].period <= s->seq[1].period ? &s->seq[0] : &s->seq[1];
	*seq = (struct vx6_host_seq){.period = period};
	return seq;
}

static void seq_store(const struct host_service *s)
{
	const struct vx6_host_change what = {.scope = s->spec.scope, .seq = s->seq};

	if (s->h->cfg.changed)
		s->h->cfg.changed(s->h->cfg.user, &what);
}

/* Once: what has the network? @return whether it is known where to go on */
static bool seq_is_known(struct host_service *s, uint64_t now, uint64_t *due)
{
	uint64_t period = s->period[1].period;

	if (!s->seq_asked) {
		s->seq_asked = true;
		s->seq_known = seq_find(s, period) != NULL;
		s->seq_until_ms = now + SEQ_WAIT_MS;
		if (!s->h->cfg.own_seq ||
		    !s->h->cfg.own_seq(s->h->cfg.user, s->spec.scope, &s->id, period))
			s->seq_known = true;
	}
	if (s->seq_known || now >= s->seq_until_ms)
		return true;
	host_sooner(due, s->seq_until_ms);
	return false;
}

void vx6_host_own_seq(struct vx6_host *h, uint64_t scope, uint64_t period, uint64_t seq)
{
	struct host_service *s = host_find(h, scope);

	if (!s)
		return;
	s->seq_known = true;
	if (seq != 0 && host_period_is_good(h, period) && seq > seq_of(s, period)->seq) {
		seq_of(s, period)->seq = seq;
		seq_store(s);
		if (s->published_ms != 0)
			host_dirty(s); /* what went out meanwhile is refused as old */
	}
	host_wake(s);
}

/* ---- descriptors ---- */

void host_dirty(struct host_service *s)
{
	s->dirty = true;
	host_wake(s);
}

void vx6_host_unpublished(struct vx6_host *h, uint64_t scope)
{
	struct host_service *s = host_find(h, scope);

	if (s)
		host_dirty(s);
}

void host_admits(struct host_service *s)
{
	s->admits_else = true;
	host_dirty(s);
}

static void fill_intro(const struct host_intro *i, struct vx6_hs_intro *out)
{
	*out = (struct vx6_hs_intro){.standby = !i->active, .node = i->relay};
	memcpy(out->auth_key, i->auth.pk.b, sizeof out->auth_key);
	memcpy(out->enc_key, i->key[0].pk.b, sizeof out->enc_key);
	memcpy(out->handle, i->handle, sizeof out->handle);
	out->not_after_s = (uint32_t)(i->rotate_s + VX6_HS_DESC_LIFETIME_S);
}

static void fill_desc(struct host_service *s, uint64_t period, struct vx6_hs_desc *d)
{
	struct host_intro *listed[VX6_HS_INTROS_MAX];

	*d = (struct vx6_hs_desc){.seq = seq_of(s, period)->seq,
				  .period = period,
				  .fast = s->spec.fast,
				  .closed = s->spec.closed,
				  .pow = !s->spec.no_pow};
	if (d->pow) {
		memcpy(d->pow_seed, s->pow.seed[0].seed, sizeof d->pow_seed);
		d->pow_effort = s->pow.suggested;
		d->pow_expires_s = s->pow.seed_until_s;
	}
	d->intros_n = host_intros_listed(s, listed);
	for (size_t n = 0; n < d->intros_n; n++)
		fill_intro(listed[n], &d->intro[n]);
}

static vx6_err build(struct host_service *s, uint64_t period, uint8_t *bytes,
		     struct vx6_host_record *out)
{
	uint8_t clients[VX6_HS_CLIENTS_MAX][VX6_HOST_KEY];
	size_t clients_n = s->spec.closed ? host_clients_keys(s, clients) : 0;
	struct vx6_hs_desc d;

	fill_desc(s, period, &d);
	out->period = period;
	out->seq = d.seq;
	out->bytes = bytes;
	return vx6_hs_desc_build(&d, &s->key, (const uint8_t(*)[32])clients, clients_n,
				 s->h->cfg.net, host_wall_s(s->h), bytes, &out->n);
}

/* Who is named now, and who no more. */
static void mark(struct host_service *s, uint64_t now)
{
	struct host_intro *listed[VX6_HS_INTROS_MAX];
	size_t n = host_intros_listed(s, listed);

	VX6_LIST_EACH(node, &s->intros)
	{
		struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		i->published = false;
		for (size_t k = 0; k < n; k++)
			i->published = i->published || listed[k] == i;
		if (i->retiring && !i->published && i->retire_ms == 0)
			i->retire_ms = now + RETIRE_MS;
	}
}

static void publish(struct host_service *s, uint64_t now)
{
	uint64_t wall = host_wall_s(s->h), period[2] = {vx6_hs_period(wall), neighbour(wall)};
	uint8_t bytes[2][VX6_HS_DESC_BYTES];
	struct vx6_host_record rec[2];
	size_t n = 0;
	vx6_err err = VX6_OK;

	for (int k = 0; k < 2 && period[k] != 0; k++)
		seq_of(s, period[k])->seq++;
	seq_store(s);
	for (; n < 2 && period[n] != 0 && vx6_is_ok(err); n++)
		err = build(s, period[n], bytes[n], &rec[n]);
	s->tried_ms = now;
	if (!vx6_is_ok(err)) {
		(void)snprintf(s->detail, sizeof s->detail, "no descriptor could be made: %s",
			       vx6_err_text(err));
		host_event(s, VX6_HOST_WARNING, "%s", s->detail);
		return;
	}
	s->dirty = s->admits_else = false;
	s->published_ms = now;
	s->published_wall_s = wall;
	s->renew_ms = now + RENEW_MIN_MS + vx6_random_below(RENEW_MAX_MS - RENEW_MIN_MS);
	s->out_period = period[0];
	s->out_neighbour = period[1];
	s->pow.published = s->pow.suggested;
	s->pow.rotated = false;
	s->revision_n++;
	mark(s, now);
	s->h->cfg.publish(s->h->cfg.user, s->spec.scope, rec, n);
	host_event(s, VX6_HOST_PUBLISHED, "descriptor %llu of period %llu",
		   (unsigned long long)rec[0].seq, (unsigned long long)rec[0].period);
	host_is_out(s);
}

/* ---- when ---- */

/* The others of the set may be there in a moment. */
static bool is_settling(struct host_service *s, uint64_t now, uint64_t *due)
{
	struct host_intro *listed[VX6_HS_INTROS_MAX];
	size_t want = (size_t)s->active_want + s->standby_want;

	if (s->published_ms >= s->live_ms && s->published_ms != 0)
		return false;
	if (now >= s->live_ms + SETTLE_MS || host_intros_listed(s, listed) >= want)
		return false;
	host_sooner(due, s->live_ms + SETTLE_MS);
	return true;
}

/* Whether nobody can come by what is out. */
static bool is_useless(const struct host_service *s)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&s->intros)
	{
		const struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (i->published && host_intro_is_up(i))
			return false;
	}
	return true;
}

void host_publish_run(struct host_service *s, uint64_t now, uint64_t *due)
{
	uint64_t wall = host_wall_s(s->h);
	uint64_t rest_ms = s->admits_else || is_useless(s) ? ADMITS_MS : PUBLISH_MS;

	host_periods_update(s);
	if (s->published_ms != 0 && (now >= s->renew_ms || s->out_period != vx6_hs_period(wall) ||
				     s->out_neighbour != neighbour(wall)))
		s->dirty = true;
	host_sooner(due, now + next_edge_ms(wall));
	if (s->published_ms != 0 && !s->dirty)
		host_sooner(due, s->renew_ms);
	if (!seq_is_known(s, now, due) || !s->dirty || s->live_ms == 0 || is_settling(s, now, due))
		return;
	if (s->tried_ms != 0 && now < s->tried_ms + rest_ms)
		host_sooner(due, s->tried_ms + rest_ms);
	else
		publish(s, now);
}
