#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/util.h"
#include "service/forwards.h"
#include "tests/unit/service/app.h"
#include "tests/unit/transport/rig.h"

/*
 * The way to a service is played by this file: vx6_reach_open() remembers the attempt, and a test decides how it goes. Streams are those of
 * a mem link whose far end echoes.
 */
struct vx6_reaching {
	const struct vx6_reach_events *ev;
	void *user;
	struct vx6_target to;
	bool cancelled;
};

enum { ATTEMPTS_MAX = 64 };

static struct rig rig;
static struct vx6_forwards *forwards;
static struct vx6_reaching attempts[ATTEMPTS_MAX];
static int attempts_n, cancelled_n, failed_n, recovered_n;
static bool give_early;
static struct vx6_stream *early_stream;
static struct vx6_failure failure;

static struct vx6_stream *open_stream(void)
{
	static const struct vx6_stream_events none = {0};
	struct vx6_stream *s;

	assert_true(vx6_is_ok(vx6_stream_open(rig.a.link, &none, NULL, &s)));
	return s;
}

struct vx6_reaching *vx6_reach_open(struct vx6_reach *reach, const struct vx6_target *to,
				    const struct vx6_reach_events *ev, void *user,
				    struct vx6_stream **early)
{
	struct vx6_reaching *r = &attempts[attempts_n++];

	assert_true(attempts_n < ATTEMPTS_MAX);
	*r = (struct vx6_reaching){.ev = ev, .user = user, .to = *to};
	*early = give_early ? early_stream = open_stream() : NULL;
	return r;
}

void vx6_reach_cancel(struct vx6_reaching *r)
{
	r->cancelled = true;
	cancelled_n++;
}

static void on_failed(void *user, const char *id, const struct vx6_failure *f)
{
	failed_n++;
	failure = *f;
}

static void on_recovered(void *user, const char *id)
{
	recovered_n++;
}

static uint32_t carrier_hops; /* 0: links are no circuits */

static void on_carrier(void *user, const struct vx6_link *link,
		       char circuit[static VX6_CARRIER_TEXT], uint32_t *hops)
{
	assert_ptr_equal(link, rig.a.link);
	vx6_strlcpy(circuit, carrier_hops ? "cir_1" : "", VX6_CARRIER_TEXT);
	*hops = carrier_hops;
}

/* Where a test may listen on a unix socket. */
static const char *unix_path(void)
{
	static char path[64];

	snprintf(path, sizeof path, "/tmp/vx6-forward-%d.sock", (int)getpid());
	return path;
}

static int start(void **state)
{
	struct vx6_forwards_config cfg = {.failed = on_failed,
					  .recovered = on_recovered,
					  .carrier = on_carrier,
					  .connections_max = 3};

	attempts_n = cancelled_n = failed_n = recovered_n = 0;
	give_early = false;
	carrier_hops = 0;
	rig_start(&rig, &vx6_transport_mem, NULL, NULL);
	rig_connect(&rig);
	rig.b.echo = true;
	cfg.loop = rig.loop;
	forwards = vx6_forwards_new(&cfg);
	return 0;
}

static int stop(void **state)
{
	vx6_forwards_free(forwards);
	rig_stop(&rig);
	unlink(unix_path());
	return 0;
}

static struct vx6_forward_spec spec_at(const char *name, const char *listen_at)
{
	struct vx6_forward_spec spec = {.enabled = true, .to = {.node = "alice", .service = "web"}};

	vx6_strlcpy(spec.name, name, sizeof spec.name);
	assert_true(vx6_is_ok(vx6_addr_parse(listen_at, &spec.listen)));
	return spec;
}

static struct vx6_forward_status status(void)
{
	struct vx6_forward_status st;

	assert_true(vx6_is_ok(vx6_forwards_status(forwards, "fwd_1", &st)));
	return st;
}

/* A forward fwd_1 on a free port. */
static uint16_t forward(void)
{
	struct vx6_forward_spec spec = spec_at("f", "127.0.0.1:0");
	struct vx6_forward_socket *socket;

	assert_true(vx6_is_ok(vx6_forwards_prepare(forwards, NULL, &spec, &socket)));
	assert_non_null(socket);
	vx6_forwards_put(forwards, "fwd_1", &spec, socket);
	assert_int_equal(status().phase, VX6_FORWARD_LISTENING);
	return status().bound.port;
}

static bool has_attempt(void *arg)
{
	return attempts_n > 0;
}

static void fail_attempt(int i, vx6_err err, const char *detail)
{
	attempts[i].ev->outcome(attempts[i].user, err, detail, NULL, NULL, 0, false);
}

static void succeed(int i, struct vx6_stream *s)
{
	attempts[i].ev->outcome(attempts[i].user, VX6_OK, "", s, NULL, 0, false);
}

static bool none_left(void *arg)
{
	return vx6_forwards_connections(forwards) == 0;
}

static bool has_second_attempt(void *arg)
{
	return attempts_n == 2;
}

static void assert_echo(struct app *a)
{
	app_send(a, 999999, true);
	assert_true(rig_until(&rig, app_got_fin, a, 10000));
	assert_int_equal(a->rx, a->tx);
	assert_false(a->corrupt);
	assert_true(rig_until(&rig, none_left, NULL, 1000));
	app_close(a);
}

static void connection__reached_later__bytes_both_ways(void **state)
{
	struct app a;

	app_start(&a, rig.loop, tcp_dial(forward()));
	app_send(&a, 1, false);
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	rig_run_ms(&rig, 20);
	assert_string_equal(attempts[0].to.node, "alice");
	assert_int_equal(status().stats.active, 1);
	succeed(0, open_stream());
	assert_int_equal(status().stats.total, 1);
	assert_string_equal(status().transport, "mem");
	assert_string_equal(status().circuit, "");
	assert_echo(&a);
	assert_int_equal(status().stats.active, 0);
	assert_int_equal(status().stats.rx_bytes, 1000000);
	assert_int_equal(status().stats.tx_bytes, 1000000);
	assert_int_equal(status().stats.refused, 0);
}

/* What carried the last connection: a circuit, and then none again. */
static void connection__over_a_circuit__says_which(void **state)
{
	uint16_t at = forward();
	struct app a, b;

	carrier_hops = 3;
	app_start(&a, rig.loop, tcp_dial(at));
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	succeed(0, open_stream());
	assert_string_equal(status().circuit, "cir_1");
	assert_int_equal(status().hops, 3);
	assert_echo(&a);
	carrier_hops = 0;
	app_start(&b, rig.loop, tcp_dial(at));
	assert_true(rig_until(&rig, has_second_attempt, NULL, 1000));
	succeed(1, open_stream());
	assert_string_equal(status().circuit, "");
	assert_int_equal(status().hops, 0);
	assert_echo(&b);
}

static bool far_has_a_byte(void *arg)
{
	return rig.b.ends_n == 1 && rig.b.end[0]->rx >= 1;
}

/* @p late: not when the attempt began, but once a circuit was there */
static void early_bytes_go_before_the_outcome(bool late)
{
	struct app a;

	give_early = !late;
	rig.b.echo =
		false; /* the other end is not to answer yet: this end's events are still nobody's */
	app_start(&a, rig.loop, tcp_dial(forward()));
	app_send(&a, 1, false);
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	if (late) {
		rig_run_ms(&rig, 20);
		early_stream = open_stream();
		attempts[0].ev->early(attempts[0].user, early_stream);
	}
	assert_true(rig_until(&rig, far_has_a_byte, NULL, 1000));
	assert_int_equal(status().stats.tx_bytes, 1);
	rig.b.end[0]->rx_seed = 0;
	succeed(0, early_stream);
	app_send(&a, 499999, true);
	assert_true(rig_until(&rig, end_got_fin, rig.b.end[0], 5000));
	assert_int_equal(rig.b.end[0]->rx, 500000);
	assert_false(rig.b.end[0]->corrupt);
	end_send(rig.b.end[0], 100, true);
	assert_true(rig_until(&rig, none_left, NULL, 2000));
	assert_true(rig_until(&rig, app_got_fin, &a, 1000));
	assert_int_equal(a.rx, 100);
	app_close(&a);
}

static void connection__early_stream__bytes_go_before_the_outcome(void **state)
{
	early_bytes_go_before_the_outcome(false);
}

static void connection__stream_on_a_circuit_that_was_waited_for__bytes_go_before_the_outcome(
	void **state)
{
	early_bytes_go_before_the_outcome(true);
}

static void connection__early_bytes_lost__client_is_reset(void **state)
{
	struct app a;

	give_early = true;
	app_start(&a, rig.loop, tcp_dial(forward()));
	app_send(&a, 1, false);
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	rig_run_ms(&rig, 20);
	succeed(0, open_stream());
	assert_true(rig_until(&rig, app_failed, &a, 1000));
	assert_int_equal(vx6_forwards_connections(forwards), 0);
	vx6_stream_reset(early_stream, 0);
}

static void connection__not_reached__client_is_reset_and_the_reason_kept(void **state)
{
	struct app a;

	app_start(&a, rig.loop, tcp_dial(forward()));
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	fail_attempt(0, VX6_ERR(ACCESS_REFUSED), "alice said no");
	assert_true(rig_until(&rig, app_failed, &a, 1000));
	assert_int_equal(a.error, ECONNRESET);
	assert_int_equal(failed_n, 1);
	assert_int_equal(failure.err.code, VX6_E_ACCESS_REFUSED);
	assert_int_equal(status().stats.refused, 1);
	assert_int_equal(status().stats.total, 0);
	assert_string_equal(status().stats.last_failure.detail, "alice said no");
	assert_int_equal(vx6_forwards_connections(forwards), 0);
}

/* Before anybody connects in vain; forwards to a key, or to another alias, lead where they did. */
static void alias_gone__forward_to_it__says_so_at_once(void **state)
{
	struct vx6_forward_spec spec = spec_at("f", "127.0.0.1:0");

	spec.to = (struct vx6_target){.is_hidden = true, .node = "ghost"};
	vx6_forwards_put(forwards, "fwd_1", &spec, NULL);
	vx6_forwards_alias_gone(forwards, "other", "nothing of ours");
	assert_int_equal(failed_n, 0);
	vx6_forwards_alias_gone(forwards, "ghost", "ghost was forgotten");
	assert_int_equal(failed_n, 1);
	assert_int_equal(failure.err.code, VX6_E_PEER_UNKNOWN);
	assert_string_equal(status().stats.last_failure.detail, "ghost was forgotten");
	assert_int_equal(status().stats.refused, 0);
	assert_int_equal(status().phase, VX6_FORWARD_LISTENING);
	spec.to.has_node_id = true;
	vx6_forwards_put(forwards, "fwd_1", &spec, NULL);
	vx6_forwards_alias_gone(forwards, "ghost", "ghost was forgotten");
	assert_int_equal(failed_n, 1);
}

static bool is_cancelled(void *arg)
{
	return cancelled_n > 0;
}

static void connection__client_breaks_off_while_reaching__attempt_is_cancelled(void **state)
{
	struct app a;

	app_start(&a, rig.loop, tcp_dial(forward()));
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	app_break(&a);
	assert_true(rig_until(&rig, is_cancelled, NULL, 1000));
	assert_int_equal(vx6_forwards_connections(forwards), 0);
	assert_int_equal(status().stats.active, 0);
}

/* A client that has nothing to say may still want to hear: its half-close is passed on, not taken for its end. */
static void connection__client_half_closes_while_reaching__gets_its_answer(void **state)
{
	struct app a;

	rig.b.echo = false;
	rig.b.reply_goal = 5000;
	rig.b.reply_fin = true;
	app_start(&a, rig.loop, tcp_dial(forward()));
	app_send(&a, 0, true);
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	rig_run_ms(&rig, 50);
	assert_int_equal(cancelled_n, 0);
	succeed(0, open_stream());
	assert_true(rig_until(&rig, app_got_fin, &a, 2000));
	assert_int_equal(a.rx, 5000);
	assert_true(rig_until(&rig, none_left, NULL, 1000));
	app_close(&a);
}

static void connection__too_many__the_next_is_reset(void **state)
{
	uint16_t port = forward();
	struct app a[4];

	for (int i = 0; i < 4; i++)
		app_start(&a[i], rig.loop, tcp_dial(port));
	assert_true(rig_until(&rig, app_failed, &a[3], 1000));
	assert_int_equal(attempts_n, 3);
	assert_int_equal(failure.err.code, VX6_E_LIMIT);
	for (int i = 0; i < 4; i++)
		app_close(&a[i]);
}

static void delete__connections__are_reset(void **state)
{
	struct app reaching, joined;
	uint16_t port = forward();

	app_start(&joined, rig.loop, tcp_dial(port));
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	succeed(0, open_stream());
	app_start(&reaching, rig.loop, tcp_dial(port));
	rig_run_ms(&rig, 20);
	assert_int_equal(attempts_n, 2);
	assert_true(vx6_is_ok(vx6_forwards_delete(forwards, "fwd_1")));
	assert_true(rig_until(&rig, app_failed, &joined, 1000));
	assert_true(rig_until(&rig, app_failed, &reaching, 1000));
	assert_int_equal(cancelled_n, 1);
	assert_int_equal(vx6_forwards_connections(forwards), 0);
	assert_int_equal(vx6_forwards_delete(forwards, "fwd_1").code, VX6_E_NOT_FOUND);
}

/* ---- listeners ---- */

static void prepare__address_in_use__is_refused_before_anything_changed(void **state)
{
	struct vx6_forward_spec spec = spec_at("g", "127.0.0.1:1");
	struct vx6_forward_socket *socket;

	spec.listen.port = forward();
	assert_int_equal(vx6_forwards_prepare(forwards, NULL, &spec, &socket).code,
			 VX6_E_ADDRESS_IN_USE);
	assert_null(socket);
	spec = spec_at("f", "127.0.0.1:0");
	assert_int_equal(vx6_forwards_prepare(forwards, NULL, &spec, &socket).code, VX6_E_EXISTS);
	spec = spec_at("g", "192.0.2.1:80");
	assert_int_equal(vx6_forwards_prepare(forwards, NULL, &spec, &socket).code,
			 VX6_E_NOT_LOOPBACK);
	spec = spec_at("g", "0.0.0.0:80");
	assert_int_equal(vx6_forwards_prepare(forwards, NULL, &spec, &socket).code,
			 VX6_E_NOT_LOOPBACK);
}

static bool is_listening(void *arg)
{
	return status().phase == VX6_FORWARD_LISTENING;
}

static void put__address_in_use__fails_and_recovers(void **state)
{
	struct vx6_forward_spec spec = spec_at("f", "127.0.0.1:1");
	int other = tcp_listener(&spec.listen.port);

	vx6_forwards_put(forwards, "fwd_1", &spec, NULL);
	assert_int_equal(status().phase, VX6_FORWARD_FAILED);
	assert_int_equal(status().error.code, VX6_E_ADDRESS_IN_USE);
	close(other);
	assert_true(rig_until(&rig, is_listening, NULL, 7000));
	assert_int_equal(recovered_n, 1);
}

static bool refuses(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool refused = connect(fd, (struct sockaddr *)&at, sizeof at) < 0 && errno == ECONNREFUSED;

	close(fd);
	return refused;
}

static void put__disabled_then_enabled_then_moved__listener_follows(void **state)
{
	struct vx6_forward_spec spec = spec_at("f", "127.0.0.1:0");
	struct vx6_forward_socket *socket;
	struct vx6_forward_status st;
	uint16_t port = forward();

	/* the same address: the listener stays */
	assert_true(vx6_is_ok(vx6_forwards_prepare(forwards, "fwd_1", &spec, &socket)));
	assert_null(socket);
	vx6_forwards_put(forwards, "fwd_1", &spec, NULL);
	assert_int_equal(status().bound.port, port);
	spec.enabled = false;
	vx6_forwards_put(forwards, "fwd_1", &spec, NULL);
	assert_int_equal(status().phase, VX6_FORWARD_DISABLED);
	assert_true(refuses(port));
	spec = spec_at("f", "[::1]:0");
	assert_true(vx6_is_ok(vx6_forwards_prepare(forwards, "fwd_1", &spec, &socket)));
	vx6_forwards_put(forwards, "fwd_1", &spec, socket);
	assert_int_equal(status().phase, VX6_FORWARD_LISTENING);
	st = status();
	assert_false(vx6_addr_is_v4(&st.bound));
	vx6_forwards_drain(forwards);
	assert_int_equal(status().phase, VX6_FORWARD_DISABLED);
}

static void put__unix_path__is_private_and_takes_over_a_stale_socket(void **state)
{
	const char *path = unix_path();
	char text[80];
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct vx6_forward_spec spec;
	struct vx6_forward_socket *socket_;
	struct stat st;
	int stale, fd;

	snprintf(text, sizeof text, "unix:%s", path);
	vx6_strlcpy(at.sun_path, path, sizeof at.sun_path);
	stale = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(stale, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(stale, 1), 0);
	spec = spec_at("f", text);
	assert_int_equal(vx6_forwards_prepare(forwards, NULL, &spec, &socket_).code,
			 VX6_E_ADDRESS_IN_USE);
	close(stale);
	assert_true(vx6_is_ok(vx6_forwards_prepare(forwards, NULL, &spec, &socket_)));
	vx6_forwards_put(forwards, "fwd_1", &spec, socket_);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	close(fd);
	assert_true(vx6_is_ok(vx6_forwards_delete(forwards, "fwd_1")));
	assert_int_equal(stat(path, &st), -1);
	/* a file that is no socket is never removed */
	fd = creat(path, 0600);
	close(fd);
	assert_int_equal(vx6_forwards_prepare(forwards, NULL, &spec, &socket_).code,
			 VX6_E_ADDRESS_IN_USE);
	assert_int_equal(stat(path, &st), 0);
}

static void accept__no_descriptors__goes_on_when_there_are_some(void **state)
{
	uint16_t port = forward();
	struct rlimit old, none;
	struct app a;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	app_start(&a, rig.loop, tcp_dial(port));
	none = (struct rlimit){(rlim_t)a.fd + 1, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rig_run_ms(&rig, 50);
	assert_int_equal(attempts_n, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(rig_until(&rig, has_attempt, NULL, 1000));
	app_close(&a);
}

/* ---- attach ---- */

static struct {
	int outcome_n, ended_n;
	vx6_err err;
} attached;

static void on_outcome(void *user, vx6_err err, const char *detail)
{
	attached.outcome_n++;
	attached.err = err;
}

static void on_ended(void *user)
{
	attached.ended_n++;
}

static void attach(struct app *a)
{
	static const struct vx6_attach_events ev = {.outcome = on_outcome, .ended = on_ended};
	struct vx6_target to = {.node = "bob", .service = "db"};
	int fd[2];

	memset(&attached, 0, sizeof attached);
	unix_pair(fd);
	app_start(a, rig.loop, fd[0]);
	assert_true(vx6_is_ok(vx6_forwards_attach(forwards, fd[1], &to, &ev, NULL)));
	assert_int_equal(attempts_n, 1);
	assert_string_equal(attempts[0].to.node, "bob");
}

static void attach__reached__outcome_then_bytes_then_ended(void **state)
{
	struct app a;

	attach(&a);
	succeed(0, open_stream());
	assert_int_equal(attached.outcome_n, 1);
	assert_true(vx6_is_ok(attached.err));
	assert_int_equal(attached.ended_n, 0);
	assert_echo(&a);
	assert_int_equal(attached.ended_n, 1);
}

static void attach__not_reached__outcome_only(void **state)
{
	struct app a;

	attach(&a);
	fail_attempt(0, VX6_ERR(PEER_UNKNOWN), "nobody");
	assert_int_equal(attached.err.code, VX6_E_PEER_UNKNOWN);
	assert_true(rig_until(&rig, app_got_fin, &a, 1000));
	assert_int_equal(attached.outcome_n, 1);
	assert_int_equal(attached.ended_n, 0);
	app_close(&a);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(connection__reached_later__bytes_both_ways),
		CASE(connection__over_a_circuit__says_which),
		CASE(connection__early_stream__bytes_go_before_the_outcome),
		CASE(connection__stream_on_a_circuit_that_was_waited_for__bytes_go_before_the_outcome),
		CASE(connection__early_bytes_lost__client_is_reset),
		CASE(connection__not_reached__client_is_reset_and_the_reason_kept),
		CASE(alias_gone__forward_to_it__says_so_at_once),
		CASE(connection__client_breaks_off_while_reaching__attempt_is_cancelled),
		CASE(connection__client_half_closes_while_reaching__gets_its_answer),
		CASE(connection__too_many__the_next_is_reset),
		CASE(delete__connections__are_reset),
		CASE(prepare__address_in_use__is_refused_before_anything_changed),
		CASE(put__address_in_use__fails_and_recovers),
		CASE(put__disabled_then_enabled_then_moved__listener_follows),
		CASE(put__unix_path__is_private_and_takes_over_a_stale_socket),
		CASE(accept__no_descriptors__goes_on_when_there_are_some),
		CASE(attach__reached__outcome_then_bytes_then_ended),
		CASE(attach__not_reached__outcome_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
