#include "api/cli/output.h"

#include <stdlib.h>
#include <string.h>

#include "api/cli/grid.h"
#include "api/cli/show.h"
#include "api/cli/text.h"
#include "base/util.h"

enum { COLUMNS_MAX = 24, PATH_MAX_BYTES = 256 };

const char *vx6_cli_name_of(const struct vx6_value *v)
{
	return vx6_value_string(vx6_cli_at(v, "name|id|node_id"));
}

/* ---- JSON ---- */

void vx6_cli_indent(FILE *to, const char *json)
{
	int depth = 0;
	bool quoted = false;

	for (const char *p = json; *p; p++) {
		if (quoted || *p == '"') {
			fputc(*p, to);
			if (quoted && *p == '\\' && p[1])
				fputc(*++p, to);
			else if (*p == '"')
				quoted = !quoted;
		} else if ((*p == '{' || *p == '[') && p[1] != '}' && p[1] != ']') {
			fprintf(to, "%c\n%*s", *p, 2 * ++depth, "");
		} else if ((*p == '}' || *p == ']') && p[-1] != '{' && p[-1] != '[') {
			fprintf(to, "\n%*s%c", 2 * --depth, "", *p);
		} else if (*p == ',') {
			fprintf(to, ",\n%*s", 2 * depth, "");
		} else if (*p == ':') {
			fputs(": ", to);
		} else {
			fputc(*p, to);
		}
	}
	fputc('\n', to);
}

enum wanted {
	WANTED_NOT,
	WANTED_PART,
	WANTED_WHOLE,
};

/* "a.b,c": what of the member at @p path was asked for. */
static enum wanted field_wanted(const char *fields, const char *path)
{
	enum wanted wanted = WANTED_NOT;
	size_t n = strlen(path);

	for (const char *p = fields; *p;) {
		size_t len = strcspn(p, ",");

		if (len <= n && memcmp(p, path, len) == 0 && (!path[len] || path[len] == '.'))
			return WANTED_WHOLE;
		if (len > n && memcmp(p, path, n) == 0 && p[n] == '.')
			wanted = WANTED_PART;
		p += len;
		p += *p == ',';
	}
	return wanted;
}

static void put_compact(FILE *to, const struct vx6_value *v)
{
	char *text = vx6_value_text(v);

	fputs(text ? text : "null", to);
	free(text);
}

/* The members of an object that --fields wants, at every depth. @param prefix of their paths */
static void put_wanted(const char *fields, FILE *to, const struct vx6_value *v, const char *prefix)
{
	bool first = true;

	fputc('{', to);
	for (const struct vx6_value *m = vx6_value_first(v); m; m = vx6_value_next(m)) {
		char path[PATH_MAX_BYTES];
		enum wanted wanted;

		snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", vx6_value_key(m));
		wanted = field_wanted(fields, path);
		if (wanted == WANTED_NOT)
			continue;
		fprintf(to, "%s\"%s\":", first ? "" : ",", vx6_value_key(m));
		if (wanted == WANTED_PART && vx6_value_is(m, VX6_JT_OBJECT))
			put_wanted(fields, to, m, path);
		else
			put_compact(to, m);
		first = false;
	}
	fputc('}', to);
}

static void put_item(const struct vx6_cli *cli, FILE *to, const struct vx6_value *v)
{
	if (cli->fields && vx6_value_is(v, VX6_JT_OBJECT))
		put_wanted(cli->fields, to, v, "");
	else
		put_compact(to, v);
}

static void print_json(const struct vx6_cli *cli, const struct vx6_value *v, bool lines)
{
	char *text = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&text, &n);

	if (!memory)
		return;
	put_item(cli, memory, v);
	fclose(memory);
	if (lines)
		printf("%s\n", text);
	else
		vx6_cli_indent(stdout, text);
	free(text);
}

/* The pages as one: the shape of a list that is complete. */
static void print_json_list(const struct vx6_cli *cli, struct vx6_value *const *pages, size_t n)
{
	const struct vx6_value *index = n ? vx6_value_get(pages[n - 1], "index") : NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	bool first = true;

	if (!memory)
		return;
	fputs("{\"items\":[", memory);
	for (size_t i = 0; i < n; i++) {
		const struct vx6_value *item = vx6_value_first(vx6_value_get(pages[i], "items"));

		for (; item; item = vx6_value_next(item)) {
			fputs(first ? "" : ",", memory);
			put_item(cli, memory, item);
			first = false;
		}
	}
	fputs("],\"next_cursor\":", memory);
	put_compact(memory, n ? vx6_value_get(pages[n - 1], "next_cursor") : NULL);
	if (index) {
		fputs(",\"index\":", memory);
		put_compact(memory, index);
	}
	fputc('}', memory);
	fclose(memory);
	vx6_cli_indent(stdout, text);
	free(text);
}

/* ---- tables ---- */

/* The columns of a table: those of the command, or one for each of --fields. */
static size_t choose_columns(const struct vx6_cli *cli, const struct vx6_cli_command *c,
			     struct vx6_cli_column out[static COLUMNS_MAX], char **titles)
{
	size_t n = 0;

	*titles = NULL;
	if (!cli->fields) {
		n = VX6_MIN(c->columns_n, COLUMNS_MAX);
		for (size_t i = 0; i < n; i++)
			out[i] = c->columns[i];
		return n;
	}
	*titles = vx6_strdup(cli->fields);
	for (char *save, *p = strtok_r(*titles, ",", &save); p && n < COLUMNS_MAX;
	     p = strtok_r(NULL, ",", &save))
		out[n++] = (struct vx6_cli_column){.title = p, .path = p};
	return n;
}

static void add_row(struct vx6_grid *g, const struct vx6_cli_column *columns,
		    const struct vx6_value *item)
{
	for (size_t i = 0; i < g->columns; i++) {
		struct vx6_cli_cell cell = vx6_cli_cell(&columns[i], item);

		vx6_grid_add(g, cell.text, cell.tint, cell.right);
	}
}

/* A title stands over its numbers. */
static void align_titles(struct vx6_grid *g)
{
	for (size_t i = 0; i < g->columns && g->columns + i < g->n; i++)
		g->cells[i].right = g->cells[g->columns + i].right;
}

/* Spare columns in which nothing stands are left out. */
static void drop_empty(struct vx6_grid *g, const struct vx6_cli_column *columns, size_t head)
{
	for (size_t i = g->columns; i-- > 0;) {
		bool empty = columns[i].spare;

		for (size_t j = head * g->columns + i; empty && j < g->n; j += g->columns)
			empty = strcmp(g->cells[j].text, "-") == 0;
		if (empty)
			vx6_grid_drop(g, i);
	}
}

static void add_heads(const struct vx6_cli *cli, struct vx6_grid *g,
		      const struct vx6_cli_column *columns)
{
	for (size_t i = 0; cli->headers && i < g->columns; i++)
		vx6_grid_add(g, vx6_strdup(columns[i].title), VX6_TINT_HEAD, false);
}

static void finish(const struct vx6_cli *cli, struct vx6_grid *g,
		   const struct vx6_cli_column *columns)
{
	if (cli->headers)
		align_titles(g);
	drop_empty(g, columns, cli->headers);
}

static void print_table(const struct vx6_cli *cli, const struct vx6_cli_command *c,
			struct vx6_value *const *pages, size_t n, const struct vx6_value *one)
{
	struct vx6_cli_column columns[COLUMNS_MAX];
	char *titles;
	struct vx6_grid g = {.columns = choose_columns(cli, c, columns, &titles),
			     .colour = cli->colour};

	add_heads(cli, &g, columns);
	if (one)
		add_row(&g, columns, one);
	for (size_t i = 0; i < n; i++) {
		const struct vx6_value *item = vx6_value_first(vx6_value_get(pages[i], "items"));

		for (; item; item = vx6_value_next(item))
			add_row(&g, columns, item);
	}
	if (g.n == g.columns * cli->headers && !one) {
		vx6_cli_say(cli, "There are none.");
	} else {
		finish(cli, &g, columns);
		vx6_grid_print(&g, stdout);
	}
	vx6_grid_fini(&g);
	free(titles);
}

void vx6_cli_print_rows(const struct vx6_cli *cli, const struct vx6_cli_column *columns, size_t n,
			const struct vx6_value *list, FILE *to)
{
	struct vx6_grid g = {.columns = n, .colour = cli->colour};

	add_heads(cli, &g, columns);
	for (const struct vx6_value *v = vx6_value_first(list); v; v = vx6_value_next(v))
		add_row(&g, columns, v);
	finish(cli, &g, columns);
	vx6_grid_print(&g, to);
	vx6_grid_fini(&g);
}

static void add_line(struct vx6_grid *g, const char *title, const struct vx6_cli_column *column,
		     const struct vx6_value *v)
{
	struct vx6_cli_cell cell = vx6_cli_cell(column, v);

	if (g->columns == 2)
		vx6_grid_add(g, vx6_strdup(title), VX6_TINT_HEAD, false);
	vx6_grid_add(g, cell.text, cell.tint, false);
}

/* Every value that an object holds, by its path. */
static void add_leaves(struct vx6_grid *g, const struct vx6_value *v, const char *prefix)
{
	for (const struct vx6_value *m = vx6_value_first(v); m; m = vx6_value_next(m)) {
		char path[PATH_MAX_BYTES];

		snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", vx6_value_key(m));
		if (vx6_value_is(m, VX6_JT_OBJECT) && vx6_value_count(m) > 0)
			add_leaves(g, m, path);
		else
			add_line(g, path, &(struct vx6_cli_column){.path = ""}, m);
	}
}

static void print_lines(const struct vx6_cli *cli, const struct vx6_cli_command *c,
			const struct vx6_value *v)
{
	struct vx6_cli_column columns[COLUMNS_MAX];
	char *titles;
	size_t n = choose_columns(cli, c, columns, &titles);
	struct vx6_grid g = {.columns = cli->headers ? 2 : 1, .colour = cli->colour};

	for (size_t i = 0; i < n; i++)
		add_line(&g, columns[i].title, &columns[i], v);
	if (n == 0)
		add_leaves(&g, v, "");
	vx6_grid_print(&g, stdout);
	vx6_grid_fini(&g);
	free(titles);
}

/* ---- */

static void print_name(const struct vx6_value *v)
{
	const struct vx6_value *seq = vx6_value_get(v, "seq");
	const char *name = vx6_cli_name_of(v);

	if (name)
		vx6_cli_clean(stdout, name);
	else if (seq) /* what an event goes by */
		printf("%.0f", vx6_value_number(seq));
	else
		return;
	putchar('\n');
}

/* What looks the same for one object and for the items of a list. @return false: it is for a table */
static bool print_plain(const struct vx6_cli *cli, const struct vx6_value *v)
{
	if (cli->format == VX6_FORMAT_TABLE)
		return false;
	if (cli->format == VX6_FORMAT_NAME)
		print_name(v);
	else
		print_json(cli, v, cli->format == VX6_FORMAT_JSONL);
	return true;
}

void vx6_cli_show_one(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		      const struct vx6_value *v)
{
	if (!print_plain(cli, v))
		print_lines(cli, c, v);
}

void vx6_cli_show_json(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		       struct vx6_json *j)
{
	char *text = vx6_json_take(j);
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (vx6_is_ok(vx6_value_parse(text, strlen(text), &v, &fault)))
		vx6_cli_show_one(cli, c, v);
	vx6_value_free(v);
	free(text);
}

void vx6_cli_show_row(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		      const struct vx6_value *v)
{
	if (!print_plain(cli, v))
		print_table(cli, c, NULL, 0, v);
}

void vx6_cli_show_list(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		       struct vx6_value *const *pages, size_t n)
{
	if (cli->format == VX6_FORMAT_JSON) {
		print_json_list(cli, pages, n);
		return;
	}
	if (cli->format == VX6_FORMAT_TABLE) {
		print_table(cli, c, pages, n, NULL);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct vx6_value *item = vx6_value_first(vx6_value_get(pages[i], "items"));

		for (; item; item = vx6_value_next(item))
			print_plain(cli, item);
	}
}

void vx6_cli_show_line(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		       const struct vx6_value *v)
{
	struct vx6_cli_column columns[COLUMNS_MAX];
	struct vx6_grid g = {.colour = cli->colour};
	char *titles;

	if (cli->format == VX6_FORMAT_NAME) {
		print_name(v);
		return;
	}
	if (cli->format != VX6_FORMAT_TABLE) {
		print_json(cli, v, true);
		return;
	}
	g.columns = choose_columns(cli, c, columns, &titles);
	add_row(&g, columns, v);
	vx6_grid_print(&g, stdout);
	vx6_grid_fini(&g);
	free(titles);
}
