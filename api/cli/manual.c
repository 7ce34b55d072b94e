/* The manual page, from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "api/cli/cli.h"
#include "base/util.h"

/* Roff takes a backslash as a command, a hyphen as a typographer's, and a dot or quote at the start of a line as a request. */
static void put(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (*p == '\\')
			fputs("\\e", stdout);
		else if (*p == '-')
			fputs("\\-", stdout);
		else if (*p == '\'')
			fputs("\\(aq", stdout);
		else if (*p == '.' && p == s)
			fputs("\\&.", stdout);
		else if (strncmp(p, "…", strlen("…")) == 0) {
			fputs("...", stdout);
			p += strlen("…") - 1;
		} else {
			putchar(*p);
		}
	}
}

static void bold(const char *s)
{
	fputs("\\fB", stdout);
	put(s);
	fputs("\\fR", stdout);
}

static void italic(const char *s)
{
	fputs("\\fI", stdout);
	put(s);
	fputs("\\fR", stdout);
}

static void print_arg(const struct vx6_cli_arg *a)
{
	puts(".TP");
	if (a->positional) {
		italic(a->name);
	} else {
		if (a->letter)
			printf("\\fB\\-%c\\fR, ", a->letter);
		fputs("\\fB\\-\\-", stdout);
		put(a->name);
		fputs("\\fR", stdout);
		if (a->value) {
			putchar(' ');
			italic(a->value);
		}
	}
	putchar('\n');
	put(a->help);
	puts("");
}

static void print_command(const struct vx6_cli_command *c)
{
	fputs(".SS \"", stdout);
	put("vx6 ");
	put(c->noun);
	if (c->verb) {
		putchar(' ');
		put(c->verb);
	}
	puts("\"");
	put(c->summary);
	puts(".");
	if (c->text) {
		puts(".PP");
		put(c->text);
		puts("");
	}
	for (size_t i = 0; i < c->args_n; i++)
		print_arg(&c->args[i]);
	for (size_t i = 0; i < VX6_ARRAY_N(c->examples) && c->examples[i]; i++) {
		puts(i ? ".br" : ".PP");
		bold(c->examples[i]);
		puts("");
	}
}

static const char *const exits[][2] = {
	{"0", "It worked."},
	{"1", "It failed."},
	{"2", "The command line was not understood."},
	{"3", "No agent answers."},
	{"4", "Not authenticated, or not allowed."},
	{"5", "There is no such object."},
	{"6", "It clashes with what is there, or with a change made in the meantime."},
	{"7", "It took too long."},
	{"8", "It was tried and failed: the node or the service could not be reached."},
	{"9", "The agent does not accept the input."},
	{"130", "Interrupted."},
};

static const char *const environment[][2] = {
	{"VX6_SOCKET", "Unix socket of the agent, unless --socket or --url is given."},
	{"VX6_URL", "HTTP address of the agent, unless one of them or VX6_SOCKET is."},
	{"VX6_TOKEN_FILE", "File with the token that goes with an HTTP address."},
	{"NO_COLOR", "When set, nothing is coloured."},
	{"TERM", "When it is dumb, nothing is coloured or drawn over either."},
};

static const char *const files[][2] = {
	{"$XDG_RUNTIME_DIR/vx6/api.sock, /run/vx6/api.sock, ~/.local/state/vx6/api.sock",
	 "Where an agent is looked for by default."},
	{"~/.local/state/vx6, /var/lib/vx6 (root)",
	 "State of an agent that runs without --state-dir."},
	{"DIR/api.sock", "Socket of an agent that runs with --state-dir DIR."},
	{"DIR/admin.token", "Token for its HTTP address."},
	{"DIR/identity/", "Its keys."},
};

static void print_pairs(const char *title, const char *const (*pairs)[2], size_t n)
{
	printf(".SH %s\n", title);
	for (size_t i = 0; i < n; i++) {
		puts(".TP");
		bold(pairs[i][0]);
		puts("");
		put(pairs[i][1]);
		puts("");
	}
}

void vx6_cli_manual(void)
{
	puts(".\\\" Made from the table of commands.\n"
	     ".TH VX6 1 \"\" \"VX6 " VX6_VERSION "\" \"User Commands\"\n"
	     ".nh\n.ad l\n"
	     ".SH NAME\nvx6 \\- reach localhost services of your other machines, peer to peer\n"
	     ".SH SYNOPSIS\n\\fBvx6 agent\\fR [\\fIoptions\\fR]\n.br\n"
	     "\\fBvx6\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n"
	     ".SH DESCRIPTION\n\\fBvx6 agent\\fR runs an agent in the foreground. Every other "
	     "command talks to a running agent "
	     "through its HTTP API.\n.PP\nData goes to standard output, remarks and errors to "
	     "standard error.\n"
	     ".SH OPTIONS\nThese go with every command but \\fBvx6 agent\\fR.");
	for (size_t i = 0; i < vx6_cli_globals_n; i++)
		print_arg(&vx6_cli_globals[i]);
	puts(".SH COMMANDS");
	for (size_t i = 0; i < vx6_cli_commands_n; i++)
		if (!vx6_cli_commands[i].hidden)
			print_command(&vx6_cli_commands[i]);
	print_pairs("EXIT STATUS", exits, VX6_ARRAY_N(exits));
	print_pairs("ENVIRONMENT", environment, VX6_ARRAY_N(environment));
	print_pairs("FILES", files, VX6_ARRAY_N(files));
}
