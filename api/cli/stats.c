/* stats: all numbers as a list; one of them over time, as a line of bars on a terminal and as rows elsewhere. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "base/clock.h"
#include "base/util.h"

enum { BARS_MAX = 60 };

/* "12.3 MB/s", "120 ms" a second, "4" */
static void human(const struct vx6_value *series, double value, char out[static 2 * VX6_CLI_HUMAN])
{
	const char *unit = vx6_value_string(vx6_value_get(series, "unit")),
		   *kind = vx6_value_string(vx6_value_get(series, "kind"));
	const char *rate = kind && strcmp(kind, "counter") == 0 ? "/s" : "";
	char text[VX6_CLI_HUMAN];

	if (unit && strcmp(unit, "byte") == 0)
		vx6_cli_bytes(value, text);
	else if (unit && strcmp(unit, "ms") == 0)
		vx6_cli_ms(value, text);
	else
		snprintf(text, sizeof text, "%.*f", value == (double)(int64_t)value ? 0 : 2, value);
	snprintf(out, 2 * VX6_CLI_HUMAN, "%s%s", text, rate);
}

static double number(const struct vx6_value *v)
{
	return vx6_value_is(v, VX6_JT_NULL) ? (double)NAN : vx6_value_number(v);
}

/* The values as at most BARS_MAX means. @return how many */
static size_t fold(const struct vx6_value *values, double out[static BARS_MAX])
{
	size_t n = vx6_value_count(values), each = (n + BARS_MAX - 1) / BARS_MAX, bars = 0;
	const struct vx6_value *v = vx6_value_first(values);

	while (v && bars < BARS_MAX) {
		double sum = 0;
		size_t there = 0;

		for (size_t i = 0; v && i < each; i++, v = vx6_value_next(v)) {
			double x = number(v);

			there += !isnan(x);
			sum += isnan(x) ? 0 : x;
		}
		out[bars++] = there ? sum / (double)there : (double)NAN;
	}
	return bars;
}

static void print_bars(const struct vx6_value *series)
{
	static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	char text[2 * VX6_CLI_HUMAN];
	double value[BARS_MAX], top = 0, last = (double)NAN;
	size_t n = fold(vx6_value_get(series, "values"), value);

	for (size_t i = 0; i < n; i++) {
		top = isnan(value[i]) ? top : VX6_MAX(top, value[i]);
		last = isnan(value[i]) ? last : value[i];
	}
	for (size_t i = 0; i < n; i++)
		fputs(isnan(value[i]) ? " "
				      : bars[top > 0 ? (size_t)(value[i] / top * 7 + 0.5) : 0],
		      stdout);
	human(series, top, text);
	printf("  at most %s", text);
	human(series, last, text);
	printf(", now %s\n", isnan(last) ? "-" : text);
}

/* A row each of the values that are there. */
static void print_rows(const struct vx6_cli *cli, const struct vx6_value *series)
{
	const char *from = vx6_value_string(vx6_value_get(series, "from"));
	double step_ms = vx6_value_number(vx6_value_get(series, "step_ms"));
	struct tm tm = {0};
	uint64_t at =
		from && strptime(from, "%Y-%m-%dT%H:%M:%S", &tm) ? (uint64_t)timegm(&tm) * 1000 : 0;
	const struct vx6_value *v = vx6_value_first(vx6_value_get(series, "values"));
	char when[VX6_TIME_TEXT];

	if (cli->headers)
		printf("%-24s  VALUE\n", "TIME");
	for (; v; v = vx6_value_next(v), at += (uint64_t)step_ms)
		if (!isnan(number(v)))
			printf("%s  %.15g\n", vx6_time_format(at, when), number(v));
}

static int show_series(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_cli_request r;
	struct vx6_value *v = NULL;
	int exit = vx6_cli_request_make(cli, p, "stats_series_get", &r);

	if (exit != VX6_EXIT_OK)
		return exit;
	exit = vx6_cli_fetch(cli, &(struct vx6_http_request){.method = "GET", .path = r.path}, &v);
	vx6_cli_request_fini(&r);
	if (exit == VX6_EXIT_OK && (cli->format != VX6_FORMAT_TABLE || cli->fields))
		vx6_cli_show_one(cli, p->command, v);
	else if (exit == VX6_EXIT_OK && isatty(STDOUT_FILENO))
		print_bars(v);
	else if (exit == VX6_EXIT_OK)
		print_rows(cli, v);
	vx6_value_free(v);
	return exit;
}

int vx6_cli_run_stats(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_value *v = NULL;
	int exit;

	if (vx6_cli_text(p, "METRIC"))
		return show_series(cli, p);
	if (vx6_cli_has(p, "since") || vx6_cli_has(p, "step"))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", NULL,
				    "say which number: vx6 stats rx_bytes --since 1h");
	exit = vx6_cli_fetch(cli,
			     &(struct vx6_http_request){.method = "GET",
							.path = vx6_cli_route("stats_get")->path},
			     &v);
	if (exit == VX6_EXIT_OK && cli->format == VX6_FORMAT_JSON)
		vx6_cli_show_one(cli, p->command, v);
	else if (exit == VX6_EXIT_OK)
		vx6_cli_show_list(cli, p->command, &v, 1);
	vx6_value_free(v);
	return exit;
}
