/* Goals, the way from process to process, and JSON. */
#include "tests/sim/unit/common.h"

#include <unistd.h>

#include <cjson/cJSON.h>

#include "tests/sim/engine/jobs.h"
#include "tests/sim/engine/report.h"

static void goal__either_side__is_met_or_missed(void **state)
{
	struct sim_report *r = sim_report_new();

	sim_report_begin(r, "a");
	sim_report_add(r, "free", 1e9, "");
	sim_report_goal(r, "at the bound", 3, "RTT", SIM_AT_MOST, 3);
	sim_report_goal(r, "above", 99.5, "%", SIM_AT_LEAST, 99.5);
	assert_int_equal(sim_report_missed(r), 0);
	sim_report_goal(r, "over", 3.01, "RTT", SIM_AT_MOST, 3);
	sim_report_goal(r, "below", 99.4, "%", SIM_AT_LEAST, 99.5);
	assert_int_equal(sim_report_missed(r), 2);
	sim_report_free(r);
}

static void job(void *ctx, size_t number, struct sim_report *out)
{
	char name[16];

	if (number == 2)
		_exit(7);
	snprintf(name, sizeof name, "job %zu", number);
	sim_report_begin(out, name);
	sim_report_goal(out, "number", (double)number, "", SIM_AT_MOST, 3);
}

static void jobs__one_dies__the_others_report_in_order(void **state)
{
	struct sim_report *r = sim_report_new();
	const char *about[] = {"seed", "9", NULL};
	char path[] = "/tmp/vx6-sim-XXXXXX", text[4096];
	double cpu_s;
	cJSON *top, *rows;
	FILE *f;
	size_t n;

	assert_int_equal(sim_jobs_run(5, 2, job, NULL, r, &cpu_s), 1);
	assert_int_equal(sim_report_missed(r), 1); /* number 4 */
	close(mkstemp(path));
	assert_true(sim_report_json(r, about, path));
	f = fopen(path, "r");
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = '\0';
	fclose(f);
	unlink(path);
	top = cJSON_Parse(text);
	assert_string_equal(cJSON_GetObjectItem(top, "seed")->valuestring, "9");
	assert_int_equal(cJSON_GetObjectItem(top, "missed")->valueint, 1);
	rows = cJSON_GetObjectItem(top, "rows");
	assert_int_equal(cJSON_GetArraySize(rows), 4);
	assert_string_equal(
		cJSON_GetObjectItem(cJSON_GetArrayItem(rows, 2), "scenario")->valuestring, "job 3");
	assert_true(cJSON_IsFalse(cJSON_GetObjectItem(cJSON_GetArrayItem(rows, 3), "met")));
	cJSON_Delete(top);
	sim_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goal__either_side__is_met_or_missed),
		cmocka_unit_test(jobs__one_dies__the_others_report_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
