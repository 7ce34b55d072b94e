/* Commands that are one request, or all pages of a list, entirely by the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "base/util.h"

enum { PAGE = 500, PAGES_MAX = 4096 };

static const char *subject(const struct vx6_cli_parsed *p, const struct vx6_value *answer)
{
	const char *name = answer ? vx6_cli_name_of(answer) : NULL;

	if (name)
		return name;
	for (size_t i = 0; i < p->values_n; i++)
		if (p->values[i].arg->positional)
			return p->values[i].text;
	return "";
}

int vx6_cli_run_call(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_cli_request r;
	struct vx6_value *answer = NULL;
	int exit = vx6_cli_request_make(cli, p, p->command->ops, &r);

	if (exit != VX6_EXIT_OK)
		return exit;
	exit = vx6_cli_fetch(cli,
			     &(struct vx6_http_request){
				     .method = r.route->method,
				     .path = r.path,
				     .body = r.body,
				     .media_type = r.route->merge_patch
							   ? "application/merge-patch+json"
							   : NULL,
				     .if_match = r.if_match,
			     },
			     &answer);
	if (exit == VX6_EXIT_OK && p->command->done)
		vx6_cli_say(cli, "%s %s", p->command->done, subject(p, answer));
	if (exit == VX6_EXIT_OK && answer && p->command->done)
		vx6_cli_show_row(cli, p->command, answer);
	else if (exit == VX6_EXIT_OK && answer)
		vx6_cli_show_one(cli, p->command, answer);
	vx6_value_free(answer);
	vx6_cli_request_fini(&r);
	return exit;
}

static int get_page(struct vx6_cli *cli, const char *base, const char *cursor, size_t limit,
		    struct vx6_value **out)
{
	char text[16], *path = vx6_strdup(base);
	int exit;

	snprintf(text, sizeof text, "%zu", limit);
	path = vx6_cli_path_add(path, "limit", text);
	if (cursor)
		path = vx6_cli_path_add(path, "cursor", cursor);
	exit = vx6_cli_fetch(cli, &(struct vx6_http_request){.method = "GET", .path = path}, out);
	free(path);
	return exit;
}

/* Pages are kept, not merged: what is shown is walked page by page. */
int vx6_cli_run_list(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *limit_text = vx6_cli_text(p, "limit"), *cursor = NULL;
	size_t left = SIZE_MAX, n = 0;
	struct vx6_value **pages = NULL;
	struct vx6_cli_request r;
	int exit = vx6_cli_request_make(cli, p, p->command->ops, &r);

	if (exit != VX6_EXIT_OK)
		return exit;
	if (limit_text)
		left = strtoul(limit_text, NULL, 10);
	while (exit == VX6_EXIT_OK && left > 0 && n < PAGES_MAX) {
		struct vx6_value *page;
		size_t count;

		exit = get_page(cli, r.path, cursor, VX6_MIN(left, PAGE), &page);
		if (!page)
			break;
		pages = vx6_realloc_array(pages, n + 1, sizeof *pages);
		pages[n++] = page;
		count = vx6_value_count(vx6_value_get(page, "items"));
		left -= VX6_MIN(left, count);
		cursor = vx6_value_string(vx6_value_get(page, "next_cursor"));
		if (!cursor || count == 0)
			break;
	}
	if (exit == VX6_EXIT_OK)
		vx6_cli_show_list(cli, p->command, pages, n);
	for (size_t i = 0; i < n; i++)
		vx6_value_free(pages[i]);
	free(pages);
	vx6_cli_request_fini(&r);
	return exit;
}
