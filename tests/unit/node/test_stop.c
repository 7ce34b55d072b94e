/* An agent that stops while it is asked for things: every question is answered, nothing is left behind. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "node/node.h"

static char dir[64];
static struct vx6_node *node;
static int answers, refused, ended;

static int teardown(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	assert_int_equal(system(cmd), 0);
	return 0;
}

static int setup(void **state)
{
	struct vx6_node_config cfg = {.name = "alice", .drain_ms = 50};
	char detail[VX6_DETAIL_MAX];

	strcpy(dir, "/tmp/vx6-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	cfg.state_dir = dir;
	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:0", &cfg.listen[cfg.listen_n++])));
	if (!vx6_is_ok(vx6_node_new(&cfg, &node, detail))) {
		teardown(state);
		fail_msg("%s", detail);
	}
	answers = refused = ended = 0;
	return 0;
}

static void on_answer(struct vx6_answer *answer, void *user)
{
	answers++;
	refused += !vx6_is_ok(answer->err);
	vx6_snapshot_unref(answer->snapshot);
	answer->snapshot = NULL;
}

static void ask(enum vx6_cmd_kind kind)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);

	cmd->kind = kind;
	if (kind == VX6_CMD_EVENTS_READ)
		cmd->u.events.limit = 10;
	assert_true(vx6_node_submit(node, cmd, on_answer, NULL));
}

/* The API's thread may post after the loop's last turn and before the agent is gone. */
static void questions__after_the_last_turn__are_refused(void **state)
{
	vx6_node_request_stop(node);
	vx6_node_run(node);
	ask(VX6_CMD_SNAPSHOT);
	ask(VX6_CMD_EVENTS_READ);
	ask(VX6_CMD_NODE_UPDATE);
	ask(VX6_CMD_PEER_DELETE);
	vx6_node_free(node);
	assert_int_equal(answers, 4);
	assert_int_equal(refused, 4);
}

static void on_ended(void *user)
{
	ended++;
}

static void *stop_soon(void *arg)
{
	usleep(100000);
	vx6_node_request_stop(node);
	return NULL;
}

/* A socket that was handed over and waits for a peer that does not answer. */
static void attached__no_outcome_yet__is_told_at_the_end(void **state)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);
	pthread_t thread;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	cmd->kind = VX6_CMD_ATTACH;
	/* a documentation prefix: packets to it go nowhere, at best */
	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8::1]:9", &cmd->u.attach.to.address)));
	strcpy(cmd->u.attach.to.service, "ssh");
	cmd->u.attach.fd = fd[0];
	cmd->u.attach.ended = on_ended;
	assert_true(vx6_node_submit(node, cmd, on_answer, NULL));
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	vx6_node_run(node);
	pthread_join(thread, NULL);
	vx6_node_free(node);
	assert_int_equal(answers, 1);
	assert_int_equal(refused, 1);
	assert_int_equal(ended, 0);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(questions__after_the_last_turn__are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(attached__no_outcome_yet__is_told_at_the_end, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
