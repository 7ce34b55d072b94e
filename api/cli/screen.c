/*
 * The terminal is put back by whoever leaves: vx6_screen_close(), atexit(), or a signal's handler, which may run at any time. What they share
 * is set before the first byte goes out, and only async-signal-safe calls touch it.
 */
#include "api/cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "api/cli/cli.h"
#include "base/util.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

enum { TYPED_MAX = 64 };

static struct termios before;
static volatile sig_atomic_t taken, changed;
static char typed[TYPED_MAX];
static size_t typed_n;

bool vx6_screen_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

static void put(const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = write(STDOUT_FILENO, bytes, n);

		if (sent < 0 && errno != EINTR)
			return;
		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
		}
	}
}

static void take(void)
{
	struct termios keys = before;

	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	keys.c_cc[VTIME] = 0;
	taken = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	put(ENTER, sizeof ENTER - 1);
}

void vx6_screen_close(void)
{
	if (!taken)
		return;
	taken = 0;
	put(LEAVE, sizeof LEAVE - 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* ---- signals ---- */

static void on_end(int signal_)
{
	vx6_screen_close();
	if (signal_ == SIGINT)
		_exit(VX6_EXIT_INTERRUPTED);
	signal(signal_, SIG_DFL);
	raise(signal_);
}

static void on_change(int signal_)
{
	changed = 1;
}

/* Stops as if there were no handler, and takes the terminal again when it goes on. */
static void on_stop(int signal_)
{
	int kept = errno;

	vx6_screen_close();
	raise(SIGSTOP);
	take();
	changed = 1;
	errno = kept;
}

static void handle(int signal_, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	sigfillset(&action.sa_mask); /* one at a time */
	sigaction(signal_, &action, NULL);
}

bool vx6_screen_open(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT};

	if (!vx6_screen_possible() || tcgetattr(STDIN_FILENO, &before) != 0)
		return false;
	for (size_t i = 0; i < VX6_ARRAY_N(ends); i++)
		handle(ends[i], on_end);
	handle(SIGTSTP, on_stop);
	handle(SIGWINCH, on_change);
	atexit(vx6_screen_close);
	take();
	return true;
}

/* ---- drawing ---- */

void vx6_screen_size(size_t *rows, size_t *columns)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		size = (struct winsize){0};
	*rows = size.ws_row ? size.ws_row : 24;
	*columns = size.ws_col ? size.ws_col : 80;
}

void vx6_screen_draw(const char *text)
{
	char *out = NULL;
	size_t n = 0, rows, columns, row = 0;
	FILE *to = open_memstream(&out, &n);

	if (!to)
		return;
	vx6_screen_size(&rows, &columns);
	fputs("\033[H", to);
	/* over what is there: clearing first would flicker */
	while (*text && row < rows) {
		size_t len = strcspn(text, "\n");

		fprintf(to, "%s%.*s\033[K", row++ ? "\r\n" : "", (int)len, text);
		text += len;
		text += *text == '\n';
	}
	fputs("\033[J", to);
	fclose(to);
	put(out, n);
	free(out);
}

/* ---- keys ---- */

/* What follows ESC [ or ESC O. */
static enum vx6_key arrow_of(char letter)
{
	static const struct {
		char letter;
		enum vx6_key key;
	} arrows[] = {{'A', VX6_KEY_UP},
		      {'B', VX6_KEY_DOWN},
		      {'C', VX6_KEY_NEXT},
		      {'D', VX6_KEY_BACK},
		      {'Z', VX6_KEY_BACK}};

	for (size_t i = 0; i < VX6_ARRAY_N(arrows); i++)
		if (arrows[i].letter == letter)
			return arrows[i].key;
	return VX6_KEY_NONE;
}

enum vx6_key vx6_screen_key_of(const char *bytes, size_t n, size_t *used)
{
	*used = 1;
	if (bytes[0] == '\033' && n >= 2 && (bytes[1] == '[' || bytes[1] == 'O')) {
		size_t i = 2;

		/* parameters, then a letter that ends it */
		while (i < n && (bytes[i] < '@' || bytes[i] > '~'))
			i++;
		*used = VX6_MIN(i + 1, n);
		return i == 2 && i < n ? arrow_of(bytes[i]) : VX6_KEY_NONE;
	}
	if (bytes[0] >= '1' && bytes[0] <= '9')
		return (enum vx6_key)(VX6_KEY_FIRST + (bytes[0] - '1'));
	switch (bytes[0]) {
	case 'q':
	case 'Q':
	case 4: /* end of input */
		return VX6_KEY_QUIT;
	case '\t':
	case 'l':
		return VX6_KEY_NEXT;
	case 'h':
		return VX6_KEY_BACK;
	case 'k':
		return VX6_KEY_UP;
	case 'j':
		return VX6_KEY_DOWN;
	default:
		return VX6_KEY_NONE;
	}
}

static enum vx6_key next_typed(void)
{
	size_t used;
	enum vx6_key key = vx6_screen_key_of(typed, typed_n, &used);

	typed_n -= used;
	memmove(typed, typed + used, typed_n);
	return key;
}

enum vx6_key vx6_screen_key(unsigned wait_ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t got;

	if (typed_n > 0)
		return next_typed();
	if (!changed && poll(&in, 1, (int)wait_ms) > 0) {
		got = read(STDIN_FILENO, typed, sizeof typed);
		if (got == 0 || (got < 0 && errno != EINTR))
			return VX6_KEY_CLOSED;
		typed_n = got > 0 ? (size_t)got : 0;
	}
	if (changed) {
		changed = 0;
		return VX6_KEY_REDRAW;
	}
	return typed_n > 0 ? next_typed() : VX6_KEY_NONE;
}
