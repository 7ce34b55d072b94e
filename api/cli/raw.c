/* api: any request, as the words say it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "base/util.h"

enum { DATA_MAX = 1 << 20 };

/* JSON, @FILE or @-. @return owned; NULL: reported */
static char *read_data(const struct vx6_cli *cli, const char *text)
{
	char *data;
	size_t n = 0;
	ssize_t got = 1;
	int fd;

	if (text[0] != '@')
		return vx6_strdup(text);
	fd = strcmp(text, "@-") == 0 ? STDIN_FILENO : open(text + 1, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL, "cannot read %s: %m",
			     text + 1);
		return NULL;
	}
	data = vx6_zalloc(DATA_MAX + 1);
	while (n < DATA_MAX && (got = read(fd, data + n, DATA_MAX - n)) > 0)
		n += (size_t)got;
	if (fd != STDIN_FILENO)
		close(fd);
	if (got < 0 || n == DATA_MAX || memchr(data, 0, n)) {
		vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL,
			     "%s is no text of less than 1 MiB", text + 1);
		VX6_FREE(data);
	}
	return data;
}

static bool printable_path(const char *path)
{
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return path[0] == '/';
}

/* "Name: value"; nothing that could end the line and begin another. */
static bool is_header(const char *line)
{
	static const char token[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t n = strspn(line, token);
	const char *value = line[n] == ':' ? line + n + 1 + strspn(line + n + 1, " ") : "";

	for (const char *p = value; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return n > 0 && *value;
}

/* @param out borrowed from the command line, as many as it has values @return exit status; reported */
static int headers_of(const struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char **out,
		      size_t *n)
{
	for (size_t i = 0; i < p->values_n; i++) {
		if (strcmp(p->values[i].arg->name, "header") != 0)
			continue;
		if (!is_header(p->values[i].text))
			return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "-H 'Prefer: wait=5'",
					    "'%s' is no header", p->values[i].text);
		out[(*n)++] = p->values[i].text;
	}
	return VX6_EXIT_OK;
}

/* As every other command has it, once a form was asked for. */
static void show(const struct vx6_cli *cli, const struct vx6_cli_command *c, struct vx6_value *v)
{
	if (vx6_value_is(vx6_value_get(v, "items"), VX6_JT_ARRAY))
		vx6_cli_show_list(cli, c, &v, 1);
	else
		vx6_cli_show_one(cli, c, v);
}

static void print_answer(const struct vx6_cli *cli, const struct vx6_cli_parsed *p,
			 const struct vx6_http_response *r)
{
	bool plain = cli->format == VX6_FORMAT_TABLE && !cli->fields;
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (vx6_cli_has(p, "include"))
		printf("status: %d\n%s%s%s", r->status, *r->etag ? "etag: " : "", r->etag,
		       *r->etag ? "\n" : "");
	if (r->n == 0)
		return;
	/* laid out for people; a pipe gets the bytes as they came, and so do all what is not JSON */
	if ((plain && !isatty(STDOUT_FILENO)) ||
	    !vx6_is_ok(vx6_value_parse(r->body, r->n, &v, &fault)))
		printf("%s\n", r->body);
	else if (plain)
		vx6_cli_show_one(&(struct vx6_cli){.format = VX6_FORMAT_JSON}, p->command, v);
	else
		show(cli, p->command, v);
	vx6_value_free(v);
}

static int request(struct vx6_cli *cli, const struct vx6_cli_parsed *p,
		   const struct vx6_http_request *req)
{
	struct vx6_http_response r = {0};
	int exit = vx6_cli_send(cli, req, &r);

	if (exit == VX6_EXIT_OK && r.status >= 400)
		exit = vx6_cli_problem(cli, r.status, r.body ? r.body : "", r.n);
	else if (exit == VX6_EXIT_OK)
		print_answer(cli, p, &r);
	vx6_http_response_fini(&r);
	return exit;
}

int vx6_cli_run_api(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *method = vx6_cli_text(p, "METHOD"), *path = vx6_cli_text(p, "PATH"),
		   *data = vx6_cli_text(p, "data");
	const char **headers;
	char *body = NULL;
	size_t headers_n = 0;
	int exit;

	if (!method)
		method = data ? "POST" : "GET";
	if (!printable_path(path))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "vx6 api /v1/endpoints",
				    "'%s' is no path", path);
	headers = vx6_zalloc((p->values_n + 1) * sizeof *headers);
	exit = headers_of(cli, p, headers, &headers_n);
	if (exit == VX6_EXIT_OK && data && !(body = read_data(cli, data)))
		exit = VX6_EXIT_FAILURE;
	if (exit == VX6_EXIT_OK)
		exit = request(cli, p,
			       &(struct vx6_http_request){
				       .method = method,
				       .path = path,
				       .body = body,
				       .media_type = strcmp(method, "PATCH") == 0
							     ? "application/merge-patch+json"
							     : NULL,
				       .if_match = vx6_cli_text(p, "if-match"),
				       .headers = headers,
				       .headers_n = headers_n,
			       });
	free(headers);
	free(body);
	return exit;
}
