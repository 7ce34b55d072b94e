/* events and logs: what is kept, page by page, and with -f what comes, by long-poll. */
#include <stdio.h>
#include <stdlib.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/request.h"
#include "base/util.h"

enum { WAIT_MS = 25000, GRACE_MS = 10000 };

struct feed {
	struct vx6_cli *cli;
	const struct vx6_cli_parsed *p;
	char *path;
	double since; /* below 0: not known yet */
	bool follow;
	const char *limit; /* of a page, as text */
	const char *lost;  /* said when what was asked for is gone */
};

static int next_page(struct feed *f, struct vx6_value **out)
{
	char *path = vx6_strdup(f->path);
	char text[32];
	int exit;

	if (f->since >= 0) {
		snprintf(text, sizeof text, "%.0f", f->since);
		path = vx6_cli_path_add(path, "since", text);
	}
	path = vx6_cli_path_add(path, "limit", f->limit);
	if (f->follow) {
		snprintf(text, sizeof text, "%dms", WAIT_MS);
		path = vx6_cli_path_add(path, "wait", text);
	}
	exit = vx6_cli_fetch(f->cli,
			     &(struct vx6_http_request){.method = "GET",
							.path = path,
							.timeout_ms =
								f->follow ? WAIT_MS + GRACE_MS : 0},
			     out);
	free(path);
	return exit;
}

static bool has_gap(const struct vx6_value *page)
{
	return vx6_value_bool(vx6_value_get(page, "reset"), false) ||
	       vx6_value_number(vx6_value_get(page, "missed")) > 0;
}

static size_t show_page(struct feed *f, const struct vx6_value *page)
{
	const struct vx6_value *items = vx6_value_get(page, "items"),
			       *next = vx6_value_get(page, "next_since");

	if (has_gap(page))
		vx6_cli_say(f->cli, "%s", f->lost);
	for (const struct vx6_value *e = vx6_value_first(items); e; e = vx6_value_next(e))
		vx6_cli_show_line(f->cli, f->p->command, e);
	fflush(stdout);
	if (next)
		f->since = vx6_value_number(next);
	return vx6_value_count(items);
}

static int follow(struct feed *f)
{
	int exit = VX6_EXIT_OK;

	while (exit == VX6_EXIT_OK && !ferror(stdout)) {
		struct vx6_value *page;

		exit = next_page(f, &page);
		if (page)
			show_page(f, page);
		vx6_value_free(page);
	}
	return exit;
}

/* All pages that there are, as one list. */
static int list(struct feed *f)
{
	struct vx6_value **pages = NULL;
	size_t n = 0, count = 1;
	int exit = VX6_EXIT_OK;

	while (exit == VX6_EXIT_OK && count > 0 && n < 1024) {
		struct vx6_value *page;

		exit = next_page(f, &page);
		if (!page)
			break;
		pages = vx6_realloc_array(pages, n + 1, sizeof *pages);
		pages[n++] = page;
		count = vx6_value_count(vx6_value_get(page, "items"));
		f->since = vx6_value_number(vx6_value_get(page, "next_since"));
		if (has_gap(page) && n == 1)
			vx6_cli_say(f->cli, "%s", f->lost);
	}
	if (exit == VX6_EXIT_OK)
		vx6_cli_show_list(f->cli, f->p->command, pages, n);
	for (size_t i = 0; i < n; i++)
		vx6_value_free(pages[i]);
	free(pages);
	return exit;
}

static int run(struct feed *f)
{
	struct vx6_cli_request r;
	int exit = vx6_cli_request_make(f->cli, f->p, f->p->command->ops, &r);

	if (exit != VX6_EXIT_OK)
		return exit;
	f->path = r.path;
	exit = f->follow ? follow(f) : list(f);
	vx6_cli_request_fini(&r);
	return exit;
}

static double since_of(const struct vx6_cli_parsed *p, double otherwise)
{
	const char *since = vx6_cli_text(p, "since");

	return since ? strtod(since, NULL) : otherwise;
}

int vx6_cli_run_events(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	bool follows = vx6_cli_has(p, "follow");
	struct feed f = {.cli = cli,
			 .p = p,
			 .since = since_of(p, follows ? -1 : 0),
			 .follow = follows,
			 .limit = "500",
			 .lost = "Older events are no longer kept."};

	return run(&f);
}

int vx6_cli_run_logs(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *lines = vx6_cli_text(p, "lines");
	struct feed f = {.cli = cli,
			 .p = p,
			 .since = since_of(p, -1),
			 .follow = vx6_cli_has(p, "follow"),
			 .limit = lines ? lines : "100",
			 .lost = "Lines between are no longer kept."};

	return run(&f);
}
