/**
 * @file jobs.h
 * Scenarios side by side, each in a process of its own that reports through a file.
 *
 * Threads: one thread
 */
#ifndef SIM_ENGINE_JOBS_H
#define SIM_ENGINE_JOBS_H

#include <stddef.h>

#include "tests/sim/engine/report.h"

/** Runs scenario @p job and adds its rows. */
typedef void sim_job_fn(void *ctx, size_t job, struct sim_report *out);

/**
 * Runs jobs 0 to n - 1, @p parallel at once (1: still in processes of their own), and appends their rows in that order.
 * @param cpu_s set to the CPU time of all @return how many died or said nothing; each is told on stderr by number
 */
unsigned sim_jobs_run(size_t n, unsigned parallel, sim_job_fn *fn, void *ctx,
		      struct sim_report *out, double *cpu_s);

#endif
