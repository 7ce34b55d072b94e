/* hidden find, hidden accept --find: who claims an alias, and taking the one that does. */
#include <stdio.h>
#include <string.h>

#include "api/cli/hidden.h"
#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/progress.h"
#include "api/cli/request.h"
#include "base/json.h"
#include "base/util.h"

static const char *text_at(const struct vx6_value *v, const char *path)
{
	const char *s = vx6_value_string(vx6_cli_at(v, path));

	return s ? s : "";
}

static int find(struct vx6_cli *cli, const char *alias, struct vx6_value **out)
{
	struct vx6_progress progress = {0};
	struct vx6_json j = {0};
	char *body;
	int exit;

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "alias", alias);
	vx6_json_end_object(&j);
	body = vx6_json_take(&j);
	*out = NULL;
	vx6_progress_step(cli, &progress, "looking it up over circuits");
	exit = vx6_cli_fetch(
		cli,
		&(struct vx6_http_request){.method = "POST",
					   .path = vx6_cli_route("hidden_alias_find")->path,
					   .body = body},
		out);
	vx6_progress_end(cli, &progress);
	free(body);
	return exit;
}

static void print_claims(const struct vx6_cli *cli, const struct vx6_value *found)
{
	static const struct vx6_cli_column columns[] = {
		{"KEY", "key"},         {"HELD FOR", "median_age_s", VX6_SHOW_UPTIME},
		{"HOLDERS", "holders"}, {"PREFIXES", "prefixes"},
		{"WORK", "work_bits"},
	};
	const struct vx6_value *claims = vx6_value_get(found, "claims");

	if (vx6_value_count(claims) > 0)
		vx6_cli_print_rows(cli, columns, VX6_ARRAY_N(columns), claims, stdout);
}

/* What is not one service, as enough of them say, is a failure: a script must not go on with it. */
static int judge(const struct vx6_cli *cli, const struct vx6_value *found)
{
	static const struct {
		const char *outcome;
		enum vx6_cli_exit exit;
		const char *code, *hint, *text;
	} bad[] = {
		{"none", VX6_EXIT_NOT_FOUND, "not_found", "ask its owner for an invite",
		 "no hidden service claims it"},
		{"weak", VX6_EXIT_CONFLICT, "no_quorum",
		 "try again later; vx6 hidden accept ALIAS --invite KEY takes it all the same",
		 "one service claims it, and fewer sources say so than should"},
		{"several", VX6_EXIT_CONFLICT, "ambiguous_name",
		 "ask its owner for the key; vx6 hidden accept ALIAS --invite KEY takes that one",
		 "more than one hidden service claims it"},
		{"mismatch", VX6_EXIT_CONFLICT, "pin_mismatch",
		 "it stays what it is here; if its owner says that the key is another one, "
		 "vx6 hidden forget it and accept that one",
		 "another service claims it than the one that goes by it here, which does not"},
	};
	const char *outcome = text_at(found, "outcome");

	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++)
		if (strcmp(bad[i].outcome, outcome) == 0)
			return vx6_cli_fail(cli, bad[i].exit, bad[i].code, bad[i].hint, "%s: %s",
					    text_at(found, "alias"), bad[i].text);
	return VX6_EXIT_OK;
}

static void show(struct vx6_cli *cli, const struct vx6_cli_command *c,
		 const struct vx6_value *found)
{
	if (cli->format == VX6_FORMAT_NAME && *text_at(found, "key"))
		printf("%s\n", text_at(found, "key"));
	else if (cli->format == VX6_FORMAT_TABLE && !cli->fields)
		print_claims(cli, found);
	else if (cli->format != VX6_FORMAT_NAME)
		vx6_cli_show_one(cli, c, found);
}

int vx6_cli_run_hidden_find(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_value *found;
	int exit = find(cli, vx6_cli_text(p, "ALIAS"), &found);

	if (exit == VX6_EXIT_OK && found) {
		show(cli, p->command, found);
		exit = judge(cli, found);
		if (exit == VX6_EXIT_OK && strcmp(text_at(found, "outcome"), "known") == 0)
			vx6_cli_say(cli, "It goes by that here already: that holds, whoever else "
					 "claims it.");
	}
	vx6_value_free(found);
	return exit;
}

int vx6_cli_find_service(struct vx6_cli *cli, const char *alias, char *key, size_t key_n)
{
	struct vx6_value *found;
	int exit = find(cli, alias, &found);

	if (exit == VX6_EXIT_OK && found) {
		exit = judge(cli, found);
		if (exit != VX6_EXIT_OK && cli->format == VX6_FORMAT_TABLE)
			print_claims(cli, found);
		vx6_strlcpy(key, text_at(found, "key"), key_n);
	}
	vx6_value_free(found);
	return exit;
}
