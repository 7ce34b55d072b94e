/* --help: how it is written, examples, arguments; and the list of commands. */
#include <stdio.h>
#include <string.h>

#include "api/cli/cli.h"
#include "api/cli/problem.h"
#include "api/cli/text.h"
#include "base/util.h"

enum { LEFT = 28 };

static void row(const char *left, const char *right)
{
	size_t width = vx6_cli_width(left);

	if (width + 2 > LEFT)
		printf("  %s\n  %*s%s\n", left, LEFT, "", right);
	else
		printf("  %s%*s%s\n", left, (int)(LEFT - width), "", right);
}

static void print_arg(const struct vx6_cli_arg *a)
{
	char left[96];

	if (a->positional)
		snprintf(left, sizeof left, "%s", a->name);
	else if (a->letter)
		snprintf(left, sizeof left, "-%c, --%s %s", a->letter, a->name,
			 a->value ? a->value : "");
	else
		snprintf(left, sizeof left, "    --%s %s", a->name, a->value ? a->value : "");
	row(left, a->help);
}

static void print_usage(const struct vx6_cli_command *c)
{
	bool options = false;

	printf("Usage: vx6 %s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
	for (size_t i = 0; i < c->args_n; i++) {
		const struct vx6_cli_arg *a = &c->args[i];

		if (a->positional)
			printf(a->required ? " %s%s" : " [%s]%s", a->name, a->repeat ? "…" : "");
		else if (a->required)
			printf(" --%s %s", a->name, a->value);
		else
			options = true;
	}
	puts(options ? " [options]" : "");
}

static void help_command(const struct vx6_cli_command *c)
{
	printf("%s.\n\n", c->summary);
	if (c->examples[0])
		puts("Examples:");
	for (size_t i = 0; i < VX6_ARRAY_N(c->examples) && c->examples[i]; i++)
		printf("  %s\n", c->examples[i]);
	if (c->examples[0])
		puts("");
	print_usage(c);
	if (c->text)
		printf("\n%s\n", c->text);
	if (c->args_n)
		puts("\nArguments and options:");
	for (size_t i = 0; i < c->args_n; i++)
		print_arg(&c->args[i]);
	/* the agent is no client of the API */
	if (!c->run)
		return;
	puts("\nFor every command:");
	for (size_t i = 0; i < vx6_cli_globals_n; i++)
		print_arg(&vx6_cli_globals[i]);
}

static void help_noun(const char *noun)
{
	printf("Usage: vx6 %s COMMAND\n\nCommands:\n", noun);
	for (size_t i = 0; i < vx6_cli_commands_n; i++) {
		const struct vx6_cli_command *c = &vx6_cli_commands[i];

		if (c->verb && strcmp(c->noun, noun) == 0)
			row(c->verb, c->summary);
	}
	printf("\nMore: vx6 %s COMMAND --help\n", noun);
}

/* A noun with verbs is one line: what is told of it are its verbs. */
static void list_noun(size_t at)
{
	const struct vx6_cli_command *c = &vx6_cli_commands[at];
	char left[64] = "", verbs[160] = "";
	size_t n = 0;

	if (!c->verb) {
		row(c->noun, c->summary);
		return;
	}
	for (size_t i = at;
	     i < vx6_cli_commands_n && strcmp(vx6_cli_commands[i].noun, c->noun) == 0; i++)
		n += (size_t)snprintf(verbs + n, sizeof verbs - n, "%s%s", n ? ", " : "",
				      vx6_cli_commands[i].verb);
	snprintf(left, sizeof left, "%s", c->noun);
	row(left, verbs);
}

static void help_program(void)
{
	const char *group = "", *noun = "";

	puts("VX6 makes services that listen on localhost reachable for your other machines, peer "
	     "to peer.\n\n"
	     "Examples:\n"
	     "  vx6 agent --name alice                          run the agent\n"
	     "  vx6 service add web --target 8080               publish a local program\n"
	     "  vx6 peer add '[fd00::1]:4242'                   connect to another agent\n"
	     "  vx6 forward add --listen 9000 --to alice.web    use a service through a local "
	     "port\n\n"
	     "Usage: vx6 COMMAND [options]");
	for (size_t i = 0; i < vx6_cli_commands_n; i++) {
		const struct vx6_cli_command *c = &vx6_cli_commands[i];

		if (c->hidden || strcmp(c->noun, noun) == 0)
			continue;
		if (strcmp(c->group, group) != 0)
			printf("\n%s:\n", c->group);
		group = c->group;
		noun = c->noun;
		list_noun(i);
	}
	puts("\nFor every command:");
	for (size_t i = 0; i < vx6_cli_globals_n; i++)
		print_arg(&vx6_cli_globals[i]);
	puts("\nMore: vx6 COMMAND --help, man vx6");
}

void vx6_cli_help(const char *noun, const struct vx6_cli_command *command)
{
	if (command)
		help_command(command);
	else if (noun)
		help_noun(noun);
	else
		help_program();
}

int vx6_cli_run_help(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *words[2] = {NULL, NULL};
	size_t n = 0;

	for (size_t i = 0; i < p->values_n; i++)
		if (p->values[i].arg->positional && n < VX6_ARRAY_N(words))
			words[n++] = p->values[i].text;
	if (!words[0]) {
		vx6_cli_help(NULL, NULL);
		return VX6_EXIT_OK;
	}
	if (!vx6_cli_is_noun(words[0]))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "vx6 --help",
				    "there is no command '%s'", words[0]);
	vx6_cli_help(words[0],
		     vx6_cli_find(words[0], words[1] ? vx6_cli_verb(words[0], words[1]) : NULL));
	return VX6_EXIT_OK;
}
