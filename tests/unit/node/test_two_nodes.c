/* Two whole agents in one process, each with its own thread, database and sockets: what one publishes the other reaches. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "identity/keyfile.h"
#include "node/node_internal.h"

enum { WAIT_MS = 8000, BULK_BYTES = 3 * 1000 * 1000 };

struct agent {
	char dir[64];
	struct vx6_node *node;
	pthread_t thread;
};

/* File scope: the teardown stops and removes them, also when an assertion ended the test. */
static struct agent alice, bob;
static struct {
	int listener;
	pthread_t thread;
} app;

static void *agent_thread(void *arg)
{
	vx6_node_run(((struct agent *)arg)->node);
	return NULL;
}

static void agent_start(struct agent *a, const char *name, enum vx6_transport_choice transport,
			const struct vx6_addr *peer)
{
	struct vx6_node_config cfg = {.name = name, .transport = transport, .drain_ms = 200};
	char detail[VX6_DETAIL_MAX];
	vx6_err err;

	if (!a->dir[0]) {
		strcpy(a->dir, "/tmp/vx6-test-XXXXXX");
		assert_non_null(mkdtemp(a->dir));
	}
	cfg.state_dir = a->dir;
	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:0", &cfg.listen[cfg.listen_n++])));
	if (peer) {
		cfg.peers[0].enabled = true;
		cfg.peers[0].addrs[cfg.peers[0].addrs_n++] = *peer;
		cfg.peers_n = 1;
	}
	err = vx6_node_new(&cfg, &a->node, detail);
	if (!vx6_is_ok(err))
		fail_msg("%s: %s", name, detail);
	VX6_ASSERT(pthread_create(&a->thread, NULL, agent_thread, a) == 0);
}

static void agent_stop(struct agent *a)
{
	vx6_node_request_stop(a->node);
	pthread_join(a->thread, NULL);
	vx6_node_free(a->node);
	a->node = NULL;
}

static void agent_remove(struct agent *a)
{
	char cmd[128];

	if (a->node)
		agent_stop(a);
	if (!a->dir[0])
		return;
	snprintf(cmd, sizeof cmd, "rm -rf %s", a->dir);
	a->dir[0] = 0;
	assert_int_equal(system(cmd), 0);
}

/* ---- commands, awaited ---- */

struct call {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	struct vx6_answer answer;
};

static void on_answer(struct vx6_answer *answer, void *user)
{
	struct call *c = user;

	pthread_mutex_lock(&c->lock);
	c->answer = *answer;
	answer->events = NULL;
	c->done = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static struct vx6_answer ask(struct agent *a, struct vx6_cmd *cmd)
{
	struct call c = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

	assert_true(vx6_node_submit(a->node, cmd, on_answer, &c));
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.cond, &c.lock);
	pthread_mutex_unlock(&c.lock);
	return c.answer;
}

static struct vx6_answer ask_kind(struct agent *a, enum vx6_cmd_kind kind)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);

	cmd->kind = kind;
	return ask(a, cmd);
}

static struct vx6_answer add_service(struct agent *a, const char *name, const char *target)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);

	cmd->kind = VX6_CMD_SERVICE_CREATE;
	vx6_strlcpy(cmd->u.service.name, name, sizeof cmd->u.service.name);
	assert_true(vx6_is_ok(vx6_addr_parse(target, &cmd->u.service.target)));
	cmd->u.service.enabled = true;
	return ask(a, cmd);
}

static struct vx6_answer add_forward(struct agent *a, const char *name, const char *to)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);

	cmd->kind = VX6_CMD_FORWARD_CREATE;
	vx6_strlcpy(cmd->u.forward.name, name, sizeof cmd->u.forward.name);
	assert_true(vx6_is_ok(vx6_addr_parse("127.0.0.1:0", &cmd->u.forward.listen)));
	assert_true(vx6_is_ok(vx6_target_parse(to, &cmd->u.forward.to)));
	cmd->u.forward.enabled = true;
	return ask(a, cmd);
}

static void first_listen(struct agent *a, struct vx6_addr *out)
{
	struct vx6_answer answer = ask_kind(a, VX6_CMD_SNAPSHOT);

	assert_true(answer.snapshot->node.listen_n > 0);
	*out = answer.snapshot->node.listen[0];
	vx6_snapshot_unref(answer.snapshot);
}

static void await_peer_service(struct agent *a, const char *node_name, const char *service)
{
	uint64_t until = vx6_now_ms() + WAIT_MS;
	bool found = false;

	while (!found && vx6_now_ms() < until) {
		struct vx6_answer answer = ask_kind(a, VX6_CMD_SNAPSHOT);

		for (size_t i = 0; i < answer.snapshot->peers_n; i++) {
			const struct vx6_peer_view *p = &answer.snapshot->peers[i];

			for (size_t k = 0; k < p->services_n; k++)
				found |= strcmp(p->node_name, node_name) == 0 &&
					 strcmp(p->services[k], service) == 0;
		}
		vx6_snapshot_unref(answer.snapshot);
		if (!found)
			usleep(20000);
	}
	assert_true(found);
}

static uint16_t forward_port(struct vx6_answer *answer, const char *id)
{
	uint16_t port = 0;

	for (size_t i = 0; i < answer->snapshot->forwards_n; i++)
		if (strcmp(answer->snapshot->forwards[i].meta.id, id) == 0)
			port = answer->snapshot->forwards[i].bound.port;
	vx6_snapshot_unref(answer->snapshot);
	return port;
}

/* ---- an application that answers, after the end of what it is sent, with the same bytes ---- */

static void *echo_thread(void *arg)
{
	int listener = *(int *)arg, fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		uint8_t *all = malloc(BULK_BYTES + 1);
		size_t n = 0;
		ssize_t got;

		while ((got = read(fd, all + n, BULK_BYTES + 1 - n)) > 0)
			n += (size_t)got;
		for (size_t at = 0; at < n;) {
			ssize_t put = write(fd, all + at, n - at);

			if (put <= 0)
				break;
			at += (size_t)put;
		}
		close(fd);
		free(all);
	}
	return NULL;
}

static int listen_local(uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(fd, 16), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	*port = ntohs(sin.sin_port);
	return fd;
}

static uint16_t app_start(void)
{
	uint16_t port;

	app.listener = listen_local(&port);
	VX6_ASSERT(pthread_create(&app.thread, NULL, echo_thread, &app.listener) == 0);
	return port;
}

static int teardown(void **state)
{
	vx6_log_set_sink(NULL, NULL);
	agent_remove(&bob);
	agent_remove(&alice);
	if (app.listener > 0) {
		shutdown(app.listener, SHUT_RDWR);
		pthread_join(app.thread, NULL);
		close(app.listener);
		app.listener = 0;
	}
	return 0;
}

static int connect_local(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	return fd;
}

static void echo_bulk(uint16_t port)
{
	uint8_t *out = malloc(BULK_BYTES), *in = malloc(BULK_BYTES + 1);
	int fd = connect_local(port);
	size_t n = 0;
	ssize_t got;

	for (size_t i = 0; i < BULK_BYTES; i++)
		out[i] = (uint8_t)(i * 2654435761u >> 13);
	for (size_t at = 0; at < BULK_BYTES;) {
		ssize_t put = write(fd, out + at, BULK_BYTES - at);

		assert_true(put > 0);
		at += (size_t)put;
	}
	shutdown(fd, SHUT_WR);
	while ((got = read(fd, in + n, BULK_BYTES + 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	assert_int_equal(n, BULK_BYTES);
	assert_memory_equal(in, out, BULK_BYTES);
	free(in);
	free(out);
}

static void reset_expected(uint16_t port)
{
	int fd = connect_local(port);
	char byte;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_true(read(fd, &byte, 1) < 0);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static int last_failure(struct agent *a, const char *id)
{
	struct vx6_answer answer = ask_kind(a, VX6_CMD_SNAPSHOT);
	int code = -1;

	for (size_t i = 0; i < answer.snapshot->forwards_n; i++)
		if (strcmp(answer.snapshot->forwards[i].meta.id, id) == 0)
			code = answer.snapshot->forwards[i].stats.last_failure.err.code;
	vx6_snapshot_unref(answer.snapshot);
	return code;
}

static void reach_and_restart(enum vx6_transport_choice transport)
{
	struct vx6_addr at;
	struct vx6_answer answer;
	char target[64], id[VX6_RESOURCE_ID_MAX], missing[VX6_RESOURCE_ID_MAX];
	uint16_t app_port = app_start(), port;

	agent_start(&alice, "alice", transport, NULL);
	first_listen(&alice, &at);
	agent_start(&bob, "bob", transport, &at);
	snprintf(target, sizeof target, "127.0.0.1:%u", app_port);
	answer = add_service(&alice, "echo", target);
	assert_true(vx6_is_ok(answer.err));
	vx6_snapshot_unref(answer.snapshot);
	await_peer_service(&bob, "alice", "echo");

	answer = add_forward(&bob, "echo", "alice.echo");
	assert_true(vx6_is_ok(answer.err));
	vx6_strlcpy(id, answer.id, sizeof id);
	port = forward_port(&answer, id);
	assert_true(port > 0);
	echo_bulk(port);
	echo_bulk(port);

	answer = add_forward(&bob, "missing", "alice.missing");
	assert_true(vx6_is_ok(answer.err));
	vx6_strlcpy(missing, answer.id, sizeof missing);
	reset_expected(forward_port(&answer, missing));
	assert_int_equal(last_failure(&bob, missing), VX6_E_SERVICE_UNKNOWN);

	/* what was configured is there again after a restart */
	agent_stop(&bob);
	agent_start(&bob, "bob", transport, &at);
	await_peer_service(&bob, "alice", "echo");
	answer = ask_kind(&bob, VX6_CMD_SNAPSHOT);
	port = forward_port(&answer, id);
	assert_true(port > 0);
	echo_bulk(port);
}

static void node__service_published__other_node_reaches_it_by_name_over_quic(void **state)
{
	(void)state;
	reach_and_restart(VX6_TRANSPORT_QUIC_ONLY);
}

static void node__service_published__other_node_reaches_it_by_name_over_tcp(void **state)
{
	(void)state;
	reach_and_restart(VX6_TRANSPORT_TCP_ONLY);
}

static void node__service_published__other_node_reaches_it_by_name_over_either(void **state)
{
	(void)state;
	reach_and_restart(VX6_TRANSPORT_AUTO);
}

/* ---- renewal of the online key while the agent runs ---- */

struct ageing {
	struct vx6_mail mail;
	struct agent *agent;
	uint64_t by_s;
	enum vx6_master_state master;
};

/* Signs what the certificate says now: a renewal verifies the one it replaces. */
static void sign_anew(const struct agent *a, struct vx6_subkey *subkey)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	struct vx6_sign_keypair master;
	struct vx6_sign_seed seed;
	char dir[80];
	size_t n;
	int fd;

	snprintf(dir, sizeof dir, "%s/identity", a->dir);
	assert_true(vx6_is_ok(vx6_keydir_open(dir, &fd)));
	assert_true(vx6_is_ok(
		vx6_keyfile_read(fd, "master.key", VX6_KEYFILE_MASTER, NULL, payload, &n)));
	close(fd);
	assert_int_equal(n, sizeof seed.b);
	memcpy(seed.b, payload, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &master);
	assert_true(vx6_is_ok(vx6_subkey_cert_sign(&subkey->cert, &master, &vx6_net_default,
						   subkey->cert_bytes)));
}

/* On the agent's thread: its certificate is older than it was, and the timer that looks at it is due. */
static void on_age(struct vx6_mail *mail)
{
	struct ageing *a = VX6_CONTAINER_OF(mail, struct ageing, mail);
	struct vx6_node *node = a->agent->node;

	node->identity.master = a->master;
	node->identity.subkey.cert.not_before_s -= a->by_s;
	node->identity.subkey.cert.not_after_s -= a->by_s;
	sign_anew(a->agent, &node->identity.subkey);
	node->snapshot_dirty = true;
	vx6_timer_in_ms(&node->renew_timer, 0);
	free(a);
}

static void age_certificate(struct agent *agent, uint64_t by_s, enum vx6_master_state master)
{
	struct ageing *a = vx6_zalloc(sizeof *a);

	*a = (struct ageing){.mail.deliver = on_age,
			     .agent = agent,
			     .by_s = by_s,
			     .master = master};
	assert_true(vx6_loop_post(agent->node->loop, &a->mail));
}

static struct vx6_node_view node_view(struct agent *a)
{
	struct vx6_answer answer = ask_kind(a, VX6_CMD_SNAPSHOT);
	struct vx6_node_view view = answer.snapshot->node;

	vx6_snapshot_unref(answer.snapshot);
	return view;
}

static void renew_now(struct agent *a)
{
	uint32_t before = node_view(a).cert_seq;
	uint64_t until = vx6_now_ms() + WAIT_MS;

	age_certificate(a, VX6_SUBKEY_LIFETIME_S / 2 + 60, VX6_MASTER_READY);
	while (node_view(a).cert_seq == before && vx6_now_ms() < until)
		usleep(10000);
	assert_true(node_view(a).cert_seq > before);
}

struct closing {
	struct vx6_mail mail;
	struct agent *agent;
};

static void close_one(struct vx6_session *s, void *user)
{
	(void)user;
	vx6_session_close(s, VX6_ERR(CLOSED));
}

static void on_close_all(struct vx6_mail *mail)
{
	struct closing *c = VX6_CONTAINER_OF(mail, struct closing, mail);

	vx6_sessions_each(c->agent->node->sessions, close_one, NULL);
	free(c);
}

static void close_sessions(struct agent *a)
{
	struct closing *c = vx6_zalloc(sizeof *c);

	*c = (struct closing){.mail.deliver = on_close_all, .agent = a};
	assert_true(vx6_loop_post(a->node->loop, &c->mail));
}

static void renew_under_live_sessions(enum vx6_transport_choice transport)
{
	struct vx6_addr at;
	struct vx6_answer answer;
	char target[64], to[VX6_NODE_ID_TEXT + 8], id[VX6_NODE_ID_TEXT];
	uint16_t app_port = app_start(), port, back;
	int held;
	struct vx6_node_view view;
	char byte = 'x';

	agent_start(&alice, "alice", transport, NULL);
	first_listen(&alice, &at);
	agent_start(&bob, "bob", transport, &at);
	snprintf(target, sizeof target, "127.0.0.1:%u", app_port);
	answer = add_service(&alice, "echo", target);
	assert_true(vx6_is_ok(answer.err));
	vx6_snapshot_unref(answer.snapshot);
	answer = add_service(&bob, "echo", target);
	assert_true(vx6_is_ok(answer.err));
	vx6_snapshot_unref(answer.snapshot);
	await_peer_service(&bob, "alice", "echo");
	answer = add_forward(&bob, "echo", "alice.echo");
	assert_true(vx6_is_ok(answer.err));
	port = forward_port(&answer, answer.id);
	view = node_view(&bob);
	snprintf(to, sizeof to, "%s.echo", vx6_node_id_format(&view.node_id, id));
	answer = add_forward(&alice, "back", to);
	assert_true(vx6_is_ok(answer.err));
	back = forward_port(&answer, answer.id);
	echo_bulk(port);

	/* the connection lives through both renewals */
	held = connect_local(port);
	assert_int_equal(write(held, &byte, 1), 1);
	renew_now(&alice);
	renew_now(&bob);
	assert_int_equal(write(held, &byte, 1), 1);
	shutdown(held, SHUT_WR);
	assert_int_equal(recv(held, target, 3, MSG_WAITALL), 2);
	close(held);
	echo_bulk(port);
	echo_bulk(back);

	/* bob dials anew; then alice, who learned his address from his record */
	close_sessions(&bob);
	echo_bulk(port);
	close_sessions(&alice);
	echo_bulk(back);
	echo_bulk(port);

	agent_stop(&bob);
	agent_start(&bob, "bob", transport, &at);
	await_peer_service(&bob, "alice", "echo");
}

static void node__key_renewed_under_live_sessions__new_dials_work_both_ways_over_tcp(void **state)
{
	(void)state;
	renew_under_live_sessions(VX6_TRANSPORT_TCP_ONLY);
}

static void node__key_renewed_under_live_sessions__new_dials_work_both_ways_over_quic(void **state)
{
	(void)state;
	renew_under_live_sessions(VX6_TRANSPORT_QUIC_ONLY);
}

/* How often @p a lists the node @p id while it is connected, and what it says of who manages the last of those entries. */
static size_t times_listed(struct agent *a, const struct vx6_node_id *id, char *managed_by,
			   size_t n)
{
	struct vx6_answer answer = ask_kind(a, VX6_CMD_SNAPSHOT);
	size_t times = 0;

	for (size_t i = 0; i < answer.snapshot->peers_n; i++) {
		const struct vx6_peer_view *p = &answer.snapshot->peers[i];

		if (!p->known || p->state != VX6_PEER_UP || !vx6_node_id_eq(&p->node_id, id))
			continue;
		times++;
		vx6_strlcpy(managed_by, p->meta.managed_by, n);
	}
	vx6_snapshot_unref(answer.snapshot);
	return times;
}

static void node__who_connects__is_listed_once_learned_or_configured(void **state)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);
	uint64_t until = vx6_now_ms() + WAIT_MS;
	struct vx6_answer answer;
	char managed_by[64] = "";
	struct vx6_node_id id;
	struct vx6_addr at;

	(void)state;
	agent_start(&alice, "alice", VX6_TRANSPORT_AUTO, NULL);
	first_listen(&alice, &at);
	agent_start(&bob, "bob", VX6_TRANSPORT_AUTO, &at);
	id = node_view(&bob).node_id;
	while (times_listed(&alice, &id, managed_by, sizeof managed_by) == 0 &&
	       vx6_now_ms() < until)
		usleep(10000);
	assert_int_equal(times_listed(&alice, &id, managed_by, sizeof managed_by), 1);
	assert_string_equal(managed_by, "learned");

	cmd->kind = VX6_CMD_PEER_CREATE;
	cmd->u.peer = (struct vx6_peer_spec){.enabled = true, .has_node_id = true, .node_id = id};
	answer = ask(&alice, cmd);
	assert_true(vx6_is_ok(answer.err));
	vx6_snapshot_unref(answer.snapshot);
	assert_int_equal(times_listed(&alice, &id, managed_by, sizeof managed_by), 1);
	assert_string_not_equal(managed_by, "learned");
}

static int warnings;

static void on_log(const struct vx6_log_record *record, void *user)
{
	(void)user;
	if (record->level == VX6_LOG_WARN && strstr(record->text, "needs the passphrase"))
		__atomic_add_fetch(&warnings, 1, __ATOMIC_SEQ_CST);
}

static void node__master_key_is_locked__warns_once_a_day_and_says_so(void **state)
{
	uint64_t until = vx6_now_ms() + WAIT_MS;
	uint32_t seq;

	(void)state;
	agent_start(&alice, "alice", VX6_TRANSPORT_TCP_ONLY, NULL);
	seq = node_view(&alice).cert_seq;
	assert_int_equal(node_view(&alice).master, VX6_MASTER_READY);
	vx6_log_set_sink(on_log, NULL);
	age_certificate(&alice, VX6_SUBKEY_LIFETIME_S / 2 - 600, VX6_MASTER_LOCKED);
	usleep(100000);
	assert_int_equal(__atomic_load_n(&warnings, __ATOMIC_SEQ_CST),
			 0); /* still the first half */
	age_certificate(&alice, 1200, VX6_MASTER_LOCKED);
	while (__atomic_load_n(&warnings, __ATOMIC_SEQ_CST) == 0 && vx6_now_ms() < until)
		usleep(10000);
	age_certificate(&alice, 1200, VX6_MASTER_LOCKED);
	usleep(100000);
	assert_int_equal(__atomic_load_n(&warnings, __ATOMIC_SEQ_CST), 1);
	assert_int_equal(node_view(&alice).master, VX6_MASTER_LOCKED);
	assert_int_equal(node_view(&alice).cert_seq, seq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			node__service_published__other_node_reaches_it_by_name_over_tcp, teardown),
		cmocka_unit_test_teardown(
			node__service_published__other_node_reaches_it_by_name_over_quic, teardown),
		cmocka_unit_test_teardown(
			node__service_published__other_node_reaches_it_by_name_over_either,
			teardown),
		cmocka_unit_test_teardown(
			node__key_renewed_under_live_sessions__new_dials_work_both_ways_over_tcp,
			teardown),
		cmocka_unit_test_teardown(
			node__key_renewed_under_live_sessions__new_dials_work_both_ways_over_quic,
			teardown),
		cmocka_unit_test_teardown(node__who_connects__is_listed_once_learned_or_configured,
					  teardown),
		cmocka_unit_test_teardown(node__master_key_is_locked__warns_once_a_day_and_says_so,
					  teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
