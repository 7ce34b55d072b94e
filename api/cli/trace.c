#include "api/cli/trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "base/util.h"

enum { EVERY_US = 50 * 1000, ATTEMPTS_MAX = 64 };

struct vx6_trace {
	struct vx6_cli cli; /* with a connection of its own */
	char *path;
	pthread_t thread;
	atomic_bool stop;
	unsigned long long before; /* attempts up to this one are older */
	struct {
		unsigned long long id;
		unsigned told; /* steps */
	} seen[ATTEMPTS_MAX];
	size_t seen_n;
};

static unsigned long long number_of(const struct vx6_value *attempt)
{
	const char *id = vx6_value_string(vx6_value_get(attempt, "id"));

	return id ? strtoull(id, NULL, 10) : 0;
}

static void tell(const struct vx6_value *attempt, const struct vx6_value *step)
{
	const char *what = vx6_value_string(vx6_value_get(step, "step"));
	const char *detail = vx6_value_string(vx6_value_get(step, "detail"));

	fprintf(stderr, "%6.0f ms  #%llu %-16s ", vx6_value_number(vx6_value_get(step, "at_ms")),
		number_of(attempt), what ? what : "");
	vx6_cli_clean(stderr, detail ? detail : "");
	fputc('\n', stderr);
}

/* The steps that were not told yet. */
static void tell_attempt(struct vx6_trace *t, const struct vx6_value *attempt)
{
	unsigned long long id = number_of(attempt);
	const struct vx6_value *step = vx6_value_first(vx6_value_get(attempt, "steps"));
	size_t i = 0;

	if (id <= t->before)
		return;
	while (i < t->seen_n && t->seen[i].id != id)
		i++;
	if (i == ATTEMPTS_MAX)
		return;
	if (i == t->seen_n)
		t->seen[t->seen_n++].id = id;
	for (unsigned k = 0; step; step = vx6_value_next(step), k++) {
		if (k < t->seen[i].told)
			continue;
		tell(attempt, step);
		t->seen[i].told = k + 1;
	}
}

/* The latest come first; they are told in their order. */
static void tell_all(struct vx6_trace *t, const struct vx6_value *page)
{
	const struct vx6_value *row[ATTEMPTS_MAX];
	const struct vx6_value *a = vx6_value_first(vx6_value_get(page, "items"));
	size_t n = 0;

	for (; a && n < ATTEMPTS_MAX; a = vx6_value_next(a))
		row[n++] = a;
	while (n-- > 0)
		tell_attempt(t, row[n]);
}

static struct vx6_value *read_page(struct vx6_trace *t)
{
	struct vx6_value *page = NULL;

	if (vx6_cli_fetch(&t->cli, &(struct vx6_http_request){.method = "GET", .path = t->path},
			  &page) != VX6_EXIT_OK)
		return NULL;
	return page;
}

static void *watch(void *arg)
{
	struct vx6_trace *t = arg;
	bool last;

	do {
		struct vx6_value *page;

		last = atomic_load(&t->stop);
		page = read_page(t);
		if (!page)
			break;
		tell_all(t, page);
		vx6_value_free(page);
		if (!last)
			usleep(EVERY_US);
	} while (!last);
	return NULL;
}

static void trace_free(struct vx6_trace *t)
{
	vx6_http_free(t->cli.http);
	free(t->path);
	free(t);
}

struct vx6_trace *vx6_trace_begin(const struct vx6_cli *cli, const char *alias)
{
	struct vx6_trace *t = vx6_zalloc(sizeof *t);
	struct vx6_value *page;

	t->cli = *cli;
	t->cli.http = NULL;
	t->path = vx6_cli_path_add(vx6_strdup(vx6_cli_route("hidden_connect_list")->path), "alias",
				   alias);
	atomic_init(&t->stop, false);
	page = read_page(t);
	t->before = number_of(vx6_value_first(vx6_value_get(page, "items")));
	if (!page || pthread_create(&t->thread, NULL, watch, t) != 0) {
		vx6_value_free(page);
		trace_free(t);
		return NULL;
	}
	vx6_value_free(page);
	return t;
}

void vx6_trace_end(struct vx6_trace *t)
{
	if (!t)
		return;
	atomic_store(&t->stop, true);
	pthread_join(t->thread, NULL);
	if (t->seen_n == 0)
		vx6_cli_say(&t->cli,
			    "No way was made: there was one already, or it failed before.");
	trace_free(t);
}
