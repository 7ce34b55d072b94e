/* What we measure of relays, and the weight that comes of it. */
#include <stdlib.h>

#include "base/util.h"
#include "circuit/relays_internal.h"

enum {
	BYTES_MIN = 128 * 1024,
	MS_MIN = 500,
	RTT_MAX_US = 60 * 1000 * 1000,
	MEDIAN_KEEP_S = 60,
};
static const double unproven_part = 0.25;

/* Straight lines between the halvings: within 6 % of the exponential, and it needs no library. */
double relays_decay(double v, uint64_t s, uint64_t half_s)
{
	for (unsigned i = 0; s >= half_s; s -= half_s, i++) {
		v /= 2;
		if (i == 64)
			return 0;
	}
	return v * (1 - (double)s / (double)(2 * half_s));
}

static uint64_t since(uint64_t then_s, uint64_t now_s)
{
	return now_s - VX6_MIN(then_s, now_s);
}

bool vx6_relay_has_history(const struct vx6_relay_entry *e)
{
	return e->uses >= VX6_RELAY_PROVEN_USES;
}

uint64_t vx6_relay_age_s(const struct vx6_relay_entry *e, uint64_t now_s)
{
	return since(e->first_seen_s, now_s);
}

void vx6_relay_score(const struct vx6_relay_entry *e, uint64_t now_s, double *successes,
		     double *failures)
{
	uint64_t s = since(e->score_s, now_s);

	*successes = relays_decay(e->successes, s, RELAY_SCORE_HALF_S);
	*failures = relays_decay(e->failures, s, RELAY_SCORE_HALF_S);
}

double vx6_relay_success(const struct vx6_relay_entry *e, uint64_t now_s)
{
	double s, f;

	vx6_relay_score(e, now_s, &s, &f);
	return (s + 1) / (s + f + 1);
}

bool vx6_relay_is_failing(const struct vx6_relay_entry *e, uint64_t now_s)
{
	double s, f;

	vx6_relay_score(e, now_s, &s, &f);
	return f > s && f > 2.5; /* three, a little while ago */
}

double vx6_relay_capacity(const struct vx6_relay_entry *e, uint64_t now_s)
{
	return relays_decay(e->capacity, since(e->capacity_s, now_s), RELAY_CAPACITY_HALF_S);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(const struct vx6_relays *r, uint64_t now_s)
{
	double *v = vx6_zalloc(VX6_MAX(r->n, (size_t)1) * sizeof *v), m;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		if (vx6_relay_is_listed(&r->v[i]->e, now_s) && r->v[i]->e.capacity > 0)
			v[n++] = vx6_relay_capacity(&r->v[i]->e, now_s);
	qsort(v, n, sizeof *v, by_value);
	m = n ? (v[(n - 1) / 2] + v[n / 2]) / 2 : 0;
	free(v);
	return m;
}

double vx6_relays_median(const struct vx6_relays *r, uint64_t now_s)
{
	struct median *m = r->median;

	if (!m->valid || now_s < m->at_s || now_s - m->at_s >= MEDIAN_KEEP_S ||
	    m->measured_n != r->measured_n)
		*m = (struct median){.at_s = now_s,
				     .measured_n = r->measured_n,
				     .value = median_of(r, now_s),
				     .valid = true};
	return m->value;
}

double vx6_relay_weight(const struct vx6_relay_entry *e, double median, uint64_t now_s)
{
	double success = vx6_relay_success(e, now_s), w;

	if (median <= 0)
		w = 1; /* nothing was measured of anybody */
	else if (e->capacity > 0)
		w = VX6_MIN(vx6_relay_capacity(e, now_s), median * VX6_RELAY_CAP_MEDIANS);
	else
		w = median / 2;
	w = VX6_MAX(w, 1e-9); /* what has decayed to nothing can be drawn still */
	return w * success * success * (vx6_relay_has_history(e) ? 1 : unproven_part);
}

/* ---- what happened ---- */

static void score(struct vx6_relay_entry *e, double successes, double failures, uint64_t now_s)
{
	double s, f;

	vx6_relay_score(e, now_s, &s, &f);
	e->successes = s + successes;
	e->failures = f + failures;
	e->score_s = now_s;
	e->last_used_s = now_s;
}

void vx6_relays_seen_success(struct vx6_relays *r, const struct vx6_node_id *node, uint32_t rtt_us,
			     uint64_t now_s)
{
	struct slot *s = relays_slot(r, node);

	if (!s)
		return;
	score(&s->e, 1, 0, now_s);
	s->e.uses += s->e.uses < UINT32_MAX;
	rtt_us = VX6_MIN(rtt_us, (uint32_t)RTT_MAX_US);
	if (rtt_us && s->e.rtt_us)
		s->e.rtt_us = (uint32_t)(((uint64_t)s->e.rtt_us * 7 + rtt_us) / 8);
	else if (rtt_us)
		s->e.rtt_us = rtt_us;
	relays_touch(r, s);
}

void vx6_relays_seen_failure(struct vx6_relays *r, const struct vx6_node_id *node,
			     enum vx6_relay_failure why, uint64_t now_s)
{
	static const double counts[] = {
		[VX6_RELAY_UNREACHABLE] = 1, [VX6_RELAY_REFUSED] = 1,  [VX6_RELAY_TIMEOUT] = 0.5,
		[VX6_RELAY_DIED] = 1,        [VX6_RELAY_PROTOCOL] = 4,
	};
	struct slot *s = relays_slot(r, node);

	if (!s)
		return;
	score(&s->e, 0, counts[why], now_s);
	relays_touch(r, s);
}

void vx6_relays_seen_bytes(struct vx6_relays *r, const struct vx6_node_id *node, uint64_t bytes,
			   uint32_t ms, uint64_t now_s)
{
	struct slot *s = relays_slot(r, node);
	double rate;

	if (!s || bytes < BYTES_MIN)
		return;
	rate = (double)bytes * 1000 / VX6_MAX(ms, (uint32_t)MS_MIN);
	if (s->e.capacity > 0 && rate <= vx6_relay_capacity(&s->e, now_s))
		return;
	r->measured_n += s->e.capacity <= 0;
	s->e.capacity = rate;
	s->e.capacity_s = now_s;
	relays_touch(r, s);
}
