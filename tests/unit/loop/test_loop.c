/* The loop's promises: order of timers, tasks after the batch, stale events, jobs, mail. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "loop/loop.h"

static struct vx6_loop *loop;

static int setup(void **state)
{
	return vx6_is_ok(vx6_loop_new(&loop)) ? 0 : -1;
}

static int teardown(void **state)
{
	vx6_loop_free(loop);
	return 0;
}

/* ---- timers ---- */

enum { TIMERS = 500 };

static struct vx6_timer timers[TIMERS];
static uint64_t last_due;
static int fired;

static void on_timer(struct vx6_timer *t)
{
	assert_true(t->due_ns >= last_due);
	assert_true(vx6_loop_now_ns(loop) >= t->due_ns);
	assert_false(vx6_timer_is_armed(t));
	last_due = t->due_ns;
	if (++fired == TIMERS / 2)
		vx6_loop_stop(loop);
}

static void timer__many_in_disorder_and_half_stopped__rest_fire_in_order(void **state)
{
	uint64_t now = vx6_loop_now_ns(loop);

	last_due = 0;
	fired = 0;
	srand(7);
	for (int i = 0; i < TIMERS; i++) {
		vx6_timer_init(loop, &timers[i], on_timer, NULL);
		vx6_timer_at(&timers[i], now + (uint64_t)(rand() % 20000000));
		/* armed again: the second time counts */
		vx6_timer_at(&timers[i], now + (uint64_t)(rand() % 20000000));
	}
	for (int i = 0; i < TIMERS; i += 2)
		vx6_timer_stop(&timers[i]);
	vx6_timer_stop(&timers[0]);
	vx6_loop_run(loop);
	assert_int_equal(fired, TIMERS / 2);
}

static int rearmed;

static void on_rearm(struct vx6_timer *t)
{
	if (++rearmed < 1000)
		vx6_timer_at(t, 0);
}

static void on_stop(struct vx6_timer *t)
{
	vx6_loop_stop(loop);
}

static void timer__armed_for_the_past_again_and_again__others_still_run(void **state)
{
	struct vx6_timer greedy, stop;

	rearmed = 0;
	vx6_timer_init(loop, &greedy, on_rearm, NULL);
	vx6_timer_init(loop, &stop, on_stop, NULL);
	vx6_timer_at(&greedy, 0);
	vx6_timer_in_ms(&stop, 20);
	vx6_loop_run(loop);
	assert_true(rearmed > 1);
	vx6_timer_stop(&greedy);
}

static void timer__stopped_when_zeroed__nothing_happens(void **state)
{
	struct vx6_timer t = {.loop = NULL};

	vx6_timer_stop(&t);
	assert_false(vx6_timer_is_armed(&t));
}

/* ---- descriptors ---- */

struct pair {
	int fd[2];
	struct vx6_io io;
	struct pair *other;
	int calls;
};

static void on_read_stop_other(struct vx6_io *io, int events)
{
	struct pair *p = io->user;

	p->calls++;
	/* both are ready in the same batch: whoever is first ends the other, whose event must not come any more */
	vx6_io_stop(&p->other->io);
	close(p->other->fd[0]);
	vx6_io_stop(io);
	close(p->fd[0]);
	vx6_loop_stop(loop);
}

static void io__stopped_by_another_of_the_same_batch__its_event_is_dropped(void **state)
{
	struct pair a = {.calls = 0}, b = {.calls = 0};

	a.other = &b;
	b.other = &a;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a.fd), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b.fd), 0);
	assert_true(
		vx6_is_ok(vx6_io_start(loop, &a.io, a.fd[0], VX6_IO_READ, on_read_stop_other, &a)));
	assert_true(
		vx6_is_ok(vx6_io_start(loop, &b.io, b.fd[0], VX6_IO_READ, on_read_stop_other, &b)));
	assert_int_equal(write(a.fd[1], "x", 1), 1);
	assert_int_equal(write(b.fd[1], "x", 1), 1);
	vx6_loop_run(loop);
	assert_int_equal(a.calls + b.calls, 1);
	close(a.fd[1]);
	close(b.fd[1]);
}

static int write_events;

static void on_writable(struct vx6_io *io, int events)
{
	assert_int_equal(events, VX6_IO_WRITE);
	if (++write_events == 3) {
		vx6_io_want(io, 0);
		vx6_loop_stop(loop);
	}
}

static void io__wanting_nothing__no_more_events(void **state)
{
	struct vx6_io io;
	struct vx6_timer stop;
	int fd[2];

	write_events = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_true(vx6_is_ok(vx6_io_start(loop, &io, fd[0], VX6_IO_WRITE, on_writable, NULL)));
	vx6_loop_run(loop);
	vx6_timer_init(loop, &stop, on_stop, NULL);
	vx6_timer_in_ms(&stop, 20);
	vx6_loop_run(loop);
	assert_int_equal(write_events, 3);
	vx6_io_stop(&io);
	vx6_io_stop(&io);
	close(fd[0]);
	close(fd[1]);
}

static int reads;

static void on_read_a_byte(struct vx6_io *io, int events)
{
	char c;

	assert_int_equal(events, VX6_IO_READ);
	reads++;
	if (recv(io->fd, &c, 1, 0) < 0) {
		assert_int_equal(errno, ECONNRESET);
		vx6_loop_stop(loop);
	}
}

static void io__reset_after_data__told_until_the_error_is_read(void **state)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct linger hard = {.l_onoff = 1};
	socklen_t n = sizeof at;
	int listener = socket(AF_INET6, SOCK_STREAM, 0), fd = socket(AF_INET6, SOCK_STREAM, 0),
	    peer;
	struct vx6_timer stop;
	struct vx6_io io;

	assert_int_equal(bind(listener, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, n), 0);
	peer = accept(listener, NULL, NULL);
	assert_int_equal(write(peer, "abc", 3), 3);
	assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	close(peer);
	reads = 0;
	assert_true(vx6_is_ok(vx6_io_start(loop, &io, fd, VX6_IO_READ, on_read_a_byte, NULL)));
	vx6_timer_init(loop, &stop, on_stop, NULL);
	vx6_timer_in_ms(&stop, 2000);
	vx6_loop_run(loop);
	vx6_timer_stop(&stop);
	assert_int_equal(reads, 4); /* three bytes and the error */
	vx6_io_stop(&io);
	close(fd);
	close(listener);
}

/* ---- tasks ---- */

static char order[8];
static int order_n;
static struct vx6_task first, second;

static void on_first(struct vx6_task *t)
{
	order[order_n++] = '1';
	vx6_loop_defer(loop, &second);
}

static void on_second(struct vx6_task *t)
{
	order[order_n++] = '2';
	vx6_loop_stop(loop);
}

static void on_batch(struct vx6_timer *t)
{
	vx6_loop_defer(loop, &first);
	vx6_loop_defer(loop, &first); /* once is enough */
	order[order_n++] = '0';
}

static void task__deferred__runs_once_after_the_batch_and_before_sleep(void **state)
{
	struct vx6_timer t;

	order_n = 0;
	vx6_task_init(&first, on_first, NULL);
	vx6_task_init(&second, on_second, NULL);
	vx6_timer_init(loop, &t, on_batch, NULL);
	vx6_timer_at(&t, 0);
	vx6_loop_run(loop);
	assert_int_equal(order_n, 3);
	assert_memory_equal(order, "012", 3);
}

/* ---- other threads ---- */

struct square {
	struct vx6_job job;
	int in, out;
	pthread_t worker;
};

static void square_work(struct vx6_job *job)
{
	struct square *s = VX6_CONTAINER_OF(job, struct square, job);

	s->worker = pthread_self();
	s->out = s->in * s->in;
}

static void square_done(struct vx6_job *job)
{
	vx6_loop_stop(loop);
}

static void job__runs_elsewhere_and_comes_back(void **state)
{
	struct square s = {.job = {.work = square_work, .done = square_done}, .in = 12};

	assert_true(vx6_is_ok(vx6_loop_work(loop, &s.job)));
	vx6_loop_run(loop);
	assert_int_equal(s.out, 144);
	assert_false(pthread_equal(s.worker, pthread_self()));
}

enum { LETTERS = 2000, SENDERS = 4 };

struct letter {
	struct vx6_mail mail;
	int sender, number;
};

static int next_number[SENDERS], delivered;

static void on_letter(struct vx6_mail *mail)
{
	struct letter *l = VX6_CONTAINER_OF(mail, struct letter, mail);

	assert_int_equal(l->number, next_number[l->sender]++);
	free(l);
	if (++delivered == SENDERS * LETTERS)
		vx6_loop_stop(loop);
}

static void *send_letters(void *arg)
{
	for (int i = 0; i < LETTERS; i++) {
		struct letter *l = vx6_zalloc(sizeof *l);

		l->mail.deliver = on_letter;
		l->sender = (int)(intptr_t)arg;
		l->number = i;
		if (!vx6_loop_post(loop, &l->mail))
			free(l);
	}
	return NULL;
}

static void mail__from_many_threads__all_arrive_each_in_order(void **state)
{
	pthread_t t[SENDERS];

	delivered = 0;
	for (int i = 0; i < SENDERS; i++) {
		next_number[i] = 0;
		assert_int_equal(pthread_create(&t[i], NULL, send_letters, (void *)(intptr_t)i), 0);
	}
	vx6_loop_run(loop);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(delivered, SENDERS * LETTERS);
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(timer__many_in_disorder_and_half_stopped__rest_fire_in_order),
		LOOP_TEST(timer__armed_for_the_past_again_and_again__others_still_run),
		LOOP_TEST(timer__stopped_when_zeroed__nothing_happens),
		LOOP_TEST(io__stopped_by_another_of_the_same_batch__its_event_is_dropped),
		LOOP_TEST(io__wanting_nothing__no_more_events),
		LOOP_TEST(io__reset_after_data__told_until_the_error_is_read),
		LOOP_TEST(task__deferred__runs_once_after_the_batch_and_before_sleep),
		LOOP_TEST(job__runs_elsewhere_and_comes_back),
		LOOP_TEST(mail__from_many_threads__all_arrive_each_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
