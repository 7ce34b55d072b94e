#include "api/cli/top_view.h"

#include <stdlib.h>
#include <string.h>

#include "api/cli/output.h"
#include "api/cli/text.h"
#include "base/util.h"

enum { AROUND_TABLE = 7 }; /* lines of the window above and below the rows of a table */

static const struct {
	const char *noun, *title;
} tables[] = {
	[VX6_TOP_PEERS] = {"peer", "Peers"},
	[VX6_TOP_CIRCUITS] = {"circuit", "Circuits"},
	[VX6_TOP_SERVICES] = {"service", "Services"},
	[VX6_TOP_FORWARDS] = {"forward", "Forwards"},
};

void vx6_top_fini(struct vx6_top *top)
{
	vx6_value_free(top->node);
	for (size_t i = 0; i < VX6_TOP_TABLES; i++)
		vx6_value_free(top->lists[i]);
	*top = (struct vx6_top){0};
}

const char *vx6_top_noun(enum vx6_top_table table)
{
	return tables[table].noun;
}

static const struct vx6_value *items(const struct vx6_top *top, enum vx6_top_table table)
{
	return vx6_value_get(top->lists[table], "items");
}

static double number_at(const struct vx6_value *v, const char *path)
{
	return vx6_value_number(vx6_cli_at(v, path));
}

static const char *text_at(const struct vx6_value *v, const char *path)
{
	const char *s = vx6_value_string(vx6_cli_at(v, path));

	return s ? s : "";
}

/* ---- how fast ---- */

/* The same peer in another picture: most often it stands where it stood. @param near NULL: none */
static const struct vx6_value *same(const struct vx6_value *list, const struct vx6_value *near,
				    const char *id)
{
	if (near && strcmp(text_at(near, "id"), id) == 0)
		return near;
	for (const struct vx6_value *p = vx6_value_first(list); p; p = vx6_value_next(p))
		if (strcmp(text_at(p, "id"), id) == 0)
			return p;
	return NULL;
}

/* A counter below what it was has begun anew. */
static double grown(const struct vx6_value *was, const struct vx6_value *is, const char *path)
{
	double a = number_at(was, path), b = number_at(is, path);

	return b >= a ? b - a : b;
}

void vx6_top_rate(const struct vx6_top *before, const struct vx6_top *now, double *rx, double *tx)
{
	const struct vx6_value *old = items(before, VX6_TOP_PEERS), *near = vx6_value_first(old);
	const struct vx6_value *p = vx6_value_first(items(now, VX6_TOP_PEERS));
	double s = now->at_ms > before->at_ms ? (double)(now->at_ms - before->at_ms) / 1000 : 0;

	*rx = *tx = 0;
	if (before->at_ms == 0 || s == 0)
		return;
	for (; p; p = vx6_value_next(p)) {
		const struct vx6_value *was = same(old, near, text_at(p, "id"));

		*rx += grown(was, p, "status.bytes.rx") / s;
		*tx += grown(was, p, "status.bytes.tx") / s;
		near = was ? vx6_value_next(was) : near;
	}
}

/* ---- the head ---- */

static void tinted(const struct vx6_cli *cli, FILE *to, const char *ansi, const char *text)
{
	fputs(cli->colour ? ansi : "", to);
	vx6_cli_clean(to, text);
	fputs(cli->colour ? "\033[0m" : "", to);
}

static void print_who(const struct vx6_cli *cli, const struct vx6_top_view *view, FILE *to)
{
	const struct vx6_value *node = view->now->node;
	bool ready = vx6_value_bool(vx6_cli_at(node, "status.ready"), false);
	char up[VX6_CLI_HUMAN];

	tinted(cli, to, "\033[1m", text_at(node, "name"));
	fputs("  ", to);
	vx6_cli_clean(to, text_at(node, "node_id"));
	fprintf(to, "  up %s  ", vx6_cli_span(number_at(node, "status.uptime_ms"), up));
	if (view->stale)
		tinted(cli, to, "\033[31m", "does not answer");
	else
		tinted(cli, to, ready ? "\033[32m" : "\033[31m", ready ? "ready" : "not ready");
	if (vx6_value_bool(vx6_cli_at(node, "status.draining"), false))
		tinted(cli, to, "\033[33m", "  going down");
	if (vx6_value_bool(vx6_cli_at(node, "status.dht.alarm"), false))
		tinted(cli, to, "\033[31m", "  DHT alarm");
	fputc('\n', to);
}

static void print_sums(const struct vx6_top_view *view, FILE *to)
{
	const struct vx6_value *node = view->now->node;
	char in[VX6_CLI_HUMAN], out[VX6_CLI_HUMAN];
	double rx, tx;

	if (view->before->at_ms > 0) {
		vx6_top_rate(view->before, view->now, &rx, &tx);
		fprintf(to, "rx %s/s  tx %s/s  ", vx6_cli_bytes(rx, in), vx6_cli_bytes(tx, out));
	}
	fprintf(to, "peers %.0f/%.0f  streams %.0f  circuits %zu  nodes known %.0f  relay ",
		number_at(node, "status.peers.up"), number_at(node, "status.peers.total"),
		number_at(node, "status.streams"),
		vx6_value_count(items(view->now, VX6_TOP_CIRCUITS)),
		number_at(node, "status.known.nodes"));
	vx6_cli_clean(to, text_at(node, "status.relay.mode"));
	fprintf(to, ", %.0f circuits of others\n\n", number_at(node, "status.relay.circuits"));
}

static void print_title(const struct vx6_cli *cli, const struct vx6_top_view *view,
			enum vx6_top_table table, FILE *to)
{
	char text[64];

	snprintf(text, sizeof text, "%s %zu", tables[table].title,
		 vx6_value_count(items(view->now, table)));
	if (cli->colour && view->rows > 0)
		tinted(cli, to, table == view->table ? "\033[7m" : "", text);
	else
		fprintf(to, table == view->table && view->rows > 0 ? "[%s]" : "%s", text);
}

/* ---- tables ---- */

static void print_table(const struct vx6_cli *cli, const struct vx6_top_view *view,
			enum vx6_top_table table, FILE *to)
{
	const struct vx6_cli_command *c = vx6_cli_find(tables[table].noun, "list");

	vx6_cli_print_rows(cli, c->columns, c->columns_n, items(view->now, table), to);
}

static size_t room(const struct vx6_top_view *view)
{
	return view->rows > AROUND_TABLE ? view->rows - AROUND_TABLE : 1;
}

size_t vx6_top_scroll_max(const struct vx6_top_view *view)
{
	size_t n = vx6_value_count(items(view->now, view->table));

	return n > room(view) ? n - room(view) : 0;
}

/* The heads of the columns, and those rows that there is room for. */
static void print_part(const struct vx6_cli *cli, const struct vx6_top_view *view, FILE *to)
{
	char *text = NULL, *save;
	size_t n = 0, row = 0;
	FILE *all = open_memstream(&text, &n);

	if (!all)
		return;
	print_table(cli, view, view->table, all);
	fclose(all);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (row == 0 || (row > view->scroll && row <= view->scroll + room(view)))
			fprintf(to, "%s\n", line);
		row++;
	}
	free(text);
}

void vx6_top_print(const struct vx6_cli *cli, const struct vx6_top_view *view, FILE *to)
{
	print_who(cli, view, to);
	print_sums(view, to);
	for (size_t i = 0; i < VX6_TOP_TABLES; i++) {
		print_title(cli, view, (enum vx6_top_table)i, to);
		fputs(view->rows > 0 ? "  " : "\n", to);
		if (view->rows > 0)
			continue;
		print_table(cli, view, (enum vx6_top_table)i, to);
		if (i + 1 < VX6_TOP_TABLES)
			fputc('\n', to);
	}
	if (view->rows == 0)
		return;
	fputc('\n', to);
	print_part(cli, view, to);
	fputs("\nq quits, arrows and tab choose a table, up and down move in it\n", to);
}
