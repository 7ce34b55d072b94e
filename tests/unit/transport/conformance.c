/* What every transport family must do, run over each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "rig.h"
#ifdef VX6_TEST_FAMILIES_HEADER
#include VX6_TEST_FAMILIES_HEADER
#endif

static struct rig rig;
static struct rig *r = &rig;

static int setup(void **state)
{
	rig_start(r, *state, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_stop(r);
	return 0;
}

/* ---- handshake ---- */

static void link__mutual_keys__both_know_each_other(void **state)
{
	rig_connect(r);
	assert_true(r->a.info.initiator);
	assert_false(r->b.info.initiator);
	assert_true(r->a.info.has_peer_key);
	assert_true(r->b.info.has_peer_key);
	assert_memory_equal(r->a.info.peer_key.b, r->b.key.pk.b, VX6_SIGN_PK_BYTES);
	assert_memory_equal(r->b.info.peer_key.b, r->a.key.pk.b, VX6_SIGN_PK_BYTES);
	assert_memory_equal(r->a.info.channel_binding, r->b.info.channel_binding, VX6_CB_BYTES);
	assert_string_equal(r->a.info.transport, r->ops->name);
	assert_int_equal(r->a.info.remote.port, r->at.port);
}

static void link__two_links__channel_bindings_differ(void **state)
{
	uint8_t first[VX6_CB_BYTES], zero[VX6_CB_BYTES] = {0};

	rig_connect(r);
	memcpy(first, r->a.info.channel_binding, sizeof first);
	assert_memory_not_equal(first, zero, sizeof zero);
	vx6_link_close(r->a.link, VX6_OK);
	assert_true(rig_until(r, side_is_down, &r->b, 3000));
	r->a.up_n = r->b.up_n = r->a.down_n = r->b.down_n = 0;
	rig_connect(r);
	assert_memory_not_equal(first, r->a.info.channel_binding, sizeof first);
}

static void dial__no_expected_key__learns_the_peers_key(void **state)
{
	assert_true(vx6_is_ok(rig_dial(r, false, NULL)));
	assert_true(rig_until(r, side_is_up, &r->a, 3000));
	assert_memory_equal(r->a.info.peer_key.b, r->b.key.pk.b, VX6_SIGN_PK_BYTES);
}

static void dial__another_key_expected__refused_before_up(void **state)
{
	assert_true(vx6_is_ok(rig_dial(r, false, &r->a.key.pk)));
	assert_true(rig_until(r, side_is_down, &r->a, 3000));
	assert_int_equal(r->a.why.code, VX6_E_WRONG_PEER);
	assert_int_equal(r->a.up_n, 0);
	assert_true(rig_until(r, side_is_down, &r->b, 7000));
	assert_int_equal(r->b.up_n, 0);
}

static void dial__anonymous__acceptor_sees_no_key(void **state)
{
	assert_true(vx6_is_ok(rig_dial(r, true, &r->b.key.pk)));
	assert_true(rig_until(r, side_is_up, &r->b, 3000));
	assert_true(rig_until(r, side_is_up, &r->a, 3000));
	assert_false(r->b.info.has_peer_key);
	assert_true(r->a.info.has_peer_key);
	assert_memory_equal(r->a.info.channel_binding, r->b.info.channel_binding, VX6_CB_BYTES);
}

static void dial__nobody_listens__refused_at_once_and_never_up(void **state)
{
	vx6_err err;

	r->ops->listener_close(r->listener);
	err = rig_dial(r, false, NULL);
	if (vx6_is_ok(err)) {
		assert_true(rig_until(r, side_is_down, &r->a, 1000));
		err = r->a.why;
	}
	assert_int_equal(err.code, VX6_E_REFUSED);
	assert_int_equal(r->a.up_n, 0);
}

static void swap_key(struct side *side, struct vx6_sign_pk *old)
{
	struct vx6_sign_keypair next;

	*old = side->key.pk;
	vx6_sign_keypair_random(&next);
	assert_true(vx6_is_ok(side->ops->set_key(side->t, &next)));
	vx6_sign_keypair_wipe(&side->key);
	side->key = next;
}

static void set_key__new_links_use_it_and_old_ones_go_on(void **state)
{
	struct vx6_sign_pk old_a, old_b;
	struct end *e;

	r->b.echo = true;
	rig_connect(r);
	e = end_open(&r->a);
	e->tx_seed = e->rx_seed = 7;
	end_send(e, 1000, false);
	rig_run_ms(r, 20);
	swap_key(&r->a, &old_a);
	swap_key(&r->b, &old_b);
	end_send(e, 1000000, true);
	assert_true(rig_until(r, end_is_closed, e, 20000));
	assert_int_equal(e->rx, 1001000);
	assert_false(e->corrupt);
	vx6_link_info(r->a.link, &r->a.info);
	assert_memory_equal(r->a.info.own_key.b, old_a.b, sizeof old_a.b);
	assert_memory_equal(r->a.info.peer_key.b, old_b.b, sizeof old_b.b);
	vx6_link_close(r->a.link, VX6_OK);
	assert_true(rig_until(r, side_is_down, &r->a, 3000));
	assert_true(rig_until(r, side_is_down, &r->b, 3000));

	r->a.up_n = r->b.up_n = r->a.down_n = r->b.down_n = 0;
	rig_connect(r); /* expects the new key */
	assert_memory_equal(r->a.info.own_key.b, r->a.key.pk.b, VX6_SIGN_PK_BYTES);
	assert_memory_equal(r->b.info.own_key.b, r->b.key.pk.b, VX6_SIGN_PK_BYTES);
	assert_memory_equal(r->b.info.peer_key.b, r->a.key.pk.b, VX6_SIGN_PK_BYTES);
	vx6_link_close(r->a.link, VX6_OK);
	assert_true(rig_until(r, side_is_down, &r->b, 3000));

	r->a.down_n = 0;
	assert_true(vx6_is_ok(rig_dial(r, false, &old_b)));
	assert_true(rig_until(r, side_is_down, &r->a, 3000));
	assert_int_equal(r->a.why.code, VX6_E_WRONG_PEER);
}

static void set_key__during_a_handshake__link_comes_up_with_a_key_it_names(void **state)
{
	struct vx6_sign_pk old_a, old_b;

	assert_true(vx6_is_ok(rig_dial(r, false, NULL)));
	swap_key(&r->a, &old_a);
	rig_run_ms(r, 1);
	swap_key(&r->b, &old_b);
	assert_true(rig_until(r, side_is_up, &r->a, 3000));
	assert_true(rig_until(r, side_is_up, &r->b, 3000));
	assert_memory_equal(r->a.info.own_key.b, r->b.info.peer_key.b, VX6_SIGN_PK_BYTES);
	assert_memory_equal(r->b.info.own_key.b, r->a.info.peer_key.b, VX6_SIGN_PK_BYTES);
}

static void link__anonymous__names_no_own_key(void **state)
{
	static const struct vx6_sign_pk none;

	assert_true(vx6_is_ok(rig_dial(r, true, NULL)));
	assert_true(rig_until(r, side_is_up, &r->a, 3000));
	assert_memory_equal(r->a.info.own_key.b, none.b, sizeof none.b);
}

/* ---- streams ---- */

static void stream__echo_of_3_mb__comes_back_byte_exact(void **state)
{
	struct end *e;

	r->b.echo = true;
	rig_connect(r);
	e = end_open(&r->a);
	e->tx_seed = e->rx_seed = 7;
	end_send(e, 3000001, true);
	assert_true(rig_until(r, end_is_closed, e, 20000));
	assert_int_equal(e->why.code, VX6_E_OK);
	assert_int_equal(e->rx, 3000001);
	assert_false(e->corrupt);
	assert_true(rig_until(r, end_is_closed, r->b.end[0], 3000));
	assert_int_equal(r->b.end[0]->why.code, VX6_E_OK);
}

static void stream__acceptor_opens__works_the_same(void **state)
{
	struct end *e;

	r->a.echo = true;
	rig_connect(r);
	e = end_open(&r->b);
	e->tx_seed = e->rx_seed = 9;
	end_send(e, 100000, true);
	assert_true(rig_until(r, end_is_closed, e, 20000));
	assert_int_equal(e->rx, 100000);
	assert_false(e->corrupt);
}

static void stream__half_close_by_opener__answer_of_1_mb_still_comes(void **state)
{
	struct end *e;

	r->b.echo = false;
	rig_connect(r);
	e = end_open(&r->a);
	e->tx_seed = 3;
	e->rx_seed = 0;
	end_send(e, 1000000, true);
	assert_true(rig_until(r, side_is_up, &r->b, 100));
	while (!r->b.ends_n)
		rig_run_ms(r, 2);
	r->b.end[0]->rx_seed = 3;
	assert_true(rig_until(r, end_got_fin, r->b.end[0], 20000));
	assert_int_equal(r->b.end[0]->rx, 1000000);
	assert_int_equal(e->closed_n, 0);
	end_send(r->b.end[0], 1000000, true);
	assert_true(rig_until(r, end_is_closed, e, 20000));
	assert_int_equal(e->rx, 1000000);
	assert_false(e->corrupt);
	assert_int_equal(e->why.code, VX6_E_OK);
}

static void stream__half_close_by_acceptor__opener_still_sends(void **state)
{
	struct end *e;

	r->b.reply_goal = 1000;
	r->b.reply_fin = true;
	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 1, false);
	assert_true(rig_until(r, end_got_fin, e, 3000));
	assert_int_equal(e->rx, 1000);
	assert_int_equal(e->closed_n, 0);
	end_send(e, 999999, true);
	assert_true(rig_until(r, end_is_closed, e, 20000));
	assert_true(rig_until(r, end_is_closed, r->b.end[0], 20000));
	assert_int_equal(r->b.end[0]->rx, 1000000);
	assert_false(r->b.end[0]->corrupt);
}

static void stream__empty_with_fin__seen_by_the_peer(void **state)
{
	struct end *e;

	r->b.reply_fin = true;
	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 0, true);
	assert_true(rig_until(r, end_is_closed, e, 3000));
	assert_int_equal(e->why.code, VX6_E_OK);
	assert_int_equal(r->b.ends_n, 1);
	assert_true(r->b.end[0]->got_fin);
	assert_int_equal(r->b.end[0]->rx, 0);
}

static void stream__never_committed__peer_hears_nothing(void **state)
{
	struct end *e;

	rig_connect(r);
	e = end_open(&r->a);
	rig_run_ms(r, 30);
	assert_int_equal(r->b.ends_n, 0);
	vx6_stream_reset(e->s, 5);
	assert_true(rig_until(r, end_is_closed, e, 1000));
	rig_run_ms(r, 30);
	assert_int_equal(r->b.ends_n, 0);
}

static void stream__reset_by_opener__peer_gets_the_code(void **state)
{
	struct end *e;

	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 10, false);
	while (!r->b.ends_n)
		rig_run_ms(r, 2);
	vx6_stream_reset(e->s, 0x1234);
	vx6_stream_reset(e->s, 0x1235);   /* idempotent */
	assert_int_equal(e->closed_n, 0); /* never from inside the call */
	assert_true(rig_until(r, end_is_closed, e, 3000));
	assert_int_equal(e->why.code, VX6_E_RESET);
	assert_int_equal(e->code, 0x1234);
	assert_true(rig_until(r, end_is_closed, r->b.end[0], 3000));
	assert_int_equal(r->b.end[0]->why.code, VX6_E_RESET);
	assert_int_equal(r->b.end[0]->code, 0x1234);
}

static void stream__reset_by_acceptor__opener_gets_the_code(void **state)
{
	struct end *e;

	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 100000000, false); /* more than the window: it is in the middle of sending */
	while (!r->b.ends_n || r->b.end[0]->rx < 100000)
		rig_run_ms(r, 2);
	vx6_stream_reset(r->b.end[0]->s, 77);
	assert_true(rig_until(r, end_is_closed, e, 3000));
	assert_int_equal(e->why.code, VX6_E_RESET);
	assert_int_equal(e->code, 77);
	assert_null(e->s);
	assert_true(rig_until(r, end_is_closed, r->b.end[0], 3000));
}

static void stream__receiver_sets_no_events__opener_is_reset(void **state)
{
	struct end *e;

	r->b.refuse_streams = true;
	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 100, false);
	assert_true(rig_until(r, end_is_closed, e, 3000));
	assert_int_equal(e->why.code, VX6_E_RESET);
}

/* Uses up whatever room the stream has, but for a single byte where that can be. */
static void leave_one_byte(struct end *e)
{
	int before;

	do {
		size_t cap;
		uint8_t *to;

		before = e->writable_n;
		while ((to = vx6_stream_reserve(e->s, &cap)) != NULL) {
			assert_true(cap >= VX6_RESERVE_LINK);
			memset(to, 0, cap - 1);
			vx6_stream_commit(e->s, cap - 1, false);
		}
		assert_int_equal(cap, 0);
		rig_run_ms(r, 100);
	} while (e->writable_n != before);
}

static bool was_writable(void *arg)
{
	return ((struct end *)arg)->writable_n > 0;
}

static void reserve__hardly_any_credit_left__none_until_there_is_more(void **state)
{
	struct vx6_transport_limits limits;
	struct end *e;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.stream_window = limits.stream_window_max = 64 * 1024;
	rig_start(r, *state, &limits, &limits);
	r->b.freeze = true;
	rig_connect(r);
	e = end_open(&r->a);
	leave_one_byte(e);
	assert_int_equal(r->b.ends_n, 1);
	assert_true(r->b.end[0]->rx > 64 * 1024 - VX6_RESERVE_LINK);
	e->writable_n = 0;
	end_thaw(r->b.end[0]);
	assert_true(rig_until(r, was_writable, e, 3000));
	end_send(e, 100000, true);
	assert_true(rig_until(r, end_got_fin, r->b.end[0], 5000));
}

static void stream__reader_stopped__bounded_and_others_flow(void **state)
{
	struct vx6_transport_limits limits;
	struct end *slow, *fast;

	vx6_transport_limits_default(&limits);
	r->b.freeze = true;
	rig_connect(r);
	slow = end_open(&r->a);
	slow->tx_seed = 0;
	end_send(slow, 100 << 20, true);
	rig_run_ms(r, 300);
	assert_int_equal(r->b.ends_n, 1);
	assert_true(r->b.end[0]->rx >= 65536);
	assert_true(r->b.end[0]->rx <= limits.stream_window_max);
	r->b.freeze = false;
	r->b.echo = true;
	fast = end_open(&r->a);
	end_send(fast, 5000000, true);
	assert_true(rig_until(r, end_is_closed, fast, 20000));
	assert_int_equal(fast->rx, 5000000);
	assert_false(fast->corrupt);
	assert_false(r->b.end[0]->got_fin);
	end_thaw(r->b.end[0]);
	assert_true(rig_until(r, end_got_fin, r->b.end[0], 60000));
	assert_int_equal(r->b.end[0]->rx, 100 << 20);
	assert_false(r->b.end[0]->corrupt);
}

static bool end_has_5_mb(void *arg)
{
	struct side *side = arg;

	return side->ends_n && side->end[0]->rx > 5000000;
}

static void stream__limited__no_more_than_that_lies_about_unread(void **state)
{
	enum { LIMIT = 512 * 1024 };
	struct end *e;

	r->b.limit = LIMIT;
	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 100 << 20, true);
	assert_true(rig_until(r, end_has_5_mb, &r->b, 20000));
	r->b.end[0]->frozen = true;
	rig_run_ms(r, 300);
	assert_in_range(r->b.end[0]->owed, 1, LIMIT);
	end_thaw(r->b.end[0]);
	assert_true(rig_until(r, end_got_fin, r->b.end[0], 60000));
	assert_int_equal(r->b.end[0]->rx, 100 << 20);
	assert_false(r->b.end[0]->corrupt);
}

static void stream__limit_below_the_first_window__still_flows(void **state)
{
	struct end *e;

	r->b.limit = 1;
	r->b.echo = true;
	rig_connect(r);
	e = end_open(&r->a);
	vx6_stream_limit(e->s, 1);
	end_send(e, 3000000, true);
	assert_true(rig_until(r, end_is_closed, e, 20000));
	assert_int_equal(e->rx, 3000000);
	assert_false(e->corrupt);
}

static bool all_closed(void *arg)
{
	struct side *side = arg;

	return side->open_n == 0;
}

static void streams__a_thousand_at_once__all_echo(void **state)
{
	enum { N = 1000 };

	r->b.echo = true;
	rig_connect(r);
	for (int i = 0; i < N; i++) {
		struct end *e = end_open(&r->a);

		assert_int_equal(e->why.code, VX6_E_OK);
		e->tx_seed = e->rx_seed = (uint8_t)i;
		end_send(e, 20000, true);
	}
	assert_true(rig_until(r, all_closed, &r->a, 30000));
	assert_true(rig_until(r, all_closed, &r->b, 3000));
	for (int i = 0; i < N; i++) {
		assert_int_equal(r->a.end[i]->rx, 20000);
		assert_false(r->a.end[i]->corrupt);
		assert_int_equal(r->a.end[i]->why.code, VX6_E_OK);
	}
	vx6_link_info(r->a.link, &r->a.info);
	assert_int_equal(r->a.info.streams, 0);
}

static bool two_ends_have_4_mb(void *arg)
{
	struct side *side = arg;

	return side->ends_n == 2 && side->end[0]->rx + side->end[1]->rx > 4000000;
}

static void streams__two_bulk_senders__share_fairly(void **state)
{
	struct end *e[2];
	uint64_t rx[2];

	rig_connect(r);
	for (int i = 0; i < 2; i++) {
		e[i] = end_open(&r->a);
		end_send(e[i], 1u << 30, false);
	}
	rig_run_ms(r, 300);
	assert_true(
		rig_until(r, two_ends_have_4_mb, &r->b, 20000)); /* a busy machine takes longer */
	rx[0] = r->b.end[0]->rx;
	rx[1] = r->b.end[1]->rx;
	assert_true(rx[0] > 1000000);
	assert_true(rx[1] > rx[0] / 2 && rx[0] > rx[1] / 2);
}

static void streams__above_the_limit__refused_and_link_lives(void **state)
{
	struct vx6_transport_limits limits;
	struct end *last, *one;
	int refused = 0;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.streams_max = 10;
	rig_start(r, *state, NULL, &limits);
	rig_connect(r);
	for (int i = 0; i < 20; i++) {
		struct end *e = end_open(&r->a);

		if (e->s)
			end_send(e, 10, false);
	}
	rig_run_ms(r, 100);
	assert_int_equal(r->b.open_n, 10);
	for (int i = 0; i < 20; i++)
		refused += !r->a.end[i]->s;
	assert_int_equal(refused, 10);
	vx6_stream_reset(r->a.end[0]->s, 0);
	rig_run_ms(r, 50);
	one = end_open(&r->a);
	assert_int_equal(one->why.code, VX6_E_OK);
	end_send(one, 10, false);
	rig_run_ms(r, 50);
	last = r->b.end[r->b.ends_n - 1];
	assert_int_equal(last->rx, 10);
	assert_int_equal(r->a.down_n, 0);
}

/* ---- ends ---- */

static void link__closed_by_us__streams_closed_then_down_once_on_both_sides(void **state)
{
	rig_connect(r);
	for (int i = 0; i < 50; i++)
		end_send(end_open(&r->a), 1000, false);
	while (r->b.ends_n < 50)
		rig_run_ms(r, 2);
	vx6_link_close(r->a.link, VX6_ERR(DUPLICATE));
	vx6_link_close(r->a.link, VX6_ERR(IDLE));
	assert_int_equal(r->a.down_n, 0);
	assert_true(rig_until(r, side_is_down, &r->a, 3000));
	assert_true(rig_until(r, side_is_down, &r->b, 3000));
	rig_run_ms(r, 20);
	assert_int_equal(r->a.down_n, 1);
	assert_int_equal(r->b.down_n, 1);
	assert_int_equal(r->a.why.code, VX6_E_DUPLICATE);
	assert_int_equal(r->b.why.code, VX6_E_DUPLICATE); /* the code tells the peer */
	for (int i = 0; i < 50; i++) {
		assert_int_equal(r->a.end[i]->closed_n, 1);
		assert_int_equal(r->a.end[i]->why.code, VX6_E_DUPLICATE);
		assert_int_equal(r->b.end[i]->closed_n, 1);
	}
}

/* @p ender ends the link while bytes of @p other, that it has not read, wait at its socket: the reason still arrives. */
static void end_in_mid_stream(const struct vx6_transport_ops *ops, bool by_acceptor, int sending)
{
	struct side *ender = by_acceptor ? &r->b : &r->a, *other = by_acceptor ? &r->a : &r->b;

	rig_stop(r);
	rig_start(r, ops, NULL, NULL);
	r->b.freeze = r->a.freeze = true;
	rig_connect(r);
	for (int i = 0; i < sending; i++)
		end_send(end_open(other), 1 << 20, false);
	for (int i = 0; i < sending / 2; i++)
		end_send(end_open(ender), 1 << 20, false);
	vx6_link_close(ender->link, VX6_ERR(DUPLICATE));
	end_send(end_open(other), 1 << 20, false);
	assert_true(rig_until(r, side_is_down, other, 3000));
	assert_true(rig_until(r, side_is_down, ender, 3000));
	assert_int_equal(ender->why.code, VX6_E_DUPLICATE);
	assert_int_equal(other->why.code, VX6_E_DUPLICATE);
}

static void link__closed_with_unread_input__peer_gets_the_reason(void **state)
{
	for (int i = 0; i < 20; i++)
		end_in_mid_stream(*state, i % 2, i / 2);
}

static void link__data_then_close__peer_reads_the_data_first(void **state)
{
	struct end *e;

	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 5000, false);
	rig_run_ms(r, 20);
	end_send(e, 5000, true);
	rig_run_ms(r, 20);
	vx6_link_close(r->a.link, VX6_OK);
	assert_true(rig_until(r, side_is_down, &r->b, 3000));
	assert_int_equal(r->b.end[0]->rx, 10000);
	assert_true(r->b.end[0]->got_fin);
}

static void transport__freed_with_links_and_streams__all_told(void **state)
{
	r->b.echo = true;
	rig_connect(r);
	for (int i = 0; i < 20; i++)
		end_send(end_open(&r->a), 1 << 20, false);
	rig_run_ms(r, 5);
	rig_stop(r); /* checks it */
	assert_int_equal(r->a.down_n, 1);
	assert_int_equal(r->b.down_n, 1);
	rig_start(r, *state, NULL, NULL);
}

static void link__drain__peer_opens_no_more_and_old_streams_finish(void **state)
{
	struct end *e, *late;

	r->b.echo = true;
	rig_connect(r);
	e = end_open(&r->a);
	end_send(e, 100, false);
	rig_run_ms(r, 20);
	vx6_link_drain(r->b.link);
	rig_run_ms(r, 50);
	assert_int_equal(r->a.draining_n, 1);
	late = end_open(&r->a);
	assert_int_equal(late->why.code, VX6_E_DRAINING);
	end_send(e, 100000, true);
	assert_true(rig_until(r, end_is_closed, e, 3000));
	assert_int_equal(e->rx, 100100);
	assert_int_equal(e->why.code, VX6_E_OK);
}

static void link__silence__ends_with_idle(void **state)
{
	struct vx6_transport_limits limits;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.idle_ms = 200;
	limits.keepalive_ms = 0;
	rig_start(r, *state, &limits, &limits);
	rig_connect(r);
	assert_true(rig_until(r, side_is_down, &r->a, 3000));
	assert_true(rig_until(r, side_is_down, &r->b, 3000));
	assert_true(r->a.why.code == VX6_E_IDLE || r->b.why.code == VX6_E_IDLE);
}

static void link__keepalive__outlives_the_idle_limit(void **state)
{
	struct vx6_transport_limits limits;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.idle_ms = 300;
	limits.keepalive_ms = 60;
	rig_start(r, *state, &limits, &limits);
	rig_connect(r);
	rig_run_ms(r, 1000);
	assert_int_equal(r->a.down_n, 0);
	assert_int_equal(r->b.down_n, 0);
}

static void link__links_max__further_dials_fail(void **state)
{
	struct vx6_transport_limits limits;
	struct vx6_link *first;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.links_max = 1;
	rig_start(r, *state, &limits, NULL);
	rig_connect(r);
	first = r->a.link;
	assert_int_equal(rig_dial(r, false, NULL).code, VX6_E_FULL);
	r->a.link = first;
}

#define T(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, (void *)(uintptr_t)ops)

static int family_run(const struct vx6_transport_ops *ops)
{
	/* for families that make their links themselves; one whose links come from elsewhere has no set_key */
	const struct CMUnitTest dial_tests[] = {
		T(link__mutual_keys__both_know_each_other),
		T(dial__no_expected_key__learns_the_peers_key),
		T(dial__another_key_expected__refused_before_up),
		T(dial__anonymous__acceptor_sees_no_key),
		T(dial__nobody_listens__refused_at_once_and_never_up),
		T(set_key__new_links_use_it_and_old_ones_go_on),
		T(set_key__during_a_handshake__link_comes_up_with_a_key_it_names),
		T(link__anonymous__names_no_own_key),
		T(link__links_max__further_dials_fail),
	};
	const struct CMUnitTest tests[] = {
		T(link__two_links__channel_bindings_differ),
		T(stream__echo_of_3_mb__comes_back_byte_exact),
		T(stream__acceptor_opens__works_the_same),
		T(stream__half_close_by_opener__answer_of_1_mb_still_comes),
		T(stream__half_close_by_acceptor__opener_still_sends),
		T(stream__empty_with_fin__seen_by_the_peer),
		T(stream__never_committed__peer_hears_nothing),
		T(stream__reset_by_opener__peer_gets_the_code),
		T(stream__reset_by_acceptor__opener_gets_the_code),
		T(stream__receiver_sets_no_events__opener_is_reset),
		T(reserve__hardly_any_credit_left__none_until_there_is_more),
		T(stream__reader_stopped__bounded_and_others_flow),
		T(stream__limited__no_more_than_that_lies_about_unread),
		T(stream__limit_below_the_first_window__still_flows),
		T(streams__a_thousand_at_once__all_echo),
		T(streams__two_bulk_senders__share_fairly),
		T(streams__above_the_limit__refused_and_link_lives),
		T(link__closed_by_us__streams_closed_then_down_once_on_both_sides),
		T(link__closed_with_unread_input__peer_gets_the_reason),
		T(link__data_then_close__peer_reads_the_data_first),
		T(transport__freed_with_links_and_streams__all_told),
		T(link__drain__peer_opens_no_more_and_old_streams_finish),
		T(link__silence__ends_with_idle),
		T(link__keepalive__outlives_the_idle_limit),
	};
	int failed = 0;

	printf("family %s\n", ops->name);
	if (ops->set_key)
		failed = cmocka_run_group_tests_name(ops->name, dial_tests, NULL, NULL);
	return failed + cmocka_run_group_tests_name(ops->name, tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	static const struct vx6_transport_ops *const families[] = {VX6_TEST_FAMILIES};
	int failed = 0;

	for (size_t i = 0; i < VX6_ARRAY_N(families); i++)
		if (argc < 2 || strcmp(argv[1], families[i]->name) == 0)
			failed += family_run(families[i]);
	return failed;
}
