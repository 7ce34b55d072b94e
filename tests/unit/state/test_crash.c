#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "tests/unit/state/dir.h"

enum { ROUNDS = 12, IN_FLIGHT = 40 };

static struct dir d;

struct ack {
	uint32_t number;
	uint64_t seq;
};

static int pipe_fd;
static uint32_t next_number;

static void submit_next(void);

static void on_done(void *user, const struct vx6_write_result *r)
{
	struct ack ack = {.number = (uint32_t)(uintptr_t)user, .seq = r->last_seq};

	if (!vx6_is_ok(r->err) || write(pipe_fd, &ack, sizeof ack) != sizeof ack)
		_exit(1);
	submit_next();
}

static void submit_next(void)
{
	struct vx6_write *w;
	char id[24];
	vx6_err err;

	snprintf(id, sizeof id, "n%u", next_number);
	w = dir_service(id, id);
	vx6_write_event(w,
			&(struct vx6_event){.type = "service.created", .subject_kind = "service"});
	vx6_write_put_u64(w, "counter", next_number);
	err = vx6_state_submit(d.st, w, on_done, (void *)(uintptr_t)next_number);
	if (!vx6_is_ok(err))
		_exit(2);
	next_number++;
}

_Noreturn static void child(uint32_t first)
{
	next_number = first;
	/* threads do not survive a fork: a loop of its own */
	if (!vx6_is_ok(vx6_loop_new(&d.loop)) || !vx6_is_ok(dir_open(&d)))
		_exit(3);
	for (int i = 0; i < IN_FLIGHT; i++)
		submit_next();
	vx6_loop_run(d.loop);
	_exit(4);
}

/* Lets a child write, kills it after some acknowledgements, and reads the rest of them. @return the last acknowledged, 0: none */
static struct ack run_and_kill(uint32_t first, int acks_before_kill, useconds_t delay)
{
	struct ack ack = {0}, last = {0};
	int fds[2], seen = 0, status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		pipe_fd = fds[1];
		child(first);
	}
	close(fds[1]);
	while (read(fds[0], &ack, sizeof ack) == sizeof ack) {
		assert_true(ack.number == (last.seq ? last.number + 1 : first));
		last = ack;
		if (++seen == acks_before_kill) {
			usleep(delay);
			kill(pid, SIGKILL);
		}
	}
	close(fds[0]);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(seen >= acks_before_kill);
	return last;
}

static void kill_9__any_moment__acknowledged_changes_are_there(void **state)
{
	uint32_t first = 1;

	srandom(20);
	for (int round = 0; round < ROUNDS; round++) {
		struct ack last = run_and_kill(first, 1 + (int)(random() % 120),
					       (useconds_t)(random() % 3000));
		struct vx6_state_image img;

		assert_true(vx6_is_ok(dir_open(&d)));
		assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
		/* numbers go 1, 2, 3, ... and each change is whole: service, event and counter together */
		assert_true(img.services_n >= last.number);
		assert_int_equal(vx6_state_image_u64(&img, "counter", 0), img.services_n);
		assert_true(img.last_seq >= last.seq);
		assert_int_equal(img.last_seq, img.services_n);
		first = (uint32_t)img.services_n + 1;
		vx6_state_image_fini(&img);
		dir_close(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill_9__any_moment__acknowledged_changes_are_there),
	};
	int failed;

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	dir_make(&d);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dir_remove(&d);
	return failed;
}
