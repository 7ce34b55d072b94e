#include "api/cli/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/text.h"
#include "api/contract/contract.h"
#include "api/json/tree.h"
#include "base/json.h"
#include "base/util.h"

enum vx6_cli_exit vx6_cli_exit_of(int status, const char *code)
{
	if (status >= 200 && status < 300)
		return VX6_EXIT_OK;
	if (strcmp(code, "timeout") == 0)
		return VX6_EXIT_TIMEOUT;
	if (strcmp(code, "no_relays") == 0)
		return VX6_EXIT_OPERATION;
	switch (status) {
	case 401:
	case 403:
	case 421:
		return VX6_EXIT_DENIED;
	case 404:
		return VX6_EXIT_NOT_FOUND;
	case 409:
	case 412:
	case 428:
		return VX6_EXIT_CONFLICT;
	case 408:
	case 504:
		return VX6_EXIT_TIMEOUT;
	case 502:
		return VX6_EXIT_OPERATION;
	case 400:
	case 405:
	case 411:
	case 413:
	case 414:
	case 415:
	case 422:
	case 431:
		return VX6_EXIT_INVALID;
	default:
		return VX6_EXIT_FAILURE;
	}
}

static bool wants_json(const struct vx6_cli *cli)
{
	return cli->format == VX6_FORMAT_JSON || cli->format == VX6_FORMAT_JSONL;
}

int vx6_cli_fail(const struct vx6_cli *cli, enum vx6_cli_exit exit, const char *code,
		 const char *hint, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	if (cli->mute)
		return exit;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	fflush(stdout);
	if (wants_json(cli)) {
		struct vx6_json j = {0};
		char *text;

		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "code", code);
		vx6_json_str(&j, "detail", message);
		if (hint)
			vx6_json_str(&j, "hint", hint);
		vx6_json_end_object(&j);
		text = vx6_json_take(&j);
		fprintf(stderr, "%s\n", text);
		free(text);
		return exit;
	}
	fputs("vx6: ", stderr);
	vx6_cli_clean(stderr, message);
	fprintf(stderr, " (%s)\n", code);
	if (hint) {
		fputs("hint: ", stderr);
		vx6_cli_clean(stderr, hint);
		fputc('\n', stderr);
	}
	return exit;
}

static const struct vx6_problem_info *known(const char *code)
{
	for (size_t i = 0; i < VX6_PROBLEM_N; i++)
		if (strcmp(vx6_problems[i].code, code) == 0)
			return &vx6_problems[i];
	return NULL;
}

static const char *string_of(const struct vx6_value *v, const char *key)
{
	const char *s = vx6_value_string(vx6_value_get(v, key));

	return s ? s : "";
}

static void line(const char *label, const char *text)
{
	fputs(label, stderr);
	vx6_cli_clean(stderr, text);
	fputc('\n', stderr);
}

static void print_problem(const struct vx6_value *v)
{
	const char *code = string_of(v, "code"), *title = string_of(v, "title");
	const char *detail = string_of(v, "detail"), *id = string_of(v, "request_id");
	const struct vx6_problem_info *info = known(code);
	const struct vx6_value *e = vx6_value_first(vx6_value_get(v, "errors"));

	fputs("vx6: ", stderr);
	vx6_cli_clean(stderr, *detail && !e ? detail : title);
	fputs(" (", stderr);
	vx6_cli_clean(stderr, code);
	fputs(")\n", stderr);
	for (; e; e = vx6_value_next(e)) {
		fputs("  ", stderr);
		vx6_cli_clean(stderr, string_of(e, "pointer"));
		line(": ", string_of(e, "detail"));
	}
	/* the contract's own words; after the list of faults, after what is not there, or repeated, they say nothing new */
	if (info && !vx6_value_get(v, "errors") && strcmp(info->detail, detail) != 0 &&
	    (strcmp(code, "not_found") != 0 || !*detail))
		line("hint: ", info->detail);
	if (*id)
		line("request id: ", id);
}

int vx6_cli_problem(const struct vx6_cli *cli, int status, const char *body, size_t n)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;
	enum vx6_cli_exit exit;

	if (!vx6_is_ok(vx6_value_parse(body, n, &v, &fault)) || !*string_of(v, "code")) {
		vx6_value_free(v);
		return vx6_cli_fail(cli, vx6_cli_exit_of(status, ""), "http_error",
				    "is this a VX6 agent?",
				    "the answer has status %d and no problem document", status);
	}
	exit = vx6_cli_exit_of(status, string_of(v, "code"));
	fflush(stdout);
	if (cli->mute) {
		/* as asked */
	} else if (wants_json(cli)) {
		char *text = vx6_value_text(v);

		fprintf(stderr, "%s\n", text ? text : "{}");
		free(text);
	} else {
		print_problem(v);
	}
	vx6_value_free(v);
	return exit;
}
