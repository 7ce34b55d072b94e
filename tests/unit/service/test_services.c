#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "service/services.h"
#include "tests/unit/service/app.h"
#include "tests/unit/transport/rig.h"
#include "wire/code.h"

/* A peer opens streams over a mem link; what comes in goes to the services. */
struct caller {
	struct vx6_stream *s;
	uint8_t got[256];
	size_t n;
	bool fin, closed;
	vx6_err why;
	uint32_t code;
};

static struct rig rig;
static struct vx6_services *services;
static struct vx6_open asked;
static const struct vx6_node_id *asker;
static uint64_t asked_scope;
static const char *along; /* bytes behind OPEN */
static struct caller caller;
static const struct vx6_node_id alice = {{1}}, bob = {{2}};
static struct {
	int n;
	char id[40], name[40];
	bool anonymous;
	struct vx6_failure f;
} failures;

static void on_failed(void *user, const char *id, const char *name, const struct vx6_node_id *peer,
		      const struct vx6_failure *f)
{
	failures.n++;
	vx6_strlcpy(failures.id, id ? id : "", sizeof failures.id);
	vx6_strlcpy(failures.name, name, sizeof failures.name);
	failures.anonymous = !peer;
	failures.f = *f;
}

static int recoveries;

static void on_recovered(void *user, const char *id)
{
	assert_string_equal(id, "svc_1");
	recoveries++;
}

/* One byte stands for OPEN, the rest goes with it as a session would hand it over. */
static void on_first_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin,
			  void *user)
{
	struct iovec rest = {(char *)iov[0].iov_base + 1, iov[0].iov_len - 1};

	assert_int_equal(n, 1);
	vx6_stream_consume(s, 1);
	if (asked_scope)
		vx6_services_incoming_hidden(services, asked_scope, s, &asked, &rest,
					     rest.iov_len ? 1 : 0, fin);
	else
		vx6_services_incoming(services, s, asker, &asked, &rest, rest.iov_len ? 1 : 0, fin);
}

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	static const struct vx6_stream_events first = {.data = on_first_data};

	vx6_stream_set_events(s, &first, NULL);
}

static void on_far_down(struct vx6_link *link, vx6_err why, void *user)
{
	rig.b.link = NULL;
	rig.b.down_n++;
}

static const struct vx6_link_events far_link = {.stream = on_stream, .down = on_far_down};

/* Where a test's application may listen on a unix socket. */
static const char *unix_path(void)
{
	static char path[64];

	snprintf(path, sizeof path, "/tmp/vx6-test-backlog-%d", (int)getpid());
	return path;
}

static int start(void **state)
{
	struct vx6_services_config cfg = {.failed = on_failed,
					  .recovered = on_recovered,
					  .connections_max = 3};

	memset(&failures, 0, sizeof failures);
	recoveries = 0;
	along = "";
	asker = NULL;
	asked_scope = 0;
	rig_start(&rig, &vx6_transport_mem, NULL, NULL);
	rig_connect(&rig);
	vx6_link_set_events(rig.b.link, &far_link, NULL);
	cfg.loop = rig.loop;
	services = vx6_services_new(&cfg);
	return 0;
}

static int stop(void **state)
{
	vx6_services_free(services);
	rig_stop(&rig);
	unlink(unix_path());
	return 0;
}

/* ---- the caller ---- */

static void caller_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct caller *c = user;

	for (int i = 0; i < n; i++) {
		assert_true(c->n + iov[i].iov_len <= sizeof c->got);
		memcpy(c->got + c->n, iov[i].iov_base, iov[i].iov_len);
		c->n += iov[i].iov_len;
		vx6_stream_consume(s, iov[i].iov_len);
	}
	c->fin |= fin;
}

static void caller_writable(struct vx6_stream *s, void *user)
{
}

static void caller_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct caller *c = user;

	c->closed = true;
	c->why = why;
	c->code = code;
}

static const struct vx6_stream_events caller_events = {.data = caller_data,
						       .writable = caller_writable,
						       .closed = caller_closed};

/* Asks for @p name as @p who. */
static void call(struct caller *c, const char *name, const struct vx6_node_id *who)
{
	size_t cap;
	uint8_t *to;

	*c = (struct caller){0};
	asked = (struct vx6_open){.kind = VX6_OPEN_SERVICE};
	vx6_strlcpy(asked.name, name, sizeof asked.name);
	asker = who;
	assert_true(vx6_is_ok(vx6_stream_open(rig.a.link, &caller_events, c, &c->s)));
	to = vx6_stream_reserve(c->s, &cap);
	assert_non_null(to);
	to[0] = '!';
	memcpy(to + 1, along, strlen(along));
	vx6_stream_commit(c->s, 1 + strlen(along), false);
}

static bool is_closed(void *c)
{
	return ((struct caller *)c)->closed;
}

static bool is_answered(void *c)
{
	return ((struct caller *)c)->n >= 2 || is_closed(c);
}

static void assert_refused(const char *name, const struct vx6_node_id *who, uint32_t code)
{
	call(&caller, name, who);
	assert_true(rig_until(&rig, is_closed, &caller, 2000));
	assert_int_equal(caller.why.code, VX6_E_RESET);
	assert_int_equal(caller.code, code);
	assert_int_equal(caller.n, 0);
}

static struct vx6_service_spec spec_at(const char *name, const char *target, uint16_t port)
{
	struct vx6_service_spec spec = {.enabled = true};

	vx6_strlcpy(spec.name, name, sizeof spec.name);
	assert_true(vx6_is_ok(vx6_addr_parse(target, &spec.target)));
	if (port)
		spec.target.port = port;
	return spec;
}

static int accept_one(int listener)
{
	int fd;

	for (int i = 0; i < 200; i++) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd >= 0)
			return fd;
		rig_run_ms(&rig, 5);
	}
	fail_msg("nobody connected");
	return -1;
}

/* ---- tests ---- */

static void incoming__unknown_or_disabled__service_unknown(void **state)
{
	struct vx6_service_spec spec = spec_at("web", "127.0.0.1:1", 0);

	assert_refused("web", &alice, VX6_CODE_SERVICE_UNKNOWN);
	assert_int_equal(failures.n, 1);
	assert_string_equal(failures.id, "");
	assert_string_equal(failures.name, "web");
	spec.enabled = false;
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_refused("web", &alice, VX6_CODE_SERVICE_UNKNOWN);
}

static void incoming__not_on_the_list__access_refused(void **state)
{
	uint16_t port;
	int listener = tcp_listener(&port);
	struct vx6_service_spec spec = spec_at("web", "127.0.0.1:1", port);
	struct vx6_node_id list[2] = {{{9}}, bob};

	spec.access = VX6_ACCESS_LIST;
	spec.allow = list;
	spec.allow_n = 2;
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_refused("web", &alice, VX6_CODE_ACCESS_REFUSED);
	assert_refused("web", NULL, VX6_CODE_ACCESS_REFUSED);
	assert_true(failures.anonymous);
	assert_int_equal(failures.f.err.code, VX6_E_ACCESS_REFUSED);
	assert_int_equal(vx6_services_stats(services, "svc_1")->refused, 2);
	assert_int_equal(vx6_services_stats(services, "svc_1")->last_failure.err.code,
			 VX6_E_ACCESS_REFUSED);
	call(&caller, "web", &bob);
	assert_true(rig_until(&rig, is_answered, &caller, 2000));
	assert_false(caller.closed);
	close(listener);
}

static void incoming__empty_list__nobody_gets_in(void **state)
{
	struct vx6_service_spec spec = spec_at("web", "127.0.0.1:1", 0);

	spec.access = VX6_ACCESS_LIST;
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_refused("web", &alice, VX6_CODE_ACCESS_REFUSED);
	assert_refused("web", NULL, VX6_CODE_ACCESS_REFUSED);
}

static void incoming__target_back_after_failures__told_once(void **state)
{
	uint16_t port;
	int listener = tcp_listener(&port);
	struct vx6_service_spec spec = spec_at("web", "127.0.0.1:1", port);

	close(listener);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_refused("web", &alice, VX6_CODE_TARGET_UNREACHABLE);
	assert_refused("web", &alice, VX6_CODE_TARGET_UNREACHABLE);
	assert_true(vx6_services_stats(services, "svc_1")->failing);
	assert_int_equal(recoveries, 0);
	listener = tcp_listener(&port);
	spec = spec_at("web", "127.0.0.1:1", port);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	call(&caller, "web", &alice);
	assert_true(rig_until(&rig, is_answered, &caller, 2000));
	assert_false(vx6_services_stats(services, "svc_1")->failing);
	assert_int_equal(recoveries, 1);
	close(listener);
}

static void incoming__target_dead__target_unreachable(void **state)
{
	uint16_t port;
	struct vx6_service_spec spec;

	close(tcp_listener(&port));
	spec = spec_at("web", "127.0.0.1:1", port);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_refused("web", &alice, VX6_CODE_TARGET_UNREACHABLE);
	assert_non_null(strstr(failures.f.detail, "Connection refused"));
	assert_int_equal(vx6_services_stats(services, "svc_1")->active, 0);
	spec = spec_at("db", "unix:/tmp/vx6-no-such-socket", 0);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_2", &spec)));
	assert_refused("db", &alice, VX6_CODE_TARGET_UNREACHABLE);
}

static void incoming__target_alive__answer_first_then_bytes(void **state)
{
	uint16_t port;
	int listener = tcp_listener(&port), fd;
	struct vx6_service_spec spec = spec_at("web", "127.0.0.1:1", port);
	char got[16];

	along = "early";
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	call(&caller, "web", &alice);
	fd = accept_one(listener);
	assert_int_equal(send(fd, "hi", 2, 0), 2);
	assert_true(rig_until(&rig, is_answered, &caller, 2000));
	rig_run_ms(&rig, 20);
	assert_int_equal(recv(fd, got, sizeof got, 0), 5);
	assert_memory_equal(got, "early", 5);
	assert_int_equal(caller.n, 4);
	assert_memory_equal(caller.got, "\0\0hi", 4);
	assert_int_equal(vx6_services_stats(services, "svc_1")->active, 1);
	assert_int_equal(vx6_services_stats(services, "svc_1")->total, 1);
	assert_int_equal(vx6_services_stats(services, "svc_1")->refused, 0);
	/* deleted: both sides see the end at once */
	assert_true(vx6_is_ok(vx6_services_delete(services, "svc_1")));
	assert_true(rig_until(&rig, is_closed, &caller, 1000));
	assert_int_equal(caller.why.code, VX6_E_RESET);
	assert_int_equal(recv(fd, got, sizeof got, 0), -1);
	assert_null(vx6_services_stats(services, "svc_1"));
	assert_int_equal(vx6_services_delete(services, "svc_1").code, VX6_E_NOT_FOUND);
	close(fd);
	close(listener);
}

static int full_unix_listener(const char *path, int *client)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	vx6_strlcpy(at.sun_path, path, sizeof at.sun_path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 0), 0);
	*client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(*client, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static void incoming__backlog_of_unix_target_full__tried_until_there_is_room(void **state)
{
	const char *path = unix_path();
	char got[16];
	struct vx6_service_spec spec;
	int listener, client, first, fd;

	listener = full_unix_listener(path, &client);
	spec = (struct vx6_service_spec){.enabled = true, .name = "db"};
	spec.target.family = VX6_ADDR_UNIX;
	vx6_strlcpy(spec.target.path, path, sizeof spec.target.path);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	along = "early";
	call(&caller, "db", &alice);
	rig_run_ms(&rig, 150);
	assert_int_equal(caller.n, 0);
	assert_false(caller.closed);
	assert_int_equal(vx6_services_stats(services, "svc_1")->active, 1);
	first = accept_one(listener);
	assert_true(rig_until(&rig, is_answered, &caller, 1000));
	assert_false(caller.closed);
	fd = accept_one(listener);
	rig_run_ms(&rig, 20);
	assert_int_equal(recv(fd, got, sizeof got, 0), 5);
	assert_memory_equal(got, "early", 5);
	assert_int_equal(failures.n, 0);
	close(first);
	close(client);
	close(fd);
	close(listener);
}

static void incoming__backlog_stays_full__target_unreachable_in_time(void **state)
{
	const char *path = unix_path();
	struct vx6_service_spec spec;
	int listener, client;

	listener = full_unix_listener(path, &client);
	spec = (struct vx6_service_spec){.enabled = true, .name = "db"};
	spec.target.family = VX6_ADDR_UNIX;
	vx6_strlcpy(spec.target.path, path, sizeof spec.target.path);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	call(&caller, "db", &alice);
	assert_true(rig_until(&rig, is_closed, &caller, VX6_SERVICE_CONNECT_MS + 1000));
	assert_int_equal(caller.code, VX6_CODE_TARGET_UNREACHABLE);
	assert_int_equal(vx6_services_stats(services, "svc_1")->active, 0);
	assert_int_equal(failures.n, 1);
	close(client);
	close(listener);
}

static void incoming__too_many__refused_and_room_comes_back(void **state)
{
	uint16_t port;
	int listener = tcp_listener(&port);
	struct vx6_service_spec spec = spec_at("web", "127.0.0.1:1", port);
	static struct caller three[3];

	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	for (int i = 0; i < 3; i++) {
		call(&three[i], "web", &alice);
		assert_true(rig_until(&rig, is_answered, &three[i], 2000));
		assert_false(three[i].closed);
	}
	assert_refused("web", &alice, VX6_CODE_LIMIT);
	vx6_stream_reset(three[0].s, 0);
	rig_run_ms(&rig, 20);
	assert_int_equal(vx6_services_stats(services, "svc_1")->active, 2);
	call(&caller, "web", &alice);
	assert_true(rig_until(&rig, is_answered, &caller, 2000));
	assert_false(caller.closed);
	close(listener);
}

static void failed__flood__is_told_a_few_times(void **state)
{
	for (int i = 0; i < 50; i++)
		assert_refused("nothing", &alice, VX6_CODE_SERVICE_UNKNOWN);
	assert_in_range(failures.n, 1, 10);
}

/* ---- hidden ---- */

static struct vx6_service_spec hidden_at(const char *name, uint16_t port)
{
	struct vx6_service_spec spec = spec_at(name, "127.0.0.1:1", port);

	spec.visibility = VX6_VISIBILITY_HIDDEN;
	return spec;
}

static void hidden__asked_by_its_name__as_if_there_were_none(void **state)
{
	uint16_t port;
	int listener = tcp_listener(&port);
	struct vx6_service_spec spec = hidden_at("web", port);

	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_refused("web", &alice, VX6_CODE_SERVICE_UNKNOWN);
	assert_string_equal(failures.id, "");
	assert_refused("web", NULL, VX6_CODE_SERVICE_UNKNOWN);
	assert_refused("hidden", &alice, VX6_CODE_SERVICE_UNKNOWN);
	assert_int_equal(vx6_services_stats(services, "svc_1")->refused, 0);
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_NONBLOCK), -1);
	close(listener);
}

static void assert_served(int listener)
{
	call(&caller, "hidden", NULL);
	assert_true(rig_until(&rig, is_answered, &caller, 2000));
	assert_false(caller.closed);
	close(accept_one(listener));
}

static void hidden__in_its_scope__it_alone_is_there(void **state)
{
	uint16_t port, plain_port;
	int listener = tcp_listener(&port), plain_listener = tcp_listener(&plain_port);
	struct vx6_service_spec spec = hidden_at("web", port), other = hidden_at("ghost", port),
				plain = spec_at("hidden", "127.0.0.1:1", plain_port);
	uint64_t scope;

	assert_true(vx6_is_ok(vx6_services_put(services, "svc_0", &plain)));
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_2", &other)));
	scope = vx6_services_scope(services, "svc_1");
	assert_int_not_equal(scope, 0);
	assert_int_not_equal(vx6_services_scope(services, "svc_2"), scope);
	assert_int_equal(vx6_services_scope(services, "svc_0"), 0);
	assert_int_equal(vx6_services_scope(services, "svc_9"), 0);
	asked_scope = scope;
	assert_served(listener);
	assert_refused("web", NULL, VX6_CODE_SERVICE_UNKNOWN);
	assert_refused("ghost", NULL, VX6_CODE_SERVICE_UNKNOWN);
	asked_scope = scope + 100;
	assert_refused("hidden", NULL, VX6_CODE_SERVICE_UNKNOWN);
	assert_int_equal(accept4(plain_listener, NULL, NULL, SOCK_NONBLOCK), -1);
	close(listener);
	close(plain_listener);
}

/* Sessions of before must not lead to what the service is afterwards. */
static void hidden__no_more_or_anew__another_scope(void **state)
{
	struct vx6_service_spec spec = hidden_at("web", 1),
				plain = spec_at("web", "127.0.0.1:1", 0);
	uint64_t scope;

	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	scope = vx6_services_scope(services, "svc_1");
	spec.enabled = false;
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_int_equal(vx6_services_scope(services, "svc_1"), scope);
	asked_scope = scope;
	assert_refused("hidden", NULL, VX6_CODE_SERVICE_UNKNOWN);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &plain)));
	assert_int_equal(vx6_services_scope(services, "svc_1"), 0);
	assert_refused("hidden", NULL, VX6_CODE_SERVICE_UNKNOWN);
	spec.enabled = true;
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_int_not_equal(vx6_services_scope(services, "svc_1"), scope);
	assert_refused("hidden", NULL, VX6_CODE_SERVICE_UNKNOWN);
	assert_true(vx6_is_ok(vx6_services_delete(services, "svc_1")));
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	assert_true(vx6_services_scope(services, "svc_1") > scope + 1);
}

static void put__bad_specs__are_refused(void **state)
{
	struct vx6_service_spec spec = spec_at("web", "192.0.2.1:80", 0), other;

	assert_int_equal(vx6_services_put(services, "svc_1", &spec).code, VX6_E_NOT_LOOPBACK);
	spec = spec_at("web", "0.0.0.0:80", 0);
	assert_int_equal(vx6_services_put(services, "svc_1", &spec).code, VX6_E_NOT_LOOPBACK);
	spec = spec_at("web", "127.0.0.1:0", 0);
	assert_int_equal(vx6_services_put(services, "svc_1", &spec).code, VX6_E_INVALID);
	spec = spec_at("Not a label", "127.0.0.1:80", 0);
	assert_int_equal(vx6_services_put(services, "svc_1", &spec).code, VX6_E_INVALID);
	spec = spec_at("web", "[::1]:80", 0);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &spec)));
	other = spec_at("web", "127.0.0.9:81", 0);
	assert_int_equal(vx6_services_put(services, "svc_2", &other).code, VX6_E_EXISTS);
	assert_true(vx6_is_ok(vx6_services_put(services, "svc_1", &other)));
	assert_null(vx6_services_stats(services, "svc_2"));
	/* nobody who comes to a hidden service has an id that could be on its list */
	other = hidden_at("ghost", 81);
	other.access = VX6_ACCESS_LIST;
	assert_int_equal(vx6_services_put(services, "svc_2", &other).code, VX6_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(incoming__unknown_or_disabled__service_unknown,
						start, stop),
		cmocka_unit_test_setup_teardown(incoming__not_on_the_list__access_refused, start,
						stop),
		cmocka_unit_test_setup_teardown(incoming__empty_list__nobody_gets_in, start, stop),
		cmocka_unit_test_setup_teardown(incoming__target_dead__target_unreachable, start,
						stop),
		cmocka_unit_test_setup_teardown(incoming__target_back_after_failures__told_once,
						start, stop),
		cmocka_unit_test_setup_teardown(incoming__target_alive__answer_first_then_bytes,
						start, stop),
		cmocka_unit_test_setup_teardown(
			incoming__backlog_of_unix_target_full__tried_until_there_is_room, start,
			stop),
		cmocka_unit_test_setup_teardown(
			incoming__backlog_stays_full__target_unreachable_in_time, start, stop),
		cmocka_unit_test_setup_teardown(incoming__too_many__refused_and_room_comes_back,
						start, stop),
		cmocka_unit_test_setup_teardown(failed__flood__is_told_a_few_times, start, stop),
		cmocka_unit_test_setup_teardown(hidden__asked_by_its_name__as_if_there_were_none,
						start, stop),
		cmocka_unit_test_setup_teardown(hidden__in_its_scope__it_alone_is_there, start,
						stop),
		cmocka_unit_test_setup_teardown(hidden__no_more_or_anew__another_scope, start,
						stop),
		cmocka_unit_test_setup_teardown(put__bad_specs__are_refused, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
