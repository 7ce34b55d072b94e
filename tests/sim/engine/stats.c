#include "tests/sim/engine/stats.h"

#include <math.h>

#include "base/util.h"

void sim_sample_add(struct sim_sample *s, double v)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 64 : s->cap * 2;
		s->v = vx6_realloc_array(s->v, s->cap, sizeof *s->v);
	}
	s->v[s->n++] = v;
	s->sorted = false;
}

void sim_sample_fini(struct sim_sample *s)
{
	free(s->v);
	*s = (struct sim_sample){0};
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double sim_sample_percentile(struct sim_sample *s, double percent)
{
	double rank = ceil(percent / 100.0 * (double)s->n);

	if (s->n == 0)
		return 0;
	if (!s->sorted)
		qsort(s->v, s->n, sizeof *s->v, compare);
	s->sorted = true;
	return s->v[rank < 1 ? 0 : VX6_MIN((size_t)rank, s->n) - 1];
}

double sim_sample_mean(const struct sim_sample *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->v[i];
	return s->n == 0 ? 0 : sum / (double)s->n;
}

void sim_share_add(struct sim_share *s, bool yes)
{
	s->yes += yes;
	s->all++;
}

double sim_share_percent(const struct sim_share *s)
{
	return s->all == 0 ? 0 : 100.0 * (double)s->yes / (double)s->all;
}
