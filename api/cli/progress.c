#include "api/cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/text.h"
#include "base/clock.h"
#include "base/util.h"

enum { LINE_EVERY_MS = 10000 };

static bool on_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

void vx6_progress_step(const struct vx6_cli *cli, struct vx6_progress *p, const char *text)
{
	static const char turn[] = "|/-\\";
	uint64_t now = vx6_now_ms();

	if (cli->quiet)
		return;
	if (!p->began_ms)
		p->began_ms = p->said_ms = now;
	if (on_terminal()) {
		fprintf(stderr, "\r\033[K%c ", turn[p->turns++ % (sizeof turn - 1)]);
		vx6_cli_clean(stderr, text);
		fflush(stderr);
		p->shown = true;
	} else if (now - p->said_ms >= LINE_EVERY_MS) {
		p->said_ms = now;
		vx6_cli_clean(stderr, text);
		fputc('\n', stderr);
	}
}

void vx6_progress_end(const struct vx6_cli *cli, struct vx6_progress *p)
{
	(void)cli;
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
