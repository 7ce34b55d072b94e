/* Names: some claimed by one node, some by two. A reader must see that there are two, and never take one of them for the only one. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "dht/key.h"
#include "discovery/names.h"
#include "record/name_claim.h"
#include "tests/sim/dht/scenario.h"

enum { TRIES = 1 << 16 };

struct claimed {
	char name[VX6_LABEL_TEXT];
	struct vx6_dht_key key;
	struct node *owner[2]; /* [1] NULL: claimed once */
	struct vx6_dht_kept *kept[2];
	uint64_t told_us[2]; /* 0: not told of the other */
	uint64_t second_us;  /* when the second claim was given */
};

struct verdicts {
	size_t n[VX6_VERDICT_MISMATCH + 1], all, right; /* right: the one that claims it */
	struct sim_sample ms, queries;
	size_t under_way;
};

struct asking {
	struct world *w;
	const struct claimed *c;
	struct verdicts *out;
};

static void clash_first(void *user, const uint8_t *record, size_t n)
{
	struct claimed *c = user;

	if (c->told_us[0] == 0)
		c->told_us[0] = sim_queue_now_us(c->owner[0]->w->q);
}

static void clash_second(void *user, const uint8_t *record, size_t n)
{
	struct claimed *c = user;

	if (c->told_us[1] == 0)
		c->told_us[1] = sim_queue_now_us(c->owner[1]->w->q);
}

static void claim(struct claimed *c, unsigned which)
{
	struct node *owner = c->owner[which];
	struct vx6_name_claim claim = {.seq = 1, .lifetime_s = VX6_NAME_CLAIM_LIFETIME_S};
	uint8_t record[VX6_NAME_CLAIM_MAX];
	struct vx6_identity id;
	struct vx6_dht_now now;
	vx6_err err;
	size_t n;

	world_now(owner->w, &now);
	node_identity(owner, &id);
	memcpy(claim.name, c->name, sizeof claim.name);
	claim.issued_s = claim.claimed_at_s = now.wall_s;
	for (uint64_t first = 0;
	     !vx6_name_work_solve(&owner->w->id, c->name, &owner->contact.node, VX6_NAME_WORK_BITS,
				  first, TRIES, &claim.nonce);
	     first += TRIES)
		;
	err = vx6_name_claim_build(&claim, &id, record, &n);
	VX6_ASSERT(vx6_is_ok(err));
	c->kept[which] = vx6_dht_keep(owner->dht, record, n, NULL,
				      which == 0 ? clash_first : clash_second, c, &now);
	VX6_ASSERT(c->kept[which] != NULL);
}

/* ---- readers ---- */

static void add_claim(const struct world *w, const struct vx6_dht_value *v, struct vx6_claims *to)
{
	struct vx6_name_claim_seen seen = {.median_age_s = v->median_age_s,
					   .holders = v->holders,
					   .prefixes = v->prefixes};
	struct vx6_name_claim claim;
	struct vx6_record rec;

	if (!vx6_is_ok(vx6_record_parse(v->record, v->n, &rec)) ||
	    !vx6_is_ok(vx6_name_claim_read(&rec, &w->id, &claim)))
		return;
	seen.node = claim.node;
	seen.work_bits = (uint8_t)claim.work_bits;
	vx6_claims_add(to, &seen);
}

static void done(void *user, const struct vx6_dht_result *res)
{
	struct asking *a = user;
	struct vx6_claims_asked asked = {.network = true,
					 .holders = res->holders_asked,
					 .prefixes = res->prefixes_asked};
	struct vx6_claims *claims = vx6_zalloc(sizeof *claims);
	enum vx6_verdict verdict;
	struct vx6_node_id node;

	for (size_t i = 0; vx6_is_ok(res->err) && i < res->values_n; i++)
		add_claim(a->w, &res->value[i], claims);
	verdict = vx6_claims_judge(claims, NULL, &asked, &node);
	a->out->n[verdict]++;
	a->out->all++;
	a->out->right += verdict == VX6_VERDICT_ONE && a->c->owner[1] == NULL &&
			 vx6_node_id_eq(&node, &a->c->owner[0]->contact.node);
	sim_sample_add(&a->out->ms, res->ms);
	sim_sample_add(&a->out->queries, res->queries);
	a->out->under_way--;
	free(claims);
	free(a);
}

static void look(struct world *w, const struct claimed *c, struct verdicts *out)
{
	struct vx6_dht_ask ask = {.key = c->key, .want = VX6_DHT_WANT_ALL};
	struct asking *a = vx6_zalloc(sizeof *a);
	struct node *reader;
	struct vx6_dht_now now;

	do
		reader = world_pick(w, &w->rng);
	while (reader == c->owner[0] || reader == c->owner[1]);
	*a = (struct asking){w, c, out};
	world_now(w, &now);
	out->under_way++;
	if (vx6_dht_look(reader->dht, &ask, done, a, &now) == NULL) {
		out->under_way--;
		out->all++;
		free(a);
	}
}

/* ---- the scenario ---- */

static void begin(struct run *r, struct claimed *c, size_t n)
{
	struct world *w = r->w;

	for (size_t i = 0; i < n; i++) {
		snprintf(c[i].name, sizeof c[i].name, "name%zu", i);
		vx6_dht_key_name(&w->id, c[i].name, &c[i].key);
		c[i].owner[0] = world_pick(w, &w->rng);
		claim(&c[i], 0);
		world_run(w, 100 * SIM_MS);
	}
	world_run(w, 10 * SIM_S);
	for (size_t i = 0; i < n; i += 2) { /* every other name gets a second owner */
		do
			c[i].owner[1] = world_pick(w, &w->rng);
		while (c[i].owner[1] == c[i].owner[0]);
		claim(&c[i], 1);
		c[i].second_us = sim_queue_now_us(w->q);
		world_run(w, 100 * SIM_MS);
	}
	world_run(w, 10 * SIM_S);
}

static double percent(size_t part, size_t all)
{
	return all == 0 ? 0 : 100.0 * (double)part / (double)all;
}

static void weigh(const struct run *r, const struct scenario *s, struct verdicts *once,
		  struct verdicts *twice, struct sim_report *out)
{
	double goal = scenario_goal(r, s);

	sim_report_goal(out, "claimed twice: told as a conflict",
			percent(twice->n[VX6_VERDICT_SEVERAL], twice->all), "%", SIM_AT_LEAST,
			goal);
	sim_report_goal(out, "claimed twice: one picked",
			percent(twice->n[VX6_VERDICT_ONE], twice->all), "%", SIM_AT_MOST, 0);
	sim_report_goal(out, "claimed once: that one", percent(once->right, once->all), "%",
			SIM_AT_LEAST, goal);
	sim_report_add(out, "claimed once: too few sources",
		       percent(once->n[VX6_VERDICT_WEAK], once->all), "%");
	sim_report_add(out, "lookups", (double)(once->all + twice->all), "");
	sim_report_add(out, "time p50", sim_sample_percentile(&once->ms, 50) / r->rtt_ms, "RTT");
	sim_report_add(out, "time p99", sim_sample_percentile(&once->ms, 99) / r->rtt_ms, "RTT");
	sim_report_add(out, "queries mean", sim_sample_mean(&once->queries), "");
}

static void weigh_owners(const struct claimed *c, size_t n, struct sim_report *out)
{
	struct sim_sample second_s = {0};
	struct sim_share first = {0}, second = {0};

	for (size_t i = 0; i < n; i += 2) {
		sim_share_add(&first, c[i].told_us[0] != 0);
		sim_share_add(&second, c[i].told_us[1] != 0);
		if (c[i].told_us[1] != 0)
			sim_sample_add(&second_s,
				       (double)(c[i].told_us[1] - c[i].second_us) / SIM_S);
	}
	sim_report_add(out, "second owner told of the first", sim_share_percent(&second), "%");
	sim_report_add(out, "after (p99)", sim_sample_percentile(&second_s, 99), "s");
	sim_report_add(out, "first owner told by now", sim_share_percent(&first), "%");
	sim_sample_fini(&second_s);
}

void scenario_claimed(struct run *r, const struct scenario *s, struct sim_report *out)
{
	size_t n = r->quick ? 6 : 20, lookups = r->quick ? 200 : 1000;
	struct claimed *c = vx6_zalloc(n * sizeof *c);
	struct verdicts once = {0}, twice = {0};

	scenario_begin(r, s->role, s->share);
	begin(r, c, n);
	for (size_t i = 0; i < lookups; i++) {
		look(r->w, &c[i % n], i % n % 2 == 0 ? &twice : &once);
		world_run(r->w, 20 * SIM_MS);
	}
	for (unsigned i = 0; i < 60 && once.under_way + twice.under_way > 0; i++)
		world_run(r->w, SIM_S);
	weigh(r, s, &once, &twice, out);
	weigh_owners(c, n, out);
	sim_sample_fini(&once.ms);
	sim_sample_fini(&once.queries);
	sim_sample_fini(&twice.ms);
	sim_sample_fini(&twice.queries);
	free(c);
}
