#include "api/cli/where.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli/problem.h"
#include "api/cli/state_dir.h"
#include "base/addr.h"
#include "base/util.h"
#include "crypto/secret.h"

#define SYSTEM_SOCKET "/run/vx6/api.sock"

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The service of a user, that of the system, an agent that was started without --state-dir. */
static void default_socket(char out[static VX6_WHERE_TEXT])
{
	const char *run = env("XDG_RUNTIME_DIR");
	char state[VX6_WHERE_TEXT - 16];

	if (run && snprintf(out, VX6_WHERE_TEXT, "%s/vx6/api.sock", run) < VX6_WHERE_TEXT &&
	    access(out, F_OK) == 0)
		return;
	if (access(SYSTEM_SOCKET, F_OK) == 0 || !vx6_state_dir_default(state, sizeof state))
		vx6_strlcpy(out, SYSTEM_SOCKET, VX6_WHERE_TEXT);
	else
		snprintf(out, VX6_WHERE_TEXT, "%s/api.sock", state);
}

/* http://HOST[:PORT], taken apart: `connect` dials it itself. */
static int split_url(const struct vx6_cli *cli, const char *url, struct vx6_cli_where *out)
{
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
	size_t all = host ? strcspn(host, "/?#@") : 0;
	const char *bracket = host && *host == '[' ? memchr(host, ']', all) : NULL;
	const char *colon = host ? memchr(bracket ? bracket : host, ':',
					  host + all - (bracket ? bracket : host))
				 : NULL;
	size_t host_n = colon ? (size_t)(colon - host) : all;
	size_t port_n = colon ? all - host_n - 1 : 0;

	if (all == 0 || host_n == 0 || (host[all] && strcmp(host + all, "/") != 0) ||
	    host_n >= sizeof out->host || port_n >= sizeof out->port || all + 8 > sizeof out->base)
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage",
				    "for example: --url http://127.0.0.1:4866",
				    "the address of the agent is http://HOST:PORT, not '%s'", url);
	snprintf(out->base, sizeof out->base, "http://%.*s", (int)all, host);
	snprintf(out->port, sizeof out->port, "%.*s", port_n ? (int)port_n : 2,
		 port_n ? colon + 1 : "80");
	if (bracket)
		snprintf(out->host, sizeof out->host, "%.*s", (int)(bracket - host - 1), host + 1);
	else
		snprintf(out->host, sizeof out->host, "%.*s", (int)host_n, host);
	return VX6_EXIT_OK;
}

static bool is_loopback(const struct vx6_cli_where *w)
{
	char text[VX6_WHERE_HOST + 16];
	struct vx6_addr addr;

	snprintf(text, sizeof text, strchr(w->host, ':') ? "[%s]:%s" : "%s:%s", w->host, w->port);
	return vx6_is_ok(vx6_addr_parse(text, &addr)) && vx6_addr_is_loopback(&addr);
}

static bool token_is_clean(const char *token)
{
	for (; *token; token++)
		if (*token <= ' ' || *token > '~')
			return false;
	return true;
}

/* The first line of the file. */
static int read_token(const struct vx6_cli *cli, const char *path, struct vx6_cli_where *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return vx6_cli_fail(cli, errno == EACCES ? VX6_EXIT_DENIED : VX6_EXIT_FAILURE,
				    "token_unreadable",
				    "the agent writes it to admin.token in its state directory",
				    "cannot read the token file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && (st.st_mode & 0077) != 0)
		vx6_cli_say(cli, "warning: %s can be read by others; chmod 600 it", path);
	n = read(fd, out->token, sizeof out->token - 1);
	close(fd);
	out->token[n > 0 ? n : 0] = 0;
	out->token[strcspn(out->token, "\r\n")] = 0;
	if (!*out->token || !token_is_clean(out->token) || n == sizeof out->token - 1)
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "token_unreadable", NULL,
				    "there is no token in %s", path);
	return VX6_EXIT_OK;
}

static int by_url(const struct vx6_cli *cli, const char *url, struct vx6_cli_where *out)
{
	const char *file = cli->token_file ? cli->token_file : env("VX6_TOKEN_FILE");
	int exit = split_url(cli, url, out);

	if (exit != VX6_EXIT_OK || !file)
		return exit;
	if (!is_loopback(out))
		return vx6_cli_fail(
			cli, VX6_EXIT_USAGE, "token_in_clear",
			"reach a distant agent through VX6 or ssh -L, and give the local end of it",
			"the token would travel unencrypted to %s", out->host);
	return read_token(cli, file, out);
}

int vx6_cli_where(const struct vx6_cli *cli, struct vx6_cli_where *out)
{
	const char *socket = cli->socket, *url = cli->url;

	*out = (struct vx6_cli_where){.base = "http://localhost"};
	if (socket && url)
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", NULL,
				    "give --socket or --url, not both");
	if (!socket && !url)
		socket = env("VX6_SOCKET");
	if (!socket && !url)
		url = env("VX6_URL");
	if (url)
		return by_url(cli, url, out);
	if (!socket)
		default_socket(out->socket);
	else
		vx6_strlcpy(out->socket, socket, sizeof out->socket);
	if (strlen(socket ? socket : out->socket) >= VX6_ADDR_UNIX_PATH)
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", NULL,
				    "the path of a socket has at most %d bytes",
				    VX6_ADDR_UNIX_PATH - 1);
	return VX6_EXIT_OK;
}

void vx6_cli_where_wipe(struct vx6_cli_where *w)
{
	vx6_wipe(w->token, sizeof w->token);
}
