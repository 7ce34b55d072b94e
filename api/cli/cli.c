#include "api/cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/passphrase.h"
#include "api/cli/problem.h"
#include "api/cli/text.h"
#include "base/util.h"

enum { TIMEOUT_MS = 30000 };

void vx6_cli_say(const struct vx6_cli *cli, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (cli->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fflush(stdout);
	vx6_cli_clean(stderr, text);
	fputc('\n', stderr);
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static int usage(const struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char *error)
{
	const char *noun = p->command ? p->command->noun : p->noun ? p->noun : "";
	const char *verb = p->command && p->command->verb ? p->command->verb : "";
	char hint[160];

	snprintf(hint, sizeof hint, "vx6 %s%s%s%s--help", noun, *noun ? " " : "", verb,
		 *verb ? " " : "");
	return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", hint, "%s", error);
}

static void set_format(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	static const char *const names[] = {
		[VX6_FORMAT_TABLE] = "table",
		[VX6_FORMAT_JSON] = "json",
		[VX6_FORMAT_JSONL] = "jsonl",
		[VX6_FORMAT_NAME] = "name",
	};
	const char *output = vx6_cli_text(p, "output");

	if (vx6_cli_has(p, "json"))
		cli->format = VX6_FORMAT_JSON;
	for (size_t i = 0; output && i < VX6_ARRAY_N(names); i++)
		if (strcmp(output, names[i]) == 0)
			cli->format = (enum vx6_cli_format)i;
}

/* @return false: --timeout is not one */
static bool set_options(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *timeout = vx6_cli_text(p, "timeout");

	set_format(cli, p);
	cli->fields = vx6_cli_text(p, "fields");
	cli->headers = !vx6_cli_has(p, "no-headers");
	cli->quiet = vx6_cli_has(p, "quiet");
	cli->colour = wants_colour();
	cli->timeout_ms = TIMEOUT_MS;
	cli->socket = vx6_cli_text(p, "socket");
	cli->url = vx6_cli_text(p, "url");
	cli->token_file = vx6_cli_text(p, "token-file");
	return !timeout || vx6_cli_duration(timeout, &cli->timeout_ms);
}

/* Files and sockets are closed by the end of the process; a table half printed is not worth finishing. */
static void on_interrupt(int signal)
{
	vx6_cli_passphrase_interrupted();
	_exit(VX6_EXIT_INTERRUPTED);
}

static int run(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	if (!p->command && !p->noun && !vx6_cli_has(p, "help")) {
		vx6_cli_help(NULL, NULL);
		return VX6_EXIT_USAGE;
	}
	if (vx6_cli_has(p, "help")) {
		vx6_cli_help(p->noun, p->command);
		return VX6_EXIT_OK;
	}
	if (!p->command)
		return usage(cli, p, "what should be done with it?");
	if (!p->command->run)
		return usage(cli, p,
			     "the agent is started with `vx6 agent` and its options after that");
	return p->command->run(cli, p);
}

int vx6_cli_main(int argc, char **argv)
{
	struct vx6_cli cli = {.headers = true};
	struct vx6_cli_parsed p;
	int exit;

	vx6_cli_text_init();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, on_interrupt);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("vx6 " VX6_VERSION);
		return VX6_EXIT_OK;
	}
	if (!vx6_cli_parse(argc, argv, &p))
		exit = usage(&cli, &p, p.error);
	else if (!set_options(&cli, &p))
		exit = usage(&cli, &p, "--timeout is a time like 30s, 500ms or 2m");
	else
		exit = run(&cli, &p);
	vx6_http_free(cli.http);
	vx6_cli_parsed_fini(&p);
	/* data that did not reach its reader is a failure: a full disk, a closed pipe */
	if ((fflush(stdout) != 0 || ferror(stdout)) && exit == VX6_EXIT_OK)
		exit = VX6_EXIT_FAILURE;
	return exit;
}
