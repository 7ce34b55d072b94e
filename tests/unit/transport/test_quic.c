/* What only QUIC has: loss and reordering under it, a peer that moves, Retry, stateless reset, path MTU, hostile datagrams. */
#include <setjmp.h>
#include <stdarg.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "rig.h"
#include "transport/quic/quic_internal.h"
#include "udp_proxy.h"

enum { SEED = 20260, MIB = 1 << 20 };

/* A dials B through @p x. */
static void start_behind_proxy(struct rig *r, struct udp_proxy *x,
			       const struct vx6_transport_limits *limits)
{
	rig_start(r, &vx6_transport_quic, limits, limits);
	proxy_start(x, r->loop, &r->at, SEED);
	r->at = x->at;
}

static void stop_behind_proxy(struct rig *r, struct udp_proxy *x)
{
	proxy_stop(x);
	rig_stop(r);
}

/* Sends @p n bytes to an echo and checks what comes back. */
static void echo_through(struct rig *r, uint64_t n, int ms)
{
	struct end *e;

	r->b.echo = true;
	e = end_open(&r->a);
	end_send(e, n, true);
	assert_true(rig_until(r, end_is_closed, e, ms));
	assert_true(vx6_is_ok(e->why));
	assert_true(e->got_fin);
	assert_false(e->corrupt);
	assert_int_equal(e->rx, n);
}

static void quic_stream__loss_and_reordering__byte_exact(void **state)
{
	struct udp_proxy x;
	struct rig r;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	x.loss_pct = 5;
	x.swap_pct = 5;
	x.mtu = 1452;
	rig_connect(&r);
	echo_through(&r, MIB, 20000);
	assert_true(x.dropped > 20);
	stop_behind_proxy(&r, &x);
}

static bool server_sees_new_port(void *arg)
{
	struct rig *r = ((void **)arg)[0];
	const uint16_t *old = ((void **)arg)[1];
	struct vx6_link_info info;

	vx6_link_info(r->b.link, &info);
	return info.remote.port != *old;
}

static void quic_link__client_port_changes_mid_transfer__transfer_completes(void **state)
{
	struct vx6_link_info before;
	struct udp_proxy x;
	struct rig r;
	struct end *e;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	x.mtu = 1452; /* enough packets for a transfer that lasts */
	rig_connect(&r);
	r.b.echo = true;
	e = end_open(&r.a);
	end_send(e, 4 * MIB, true);
	rig_run_ms(&r, 20);
	assert_int_equal(e->closed_n, 0);
	vx6_link_info(r.b.link, &before);
	proxy_rebind(&x);
	assert_true(rig_until(&r, server_sees_new_port, (void *[]){&r, &before.remote.port}, 3000));
	assert_true(rig_until(&r, end_is_closed, e, 20000));
	assert_true(vx6_is_ok(e->why));
	assert_false(e->corrupt);
	assert_int_equal(e->rx, 4 * MIB);
	stop_behind_proxy(&r, &x);
}

static void quic_link__idle_client_port_changes__next_stream_works(void **state)
{
	struct udp_proxy x;
	struct rig r;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	rig_connect(&r);
	echo_through(&r, 1000, 3000);
	proxy_rebind(&x);
	vx6_transport_quic.link_rebind(r.a.link); /* no other address of ours: harmless */
	echo_through(&r, 100000, 5000);
	stop_behind_proxy(&r, &x);
}

static void quic_dial__nobody_listens_on_ipv4__refused_at_once(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, &vx6_transport_quic, NULL, NULL);
	r.ops->listener_close(r.listener);
	assert_true(vx6_is_ok(vx6_addr_parse("127.0.0.1:1", &r.at)));
	assert_true(vx6_is_ok(rig_dial(&r, false, NULL)));
	assert_true(rig_until(&r, side_is_down, &r.a, 1000));
	assert_int_equal(r.a.why.code, VX6_E_REFUSED);
	rig_stop(&r);
}

/* The proxy's port is closed for a while: each packet of the dialling side is answered by "port unreachable". */
static void quic_link__up_and_port_unreachable_for_a_while__lives_and_delivers(void **state)
{
	struct udp_proxy x;
	struct rig r;
	struct end *e;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	rig_connect(&r);
	echo_through(&r, 1000, 3000);
	proxy_close_front(&x);
	e = end_open(&r.a);
	e->tx_seed = e->rx_seed = 5;
	end_send(e, 100000, true);
	rig_run_ms(&r, 300);
	assert_int_equal(r.a.down_n, 0);
	assert_int_equal(e->rx, 0);
	proxy_open_front(&x);
	assert_true(rig_until(&r, end_is_closed, e, 10000));
	assert_true(vx6_is_ok(e->why));
	assert_int_equal(e->rx, 100000);
	assert_false(e->corrupt);
	stop_behind_proxy(&r, &x);
}

static bool end_has_echo(void *arg)
{
	const struct end *e = arg;

	return e->rx == e->tx;
}

static void quic_link__short_questions_and_answers__acknowledged_by_what_follows(void **state)
{
	enum { ROUNDS = 40, QUESTIONS = 5 };
	uint64_t least = UINT64_MAX;
	struct rig r;
	struct end *e;

	(void)state;
	rig_start(&r, &vx6_transport_quic, NULL, NULL);
	r.b.echo = true;
	rig_connect(&r);
	e = end_open(&r.a);
	e->tx_seed = e->rx_seed = 3;
	/* a busy machine may be late with a question: the best round counts, and rounds are short */
	for (int i = 0; i < ROUNDS; i++) {
		struct vx6_link_info before, after;

		vx6_link_info(r.a.link, &before);
		for (int k = 0; k < QUESTIONS; k++) {
			end_send(e, 1, false);
			assert_true(rig_until(&r, end_has_echo, e, 3000));
		}
		vx6_link_info(r.a.link, &after);
		least = VX6_MIN(least, after.tx_packets - before.tx_packets);
	}
	assert_true(least >= QUESTIONS);
	assert_true(least < QUESTIONS * 3 / 2);
	rig_stop(&r);
}

static void quic_accept__half_of_the_handshakes_taken__retry_first(void **state)
{
	struct vx6_transport_limits lim;
	struct udp_proxy x;
	struct rig r;

	(void)state;
	vx6_transport_limits_default(&lim);
	lim.handshakes_max = 1; /* half of one is none: always busy */
	start_behind_proxy(&r, &x, &lim);
	rig_connect(&r);
	assert_true(x.retries >= 1); /* who is late with his answer is asked again */
	echo_through(&r, 10000, 3000);
	stop_behind_proxy(&r, &x);
}

static void quic_accept__quiet__no_retry(void **state)
{
	struct udp_proxy x;
	struct rig r;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	rig_connect(&r);
	assert_int_equal(x.retries, 0);
	stop_behind_proxy(&r, &x);
}

static void quic_path__mtu_1280__transfer_works_with_small_packets(void **state)
{
	struct vx6_link_info info;
	struct udp_proxy x;
	struct rig r;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	x.mtu = 1232; /* what an IPv6 MTU of 1280 leaves */
	rig_connect(&r);
	echo_through(&r, MIB, 10000);
	vx6_link_info(r.a.link, &info);
	assert_in_range(info.path_mtu, 1200, 1232);
	stop_behind_proxy(&r, &x);
}

static bool path_mtu_is_large(void *arg)
{
	struct rig *r = arg;
	struct vx6_link_info info;

	vx6_link_info(r->a.link, &info);
	return info.path_mtu > 9000;
}

static void quic_path__loopback__probed_beyond_ethernet(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, &vx6_transport_quic, NULL, NULL);
	rig_connect(&r);
	assert_true(rig_until(&r, path_mtu_is_large, &r, 3000));
	/* the route takes such packets: whatever else has changed on this host */
	vx6_transport_quic.link_rebind(r.a.link);
	vx6_transport_quic.link_rebind(r.b.link);
	assert_true(path_mtu_is_large(&r));
	echo_through(&r, MIB, 5000);
	rig_stop(&r);
}

/* What lies there until it is acknowledged: whoever says little and ends holds little. */
static void quic_stream__last_words__small_memory_and_all_delivered(void **state)
{
	const struct {
		uint32_t before, last;
		bool small;
	} row[] = {{0, 100, true}, {0, 1024, true}, {0, 1025, false}, {100, 100, false}};
	struct rig r;

	(void)state;
	rig_start(&r, &vx6_transport_quic, NULL, NULL);
	rig_connect(&r);
	r.b.echo = true;
	for (size_t i = 0; i < VX6_ARRAY_N(row); i++) {
		const struct quic_stream *s;
		struct end *e;

		rig_run_ms(&r,
			   100); /* nothing of before is on its way, which could leave no room */
		e = end_open(&r.a);
		s = quic_stream_of(e->s);
		end_send(e, row[i].before, false);
		/* ngtcp2 has them, once its pacing lets it: they stay where they are */
		for (int tries = 0; s->sent < row[i].before && tries < 2000; tries++) {
			quic_flush(quic_conn_of(r.a.link));
			usleep(1000);
		}
		assert_int_equal(s->sent, row[i].before);
		end_send(e, row[i].last, true);
		assert_int_equal(s->queued, row[i].before + row[i].last);
		assert_ptr_equal(s->tx_head, s->tx_tail);
		assert_int_equal(s->tx_head->cap < QUIC_CHUNK_BYTES, row[i].small);
		assert_true(rig_until(&r, end_is_closed, e, 3000));
		assert_int_equal(e->rx, row[i].before + row[i].last);
		assert_false(e->corrupt);
	}
	rig_stop(&r);
}

/* The acceptor loses all it knew and starts again with the same key at the same address. */
static void quic_link__peer_restarted__stateless_reset_ends_it_at_once(void **state)
{
	struct vx6_transport_config cfg;
	struct vx6_listener *again;
	static const struct vx6_accept_events nobody = {.accept = NULL};
	struct vx6_transport *t;
	struct vx6_addr server;
	struct udp_proxy x;
	struct rig r;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	vx6_transport_quic.listener_addr(r.listener, &server);
	rig_connect(&r);
	echo_through(&r, 1000, 3000);
	x.blocked = true; /* the farewell does not arrive */
	cfg = (struct vx6_transport_config){.loop = r.loop,
					    .key = &r.b.key,
					    .limits = r.b.t->limits};
	vx6_transport_quic.free(r.b.t);
	assert_true(vx6_is_ok(vx6_transport_quic.new(&cfg, &r.b.t)));
	assert_true(vx6_is_ok(vx6_transport_quic.listen(r.b.t, &server, &nobody, NULL, &again)));
	rig_run_ms(&r, 20);
	x.blocked = false;
	assert_false(side_is_down(&r.a));
	end_send(end_open(&r.a), 100, true);
	assert_true(rig_until(&r, side_is_down, &r.a, 2000));
	assert_int_equal(r.a.why.code, VX6_E_CLOSED);
	t = r.b.t;
	assert_int_equal(t->links, 0);
	stop_behind_proxy(&r, &x);
}

static void quic_datagrams__garbage__nothing_made_and_link_lives(void **state)
{
	struct vx6_transport *t;
	struct udp_proxy x;
	struct rig r;
	uint8_t buf[1500];

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	rig_connect(&r);
	t = r.b.t;
	for (int i = 0; i < 20000; i++) {
		size_t n = 1 + proxy_random(&x) % sizeof buf;

		for (size_t k = 0; k < n; k++)
			buf[k] = (uint8_t)proxy_random(&x);
		if (i % 2 == 0)
			buf[0] |= 0xc0; /* long header */
		if (i % 4 == 0 && n > 5)
			memcpy(buf + 1, "\0\0\0\1\x08", 5); /* version 1 and an id of eight bytes */
		proxy_inject(&x, buf, n);
		if (i % 200 == 0)
			rig_run_ms(&r, 1);
	}
	rig_run_ms(&r, 50);
	assert_int_equal(t->links, 1);
	assert_int_equal(t->handshakes, 0);
	assert_true(t->cids.n < 64);
	assert_int_equal(r.b.accept_n, 1);
	echo_through(&r, 10000, 3000);
	stop_behind_proxy(&r, &x);
}

static void quic_accept__damaged_and_cut_initials__no_link_and_none_left_behind(void **state)
{
	struct vx6_transport *t;
	struct udp_proxy x;
	struct rig r;
	struct mallinfo2 before, after;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	rig_connect(&r);
	t = r.b.t;
	assert_true(x.kept_n > 0 && x.kept[0].n >= 1200);
	for (int round = 0; round < 2; round++) {
		before = mallinfo2();
		for (int i = 0; i < 600; i++) {
			struct proxy_packet m = x.kept[0];

			/* another connection each time: the destination id is bytes 6 to 13 or more */
			for (int k = 0; k < 8; k++)
				m.p[6 + k] = (uint8_t)proxy_random(&x);
			m.p[proxy_random(&x) % m.n] ^= (uint8_t)(1u << (proxy_random(&x) % 8));
			proxy_inject(&x, m.p, i % 3 ? m.n : 1 + proxy_random(&x) % m.n);
			if (i % 50 == 0)
				rig_run_ms(&r, 1);
		}
		rig_run_ms(&r, 50);
	}
	/* the linger of refused handshakes is over */
	rig_run_ms(&r, 200);
	after = mallinfo2();
	assert_int_equal(t->links, 1);
	assert_int_equal(t->handshakes, 0);
	assert_int_equal(r.b.accept_n, 1);
	assert_true(after.uordblks < before.uordblks + 256 * 1024);
	echo_through(&r, 10000, 3000);
	stop_behind_proxy(&r, &x);
}

static void quic_link__forged_packets_with_its_ids__lives(void **state)
{
	struct udp_proxy x;
	struct rig r;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	rig_connect(&r);
	echo_through(&r, 1000, 3000);
	for (int i = 0; i < x.kept_n; i++) {
		struct proxy_packet m = x.kept[i];

		for (int k = 0; k < 100; k++) {
			m.p[9 + proxy_random(&x) % (m.n - 9)] ^=
				(uint8_t)(1 + proxy_random(&x) % 255);
			proxy_inject(&x, m.p, m.n);
		}
		rig_run_ms(&r, 5);
	}
	assert_false(side_is_down(&r.a));
	assert_false(side_is_down(&r.b));
	echo_through(&r, 10000, 3000);
	stop_behind_proxy(&r, &x);
}

static void quic_accept__unknown_version__our_versions_told(void **state)
{
	uint8_t initial[1200] = {0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1,  2,  3, 4,
				 5,    6,    7,    8,    4,    9, 10, 11, 12},
		answer[256];
	static const uint8_t head[] = {0, 0, 0, 0, 4, 9, 10, 11, 12, 8, 1,
				       2, 3, 4, 5, 6, 7, 8,  0,  0,  0, 1};
	struct udp_proxy x;
	struct rig r;
	ssize_t n;

	(void)state;
	start_behind_proxy(&r, &x, NULL);
	vx6_io_stop(&x.back);
	proxy_inject(&x, initial, sizeof initial);
	rig_run_ms(&r, 20);
	n = recv(x.back_fd, answer, sizeof answer, 0);
	assert_int_equal(n, 1 + sizeof head);
	assert_true(answer[0] & 0x80);
	assert_memory_equal(answer + 1, head, sizeof head);
	/* too short to be answered: it would make us an amplifier */
	proxy_inject(&x, initial, 200);
	rig_run_ms(&r, 20);
	assert_true(recv(x.back_fd, answer, sizeof answer, 0) < 0);
	stop_behind_proxy(&r, &x);
}

static void quic_cid__many_added_and_removed__all_found_and_none_left(void **state)
{
	struct vx6_transport t = {0};
	struct quic_conn c = {.t = &t};
	uint64_t keys[500];

	(void)state;
	assert_true(vx6_is_ok(vx6_crypto_init()));
	quic_cid_init(&t.cids);
	for (int round = 0; round < 20; round++) {
		size_t n = 0;

		while (n < VX6_ARRAY_N(keys)) {
			keys[n] = vx6_random_u64() &
				  (round % 2 ? UINT64_MAX : 0xff00ff); /* long chains too */
			if (quic_cid_find(&t.cids, keys[n]))
				continue;
			assert_true(quic_cid_put(&t.cids, keys[n], &c));
			n++;
		}
		for (size_t i = 0; i < n; i++) {
			for (size_t k = i; k < n; k += 37)
				assert_ptr_equal(quic_cid_find(&t.cids, keys[k]), &c);
			quic_cid_remove(&t.cids, keys[i], &c);
			assert_null(quic_cid_find(&t.cids, keys[i]));
		}
		assert_int_equal(t.cids.n, 0);
	}
	quic_cid_fini(&t.cids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quic_stream__loss_and_reordering__byte_exact),
		cmocka_unit_test(quic_link__client_port_changes_mid_transfer__transfer_completes),
		cmocka_unit_test(quic_link__idle_client_port_changes__next_stream_works),
		cmocka_unit_test(quic_dial__nobody_listens_on_ipv4__refused_at_once),
		cmocka_unit_test(
			quic_link__up_and_port_unreachable_for_a_while__lives_and_delivers),
		cmocka_unit_test(
			quic_link__short_questions_and_answers__acknowledged_by_what_follows),
		cmocka_unit_test(quic_accept__half_of_the_handshakes_taken__retry_first),
		cmocka_unit_test(quic_accept__quiet__no_retry),
		cmocka_unit_test(quic_path__mtu_1280__transfer_works_with_small_packets),
		cmocka_unit_test(quic_path__loopback__probed_beyond_ethernet),
		cmocka_unit_test(quic_stream__last_words__small_memory_and_all_delivered),
		cmocka_unit_test(quic_link__peer_restarted__stateless_reset_ends_it_at_once),
		cmocka_unit_test(quic_datagrams__garbage__nothing_made_and_link_lives),
		cmocka_unit_test(
			quic_accept__damaged_and_cut_initials__no_link_and_none_left_behind),
		cmocka_unit_test(quic_link__forged_packets_with_its_ids__lives),
		cmocka_unit_test(quic_accept__unknown_version__our_versions_told),
		cmocka_unit_test(quic_cid__many_added_and_removed__all_found_and_none_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
