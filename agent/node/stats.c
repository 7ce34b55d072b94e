/*
 * One column for each number, a row for each look, in a ring that is allocated once and touched only as far as it is filled: 24 hours are less
 * than a megabyte. The loop's thread writes a row under a lock that others hold for as long as it takes to read a column.
 */
#include "node/stats.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/util.h"
#include "node/stats_internal.h"

struct vx6_stats {
	pthread_mutex_t lock;
	uint64_t added; /* row k of all that ever were is at k % VX6_STATS_SAMPLES */
	uint32_t wall_s[VX6_STATS_SAMPLES];
	uint64_t value[VX6_STATS_N][VX6_STATS_SAMPLES];
};

const struct vx6_stat_info vx6_stat_infos[VX6_STATS_N] = {
#define X(symbol, name, counter, unit, help) {name, counter, unit, help},
	VX6_STATS(X)
#undef X
};

struct vx6_stats *stats_new(void)
{
	struct vx6_stats *st = vx6_zalloc(sizeof *st);

	pthread_mutex_init(&st->lock, NULL);
	return st;
}

void stats_free(struct vx6_stats *st)
{
	if (!st)
		return;
	pthread_mutex_destroy(&st->lock);
	free(st);
}

static size_t row_of(uint64_t k)
{
	return k % VX6_STATS_SAMPLES;
}

static uint64_t first_of(const struct vx6_stats *st)
{
	return st->added > VX6_STATS_SAMPLES ? st->added - VX6_STATS_SAMPLES : 0;
}

/* A counter that seems to fall has only not been told of everything yet: of a session that is about to end, for example. */
static uint64_t not_below(const struct vx6_stats *st, size_t which, uint64_t value)
{
	uint64_t before = st->added ? st->value[which][row_of(st->added - 1)] : 0;

	return vx6_stat_infos[which].counter ? VX6_MAX(before, value) : value;
}

void stats_add(struct vx6_stats *st, const struct vx6_stats_sample *sample)
{
	pthread_mutex_lock(&st->lock);
	if (st->added == 0 || sample->wall_s > st->wall_s[row_of(st->added - 1)]) {
		size_t row = row_of(st->added);

		st->wall_s[row] = (uint32_t)VX6_MIN(sample->wall_s, UINT32_MAX);
		for (size_t i = 0; i < VX6_STATS_N; i++)
			st->value[i][row] = not_below(st, i, sample->value[i]);
		st->added++;
	}
	pthread_mutex_unlock(&st->lock);
}

bool stats_newest(struct vx6_stats *st, struct vx6_stats_sample *newest, size_t *n)
{
	size_t row;

	pthread_mutex_lock(&st->lock);
	*n = (size_t)(st->added - first_of(st));
	row = row_of(st->added - 1);
	for (size_t i = 0; *n && i < VX6_STATS_N; i++)
		newest->value[i] = st->value[i][row];
	if (*n)
		newest->wall_s = st->wall_s[row];
	pthread_mutex_unlock(&st->lock);
	return *n > 0;
}

/* The first row that is not before @p at_s. Rows ascend in time. */
static uint64_t find(const struct vx6_stats *st, uint64_t at_s)
{
	uint64_t low = first_of(st), high = st->added;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (st->wall_s[row_of(middle)] < at_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What the rows [@p k, @p end) say. A counter needs the row before them, from which it rose. */
static double step_value(const struct vx6_stats *st, enum vx6_stat which, uint64_t k, uint64_t end)
{
	const uint64_t *value = st->value[which];
	double sum = 0;

	if (vx6_stat_infos[which].counter) {
		uint64_t before = k > first_of(st) ? k - 1 : k;
		uint64_t s;

		if (k == end || before == end - 1)
			return (double)NAN;
		s = st->wall_s[row_of(end - 1)] - st->wall_s[row_of(before)];
		return (double)(value[row_of(end - 1)] - value[row_of(before)]) / (double)s;
	}
	for (uint64_t i = k; i < end; i++)
		sum += (double)value[row_of(i)];
	return k == end ? (double)NAN : sum / (double)(end - k);
}

void stats_steps(struct vx6_stats *st, enum vx6_stat which, uint64_t from_s, uint32_t step_s,
		 double *out, size_t n)
{
	uint64_t k, end;

	pthread_mutex_lock(&st->lock);
	k = find(st, from_s);
	for (size_t i = 0; i < n; i++, k = end) {
		end = find(st, from_s + (i + 1) * (uint64_t)step_s);
		out[i] = step_value(st, which, k, end);
	}
	pthread_mutex_unlock(&st->lock);
}
