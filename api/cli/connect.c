/* connect: standard input and output, or each connection of a local port, joined with a service. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/cli/hidden.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/pump.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "api/cli/trace.h"
#include "api/cli/upgrade.h"
#include "base/addr.h"
#include "base/json.h"
#include "base/util.h"

enum { CONNECTIONS_MAX = 256, BACKLOG = 128 };

/* A port that is open while the command runs. */
struct port {
	const struct vx6_cli *cli;
	struct vx6_cli_where where;
	const char *path; /* of the request */
	int fd;
	sem_t room; /* for further connections */
};

struct connection {
	struct port *port;
	int fd;
};

static char socket_path[VX6_ADDR_UNIX_PATH]; /* taken away at the end */

static void on_end(int signal)
{
	if (*socket_path)
		unlink(socket_path);
	_exit(signal == SIGINT ? VX6_EXIT_INTERRUPTED : VX6_EXIT_OK);
}

static int broken(const struct vx6_cli *cli, int err)
{
	return err ? vx6_cli_fail(cli, VX6_EXIT_OPERATION, "connection_broken", NULL,
				  "the connection broke: %s", strerror(err))
		   : VX6_EXIT_OK;
}

/* @param traced a hidden service whose steps are to be told; NULL: none */
static int join_stdio(const struct vx6_cli *cli, const struct vx6_cli_where *where,
		      const char *path, const char *traced)
{
	struct vx6_cli_stream *s = vx6_zalloc(sizeof *s);
	struct vx6_trace *trace = traced ? vx6_trace_begin(cli, traced) : NULL;
	int exit = vx6_cli_upgrade(cli, where, path, s);

	vx6_trace_end(trace);
	if (exit == VX6_EXIT_OK) {
		struct vx6_pump pump = {.in = STDIN_FILENO,
					.out = STDOUT_FILENO,
					.sock = s->fd,
					.early = s->early,
					.early_n = s->early_n,
					.in_is_person = isatty(STDIN_FILENO)};

		exit = broken(cli, vx6_pump_run(&pump));
		close(s->fd);
	}
	free(s);
	return exit;
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct port *port = c->port;
	struct vx6_cli_stream *s = vx6_zalloc(sizeof *s);

	if (vx6_cli_upgrade(port->cli, &port->where, port->path, s) == VX6_EXIT_OK) {
		struct vx6_pump pump = {.in = c->fd,
					.out = c->fd,
					.sock = s->fd,
					.early = s->early,
					.early_n = s->early_n};

		/* a connection that breaks says so to its program, by breaking */
		vx6_pump_run(&pump);
		close(s->fd);
	}
	shutdown(c->fd, SHUT_RDWR);
	close(c->fd);
	sem_post(&port->room);
	free(s);
	free(c);
	return NULL;
}

static void start(struct port *port, int fd)
{
	struct connection *c = vx6_zalloc(sizeof *c);
	pthread_t thread;

	*c = (struct connection){port, fd};
	if (pthread_create(&thread, NULL, serve, c) == 0) {
		pthread_detach(thread);
		return;
	}
	close(fd);
	free(c);
	sem_post(&port->room);
}

static int open_port(struct port *port, const char *text, struct vx6_addr *bound)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	struct vx6_addr addr;
	int one = 1;

	if (!vx6_is_ok(vx6_addr_parse(text, &addr)))
		return vx6_cli_fail(port->cli, VX6_EXIT_INVALID, "invalid",
				    "127.0.0.1:2222, 2222 or unix:/path",
				    "'%s' is no local address", text);
	if (!vx6_addr_is_loopback(&addr))
		return vx6_cli_fail(port->cli, VX6_EXIT_INVALID, "not_loopback",
				    "127.0.0.1:2222, 2222 or unix:/path",
				    "%s would open the service to the whole network", text);
	n = vx6_addr_to_sockaddr(&addr, false, &ss);
	port->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ss.ss_family != AF_UNIX)
		setsockopt(port->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (port->fd < 0 || bind(port->fd, (struct sockaddr *)&ss, n) < 0 ||
	    listen(port->fd, BACKLOG) < 0)
		return vx6_cli_fail(port->cli, VX6_EXIT_CONFLICT, "address_in_use", NULL,
				    "cannot listen on %s: %s", text, strerror(errno));
	n = sizeof ss;
	*bound = addr;
	if (addr.family == VX6_ADDR_UNIX)
		vx6_strlcpy(socket_path, addr.path, sizeof socket_path);
	else if (getsockname(port->fd, (struct sockaddr *)&ss, &n) == 0)
		(void)!vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, bound).code;
	return VX6_EXIT_OK;
}

static int accept_all(struct port *port)
{
	for (;;) {
		int fd;

		while (sem_wait(&port->room) < 0 && errno == EINTR)
			;
		fd = accept4(port->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			start(port, fd);
			continue;
		}
		sem_post(&port->room);
		/* what a client did, or what passes */
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
			return vx6_cli_fail(port->cli, VX6_EXIT_FAILURE, "io", NULL,
					    "cannot accept: %s", strerror(errno));
		usleep(100000);
	}
}

/* Whoever started the command reads it to know when the port is open. */
static void show_bound(const struct vx6_cli *cli, const char *address)
{
	struct vx6_json j = {0};

	if (cli->format == VX6_FORMAT_TABLE || cli->format == VX6_FORMAT_NAME) {
		printf("%s\n", address);
	} else {
		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "listen", address);
		vx6_json_end_object(&j);
		vx6_cli_show_json(cli, &(struct vx6_cli_command){0}, &j);
	}
	fflush(stdout);
}

static int join_port(const struct vx6_cli *cli, const struct vx6_cli_where *where, const char *path,
		     const char *listen_text)
{
	struct port port = {.cli = cli, .where = *where, .path = path, .fd = -1};
	struct sigaction end = {.sa_handler = on_end};
	char full[VX6_ADDR_TEXT], text[VX6_ADDR_TEXT];
	struct vx6_addr bound;
	int exit;

	/* "2222" and ":2222" are ports of this machine, as everywhere */
	snprintf(full, sizeof full, "%s%s%s",
		 strspn(listen_text, ":0123456789") == strlen(listen_text) ? "127.0.0.1" : "",
		 strspn(listen_text, "0123456789") == strlen(listen_text) ? ":" : "", listen_text);
	sem_init(&port.room, 0, CONNECTIONS_MAX);
	exit = open_port(&port, full, &bound);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	if (exit == VX6_EXIT_OK) {
		vx6_cli_say(cli, "Listening until interrupted:");
		show_bound(cli, vx6_addr_format(&bound, text));
		exit = accept_all(&port);
	}
	if (port.fd >= 0)
		close(port.fd);
	sem_destroy(&port.room);
	return exit;
}

int vx6_cli_run_connect(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *listen_text = vx6_cli_text(p, "listen"), *to;
	struct vx6_cli_where where = {0};
	struct vx6_cli_request r = {0};
	char *alias;
	int exit = vx6_cli_take_invite(cli, vx6_cli_text(p, "NODE.SERVICE"), &alias);

	for (size_t i = 0; alias && i < p->values_n; i++)
		if (strcmp(p->values[i].arg->name, "NODE.SERVICE") == 0)
			p->values[i].text = alias;
	to = vx6_cli_text(p, "NODE.SERVICE");
	if (exit == VX6_EXIT_OK && vx6_cli_has(p, "trace") &&
	    (!to || strpbrk(to, "./@") || listen_text))
		exit = vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "vx6 connect ghost --trace",
				    "--trace is for one connection to a hidden service");
	if (exit == VX6_EXIT_OK)
		exit = vx6_cli_where(cli, &where);
	if (exit == VX6_EXIT_OK)
		exit = vx6_cli_request_make(cli, p, p->command->ops, &r);
	if (exit == VX6_EXIT_OK)
		exit = listen_text ? join_port(cli, &where, r.path, listen_text)
				   : join_stdio(cli, &where, r.path,
						vx6_cli_has(p, "trace") ? to : NULL);
	vx6_cli_where_wipe(&where);
	vx6_cli_request_fini(&r);
	free(alias);
	return exit;
}
