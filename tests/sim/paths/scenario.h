/**
 * @file scenario.h
 * What scenarios of paths and guards share.
 *
 * Threads: one thread
 */
#ifndef SIM_PATHS_SCENARIO_H
#define SIM_PATHS_SCENARIO_H

#include "tests/sim/engine/report.h"
#include "tests/sim/paths/world.h"

struct run {
	uint32_t relays, paths, clients, days;
	uint64_t seed;
};

struct scenario {
	const char *name, *about;
	void (*run)(const struct run *r, const struct scenario *s, struct sim_report *out);
	double hostile;     /* share of the relays */
	double sabotage;    /* share of circuits that fail behind a guard */
	double unreachable; /* share of days on which a guard is down */
};

void scenario_rules(const struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_shares(const struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_liars(const struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_flood(const struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_guards(const struct run *r, const struct scenario *s, struct sim_report *out);

#endif
