/**
 * @file stats.h
 * Samples and what is told of them.
 *
 * Threads: one thread
 */
#ifndef SIM_ENGINE_STATS_H
#define SIM_ENGINE_STATS_H

#include <stdbool.h>
#include <stddef.h>

/** All zero is empty. */
struct sim_sample {
	double *v;
	size_t n, cap;
	bool sorted;
};

void sim_sample_add(struct sim_sample *s, double v);
void sim_sample_fini(struct sim_sample *s);
/** Nearest rank: the smallest value that at least @p percent of all do not exceed. @return 0 when empty */
double sim_sample_percentile(struct sim_sample *s, double percent);
double sim_sample_mean(const struct sim_sample *s);

/** So many of so many. */
struct sim_share {
	size_t yes, all;
};
void sim_share_add(struct sim_share *s, bool yes);
/** @return 0 when nothing was counted */
double sim_share_percent(const struct sim_share *s);

#endif
