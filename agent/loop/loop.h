/**
 * @file loop.h
 * The event loop: descriptors, timers, work after the batch, a worker pool and a mailbox for other threads.
 *
 * Layer:   loop
 * Threads: everything here belongs to the loop's thread, except vx6_loop_post() and the work() half of a job.
 * Lifetime: objects are embedded by their owner and started and stopped with the calls below. After a stop call no callback of the
 *          object runs any more, not even one of the same batch, and its memory may be reused at once: what the poller still
 *          needs is the loop's own.
 * Time:    vx6_loop_now_ns() is sampled once per wake-up.
 */
#ifndef VX6_LOOP_LOOP_H
#define VX6_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct vx6_loop;

/** @return owned; vx6_loop_free() */
VX6_RES vx6_loop_new(struct vx6_loop **out);
/** Runs until vx6_loop_stop(). */
void vx6_loop_run(struct vx6_loop *loop);
void vx6_loop_stop(struct vx6_loop *loop);
/** Closes what is left and frees. Jobs under way are waited for. */
void vx6_loop_free(struct vx6_loop *loop);

/** Monotonic time of this wake-up. */
uint64_t vx6_loop_now_ns(const struct vx6_loop *loop);
uint64_t vx6_loop_now_ms(const struct vx6_loop *loop);
/** Samples the clock again: for a callback that worked for long and needs a fresh time. Never goes backwards. */
uint64_t vx6_loop_update_now(struct vx6_loop *loop);

/* ---- descriptors ---- */

enum {
	VX6_IO_READ = 1,
	VX6_IO_WRITE = 2,
	VX6_IO_ERROR = 4, /* asked for beside READ: the descriptor has an error queue to be read */
};

struct vx6_io;
/** @param events  VX6_IO_* that are ready; an error or hang-up is given as all that was asked for, the next read or write tells */
typedef void vx6_io_cb(struct vx6_io *io, int events);

struct vx6_io {
	struct vx6_loop *loop;
	vx6_io_cb *cb;
	void *user;
	int fd;
	int events;   /* asked for now */
	void *poller; /* the loop's own */
};

/** Starts watching @p fd (non-blocking, stays the caller's) for @p events (may be 0). */
VX6_RES vx6_io_start(struct vx6_loop *loop, struct vx6_io *io, int fd, int events, vx6_io_cb *cb,
		     void *user);
/** Changes what is asked for; cheap when nothing changes. */
void vx6_io_want(struct vx6_io *io, int events);
/** Stops watching; the caller may close the descriptor right after. Idempotent, and harmless on a zeroed object. */
void vx6_io_stop(struct vx6_io *io);

/* ---- timers (nanosecond deadlines on one timerfd; a heap inside) ---- */

struct vx6_timer;
typedef void vx6_timer_cb(struct vx6_timer *timer);

struct vx6_timer {
	struct vx6_loop *loop;
	vx6_timer_cb *cb;
	void *user;
	uint64_t due_ns;
	size_t index; /* place in the heap + 1; 0: not armed */
};

void vx6_timer_init(struct vx6_loop *loop, struct vx6_timer *t, vx6_timer_cb *cb, void *user);
/** Arms or re-arms for an absolute time; a time that has passed fires in the next round. */
void vx6_timer_at(struct vx6_timer *t, uint64_t due_ns);
void vx6_timer_in_ms(struct vx6_timer *t, uint64_t ms);
/** Idempotent, and harmless on a zeroed object. */
void vx6_timer_stop(struct vx6_timer *t);
bool vx6_timer_is_armed(const struct vx6_timer *t);

/* ---- work after the batch: runs once, before the loop sleeps again ---- */

struct vx6_task;
typedef void vx6_task_cb(struct vx6_task *task);

struct vx6_task {
	struct vx6_list node;
	vx6_task_cb *cb;
	void *user;
};

static inline void vx6_task_init(struct vx6_task *t, vx6_task_cb *cb, void *user)
{
	*t = (struct vx6_task){.cb = cb, .user = user};
}
/**
 * Queues @p t to run after all callbacks of this wake-up; once, however often it is asked for. Deferred closes, flushes and upcalls
 * that must not happen inside a call down go this way. A task queued by a running task runs in the same round.
 */
void vx6_loop_defer(struct vx6_loop *loop, struct vx6_task *t);
void vx6_task_cancel(struct vx6_task *t);

/* ---- worker pool: blocking work with copies and ids, never with pointers to live objects ---- */

struct vx6_job;
struct vx6_job {
	void (*work)(struct vx6_job *job); /* on a worker */
	void (*done)(struct vx6_job *job); /* on the loop; frees the job if it was allocated */
	void *uv;                          /* the loop's own */
};
/** Takes @p job until done() was called. Jobs of the pool run in any order. */
VX6_RES vx6_loop_work(struct vx6_loop *loop, struct vx6_job *job);

/* ---- mailbox: the one way in from other threads ---- */

struct vx6_mail;
struct vx6_mail {
	struct vx6_list node;
	void (*deliver)(struct vx6_mail *mail); /* on the loop thread; owns the mail from then on */
};
/** Thread-safe. Takes @p mail. @return false: the loop has stopped; the caller still owns the mail */
bool vx6_loop_post(struct vx6_loop *loop, struct vx6_mail *mail);

/** Calls @p cb on the loop when @p signum arrives (SIGINT, SIGTERM, SIGHUP). */
VX6_RES vx6_loop_on_signal(struct vx6_loop *loop, int signum, void (*cb)(int signum, void *user),
			   void *user);

#endif
