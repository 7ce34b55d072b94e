/* top: the agent on one screen, again each second; or once, for scripts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "api/cli/screen.h"
#include "api/cli/top_view.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/util.h"

enum { EVERY_MS = 1000, ANSWER_MS = 2000 };

static int get(struct vx6_cli *cli, const char *op, bool list, unsigned timeout_ms,
	       struct vx6_value **out)
{
	char *path = vx6_strdup(vx6_cli_route(op)->path);
	int exit;

	if (list)
		path = vx6_cli_path_add(path, "limit", "500");
	exit = vx6_cli_fetch(cli,
			     &(struct vx6_http_request){.method = "GET",
							.path = path,
							.timeout_ms = timeout_ms},
			     out);
	free(path);
	if (exit == VX6_EXIT_OK && !*out)
		exit = vx6_cli_fail(cli, VX6_EXIT_FAILURE, "http_error", "is this a VX6 agent?",
				    "the answer is empty");
	return exit;
}

/* @param out whole, or as it was before */
static int take_picture(struct vx6_cli *cli, unsigned timeout_ms, struct vx6_top *out)
{
	struct vx6_top top = {.at_ms = vx6_now_ms()};
	int exit = get(cli, "node_get", false, timeout_ms, &top.node);

	for (size_t i = 0; i < VX6_TOP_TABLES && exit == VX6_EXIT_OK; i++) {
		const char *noun = vx6_top_noun((enum vx6_top_table)i);

		exit = get(cli, vx6_cli_find(noun, "list")->ops, true, timeout_ms, &top.lists[i]);
	}
	if (exit == VX6_EXIT_OK)
		*out = top;
	else
		vx6_top_fini(&top);
	return exit;
}

/* ---- once ---- */

static void put_json(struct vx6_json *j, const char *key, const struct vx6_value *v)
{
	char *text = v ? vx6_value_text(v) : NULL;

	vx6_json_raw(j, key, text ? text : "null");
	free(text);
}

static void show_json(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		      const struct vx6_top *top)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	put_json(&j, "node", top->node);
	for (size_t i = 0; i < VX6_TOP_TABLES; i++) {
		char key[32];

		snprintf(key, sizeof key, "%ss", vx6_top_noun((enum vx6_top_table)i));
		put_json(&j, key, vx6_value_get(top->lists[i], "items"));
	}
	vx6_json_end_object(&j);
	vx6_cli_show_json(cli, c, &j);
}

static int show_once(struct vx6_cli *cli, const struct vx6_cli_command *c)
{
	struct vx6_top now = {0}, before = {0};
	const struct vx6_top_view view = {.now = &now, .before = &before};
	int exit = take_picture(cli, 0, &now);

	if (exit == VX6_EXIT_OK && cli->format == VX6_FORMAT_TABLE && !cli->fields)
		vx6_top_print(cli, &view, stdout);
	else if (exit == VX6_EXIT_OK && cli->format == VX6_FORMAT_NAME)
		vx6_cli_show_one(cli, c, now.node);
	else if (exit == VX6_EXIT_OK)
		show_json(cli, c, &now);
	vx6_top_fini(&now);
	return exit;
}

/* ---- again and again ---- */

static void draw(const struct vx6_cli *cli, struct vx6_top_view *view)
{
	char *text = NULL;
	size_t n = 0, columns, max;
	FILE *to = open_memstream(&text, &n);

	if (!to)
		return;
	vx6_screen_size(&view->rows, &columns);
	max = vx6_top_scroll_max(view);
	view->scroll = VX6_MIN(view->scroll, max);
	vx6_top_print(cli, view, to);
	fclose(to);
	vx6_screen_draw(text);
	free(text);
}

/* @return false: it is over */
static bool obey(struct vx6_top_view *view, enum vx6_key key)
{
	int table = (int)view->table;

	if (key == VX6_KEY_QUIT || key == VX6_KEY_CLOSED)
		return false;
	if (key == VX6_KEY_UP)
		view->scroll -= view->scroll > 0;
	else if (key == VX6_KEY_DOWN)
		view->scroll++;
	else if (key == VX6_KEY_NEXT)
		table = (table + 1) % VX6_TOP_TABLES;
	else if (key == VX6_KEY_BACK)
		table = (table + VX6_TOP_TABLES - 1) % VX6_TOP_TABLES;
	else if (key >= VX6_KEY_FIRST && key < VX6_KEY_FIRST + (int)VX6_TOP_TABLES)
		table = (int)(key - VX6_KEY_FIRST);
	if (table != (int)view->table)
		view->scroll = 0;
	view->table = (enum vx6_top_table)table;
	return true;
}

/* Keys are obeyed until the next picture is due. @return false: it is over */
static bool watch_keys(const struct vx6_cli *cli, struct vx6_top_view *view, uint64_t until_ms)
{
	for (uint64_t now; (now = vx6_now_ms()) < until_ms;) {
		enum vx6_key key = vx6_screen_key((unsigned)(until_ms - now));

		if (!obey(view, key))
			return false;
		if (key != VX6_KEY_NONE)
			draw(cli, view);
	}
	return true;
}

static int show_live(struct vx6_cli *cli)
{
	struct vx6_top now = {0}, before = {0};
	struct vx6_top_view view = {.now = &now, .before = &before};
	int exit = take_picture(cli, 0, &now);

	if (exit != VX6_EXIT_OK)
		return exit;
	if (!vx6_screen_open()) {
		vx6_top_fini(&now);
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "terminal", "vx6 top --once",
				    "the terminal cannot be taken over");
	}
	/* an agent that is gone may come back; the picture says which it is */
	cli->mute = true;
	for (;;) {
		struct vx6_top next = {0};

		draw(cli, &view);
		if (!watch_keys(cli, &view, vx6_now_ms() + EVERY_MS))
			break;
		view.stale = take_picture(cli, ANSWER_MS, &next) != VX6_EXIT_OK;
		if (view.stale)
			continue;
		vx6_top_fini(&before);
		before = now;
		now = next;
	}
	vx6_screen_close();
	cli->mute = false;
	vx6_top_fini(&now);
	vx6_top_fini(&before);
	return VX6_EXIT_OK;
}

int vx6_cli_run_top(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	if (vx6_cli_has(p, "once") || cli->format != VX6_FORMAT_TABLE || cli->fields)
		return show_once(cli, p->command);
	if (!vx6_screen_possible())
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "vx6 top --once",
				    "this is for a terminal that can be drawn on");
	return show_live(cli);
}
