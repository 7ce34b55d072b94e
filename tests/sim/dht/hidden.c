/*
 * Descriptors of hidden services: published and fetched by way of others, as over circuits. Then half of those that hold each one, under either key,
 * have something else instead: the one before, a forged one, another service's, nothing. Weighed as the agent weighs (discovery/hs_weigh.c).
 */
#include <string.h>

#include "base/util.h"
#include "discovery/hs_dht_internal.h"
#include "dht/key.h"
#include "tests/sim/dht/door.h"
#include "tests/sim/dht/liars.h"
#include "tests/sim/dht/scenario.h"

enum {
	PROXIES_PUBLISH = 4,
	PROXIES_FETCH = 2,
	SEQ_OLD = 1,
	SEQ_NEW = 2,
};
enum bad { BAD_OLD, BAD_FORGED, BAD_FOREIGN, BAD_NOTHING, BAD_KINDS };

struct desc {
	uint8_t b[VX6_HS_DESC_BYTES];
	size_t n;
};

struct holding {
	uint32_t node;
	uint8_t bad; /* enum bad */
};

struct service {
	struct node *owner;
	struct vx6_hs_names names;
	struct vx6_dht_key key[VX6_HS_INDEXES];
	struct desc old, now, forged;
	struct door *door[VX6_HS_INDEXES];
	struct vx6_dht_kept *kept[VX6_HS_INDEXES];
	struct vx6_dht_kept_info info[VX6_HS_INDEXES]; /* once it is published */
	struct holding bad[VX6_HS_INDEXES][VX6_DHT_HOLDERS_REGION];
	size_t bad_n[VX6_HS_INDEXES];
};

struct all {
	struct service *s;
	size_t n;
};

/* ---- publishing ---- */

static void describe(const struct world *w, const struct vx6_sign_keypair *key, uint64_t seq,
		     struct desc *out)
{
	struct vx6_hs_desc d = {.seq = seq};
	struct vx6_dht_now now;
	vx6_err err;

	world_now(w, &now);
	d.period = vx6_hs_period(now.wall_s);
	err = vx6_hs_desc_build(&d, key, NULL, 0, &w->id, now.wall_s, out->b, &out->n);
	VX6_ASSERT(vx6_is_ok(err));
}

static void service_init(struct service *s, struct world *w)
{
	struct vx6_sign_keypair key;
	struct vx6_sign_seed seed;
	struct vx6_dht_now now;
	uint64_t period;
	vx6_err err;

	world_now(w, &now);
	period = vx6_hs_period(now.wall_s);
	s->owner = world_pick(w, &w->rng);
	sim_rng_fill(&w->rng, seed.b, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &key);
	err = vx6_hs_names(&key.pk, period, &s->names);
	VX6_ASSERT(vx6_is_ok(err));
	for (unsigned i = 0; i < VX6_HS_INDEXES; i++)
		vx6_dht_key_descriptor(&w->id, s->names.blinded.b, i + 1, period, &s->key[i]);
	describe(w, &key, SEQ_OLD, &s->old);
	describe(w, &key, SEQ_NEW, &s->now);
	describe(w, &key, SEQ_NEW + 1, &s->forged);
	s->forged.b[s->forged.n / 2] ^= 1;
}

static void publish(struct service *s, const struct desc *d)
{
	struct vx6_dht_now now;

	world_now(s->owner->w, &now);
	for (size_t i = 0; i < VX6_HS_INDEXES; i++) {
		if (s->kept[i] != NULL) {
			vx6_dht_keep_update(s->kept[i], d->b, d->n, &now);
			continue;
		}
		s->door[i] = door_open(s->owner, PROXIES_PUBLISH, NULL, 0);
		s->kept[i] = vx6_dht_keep_at(s->door[i]->dht, &s->key[i], d->b, d->n, NULL, NULL,
					     NULL, &now);
		VX6_ASSERT(s->kept[i] != NULL);
	}
}

static void publish_all(struct world *w, struct all *a)
{
	for (size_t i = 0; i < a->n; i++) {
		service_init(&a->s[i], w);
		publish(&a->s[i], &a->s[i].old);
		world_run(w, 50 * SIM_MS);
	}
	world_run(w, 20 * SIM_S);
	for (size_t i = 0; i < a->n; i++) {
		publish(&a->s[i], &a->s[i].now);
		world_run(w, 50 * SIM_MS);
	}
	world_run(w, 60 * SIM_S);
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < VX6_HS_INDEXES; k++) {
			vx6_dht_kept_info(a->s[i].kept[k], &a->s[i].info[k]);
			door_close(a->s[i].door[k]);
		}
}

/* ---- holders that are no good ---- */

static struct node *holder(const struct world *w, const struct vx6_dht_kept_info *info, size_t i)
{
	return world_at(w, &info->holder[i]);
}

/* Every other one of those that have proved it. */
static void spoil(struct world *w, struct service *s, double percent)
{
	enum { PROVED = 2 };

	for (size_t k = 0; k < VX6_HS_INDEXES; k++) {
		const struct vx6_dht_kept_info *info = &s->info[k];
		size_t want = (size_t)(percent / 100 * info->proved);

		for (size_t i = 0; i < info->holders_n && s->bad_n[k] < want; i++) {
			struct node *n = holder(w, info, i);

			if (info->holder_state[i] != PROVED || n == NULL || n == s->owner)
				continue;
			s->bad[k][s->bad_n[k]++] =
				(struct holding){n->number,
						 (uint8_t)sim_rng_below(&w->rng, BAD_KINDS)};
			node_set_role(n, ROLE_HOLDER);
		}
	}
}

static const struct desc *is_said(const struct all *a, const struct service *s, enum bad bad)
{
	switch (bad) {
	case BAD_OLD:
		return &s->old;
	case BAD_FORGED:
		return &s->forged;
	case BAD_FOREIGN:
		return &a->s[s == a->s].now;
	default:
		return NULL;
	}
}

static bool says(void *user, const struct node *me, const uint8_t *key, const uint8_t **record,
		 size_t *n)
{
	const struct all *a = user;

	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < VX6_HS_INDEXES; k++) {
			const struct service *s = &a->s[i];

			if (memcmp(s->key[k].b, key, sizeof s->key[k].b) != 0)
				continue;
			for (size_t h = 0; h < s->bad_n[k]; h++) {
				const struct desc *d;

				if (s->bad[k][h].node != me->number)
					continue;
				d = is_said(a, s, s->bad[k][h].bad);
				*record = d ? d->b : NULL;
				*n = d ? d->n : 0;
				return true;
			}
		}
	return false;
}

/* ---- fetching ---- */

struct fetch {
	const struct service *s;
	struct door *door[VX6_HS_INDEXES];
	struct hs_heard heard[VX6_HS_INDEXES];
	unsigned ended;
	uint64_t begun_us, ended_us;
	uint32_t queries;
};

struct outcome {
	size_t all, newest, old, flagged, old_unflagged, none;
	struct sim_sample ms, queries, sources;
};

struct half {
	struct fetch *f;
	size_t k;
};

static void on_looked(void *user, const struct vx6_dht_result *r)
{
	struct half *h = user;
	struct fetch *f = h->f;

	hs_heard_take(&f->heard[h->k], &f->s->names.blinded, r);
	f->queries += r->queries;
	f->ended_us = sim_queue_now_us(f->door[0]->w->q);
	f->ended++;
	free(h);
}

static struct fetch *fetch(struct node *reader, const struct service *s)
{
	struct fetch *f = vx6_zalloc(sizeof *f);
	struct vx6_dht_now now;

	world_now(reader->w, &now);
	f->s = s;
	f->begun_us = sim_queue_now_us(reader->w->q);
	for (size_t k = 0; k < VX6_HS_INDEXES; k++) {
		struct vx6_dht_ask ask = {.key = s->key[k],
					  .want = VX6_DHT_WANT_NEWEST,
					  .type = VX6_RTYPE_DESCRIPTOR};
		struct half *h = vx6_zalloc(sizeof *h);
		const struct door *first = f->door[0];

		*h = (struct half){f, k};
		f->door[k] = door_open(reader, PROXIES_FETCH, first ? first->proxy : NULL,
				       first ? PROXIES_FETCH : 0);
		if (vx6_dht_look(f->door[k]->dht, &ask, on_looked, h, &now) == NULL)
			VX6_ASSERT(false);
	}
	return f;
}

static void weigh(struct fetch *f, struct outcome *o)
{
	struct vx6_hs_fetched out = {.err = VX6_OK};

	hs_weigh(f->heard, 0, &out);
	o->all++;
	sim_sample_add(&o->ms, (double)(f->ended_us - f->begun_us) / SIM_MS);
	sim_sample_add(&o->queries, f->queries);
	sim_sample_add(&o->sources, out.sources);
	if (out.record == NULL) {
		o->none++;
	} else {
		VX6_ASSERT(out.seq == SEQ_OLD || out.seq == SEQ_NEW);
		o->newest += out.confirmed && out.seq == SEQ_NEW;
		o->old += out.seq == SEQ_OLD;
		o->old_unflagged += out.confirmed && out.seq == SEQ_OLD;
		o->flagged += !out.confirmed;
	}
	for (size_t k = 0; k < VX6_HS_INDEXES; k++)
		door_close(f->door[k]);
	free(f);
}

static void fetch_all(struct world *w, const struct all *a, size_t n, struct outcome *o)
{
	enum { AT_ONCE = 16 };
	struct fetch *running[AT_ONCE] = {0};
	size_t begun = 0;

	while (o->all < n) {
		for (size_t i = 0; i < AT_ONCE; i++) {
			if (running[i] != NULL && running[i]->ended == VX6_HS_INDEXES) {
				weigh(running[i], o);
				running[i] = NULL;
			}
			if (running[i] == NULL && begun < n)
				running[i] = fetch(world_pick(w, &w->rng), &a->s[begun++ % a->n]);
		}
		world_run(w, 10 * SIM_MS);
	}
}

/* ---- the scenario ---- */

static double percent(size_t part, size_t all)
{
	return all == 0 ? 0 : 100.0 * (double)part / (double)all;
}

static void report(const struct run *r, const struct scenario *s, const struct all *a,
		   struct outcome *o, struct sim_report *out)
{
	struct sim_sample proved = {0};

	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < VX6_HS_INDEXES; k++)
			sim_sample_add(&proved, a->s[i].info[k].proved);
	sim_report_add(out, "published: holders that proved it, p5",
		       sim_sample_percentile(&proved, 5), "");
	/* what is confirmed is what strict takes */
	sim_report_goal(out, "an older one confirmed", (double)o->old_unflagged, "", SIM_AT_MOST,
			0);
	sim_report_goal(out, "the newest confirmed", percent(o->newest, o->all), "%", SIM_AT_LEAST,
			scenario_goal(r, s));
	sim_report_add(out, "an older one, flagged", percent(o->old, o->all), "%");
	sim_report_add(out, "flagged in all", percent(o->flagged, o->all), "%");
	sim_report_add(out, "none", percent(o->none, o->all), "%");
	sim_report_add(out, "fetches", (double)o->all, "");
	sim_report_add(out, "sources mean", sim_sample_mean(&o->sources), "");
	sim_report_add(out, "time p50", sim_sample_percentile(&o->ms, 50) / r->rtt_ms, "RTT");
	sim_report_add(out, "time p99", sim_sample_percentile(&o->ms, 99) / r->rtt_ms, "RTT");
	sim_report_add(out, "queries mean", sim_sample_mean(&o->queries), "");
	sim_sample_fini(&proved);
}

void scenario_hidden(struct run *r, const struct scenario *s, struct sim_report *out)
{
	/* enough nodes have to be left that hold nothing bad */
	struct all a = {.n = VX6_MIN(r->quick ? 12U : 40U, VX6_MAX(r->nodes / 50, 1U))};
	size_t fetches = r->quick ? 240 : 2000;
	struct outcome o = {0};

	a.s = vx6_zalloc(a.n * sizeof *a.s);
	scenario_begin(r, ROLE_HONEST, 0);
	r->w->says = says;
	r->w->says_user = &a;
	publish_all(r->w, &a);
	for (size_t i = 0; i < a.n; i++)
		spoil(r->w, &a.s[i], s->share);
	liars_ready(r->w);
	fetch_all(r->w, &a, fetches, &o);
	report(r, s, &a, &o, out);
	sim_sample_fini(&o.ms);
	sim_sample_fini(&o.queries);
	sim_sample_fini(&o.sources);
	free(a.s);
}
