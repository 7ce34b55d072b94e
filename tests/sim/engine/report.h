/**
 * @file report.h
 * What a simulation has found: rows of scenario, measure and value, some with a goal; as a table and as JSON.
 *
 * Threads: one thread
 */
#ifndef SIM_ENGINE_REPORT_H
#define SIM_ENGINE_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum sim_goal { SIM_NO_GOAL, SIM_AT_MOST, SIM_AT_LEAST };

struct sim_report;

/** @return owned; sim_report_free() */
struct sim_report *sim_report_new(void);
void sim_report_free(struct sim_report *r);
/** The scenario that the rows after it belong to. */
void sim_report_begin(struct sim_report *r, const char *scenario);
void sim_report_add(struct sim_report *r, const char *measure, double value, const char *unit);
void sim_report_goal(struct sim_report *r, const char *measure, double value, const char *unit,
		     enum sim_goal goal, double bound);
/** Rows whose goal is missed. */
unsigned sim_report_missed(const struct sim_report *r);

void sim_report_table(const struct sim_report *r, FILE *to);
/** For another process: sim_report_read() takes it up again. */
void sim_report_write(const struct sim_report *r, FILE *to);
/** Appends what sim_report_write() wrote. @return false: it is not that */
bool sim_report_read(struct sim_report *r, FILE *from);
/** @param about name and value, in turn, NULL at the end: said once for the whole @return false: errno */
bool sim_report_json(const struct sim_report *r, const char *const *about, const char *path);

#endif
