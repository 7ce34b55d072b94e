#include "api/cli/pump.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

enum { CHUNK = 65536 };

/* in -> sock, on its own thread. Lives until both sides let go of it: at a terminal nobody waits for the thread. */
struct upward {
	int in, sock;
	int done; /* eventfd */
	atomic_int users;
};

static void upward_release(struct upward *u)
{
	if (atomic_fetch_sub(&u->users, 1) > 1)
		return;
	close(u->done);
	close(u->sock);
	free(u);
}

/* write(2) of it all; a socket must not raise SIGPIPE, which the program ignores. @return 0 or errno */
static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Until the end of @p from. @return 0 or errno */
static int copy(int from, int to)
{
	char *buf = vx6_zalloc(CHUNK);
	int err = 0;

	for (;;) {
		ssize_t n = read(from, buf, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? errno : 0;
			break;
		}
		err = write_all(to, buf, (size_t)n);
		if (err)
			break;
	}
	free(buf);
	return err;
}

static void *upward_main(void *arg)
{
	struct upward *u = arg;

	copy(u->in, u->sock);
	shutdown(u->sock, SHUT_WR);
	eventfd_write(u->done, 1);
	upward_release(u);
	return NULL;
}

static struct upward *upward_start(const struct vx6_pump *p)
{
	struct upward *u = vx6_zalloc(sizeof *u);
	pthread_t thread;

	u->in = p->in;
	u->sock = dup(p->sock);
	u->done = eventfd(0, EFD_CLOEXEC);
	atomic_store(&u->users, 2);
	if (u->sock < 0 || u->done < 0 || pthread_create(&thread, NULL, upward_main, u) != 0) {
		atomic_store(&u->users, 1);
		upward_release(u);
		return NULL;
	}
	pthread_detach(thread);
	return u;
}

/* The end of `out` as the far end's end: a reader behind a pipe sees it now, not when the program ends. */
static void end_output(const struct vx6_pump *p)
{
	if (shutdown(p->out, SHUT_WR) < 0 && errno == ENOTSOCK)
		close(p->out);
}

static void wait_for(struct pollfd *fds, nfds_t n)
{
	while (poll(fds, n, -1) < 0 && errno == EINTR)
		;
}

/* Until the other direction has ended too, or has nobody left to go to. */
static void wait_upward(const struct vx6_pump *p, struct upward *u)
{
	struct pollfd fds[] = {{.fd = u->done, .events = POLLIN}, {.fd = p->sock}};

	wait_for(fds, VX6_ARRAY_N(fds));
}

/* The caller closes the sockets next: the thread must not read a number that has become somebody else's. */
static void end_upward(const struct vx6_pump *p, struct upward *u)
{
	struct pollfd done = {.fd = u->done, .events = POLLIN};

	shutdown(p->in, SHUT_RDWR);
	shutdown(p->sock, SHUT_RDWR);
	wait_for(&done, 1);
}

int vx6_pump_run(const struct vx6_pump *p)
{
	struct upward *u = upward_start(p);
	int err;

	if (!u)
		return ENOMEM;
	err = write_all(p->out, p->early, p->early_n);
	if (!err)
		err = copy(p->sock, p->out);
	if (!err) {
		end_output(p);
		if (!p->in_is_person)
			wait_upward(p, u);
	}
	if (p->in == p->out)
		end_upward(p, u);
	upward_release(u);
	return err;
}
