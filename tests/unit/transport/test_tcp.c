/* The TLS/TCP family against peers that are not ours: forgers, strangers to the protocol, and breakers of the multiplexer's rules. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <sys/socket.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "raw.h"
#include "wire/code.h"
#include "wire/mux.h"

static struct rig rig;
static struct rig *r = &rig;
static struct raw raw;
static struct raw_how honest;
static struct vx6_sign_keypair stranger;

static void setup_with(const struct vx6_transport_limits *limits)
{
	rig_start(r, &vx6_transport_tcp, limits, limits);
	vx6_sign_keypair_random(&stranger);
	honest = (struct raw_how){.alpn = VX6_ALPN, .key = &stranger};
}

static int setup(void **state)
{
	setup_with(NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_stop(r);
	return 0;
}

/* ---- who may come in ---- */

static void accept__honest_raw_peer__up(void **state)
{
	assert_true(raw_dial(&raw, r, &honest));
	assert_true(rig_until(r, side_is_up, &r->b, 1000));
	assert_memory_equal(r->b.info.peer_key.b, stranger.pk.b, VX6_SIGN_PK_BYTES);
	raw_end(&raw);
}

static void refused(const struct raw_how *how, int code)
{
	(void)raw_dial(&raw, r, how);
	assert_true(rig_until(r, side_is_down, &r->b, 7000));
	assert_int_equal(r->b.up_n, 0);
	assert_int_equal(r->b.why.code, code);
	raw_end(&raw);
}

static void accept__key_claimed_without_its_private_half__refused(void **state)
{
	struct raw_how forger = honest;

	forger.claim = &r->a.key.pk;
	refused(&forger, VX6_E_TLS);
}

static void accept__key_that_is_no_valid_point__refused(void **state)
{
	struct vx6_sign_pk small = {{1}}; /* the neutral element */
	struct raw_how forger = honest;

	forger.claim = &small;
	(void)raw_dial(&raw, r, &forger);
	assert_true(rig_until(r, side_is_down, &r->b, 7000));
	assert_int_equal(r->b.up_n, 0);
	assert_true(r->b.why.code == VX6_E_KEY ||
		    r->b.why.code == VX6_E_TLS); /* whichever of the two libraries sees it first */
	raw_end(&raw);
}

static void accept__other_alpn__refused(void **state)
{
	struct raw_how how = honest;

	how.alpn = "h2";
	refused(&how, VX6_E_TLS);
}

static void accept__no_alpn__refused(void **state)
{
	struct raw_how how = honest;

	how.alpn = NULL;
	refused(&how, VX6_E_TLS);
}

static void accept__other_suites_only__refused(void **state)
{
	struct raw_how how = honest;

	how.suites = "TLS13-AES256-GCM-SHA384";
	refused(&how, VX6_E_TLS);
}

static void accept__chacha_only__up(void **state)
{
	struct raw_how how = honest;

	how.suites = "TLS13-CHACHA20-POLY1305-SHA256";
	assert_true(raw_dial(&raw, r, &how));
	assert_true(rig_until(r, side_is_up, &r->b, 1000));
	raw_end(&raw);
}

static void accept__other_group_only__refused(void **state)
{
	struct raw_how how = honest;

	how.group = 23; /* secp256r1 */
	refused(&how, VX6_E_TLS);
}

static void dial__acceptor_claims_the_expected_key_without_its_private_half__refused(void **state)
{
	struct vx6_sign_keypair victim;
	struct raw_how forger = honest;
	int fd = plain_listen(&r->at);

	vx6_sign_keypair_random(&victim);
	forger.claim = &victim.pk;
	assert_true(vx6_is_ok(rig_dial(r, false, &victim.pk)));
	(void)raw_accept(&raw, r, fd, &forger);
	assert_true(rig_until(r, side_is_down, &r->a, 7000));
	assert_int_equal(r->a.up_n, 0);
	assert_int_equal(r->a.why.code, VX6_E_TLS);
	raw_end(&raw);
	close(fd);
}

static void dial__acceptor_without_alpn__refused(void **state)
{
	struct raw_how how = honest;
	int fd = plain_listen(&r->at);

	how.alpn = NULL;
	assert_true(vx6_is_ok(rig_dial(r, false, NULL)));
	(void)raw_accept(&raw, r, fd, &how);
	assert_true(rig_until(r, side_is_down, &r->a, 7000));
	assert_int_equal(r->a.up_n, 0);
	raw_end(&raw);
	close(fd);
}

/* ---- noise before the handshake ---- */

static void accept__garbage__down_with_tls_and_others_get_in(void **state)
{
	for (int i = 0; i < 20; i++) {
		uint8_t noise[3000];
		int fd = plain_connect(r);

		vx6_random_bytes(noise, sizeof noise);
		if (i % 2)
			memcpy(noise, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
			       11); /* begins like a ClientHello */
		assert_true(write(fd, noise, sizeof noise) > 0);
		r->b.down_n = 0;
		shutdown(fd, SHUT_WR);
		assert_true(rig_until(r, side_is_down, &r->b, 1000));
		close(fd);
	}
	assert_int_equal(r->b.up_n, 0);
	rig_connect(r);
}

static void accept__says_nothing__timeout(void **state)
{
	struct vx6_transport_limits limits;
	int fd;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.handshake_ms = 150;
	setup_with(&limits);
	fd = plain_connect(r);
	assert_true(rig_until(r, side_is_down, &r->b, 1000));
	assert_int_equal(r->b.why.code, VX6_E_TIMEOUT);
	close(fd);
}

static void accept__flood_of_silent_connections__oldest_give_way(void **state)
{
	enum { N = 30, MAX = 5 };
	struct vx6_transport_limits limits;
	int fd[N];

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.handshakes_max = MAX;
	setup_with(&limits);
	for (int i = 0; i < N; i++) {
		fd[i] = plain_connect(r);
		rig_run_ms(r, 1);
	}
	rig_run_ms(r, 20);
	assert_int_equal(r->b.accept_n, N);
	assert_int_equal(r->b.down_n, N - MAX);
	assert_int_equal(r->b.why.code, VX6_E_FULL);
	rig_connect(r);
	for (int i = 0; i < N; i++)
		close(fd[i]);
}

static void accept__out_of_descriptors__recovers(void **state)
{
	struct rlimit was, tight;
	int fd[64], n = 0, probe;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	probe = dup(0);
	tight = was;
	tight.rlim_cur = (rlim_t)probe + 20;
	close(probe);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	while (n < 64 && (fd[n] = dup(0)) >= 0)
		n++;
	assert_true(n >= 2 && n < 64);
	close(fd[--n]); /* one left for the client, none for the acceptor */
	fd[n] = plain_connect(r);
	rig_run_ms(r, 50);
	assert_int_equal(r->b.accept_n, 0);
	for (int i = 0; i <= n; i++)
		close(fd[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	rig_connect(r);
}

/* ---- rules of the multiplexer ---- */

static void raw_frame(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, uint16_t n)
{
	static uint8_t frame[VX6_MUX_FRAME_MAX];

	vx6_mux_encode(frame, &(struct vx6_mux_frame){
				      .type = type, .flags = flags, .len = n, .stream = stream});
	if (n)
		memcpy(frame + VX6_MUX_HEADER, payload, n);
	raw_send(&raw, r, frame, VX6_MUX_HEADER + (size_t)n);
}

static const uint8_t zeros[VX6_MUX_PAYLOAD_MAX];
static const uint8_t max_u31[4] = {0x7f, 0xff, 0xff, 0xff};

static void break_type(void)
{
	raw_frame(7, 0, 0, NULL, 0);
}

static void break_flags(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN | 2, 1, "x", 1);
}

static void break_length(void)
{
	uint8_t frame[20] = {VX6_MUX_DATA, VX6_MUX_OPEN, 0, 4, 0, 0, 0, 1, 1, 2, 3, 4, 5};

	raw_send(&raw, r, frame, 13);
}

static void break_short(void)
{
	raw_send(&raw, r, "\0\4\0", 3);
}

static void break_parity(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 2, "x", 1);
}

static void break_order(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 3, "x", 1);
}

static void break_reopen(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 1, "x", 1);
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 1, "x", 1);
}

static void break_not_open(void)
{
	raw_frame(VX6_MUX_DATA, 0, 1, "x", 1);
}

static void break_data_on_ours(void)
{
	raw_frame(VX6_MUX_DATA, 0, 2, "x", 1);
}

static void break_reset_not_open(void)
{
	raw_frame(VX6_MUX_RESET, 0, 5, zeros, 4);
}

static void break_after_fin(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN | VX6_MUX_FIN, 1, "x", 1);
	raw_frame(VX6_MUX_DATA, 0, 1, "x", 1);
}

static void break_empty_window(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 1, "x", 1);
	raw_frame(VX6_MUX_WINDOW, 0, 1, zeros, 4);
}

static void break_window_overflow(void)
{
	raw_frame(VX6_MUX_WINDOW, 0, 0, max_u31, 4);
}

static void break_stream_window_overflow(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 1, "x", 1);
	raw_frame(VX6_MUX_WINDOW, 0, 1, max_u31, 4);
}

static void break_stream_credit(void)
{
	for (int i = 0; i < 17; i++)
		raw_frame(VX6_MUX_DATA, i ? 0 : VX6_MUX_OPEN, 1, zeros, VX6_MUX_PAYLOAD_MAX);
}

static void break_empty_data(void)
{
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 1, "x", 1);
	raw_frame(VX6_MUX_DATA, 0, 1, NULL, 0);
}

static void break_ping_on_a_stream(void)
{
	raw_frame(VX6_MUX_PING, 0, 1, zeros, 8);
}

static const struct {
	const char *name;
	void (*run)(void);
} breaks[] = {
	{"unknown type", break_type},
	{"unknown flag", break_flags},
	{"length differs from the record", break_length},
	{"shorter than a header", break_short},
	{"id of the wrong side", break_parity},
	{"id out of order", break_order},
	{"opened twice", break_reopen},
	{"data before open", break_not_open},
	{"data on a stream of ours that is not open", break_data_on_ours},
	{"reset before open", break_reset_not_open},
	{"data after fin", break_after_fin},
	{"empty window", break_empty_window},
	{"link window overflows", break_window_overflow},
	{"stream window overflows", break_stream_window_overflow},
	{"more than the stream's credit", break_stream_credit},
	{"data without anything", break_empty_data},
	{"ping on a stream", break_ping_on_a_stream},
};

static void mux__rule_broken__link_down_with_protocol(void **state)
{
	for (size_t i = 0; i < VX6_ARRAY_N(breaks); i++) {
		r->b.up_n = r->b.down_n = 0;
		r->b.freeze = true;
		assert_true(raw_dial(&raw, r, &honest));
		assert_true(rig_until(r, side_is_up, &r->b, 1000));
		breaks[i].run();
		if (!rig_until(r, side_is_down, &r->b, 1000) || r->b.why.code != VX6_E_PROTOCOL)
			fail_msg("%s: %d %s", breaks[i].name, r->b.down_n, vx6_err_name(r->b.why));
		raw_end(&raw);
	}
}

static void mux__pad_and_late_frames__ignored(void **state)
{
	uint8_t answer[VX6_MUX_FRAME_MAX];
	struct vx6_mux_frame f;
	bool ponged = false;

	assert_true(raw_dial(&raw, r, &honest));
	assert_true(rig_until(r, side_is_up, &r->b, 1000));
	raw_frame(VX6_MUX_PAD, 0, 0, zeros, 1000);
	raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 1, zeros, 100);
	while (!r->b.ends_n)
		rig_run_ms(r, 1);
	vx6_stream_reset(r->b.end[0]->s, 9);
	rig_run_ms(r, 5);
	for (int i = 0; i < 200;
	     i++) /* more than any window: what is ignored must give its credit back */
		raw_frame(VX6_MUX_DATA, 0, 1, zeros, i < 16 ? VX6_MUX_PAYLOAD_MAX : 100);
	raw_frame(VX6_MUX_WINDOW, 0, 1, max_u31, 4);
	raw_frame(VX6_MUX_RESET, 0, 1, zeros, 4);
	raw_frame(VX6_MUX_PING, 0, 0, "12345678", 8);
	while (!ponged && raw_recv(&raw, r, answer, sizeof answer, 1000) > 0)
		ponged = vx6_is_ok(vx6_mux_decode(answer, &f)) && f.type == VX6_MUX_PONG &&
			 memcmp(answer + VX6_MUX_HEADER, "12345678", 8) == 0;
	assert_true(ponged);
	assert_int_equal(r->b.down_n, 0);
	raw_end(&raw);
}

static void tls__keys_updated_in_mid_stream__bytes_stay_right(void **state)
{
	static uint8_t echoed[VX6_MUX_FRAME_MAX];
	size_t back = 0;

	r->b.echo = true;
	assert_true(raw_dial(&raw, r, &honest));
	assert_true(rig_until(r, side_is_up, &r->b, 1000));
	for (int i = 0; i < 8; i++) {
		raw_frame(VX6_MUX_DATA, i ? 0 : VX6_MUX_OPEN, 1, "0123456789", 10);
		raw_update_keys(&raw);
	}
	while (back < 80) {
		int n = raw_recv(&raw, r, echoed, sizeof echoed, 1000);

		assert_true(n > 0);
		if (echoed[0] == VX6_MUX_DATA)
			back += (size_t)n - VX6_MUX_HEADER;
		for (int i = VX6_MUX_HEADER; echoed[0] == VX6_MUX_DATA && i < n; i++)
			assert_int_equal(echoed[i], '0' + (i - VX6_MUX_HEADER) % 10);
	}
	assert_int_equal(back, 80);
	assert_int_equal(r->b.down_n, 0);
	raw_end(&raw);
}

static void mux__pings_without_reading__bounded(void **state)
{
	assert_true(raw_dial(&raw, r, &honest));
	assert_true(rig_until(r, side_is_up, &r->b, 1000));
	for (int i = 0; i < 20000; i++)
		raw_frame(VX6_MUX_PING, 0, 0, "12345678", 8);
	rig_run_ms(r, 20);
	vx6_link_info(r->b.link, &r->b.info);
	assert_true(r->b.info.tx_bytes < r->b.info.rx_bytes); /* many pings share an answer */
	assert_int_equal(r->b.down_n, 0);
	raw_end(&raw);
}

static void mux__anonymous_peer__smaller_stream_limit(void **state)
{
	struct vx6_transport_limits limits;
	struct raw_how anonymous = {.alpn = VX6_ALPN};
	int resets = 0;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.streams_max_anon = 4;
	setup_with(&limits);
	assert_true(raw_dial(&raw, r, &anonymous));
	assert_true(rig_until(r, side_is_up, &r->b, 1000));
	assert_false(r->b.info.has_peer_key);
	for (uint32_t i = 0; i < 10; i++)
		raw_frame(VX6_MUX_DATA, VX6_MUX_OPEN, 2 * i + 1, "x", 1);
	while (resets < 6) {
		uint8_t answer[VX6_MUX_FRAME_MAX];
		struct vx6_mux_frame f;

		assert_true(raw_recv(&raw, r, answer, sizeof answer, 1000) > 0);
		assert_true(vx6_is_ok(vx6_mux_decode(answer, &f)));
		if (f.type == VX6_MUX_RESET) {
			assert_int_equal(vx6_mux_payload_u32(answer + VX6_MUX_HEADER),
					 VX6_CODE_LIMIT);
			assert_true(f.stream >= 9);
			resets++;
		}
	}
	assert_int_equal(r->b.open_n, 4);
	raw_end(&raw);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(accept__honest_raw_peer__up),
		T(accept__key_claimed_without_its_private_half__refused),
		T(accept__key_that_is_no_valid_point__refused),
		T(accept__other_alpn__refused),
		T(accept__no_alpn__refused),
		T(accept__other_suites_only__refused),
		T(accept__chacha_only__up),
		T(accept__other_group_only__refused),
		T(dial__acceptor_claims_the_expected_key_without_its_private_half__refused),
		T(dial__acceptor_without_alpn__refused),
		T(accept__garbage__down_with_tls_and_others_get_in),
		T(accept__says_nothing__timeout),
		T(accept__flood_of_silent_connections__oldest_give_way),
		T(accept__out_of_descriptors__recovers),
		T(mux__rule_broken__link_down_with_protocol),
		T(mux__pad_and_late_frames__ignored),
		T(tls__keys_updated_in_mid_stream__bytes_stay_right),
		T(mux__pings_without_reading__bounded),
		T(mux__anonymous_peer__smaller_stream_limit),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
