#include "api/cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "api/cli/problem.h"
#include "base/util.h"
#include "crypto/secret.h"

int vx6_cli_passphrase_read(const struct vx6_cli *cli, const char *path,
			    char out[static VX6_CLI_PASSPHRASE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, out, VX6_CLI_PASSPHRASE_MAX - 1);
	int err = errno;
	struct stat st;
	bool loose =
		fd >= 0 && (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && (st.st_mode & 0077)));

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL, "cannot read %s: %s",
				    path, strerror(err));
	if (loose)
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "loose_mode", "chmod 600 it",
				    "others can read %s", path);
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	out[n] = 0;
	if (n == 0 || n == VX6_CLI_PASSPHRASE_MAX - 1 || memchr(out, 0, (size_t)n))
		return vx6_cli_fail(cli, VX6_EXIT_INVALID, "passphrase", NULL,
				    "there is no passphrase in %s", path);
	return VX6_EXIT_OK;
}

/* What an interrupt has to put back; the descriptor is -1 when there is nothing. */
static struct termios before_typing;
static volatile sig_atomic_t typing_on = -1;

void vx6_cli_passphrase_interrupted(void)
{
	if (typing_on >= 0)
		tcsetattr(typing_on, TCSANOW, &before_typing);
}

/* One line from the terminal, unseen. @return false: there is none */
static bool type_line(int tty, const char *prompt, char out[static VX6_CLI_PASSPHRASE_MAX])
{
	struct termios quiet;
	ssize_t n;

	if (tcgetattr(tty, &before_typing) < 0 || dprintf(tty, "%s: ", prompt) < 0)
		return false;
	quiet = before_typing;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	typing_on = tty;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
		return false;
	n = read(tty, out, VX6_CLI_PASSPHRASE_MAX - 1);
	tcsetattr(tty, TCSAFLUSH, &before_typing);
	typing_on = -1;
	dprintf(tty, "\n");
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	out[n > 0 ? n : 0] = 0;
	return n > 0;
}

static int type_passphrase(const struct vx6_cli *cli, int tty, const char *prompt, bool twice,
			   char out[static VX6_CLI_PASSPHRASE_MAX])
{
	char again[VX6_CLI_PASSPHRASE_MAX];
	int exit = VX6_EXIT_OK;

	if (!type_line(tty, prompt, out))
		return vx6_cli_fail(cli, VX6_EXIT_INVALID, "passphrase", NULL,
				    "there is no passphrase");
	if (!twice)
		return VX6_EXIT_OK;
	if (!type_line(tty, "Once more", again) || strcmp(again, out) != 0)
		exit = vx6_cli_fail(cli, VX6_EXIT_INVALID, "passphrase", NULL,
				    "the two are not the same");
	vx6_wipe(again, sizeof again);
	return exit;
}

int vx6_cli_passphrase_get(const struct vx6_cli *cli, const char *path, const char *prompt,
			   bool twice, char out[static VX6_CLI_PASSPHRASE_MAX])
{
	int tty, exit;

	if (path)
		return vx6_cli_passphrase_read(cli, path, out);
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "passphrase",
				    "write it to a file of mode 0600 and give --passphrase-file",
				    "there is no terminal to type the passphrase on");
	exit = type_passphrase(cli, tty, prompt, twice, out);
	close(tty);
	return exit;
}
