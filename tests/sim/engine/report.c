#include "tests/sim/engine/report.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/util.h"

enum { TEXT = 64 };

struct row {
	char scenario[TEXT], measure[TEXT], unit[TEXT];
	double value, bound;
	int goal; /* enum sim_goal */
};

struct sim_report {
	char scenario[TEXT];
	struct row *rows;
	size_t n, cap;
};

struct sim_report *sim_report_new(void)
{
	return vx6_zalloc(sizeof(struct sim_report));
}

void sim_report_free(struct sim_report *r)
{
	if (r == NULL)
		return;
	free(r->rows);
	free(r);
}

void sim_report_begin(struct sim_report *r, const char *scenario)
{
	vx6_strlcpy(r->scenario, scenario, sizeof r->scenario);
}

static struct row *row_new(struct sim_report *r)
{
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 32 : r->cap * 2;
		r->rows = vx6_realloc_array(r->rows, r->cap, sizeof *r->rows);
	}
	r->rows[r->n] = (struct row){0};
	return &r->rows[r->n++];
}

void sim_report_goal(struct sim_report *r, const char *measure, double value, const char *unit,
		     enum sim_goal goal, double bound)
{
	struct row *row = row_new(r);

	vx6_strlcpy(row->scenario, r->scenario, sizeof row->scenario);
	vx6_strlcpy(row->measure, measure, sizeof row->measure);
	vx6_strlcpy(row->unit, unit, sizeof row->unit);
	row->value = value;
	row->goal = (int)goal;
	row->bound = bound;
}

void sim_report_add(struct sim_report *r, const char *measure, double value, const char *unit)
{
	sim_report_goal(r, measure, value, unit, SIM_NO_GOAL, 0);
}

static bool met(const struct row *row)
{
	return row->goal == SIM_NO_GOAL ||
	       (row->goal == SIM_AT_MOST ? row->value <= row->bound : row->value >= row->bound);
}

unsigned sim_report_missed(const struct sim_report *r)
{
	unsigned missed = 0;

	for (size_t i = 0; i < r->n; i++)
		missed += !met(&r->rows[i]);
	return missed;
}

/* ---- the table ---- */

static const char *number(double v, char out[static 32])
{
	if (v == (double)(long long)v && v > -1e15 && v < 1e15)
		snprintf(out, 32, "%lld", (long long)v);
	else
		snprintf(out, 32, v < 10 && v > -10 ? "%.3f" : "%.2f", v);
	return out;
}

void sim_report_table(const struct sim_report *r, FILE *to)
{
	char value[32], bound[32], goal[48];

	fprintf(to, "%-24s %-44s %12s %-8s %-12s\n", "scenario", "measure", "value", "unit",
		"goal");
	for (size_t i = 0; i < r->n; i++) {
		const struct row *row = &r->rows[i];
		bool again = i > 0 && strcmp(row->scenario, row[-1].scenario) == 0;

		goal[0] = '\0';
		if (row->goal != SIM_NO_GOAL)
			snprintf(goal, sizeof goal, "%s %-6s %s",
				 row->goal == SIM_AT_MOST ? "<=" : ">=", number(row->bound, bound),
				 met(row) ? "met" : "MISSED");
		fprintf(to, "%-24s %-44s %12s %-8s %s\n", again ? "" : row->scenario, row->measure,
			number(row->value, value), row->unit, goal);
	}
}

/* ---- from one process to another ---- */

void sim_report_write(const struct sim_report *r, FILE *to)
{
	size_t n = r->n;

	fwrite(&n, sizeof n, 1, to);
	if (n > 0)
		fwrite(r->rows, sizeof *r->rows, n, to);
}

bool sim_report_read(struct sim_report *r, FILE *from)
{
	size_t n;

	if (fread(&n, sizeof n, 1, from) != 1 || n > 100000)
		return false;
	for (size_t i = 0; i < n; i++)
		if (fread(row_new(r), sizeof(struct row), 1, from) != 1) {
			r->n--;
			return false;
		}
	return true;
}

/* ---- JSON ---- */

static cJSON *row_json(const struct row *row)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "scenario", row->scenario);
	cJSON_AddStringToObject(o, "measure", row->measure);
	cJSON_AddNumberToObject(o, "value", row->value);
	cJSON_AddStringToObject(o, "unit", row->unit);
	if (row->goal != SIM_NO_GOAL) {
		cJSON_AddStringToObject(o, "goal",
					row->goal == SIM_AT_MOST ? "at_most" : "at_least");
		cJSON_AddNumberToObject(o, "bound", row->bound);
		cJSON_AddBoolToObject(o, "met", met(row));
	}
	return o;
}

bool sim_report_json(const struct sim_report *r, const char *const *about, const char *path)
{
	cJSON *top = cJSON_CreateObject(), *rows;
	FILE *f = fopen(path, "w");
	char *text;
	bool ok;

	for (; about[0] != NULL; about += 2)
		cJSON_AddStringToObject(top, about[0], about[1]);
	cJSON_AddNumberToObject(top, "missed", sim_report_missed(r));
	rows = cJSON_AddArrayToObject(top, "rows");
	for (size_t i = 0; i < r->n; i++)
		cJSON_AddItemToArray(rows, row_json(&r->rows[i]));
	text = cJSON_Print(top);
	ok = f != NULL && text != NULL && fprintf(f, "%s\n", text) > 0;
	if (f != NULL && fclose(f) != 0)
		ok = false;
	cJSON_free(text);
	cJSON_Delete(top);
	return ok;
}
