/**
 * @file scenario.h
 * What scenarios of the DHT share: the network they begin with, and how a batch of lookups goes.
 *
 * Shape:   the network is made once, all nodes honest and up, a quarter more of them than `nodes`; each scenario runs in a process of its own,
 *          gives roles to some, stops a fifth (dead entries in everybody's table) and goes on from there
 * Threads: one thread
 */
#ifndef SIM_DHT_SCENARIO_H
#define SIM_DHT_SCENARIO_H

#include "tests/sim/dht/records.h"
#include "tests/sim/engine/report.h"

enum { SCENARIO_DEAD_PERCENT = 20 };

struct run {
	uint32_t nodes; /* that are alive */
	uint64_t seed;
	double rtt_ms;
	bool quick, trace;
	struct world *w;
	const char *name; /* of the scenario */
};

struct scenario {
	const char *name, *about;
	void (*run)(struct run *r, const struct scenario *s, struct sim_report *out);
	double share; /* percent of liars, or minutes of a median session */
	unsigned sybils, prefixes;
	enum role role;
	bool chosen; /* eclipse: the attacker picks his prefixes out of a /32 */
	/* goals in percent; 0: none */
	double found, found_quick;
};

void scenario_static(struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_eclipse(struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_churn(struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_replay(struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_claimed(struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_hidden(struct run *r, const struct scenario *s, struct sim_report *out);
void scenario_idle(struct run *r, const struct scenario *s, struct sim_report *out);

/** @p percent of all nodes get that role; SCENARIO_DEAD_PERCENT of all go down; sessions come up among the rest. */
void scenario_begin(struct run *r, enum role role, double percent);
/** @p n lookups by nodes picked at random, one each @p gap_us; @p restart: the reader starts anew for it. Waits for the last. */
void scenario_lookups(struct run *r, const struct target *t, size_t targets, size_t n,
		      uint64_t gap_us, bool restart, struct tally *out);
/** Rows of a batch. @param prefix of the measures' names @param goal percent; 0: none */
void scenario_report(const struct run *r, struct tally *t, const char *prefix, double goal,
		     struct sim_report *out);
double scenario_goal(const struct run *r, const struct scenario *s);

#endif
