/* sim_dht: scenarios of the DHT on virtual time. See README.md beside it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "tests/sim/dht/scenario.h"
#include "tests/sim/engine/jobs.h"

/* clang-format off */
static const struct scenario scenarios[] = {
	{"speed", "a fifth of all entries is dead", scenario_static, .found = 99.5, .found_quick = 99},
	{"sybil-10", "10 % collude", scenario_static, 10, .role = ROLE_COLLUDER, .found = 99.5, .found_quick = 99},
	{"sybil-20", "20 % collude", scenario_static, 20, .role = ROLE_COLLUDER, .found = 99.5, .found_quick = 99},
	{"sybil-30", "30 % collude", scenario_static, 30, .role = ROLE_COLLUDER, .found = 98, .found_quick = 97},
	{"sybil-40", "40 % collude", scenario_static, 40, .role = ROLE_COLLUDER},
	{"sybil-50", "50 % collude", scenario_static, 50, .role = ROLE_COLLUDER},
	{"sly-20", "20 % collude and deceive who reads his record back", scenario_static, 20, .role = ROLE_SLY},
	{"flood-10", "10 % name nodes that do not exist", scenario_static, 10, .role = ROLE_FLOODER, .found = 99, .found_quick = 98},
	{"eclipse-8-1", "8 Sybils in 1 prefix", scenario_eclipse, .sybils = 8, .prefixes = 1, .found = 99, .found_quick = 98},
	{"eclipse-20-4", "20 Sybils in 4 prefixes", scenario_eclipse, .sybils = 20, .prefixes = 4, .found = 99, .found_quick = 98},
	{"eclipse-60-4", "60 Sybils in 4 prefixes", scenario_eclipse, .sybils = 60, .prefixes = 4, .found = 99, .found_quick = 98},
	{"eclipse-60-4-chosen", "the 4 nearest prefixes of a /32", scenario_eclipse, .sybils = 60, .prefixes = 4, .chosen = true, .found = 99, .found_quick = 98},
	{"eclipse-60-16", "60 Sybils in 16 prefixes", scenario_eclipse, .sybils = 60, .prefixes = 16, .found = 99, .found_quick = 98},
	{"eclipse-60-16-chosen", "the 16 nearest prefixes of a /32", scenario_eclipse, .sybils = 60, .prefixes = 16, .chosen = true},
	{"churn-60", "median session of 1 h", scenario_churn, 60, .found = 99.5, .found_quick = 99},
	{"churn-10", "median session of 10 min", scenario_churn, 10, .found = 98, .found_quick = 97},
	{"replay-30", "30 % of holders keep to old records", scenario_replay, 30, .role = ROLE_REPLAYER, .found = 99, .found_quick = 98},
	{"names-20", "names of one claim and of two; 20 % collude", scenario_claimed, 20, .role = ROLE_COLLUDER, .found = 99, .found_quick = 98},
	{"hidden-0", "descriptors of hidden services, by way of others", scenario_hidden, 0, .found = 99.5, .found_quick = 99},
	{"hidden-50", "half of their holders have old, forged, foreign ones or none", scenario_hidden, 50, .found = 99, .found_quick = 98},
	{"idle", "nobody asks", scenario_idle, .found = 99.5, .found_quick = 99},
};
/* clang-format on */

struct options {
	struct run run;
	const char *json, *only;
	unsigned parallel;
	bool join;
	double jitter;
	size_t chosen[VX6_ARRAY_N(scenarios)], chosen_n;
};

static void usage(FILE *to)
{
	fputs("sim_dht [--scenario NAME[,NAME]] [--nodes N] [--seed S] [--json FILE] [--quick]\n"
	      "        [--join] [--jitter 0..1] [--rtt MS] [--jobs N] [--trace] [--list]\n",
	      to);
}

static double number(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0) || v > 1e15) {
		fprintf(stderr, "sim_dht: %s is no number\n", text);
		exit(2);
	}
	return v;
}

static void list(void)
{
	for (size_t i = 0; i < VX6_ARRAY_N(scenarios); i++)
		printf("%-22s %s\n", scenarios[i].name, scenarios[i].about);
	exit(0);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"scenario", 1, NULL, 's'}, {"nodes", 1, NULL, 'n'},
					      {"seed", 1, NULL, 'S'},     {"json", 1, NULL, 'o'},
					      {"quick", 0, NULL, 'q'},    {"join", 0, NULL, 'j'},
					      {"jitter", 1, NULL, 'J'},   {"rtt", 1, NULL, 'r'},
					      {"jobs", 1, NULL, 'p'},     {"trace", 0, NULL, 't'},
					      {"list", 0, NULL, 'l'},     {"help", 0, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->only = optarg;
			break;
		case 'n':
			o->run.nodes = (uint32_t)VX6_MIN(number(optarg), 1e6);
			break;
		case 'S':
			o->run.seed = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			o->json = optarg;
			break;
		case 'q':
			o->run.quick = true;
			break;
		case 'j':
			o->join = true;
			break;
		case 'J':
			o->jitter = VX6_MIN(number(optarg), 1.0);
			break;
		case 'r':
			o->run.rtt_ms = number(optarg);
			break;
		case 'p':
			o->parallel = (unsigned)VX6_MAX(number(optarg), 1);
			break;
		case 't':
			o->run.trace = true;
			break;
		case 'l':
			list();
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (optind < argc || (o->run.nodes != 0 && o->run.nodes < 50) || o->run.rtt_ms < 1) {
		usage(stderr);
		exit(2);
	}
}

static bool is_named(const char *names, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = names; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	}
	return false;
}

static void choose(struct options *o)
{
	size_t asked = 0;

	for (size_t i = 0; i < VX6_ARRAY_N(scenarios); i++)
		if (o->only == NULL || is_named(o->only, scenarios[i].name))
			o->chosen[o->chosen_n++] = i;
	/* each name that was asked for is one of them */
	for (const char *p = o->only; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		asked++;
	}
	if (o->chosen_n == 0 || (o->only != NULL && asked != o->chosen_n)) {
		fprintf(stderr, "sim_dht: not all of %s are scenarios; see --list\n", o->only);
		exit(2);
	}
}

static void job(void *ctx, size_t number, struct sim_report *out)
{
	struct options *o = ctx;
	const struct scenario *s = &scenarios[o->chosen[number]];
	struct timespec cpu;

	o->run.name = s->name;
	sim_report_begin(out, s->name);
	s->run(&o->run, s, out);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	sim_report_add(out, "CPU time", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9, "s");
	fprintf(stderr, "%-22s %4ld s of CPU, %u goals missed\n", s->name, (long)cpu.tv_sec,
		sim_report_missed(out));
}

/* A quarter more than are to be alive: the others go down as the scenario begins. */
static void make_world(struct options *o)
{
	struct world_config cfg = {.seed = o->run.seed,
				   .rtt_ms = o->run.rtt_ms,
				   .jitter = o->jitter,
				   .warm_max = 128};
	uint32_t all = o->run.nodes * 100 / (100 - SCENARIO_DEAD_PERCENT);
	uint8_t ip[16];

	o->run.w = world_new(&cfg);
	for (uint32_t i = 0; i < all; i++) {
		sim_addrs_next(&o->run.w->addrs, ip);
		world_add(o->run.w, ip);
	}
	if (o->join)
		world_join(o->run.w, 3, 30 * 60 * (uint64_t)SIM_S);
	else
		world_fill(o->run.w);
}

static bool report(const struct options *o, const struct sim_report *r, double cpu_s)
{
	char nodes[24], seed[24], cpu[32], rtt[32];
	const char *about[] = {"nodes",  nodes,
			       "seed",   seed,
			       "rtt_ms", rtt,
			       "cpu_s",  cpu,
			       "tables", o->join ? "joined" : "filled",
			       "form",   o->run.quick ? "quick" : "full",
			       NULL};

	snprintf(nodes, sizeof nodes, "%" PRIu32, o->run.nodes);
	snprintf(seed, sizeof seed, "%" PRIu64, o->run.seed);
	snprintf(cpu, sizeof cpu, "%.1f", cpu_s);
	snprintf(rtt, sizeof rtt, "%g", o->run.rtt_ms);
	sim_report_table(r, stdout);
	printf("%s nodes, seed %s, %s ms RTT, tables %s, %s s of CPU\n", nodes, seed, rtt, about[9],
	       cpu);
	if (o->json != NULL && !sim_report_json(r, about, o->json)) {
		fprintf(stderr, "sim_dht: %s: %s\n", o->json, strerror(errno));
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = {.run = {.seed = 1, .rtt_ms = 50}, .parallel = 1};
	struct sim_report *r = sim_report_new();
	double cpu_s;
	unsigned bad;

	parse(argc, argv, &o);
	choose(&o);
	if (o.run.nodes == 0)
		o.run.nodes = o.run.quick ? 1000 : 10000;
	make_world(&o);
	bad = sim_jobs_run(o.chosen_n, o.parallel, job, &o, r, &cpu_s);
	cpu_s += (double)clock() / CLOCKS_PER_SEC;
	if (!report(&o, r, cpu_s))
		bad++;
	bad += sim_report_missed(r);
	if (bad > 0)
		fprintf(stderr,
			"sim_dht: %u goals missed with --seed %" PRIu64 " --nodes %" PRIu32
			"%s%s\n",
			bad, o.run.seed, o.run.nodes, o.run.quick ? " --quick" : "",
			o.join ? " --join" : "");
	sim_report_free(r);
	world_free(o.run.w);
	return bad > 0 ? 1 : 0;
}
