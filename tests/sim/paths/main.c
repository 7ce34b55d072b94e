/* sim_paths: how relays are chosen, drawn very often. See README.md beside the folder. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "tests/sim/engine/jobs.h"
#include "tests/sim/paths/scenario.h"

/* clang-format off */
static const struct scenario scenarios[] = {
	{"rules", "no path breaks a rule", scenario_rules, .hostile = 0.1},
	{"shares", "no relay gets more than its cap", scenario_shares, .hostile = 0.1},
	{"liars", "what lies about capacity are worth", scenario_liars, .hostile = 0.1},
	{"flood", "twice as many new relays", scenario_flood},
	{"guards-1", "a year; 1 % hostile", scenario_guards, .hostile = 0.01, .unreachable = 0.01},
	{"guards-5", "a year; 5 % hostile", scenario_guards, .hostile = 0.05, .unreachable = 0.01},
	{"guards-10", "a year; 10 % hostile", scenario_guards, .hostile = 0.1, .unreachable = 0.01},
	{"guards-10-sabotage", "and two in five circuits are made to fail", scenario_guards, .hostile = 0.1, .unreachable = 0.01, .sabotage = 0.4},
};
/* clang-format on */

struct options {
	struct run run;
	const char *json, *only;
	unsigned parallel;
	bool quick;
	size_t chosen[VX6_ARRAY_N(scenarios)], chosen_n;
};

static void usage(FILE *to)
{
	fputs("sim_paths [--scenario NAME[,NAME]] [--relays N] [--paths N] [--clients N] [--days "
	      "N]\n"
	      "          [--seed S] [--json FILE] [--quick] [--jobs N] [--list]\n",
	      to);
}

static uint32_t number(const char *text, uint32_t max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || v > max) {
		fprintf(stderr, "sim_paths: %s is no number up to %" PRIu32 "\n", text, max);
		exit(2);
	}
	return (uint32_t)v;
}

static void list(void)
{
	for (size_t i = 0; i < VX6_ARRAY_N(scenarios); i++)
		printf("%-22s %s\n", scenarios[i].name, scenarios[i].about);
	exit(0);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"scenario", 1, NULL, 's'}, {"relays", 1, NULL, 'r'},
					      {"paths", 1, NULL, 'p'},    {"clients", 1, NULL, 'c'},
					      {"days", 1, NULL, 'd'},     {"seed", 1, NULL, 'S'},
					      {"json", 1, NULL, 'o'},     {"quick", 0, NULL, 'q'},
					      {"jobs", 1, NULL, 'j'},     {"list", 0, NULL, 'l'},
					      {"help", 0, NULL, 'h'},     {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->only = optarg;
			break;
		case 'r':
			o->run.relays = number(optarg, 1000);
			break;
		case 'p':
			o->run.paths = number(optarg, 10000000);
			break;
		case 'c':
			o->run.clients = number(optarg, 100000);
			break;
		case 'd':
			o->run.days = number(optarg, 3650);
			break;
		case 'S':
			o->run.seed = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			o->json = optarg;
			break;
		case 'q':
			o->quick = true;
			break;
		case 'j':
			o->parallel = VX6_MAX(number(optarg, 1024), 1U);
			break;
		case 'l':
			list();
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (optind < argc) {
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
	for (const char *p = o->only; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		asked++;
	}
	if (o->chosen_n == 0 || (o->only != NULL && asked != o->chosen_n)) {
		fprintf(stderr, "sim_paths: not all of %s are scenarios; see --list\n", o->only);
		exit(2);
	}
	o->run.relays = o->run.relays ? o->run.relays : 500;
	o->run.paths = o->run.paths ? o->run.paths : o->quick ? 2000 : 10000;
	o->run.clients = o->run.clients ? o->run.clients : o->quick ? 20 : 300;
	o->run.days = o->run.days ? o->run.days : o->quick ? 180 : 365;
	if (o->run.relays < 100 || o->run.paths < 100) {
		fputs("sim_paths: at least 100 relays and 100 paths\n", stderr);
		exit(2);
	}
}

static void job(void *ctx, size_t number, struct sim_report *out)
{
	const struct options *o = ctx;
	const struct scenario *s = &scenarios[o->chosen[number]];
	struct timespec cpu;

	sim_report_begin(out, s->name);
	s->run(&o->run, s, out);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	sim_report_add(out, "CPU time", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9, "s");
}

static bool report(const struct options *o, const struct sim_report *r, double cpu_s)
{
	char relays[16], paths[16], clients[16], days[16], seed[24], cpu[32];
	const char *about[] = {
		"relays", relays, "paths", paths,   "clients", clients, "days",
		days,     "seed", seed,    "cpu_s", cpu,       "form",  o->quick ? "quick" : "full",
		NULL};

	snprintf(relays, sizeof relays, "%" PRIu32, o->run.relays);
	snprintf(paths, sizeof paths, "%" PRIu32, o->run.paths);
	snprintf(clients, sizeof clients, "%" PRIu32, o->run.clients);
	snprintf(days, sizeof days, "%" PRIu32, o->run.days);
	snprintf(seed, sizeof seed, "%" PRIu64, o->run.seed);
	snprintf(cpu, sizeof cpu, "%.1f", cpu_s);
	sim_report_table(r, stdout);
	printf("%s relays, %s paths, %s clients, %s days, seed %s, %s s of CPU\n", relays, paths,
	       clients, days, seed, cpu);
	if (o->json != NULL && !sim_report_json(r, about, o->json)) {
		fprintf(stderr, "sim_paths: %s: %s\n", o->json, strerror(errno));
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = {.run = {.seed = 1}, .parallel = 1};
	struct sim_report *r = sim_report_new();
	double cpu_s;
	unsigned bad;

	parse(argc, argv, &o);
	choose(&o);
	if (!vx6_is_ok(vx6_crypto_init()))
		return 2;
	bad = sim_jobs_run(o.chosen_n, o.parallel, job, &o, r, &cpu_s);
	if (!report(&o, r, cpu_s))
		bad++;
	bad += sim_report_missed(r);
	if (bad > 0)
		fprintf(stderr, "sim_paths: %u goals missed with --seed %" PRIu64 "%s\n", bad,
			o.run.seed, o.quick ? " --quick" : "");
	sim_report_free(r);
	return bad > 0 ? 1 : 0;
}
