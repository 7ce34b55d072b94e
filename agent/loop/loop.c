/*
 * The loop over libuv: uv_poll for descriptors, one timerfd for every timer, uv_async for mail, uv_queue_work for jobs.
 *
 * Order of one wake-up: ready descriptors and due timers (in libuv's order), then deferred tasks until none is left, then sleep.
 * A poller is closed asynchronously by libuv: vx6_io_stop() detaches it from its vx6_io at once, so a stale event of the same
 * batch finds no owner, and the poller frees itself when its close has run.
 */
#include "loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "loop/timer_heap_internal.h"

enum { SIGNALS_MAX = 8, DEFER_ROUNDS_MAX = 64 };

struct signal_watch {
	uv_signal_t handle;
	void (*cb)(int signum, void *user);
	void *user;
};

struct vx6_loop {
	uv_loop_t uv;
	uv_prepare_t prepare; /* deferred tasks, timer, then sleep */
	uv_idle_t idle;       /* keeps the loop from sleeping while tasks are left over */
	uv_async_t mail_signal;
	uv_poll_t timer_poll;
	int timer_fd;
	uint64_t timer_armed_ns; /* what the timerfd is set to, perhaps too early; 0: off */
	bool timer_fired;        /* and not set since */
	uint64_t now_ns;
	bool slept; /* the clock has not been read since the last sleep */
	struct timer_heap timers;
	struct vx6_list deferred;
	pthread_mutex_t mail_lock;
	struct vx6_list mail;
	bool mail_closed;
	bool stopping;
	struct signal_watch signals[SIGNALS_MAX];
	size_t signals_n;
};

struct poller {
	uv_poll_t handle;  /* first: the close callback frees the poller by it */
	struct vx6_io *io; /* NULL once detached */
};

uint64_t vx6_loop_now_ns(const struct vx6_loop *loop)
{
	return loop->now_ns;
}

uint64_t vx6_loop_now_ms(const struct vx6_loop *loop)
{
	return loop->now_ns / VX6_NS_PER_MS;
}

uint64_t vx6_loop_update_now(struct vx6_loop *loop)
{
	uint64_t now = vx6_now_ns();

	if (now > loop->now_ns)
		loop->now_ns = now;
	return loop->now_ns;
}

/* libuv runs descriptor callbacks straight from its poll, so the first callback of a wake-up is where the clock is read. */
static void wake(struct vx6_loop *loop)
{
	if (loop->slept) {
		loop->slept = false;
		vx6_loop_update_now(loop);
	}
}

/* ---- descriptors ---- */

static int uv_events(int events)
{
	return ((events & VX6_IO_READ) ? UV_READABLE : 0) |
	       ((events & VX6_IO_WRITE) ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct poller *p = (struct poller *)(void *)handle;
	struct vx6_io *io = p->io;
	int ready = 0;

	if (!io)
		return;
	wake(io->loop);
	if (status < 0) {
		/* libuv watches a descriptor no more once it shows an error; here its owner decides, who may have bytes to read before */
		ready = io->events;
		uv_poll_start(handle, uv_events(io->events), on_poll);
	}
	if (events & UV_READABLE)
		ready |= VX6_IO_READ;
	if (events & UV_WRITABLE)
		ready |= VX6_IO_WRITE;
	if (ready)
		io->cb(io, ready);
}

static void poller_free(uv_handle_t *handle)
{
	free(handle);
}

vx6_err vx6_io_start(struct vx6_loop *loop, struct vx6_io *io, int fd, int events, vx6_io_cb *cb,
		     void *user)
{
	struct poller *p = vx6_zalloc(sizeof *p);
	int rc = uv_poll_init(&loop->uv, &p->handle, fd);

	if (rc < 0) {
		free(p);
		return vx6_err_from_errno(-rc);
	}
	*io = (struct vx6_io){.loop = loop, .cb = cb, .user = user, .fd = fd, .poller = p};
	p->io = io;
	vx6_io_want(io, events);
	return VX6_OK;
}

void vx6_io_want(struct vx6_io *io, int events)
{
	struct poller *p = io->poller;

	if (!p || io->events == events)
		return;
	io->events = events;
	if (events)
		uv_poll_start(&p->handle, uv_events(events), on_poll);
	else
		uv_poll_stop(&p->handle);
}

void vx6_io_stop(struct vx6_io *io)
{
	struct poller *p = io->poller;

	if (!p)
		return;
	io->poller = NULL;
	io->events = 0;
	p->io = NULL;
	/* takes the descriptor out of the poll set now, so that the caller may close it */
	uv_poll_stop(&p->handle);
	uv_close((uv_handle_t *)&p->handle, poller_free);
}

/* ---- timers ---- */

static void timerfd_arm(struct vx6_loop *loop)
{
	struct vx6_timer *first = timer_heap_first(&loop->timers);
	struct itimerspec at = {0};
	uint64_t due = first ? VX6_MAX(first->due_ns, 1) : 0;

	/* Setting the timer costs more than all the rest of a wake-up (in a virtual machine it leaves the guest). Most due times only
	 * ever move away; so a setting that is too early stays, fires once for nothing, and is set again then. */
	if (loop->timer_armed_ns && (!due || due >= loop->timer_armed_ns))
		return;
	if (due == loop->timer_armed_ns && !loop->timer_fired)
		return;
	loop->timer_fired = false;
	loop->timer_armed_ns = due;
	at.it_value.tv_sec = (time_t)(due / VX6_NS_PER_S);
	at.it_value.tv_nsec = (long)(due % VX6_NS_PER_S);
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		VX6_ERROR("loop", "cannot arm the timer: %s", strerror(errno));
}

static void on_timerfd(uv_poll_t *handle, int status, int events)
{
	struct vx6_loop *loop = handle->data;
	struct vx6_timer *t;
	uint64_t now;

	(void)status;
	(void)events;
	wake(loop);
	/* not read: the setting that follows before the next sleep clears it as well */
	loop->timer_armed_ns = 0;
	loop->timer_fired = true;
	/* timers armed by these callbacks for a time that has passed wait for the next round: no timer can starve descriptors */
	now = loop->now_ns;
	while ((t = timer_heap_first(&loop->timers)) != NULL && t->due_ns <= now) {
		timer_heap_remove(&loop->timers, t);
		t->cb(t);
	}
}

void vx6_timer_init(struct vx6_loop *loop, struct vx6_timer *t, vx6_timer_cb *cb, void *user)
{
	*t = (struct vx6_timer){.loop = loop, .cb = cb, .user = user};
}

void vx6_timer_at(struct vx6_timer *t, uint64_t due_ns)
{
	/* strictly later than now: see on_timerfd() */
	t->due_ns = VX6_MAX(due_ns, t->loop->now_ns + 1);
	timer_heap_put(&t->loop->timers, t);
}

void vx6_timer_in_ms(struct vx6_timer *t, uint64_t ms)
{
	vx6_timer_at(t, t->loop->now_ns + ms * VX6_NS_PER_MS);
}

void vx6_timer_stop(struct vx6_timer *t)
{
	if (t->index)
		timer_heap_remove(&t->loop->timers, t);
}

bool vx6_timer_is_armed(const struct vx6_timer *t)
{
	return t->index != 0;
}

/* ---- deferred tasks ---- */

static void on_idle(uv_idle_t *handle)
{
	(void)handle;
}

void vx6_loop_defer(struct vx6_loop *loop, struct vx6_task *t)
{
	if (!vx6_list_is_linked(&t->node))
		vx6_list_push(&loop->deferred, &t->node);
}

void vx6_task_cancel(struct vx6_task *t)
{
	vx6_list_remove(&t->node);
}

static void run_deferred(struct vx6_loop *loop)
{
	struct vx6_list *node;

	for (int round = 0; round < DEFER_ROUNDS_MAX && !vx6_list_is_empty(&loop->deferred);
	     round++) {
		struct vx6_list batch;

		vx6_list_init(&batch);
		vx6_list_splice(&batch, &loop->deferred);
		while ((node = vx6_list_pop(&batch)) != NULL) {
			struct vx6_task *t = VX6_CONTAINER_OF(node, struct vx6_task, node);

			t->cb(t);
		}
	}
}

static void on_prepare(uv_prepare_t *handle)
{
	struct vx6_loop *loop = handle->data;

	run_deferred(loop);
	timerfd_arm(loop);
	/* tasks that keep queueing tasks get their next turn after a look at the descriptors */
	if (vx6_list_is_empty(&loop->deferred))
		uv_idle_stop(&loop->idle);
	else
		uv_idle_start(&loop->idle, on_idle);
	loop->slept = true;
}

/* ---- jobs ---- */

static void job_work(uv_work_t *req)
{
	struct vx6_job *job = req->data;

	job->work(job);
}

static void job_done(uv_work_t *req, int status)
{
	struct vx6_job *job = req->data;

	(void)status;
	wake(req->loop->data);
	free(req);
	job->uv = NULL;
	job->done(job);
}

vx6_err vx6_loop_work(struct vx6_loop *loop, struct vx6_job *job)
{
	uv_work_t *req = vx6_zalloc(sizeof *req);
	int rc;

	req->data = job;
	job->uv = req;
	rc = uv_queue_work(&loop->uv, req, job_work, job_done);
	if (rc < 0) {
		free(req);
		return vx6_err_from_errno(-rc);
	}
	return VX6_OK;
}

/* ---- mail ---- */

static void on_mail(uv_async_t *handle)
{
	struct vx6_loop *loop = handle->data;
	struct vx6_list batch, *node;

	wake(loop);
	vx6_list_init(&batch);
	pthread_mutex_lock(&loop->mail_lock);
	vx6_list_splice(&batch, &loop->mail);
	pthread_mutex_unlock(&loop->mail_lock);
	while ((node = vx6_list_pop(&batch)) != NULL) {
		struct vx6_mail *mail = VX6_CONTAINER_OF(node, struct vx6_mail, node);

		mail->deliver(mail);
	}
}

bool vx6_loop_post(struct vx6_loop *loop, struct vx6_mail *mail)
{
	bool taken = false;

	pthread_mutex_lock(&loop->mail_lock);
	if (!loop->mail_closed) {
		mail->node.next = mail->node.prev = NULL;
		vx6_list_push(&loop->mail, &mail->node);
		/* inside the lock, so that the handle cannot be closed in between */
		uv_async_send(&loop->mail_signal);
		taken = true;
	}
	pthread_mutex_unlock(&loop->mail_lock);
	return taken;
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int signum)
{
	struct signal_watch *w = handle->data;

	wake(handle->loop->data);
	w->cb(signum, w->user);
}

vx6_err vx6_loop_on_signal(struct vx6_loop *loop, int signum, void (*cb)(int signum, void *user),
			   void *user)
{
	struct signal_watch *w;
	int rc;

	if (loop->signals_n == SIGNALS_MAX)
		return VX6_ERR(FULL);
	w = &loop->signals[loop->signals_n];
	rc = uv_signal_init(&loop->uv, &w->handle);
	if (rc < 0)
		return vx6_err_from_errno(-rc);
	loop->signals_n++;
	w->handle.data = w;
	w->cb = cb;
	w->user = user;
	rc = uv_signal_start(&w->handle, on_signal, signum);
	return rc < 0 ? vx6_err_from_errno(-rc) : VX6_OK;
}

/* ---- life ---- */

static int init_handles(struct vx6_loop *loop)
{
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_idle_init(&loop->uv, &loop->idle);
	loop->uv.data = loop->prepare.data = loop->idle.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_async_init(&loop->uv, &loop->mail_signal, on_mail);
	loop->mail_signal.data = loop;
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_fd < 0)
		return -errno;
	uv_poll_init(&loop->uv, &loop->timer_poll, loop->timer_fd);
	loop->timer_poll.data = loop;
	return uv_poll_start(&loop->timer_poll, UV_READABLE, on_timerfd);
}

vx6_err vx6_loop_new(struct vx6_loop **out)
{
	struct vx6_loop *loop = vx6_zalloc(sizeof *loop);
	int rc = uv_loop_init(&loop->uv);

	if (rc < 0) {
		free(loop);
		return vx6_err_from_errno(-rc);
	}
	vx6_list_init(&loop->deferred);
	vx6_list_init(&loop->mail);
	pthread_mutex_init(&loop->mail_lock, NULL);
	loop->timer_fd = -1;
	rc = init_handles(loop);
	vx6_loop_update_now(loop);
	if (rc < 0) {
		vx6_loop_free(loop);
		return vx6_err_from_errno(-rc);
	}
	*out = loop;
	return VX6_OK;
}

void vx6_loop_run(struct vx6_loop *loop)
{
	vx6_loop_update_now(loop);
	while (!loop->stopping)
		uv_run(&loop->uv, UV_RUN_ONCE);
	/* what the last callbacks deferred still runs: closes and answers are among it */
	run_deferred(loop);
	loop->stopping = false;
}

void vx6_loop_stop(struct vx6_loop *loop)
{
	loop->stopping = true;
	uv_async_send(&loop->mail_signal);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	struct vx6_loop *loop = arg;
	bool own = handle->data == loop || handle->type == UV_SIGNAL;

	if (!uv_is_closing(handle))
		uv_close(handle, own ? NULL : poller_free);
}

void vx6_loop_free(struct vx6_loop *loop)
{
	if (!loop)
		return;
	pthread_mutex_lock(&loop->mail_lock);
	loop->mail_closed = true;
	pthread_mutex_unlock(&loop->mail_lock);
	on_mail(&loop->mail_signal);
	run_deferred(loop);
	uv_prepare_stop(&loop->prepare);
	uv_idle_stop(&loop->idle);
	uv_walk(&loop->uv, close_handle, loop);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_loop_close(&loop->uv);
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	timer_heap_fini(&loop->timers);
	pthread_mutex_destroy(&loop->mail_lock);
	free(loop);
}
