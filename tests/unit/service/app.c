#include "tests/unit/service/app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "service/pump.h"

enum { PIECE = 64 * 1024, TURNS = 8 };

static uint8_t pattern(uint8_t seed, uint64_t at)
{
	return (uint8_t)(seed + at * 131 + (at >> 8) * 29 + (at >> 16) * 7);
}

static size_t piece(const struct app *a)
{
	return a->ragged ? 1 + (size_t)random() % 9000 : PIECE;
}

static void want(struct app *a)
{
	int events = 0;

	if (a->fd < 0)
		return;
	if (!a->frozen && !a->got_fin && !a->pausing)
		events |= VX6_IO_READ;
	if (!a->pausing && (a->tx < a->tx_goal || (a->tx_fin && !a->fin_sent)))
		events |= VX6_IO_WRITE;
	vx6_io_want(&a->io, events);
}

static void stop(struct app *a, int error)
{
	a->error = error;
	app_close(a);
}

static void receive(struct app *a)
{
	uint8_t buf[PIECE];
	ssize_t n = recv(a->fd, buf, piece(a), 0);

	if (n < 0) {
		if (errno != EAGAIN)
			stop(a, errno);
		return;
	}
	a->got_fin = n == 0;
	for (ssize_t i = 0; i < n; i++)
		a->corrupt |= buf[i] != pattern(a->rx_seed, a->rx + (uint64_t)i);
	a->rx += (uint64_t)n;
}

static void transmit(struct app *a)
{
	uint8_t buf[PIECE];
	size_t most = piece(a), n = (size_t)VX6_MIN((uint64_t)most, a->tx_goal - a->tx);
	ssize_t rc = 0;

	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(a->tx_seed, a->tx + i);
	if (n)
		rc = send(a->fd, buf, n, MSG_NOSIGNAL);
	if (rc < 0) {
		if (errno != EAGAIN)
			stop(a, errno);
		return;
	}
	a->tx += (uint64_t)rc;
	if (a->tx == a->tx_goal && a->tx_fin && !a->fin_sent) {
		a->fin_sent = true;
		shutdown(a->fd, SHUT_WR);
	}
}

static void on_io(struct vx6_io *io, int events)
{
	struct app *a = io->user;

	if (a->ragged && random() % 20 == 0) {
		a->pausing = true;
		vx6_timer_in_ms(&a->pause, 1);
		want(a);
		return;
	}
	if (events & VX6_IO_READ)
		receive(a);
	if ((events & VX6_IO_WRITE) && a->fd >= 0)
		transmit(a);
	want(a);
}

static void on_pause(struct vx6_timer *timer)
{
	struct app *a = timer->user;

	a->pausing = false;
	want(a);
}

void app_start(struct app *a, struct vx6_loop *loop, int fd)
{
	vx6_err err;

	*a = (struct app){.loop = loop, .fd = fd};
	vx6_timer_init(loop, &a->pause, on_pause, a);
	err = vx6_io_start(loop, &a->io, fd, VX6_IO_READ, on_io, a);
	VX6_ASSERT(vx6_is_ok(err));
}

void app_send(struct app *a, uint64_t n, bool fin)
{
	a->tx_goal += n;
	a->tx_fin |= fin;
	want(a);
}

void app_freeze(struct app *a, bool frozen)
{
	a->frozen = frozen;
	want(a);
}

void app_close(struct app *a)
{
	if (a->fd < 0)
		return;
	vx6_timer_stop(&a->pause);
	vx6_io_stop(&a->io);
	close(a->fd);
	a->fd = -1;
}

void app_break(struct app *a)
{
	vx6_timer_stop(&a->pause);
	vx6_io_stop(&a->io);
	vx6_pump_close_hard(a->fd);
	a->fd = -1;
}

bool app_got_fin(void *app)
{
	return ((struct app *)app)->got_fin;
}

bool app_failed(void *app)
{
	return ((struct app *)app)->error != 0;
}

int tcp_listener(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	VX6_ASSERT(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 4096) == 0);
	VX6_ASSERT(getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

int tcp_dial(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	VX6_ASSERT(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
	VX6_ASSERT(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

void tcp_pair(int fd[2])
{
	uint16_t port;
	int listener = tcp_listener(&port);

	fd[0] = tcp_dial(port);
	fd[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	VX6_ASSERT(fd[1] >= 0);
	close(listener);
}

void unix_pair(int fd[2])
{
	VX6_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
}
