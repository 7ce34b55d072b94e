/* Relays: what they take, where they lead, what they refuse and with which code, what they hold, and how circuits end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/endlink.h"
#include "circuit/relay_crypt.h"
#include "crypto/secret.h"
#include "relay_rig.h"
#include "transport/mem/mem.h"
#include "wire/code.h"

/* One client and three relays, who have global addresses. The client knows the first one. */
static struct relay_node r1, r2, r3;
static struct test_node client_node;
static struct client c;

static void rig_start(const struct vx6_relay_config *cfg)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	test_loop_start();
	node_start_at(&client_node, "[2001:db8:1::1]:0");
	relay_start_with(&r1, "[2001:db8:2::1]:0", cfg);
	relay_start_with(&r2, "[2001:db8:3::1]:0", cfg);
	relay_start_with(&r3, "[2001:db8:4::1]:0", cfg);
	assert_true(vx6_is_ok(node_dial(&client_node, &r1.n, &r1.n.id.id, false, detail)));
	client_init(&c);
}

static int setup(void **state)
{
	static const struct vx6_relay_config plain = {0};

	rig_start(*state ? *state : &plain);
	return 0;
}

static int teardown(void **state)
{
	client_free(&c);
	relay_stop(&r1);
	relay_stop(&r2);
	relay_stop(&r3);
	node_stop(&client_node);
	test_loop_end();
	return 0;
}

static void first(void)
{
	client_create(&c, client_node.session, &r1);
}

static void two_hops(void)
{
	first();
	assert_int_equal(client_extend(&c, &r2), 0);
}

static bool none_left(void *arg)
{
	return relay_stats(arg).circuits == 0;
}

/* ---- building ---- */

static void relay__create__answers_and_pings_come_back(void **state)
{
	struct vx6_relay_stats st;

	first();
	assert_true(client_ping(&c, 0));
	client_send(&c, 0, VX6_PAYLOAD_PAD, "\0x", 2);
	assert_true(client_ping(&c, 0));
	st = relay_stats(&r1);
	assert_int_equal(st.circuits, 1);
	assert_int_equal(st.resting, 1);
	assert_int_equal(st.half, 0);
	assert_int_equal(st.creates_ok, 1);
	assert_int_equal(st.cells_forward, 3);
	assert_int_equal(st.cells_back, 2);
}

static void relay__extend__leads_on_over_three_hops(void **state)
{
	struct vx6_relay_stats st;

	two_hops();
	assert_int_equal(client_extend(&c, &r3), 0);
	for (int i = 0; i < 3; i++)
		assert_true(client_ping(&c, i));
	assert_false(c.garbled);
	st = relay_stats(&r1);
	assert_int_equal(st.middle, 1);
	assert_int_equal(st.extends_ok, 1);
	assert_true(st.cells_forward > 0 && st.cells_back > 0);
	assert_int_equal(relay_stats(&r2).middle, 1);
	assert_int_equal(relay_stats(&r3).resting, 1);
	client_free(&c);
	client_init(&c);
	patient_run(none_left, &r1);
	patient_run(none_left, &r2);
	patient_run(none_left, &r3);
}

static void relay__session_with_next_hop_is_there__is_used(void **state)
{
	two_hops();
	client_free(&c);
	client_init(&c);
	patient_run(none_left, &r2);
	two_hops();
	assert_int_equal(r2.n.ups, 1);
}

static bool second_has_closed(void *arg)
{
	return relay_stats(&r1).circuits == 0 && relay_stats(&r2).circuits == 0;
}

static void relay__two_want_the_same_node__share_a_dial(void **state)
{
	static struct client d;
	struct handshake *h, *k;

	client_init(&d);
	first();
	client_create(&d, client_node.session, &r1);
	h = client_extend_ask(&c, &r2, r2.record, r2.record_n);
	k = client_extend_ask(&d, &r2, r2.record, r2.record_n);
	assert_int_equal(client_wait(&c, 0)->type, VX6_PAYLOAD_EXTENDED);
	assert_int_equal(client_wait(&d, 0)->type, VX6_PAYLOAD_EXTENDED);
	assert_int_equal(r2.n.ups, 1);
	assert_int_equal(relay_stats(&r1).dials, 0);
	handshake_free(h);
	handshake_free(k);
	client_free(&d);
	client_free(&c);
	client_init(&c);
	patient_run(second_has_closed, NULL);
}

/* ---- in one breath ---- */

static bool is_answered(void *arg)
{
	return c.created || c.closed;
}

/* Sends a CREATE for r1 with one for @p to inside. @return code of REFUSED; 0: made */
static uint32_t nested(const struct relay_node *to)
{
	uint8_t cm[VX6_CM_MAX], sm[VX6_SM_MAX], cell[VX6_CELL_BYTES] = {0};
	struct vx6_client_msg msg = {.has_next = true};
	struct handshake *inner = handshake_begin(to, NULL, 0, &msg.next), *outer;
	struct vx6_create create;
	struct vx6_created created;
	struct vx6_server_msg answer;
	struct vx6_wr w;
	size_t n, used;
	int sm_n;

	memcpy(msg.next_node, to->n.id.id.b, sizeof msg.next_node);
	vx6_wr_init(&w, cm, sizeof cm);
	vx6_client_msg_encode(&w, &msg);
	assert_true(vx6_is_ok(vx6_wr_done(&w, &n)));
	outer = handshake_begin(&r1, cm, n, &create);
	assert_true(vx6_is_ok(vx6_cell_put_create(cell, &create, &used)));
	client_open(&c, client_node.session);
	client_cell(&c, cell);
	patient_run(is_answered, NULL);
	assert_true(c.created);
	created = (struct vx6_created){.hs = c.created_hs, .hs_n = c.created_n};
	sm_n = client_layer(&c, outer, &created, sm);
	assert_true(sm_n > 0);
	assert_true(vx6_is_ok(vx6_server_msg_decode(sm, (size_t)sm_n, &answer)));
	if (!answer.has_inner) {
		handshake_free(inner);
		return answer.refused;
	}
	assert_int_equal(client_layer(&c, inner, &answer.inner, sm), 0);
	return 0;
}

static void relay__next_in_create__builds_two_hops_at_once(void **state)
{
	relay_knows(&r1, &r2);
	assert_int_equal(nested(&r2), 0);
	assert_true(client_ping(&c, 0));
	assert_true(client_ping(&c, 1));
	assert_int_equal(client_extend(&c, &r3), 0);
	assert_true(client_ping(&c, 2));
}

static void relay__next_is_unknown__says_so_and_stays(void **state)
{
	assert_int_equal(nested(&r2), VX6_CODE_NOT_FOUND);
	assert_true(client_ping(&c, 0));
	assert_int_equal(client_extend(&c, &r2), 0);
	assert_true(client_ping(&c, 1));
}

/* ---- what is refused ---- */

static void extend_refused(const struct relay_node *to, uint32_t code,
			   enum vx6_relay_extend_refused why)
{
	uint64_t before = relay_stats(&r1).extends_refused[why];

	assert_int_equal(client_extend(&c, to), code);
	assert_int_equal(relay_stats(&r1).extends_refused[why], before + 1);
	assert_true(client_ping(&c, 0));
}

static void relay__extend_to_itself_or_back__is_refused(void **state)
{
	static struct relay_node as_client;

	first();
	extend_refused(&r1, VX6_CODE_CIRC_POLICY, VX6_RELAY_EXTEND_POLICY);
	relay_start(&as_client, "[2001:db8:9::1]:0", NULL);
	as_client.n.id.id = client_node.id.id;
	extend_refused(&as_client, VX6_CODE_CIRC_POLICY, VX6_RELAY_EXTEND_POLICY);
	relay_stop(&as_client);
	assert_int_equal(r1.checked, 0);
}

static void relay__addresses_of_other_kinds__are_not_dialled(void **state)
{
	static const char *const at[] = {"127.0.0.1:0", "[::1]:0", "10.1.2.3:0", "[fd00::7]:0",
					 "[fe80::1]:0"};
	static struct relay_node bad;

	first();
	for (size_t i = 0; i < VX6_ARRAY_N(at); i++) {
		relay_start(&bad, at[i], NULL);
		extend_refused(&bad, VX6_CODE_CIRC_POLICY, VX6_RELAY_EXTEND_POLICY);
		assert_int_equal(bad.n.ups, 0);
		relay_stop(&bad);
	}
}

static void relay__private_itself__dials_private_ones_but_not_loopback(void **state)
{
	static struct relay_node lab, other, host;
	char detail[VX6_DIAL_DETAIL_MAX];

	relay_start(&lab, "[fd00:1::1]:0", NULL);
	relay_start(&other, "[fd00:2::1]:0", NULL);
	relay_start(&host, "[::1]:0", NULL);
	assert_true(vx6_is_ok(node_dial(&client_node, &lab.n, NULL, false, detail)));
	client_create(&c, client_node.session, &lab);
	assert_int_equal(client_extend(&c, &host), VX6_CODE_CIRC_POLICY);
	assert_int_equal(client_extend(&c, &other), 0);
	assert_true(client_ping(&c, 1));
	client_free(&c);
	client_init(&c);
	relay_stop(&lab);
	relay_stop(&other);
	relay_stop(&host);
}

static void relay__record_is_wrong__is_refused(void **state)
{
	uint8_t broken[VX6_ENDPOINT_MAX];

	first();
	assert_int_equal(client_extend_with(&c, &r2, r3.record, r3.record_n), VX6_CODE_WRONG_PEER);
	memcpy(broken, r2.record, r2.record_n);
	broken[r2.record_n - 1] ^= 1;
	assert_int_equal(client_extend_with(&c, &r2, broken, r2.record_n), VX6_CODE_SIG);
	assert_int_equal(client_extend_with(&c, &r2, broken, 20), VX6_CODE_BAD_FORMAT);
	assert_int_equal(relay_stats(&r1).extends_refused[VX6_RELAY_EXTEND_RECORD], 3);
	assert_int_equal(client_extend_with(&c, &r2, NULL, 0), VX6_CODE_NOT_FOUND);
	assert_int_equal(r2.n.ups, 0);
	assert_int_equal(client_extend(&c, &r2), 0);
}

static void relay__somebody_else_is_there__is_unreachable(void **state)
{
	static struct relay_node gone;
	struct vx6_identity id;

	relay_start(&gone, "[2001:db8:9::1]:0", NULL);
	first();
	relay_knows(&r1, &gone);
	id = gone.n.id;
	relay_stop(&gone);
	gone.n.id = id;
	/* its keys are needed for the handshake only */
	gone.keys = vx6_onion_keys_new(&(struct vx6_onion_keys_config){.loop = test_loop});
	assert_int_equal(client_extend_with(&c, &gone, NULL, 0), VX6_CODE_CIRC_UNREACHABLE);
	r1.known[0].addrs[0].addr = r3.n.at;
	assert_int_equal(client_extend_with(&c, &gone, NULL, 0), VX6_CODE_CIRC_UNREACHABLE);
	vx6_onion_keys_free(gone.keys);
	assert_true(client_ping(&c, 0));
}

static void relay__modes__say_who_may_extend(void **state)
{
	struct vx6_relaying_budget b = {.mode = VX6_RELAYING_OFF};

	first();
	vx6_relay_set_budget(r1.relay, &b);
	extend_refused(&r2, VX6_CODE_CIRC_POLICY, VX6_RELAY_EXTEND_POLICY);
	b.mode = VX6_RELAYING_PRIVATE;
	vx6_relay_set_budget(r1.relay, &b);
	extend_refused(&r2, VX6_CODE_CIRC_POLICY, VX6_RELAY_EXTEND_POLICY);
	r1.is_peer = true;
	assert_int_equal(client_extend(&c, &r2), 0);
}

static void relay__private_mode_and_nameless_neighbour__is_refused(void **state)
{
	const struct vx6_relaying_budget b = {.mode = VX6_RELAYING_PRIVATE};
	char detail[VX6_DIAL_DETAIL_MAX];

	vx6_relay_set_budget(r1.relay, &b);
	r1.is_peer = true;
	assert_true(vx6_is_ok(node_dial(&client_node, &r1.n, &r1.n.id.id, true, detail)));
	first();
	extend_refused(&r2, VX6_CODE_CIRC_POLICY, VX6_RELAY_EXTEND_POLICY);
}

static void relay__next_hop_refuses__its_code_comes_back(void **state)
{
	struct handshake *h;
	uint8_t payload[VX6_CELL_PAYLOAD];
	struct vx6_extend e = {.record = r2.record, .record_n = r2.record_n};
	struct vx6_payload p;
	uint16_t code;
	size_t used;

	first();
	/* a key that r2 does not have */
	h = handshake_begin(&r3, NULL, 0, &e.create);
	memcpy(e.node, r2.n.id.id.b, sizeof e.node);
	assert_true(vx6_is_ok(vx6_payload_put_extend(payload, &e, &used)));
	client_send(&c, 0, VX6_PAYLOAD_EXTEND, payload + VX6_PAYLOAD_HEADER,
		    used - VX6_PAYLOAD_HEADER);
	assert_int_equal(client_wait(&c, 0)->type, VX6_PAYLOAD_REFUSED);
	p = (struct vx6_payload){.type = VX6_PAYLOAD_REFUSED,
				 .data = c.got[0].data,
				 .n = c.got[0].n};
	assert_true(vx6_is_ok(vx6_payload_get_code(&p, &code)));
	assert_int_equal(code, VX6_CODE_STALE);
	handshake_free(h);
	assert_int_equal(relay_stats(&r2).creates_refused[VX6_RELAY_CREATE_KEY], 1);
	assert_int_equal(client_extend(&c, &r2), 0);
}

/* ---- replay, rotation ---- */

/* Sends @p cell on a circuit of its own. @return how that ended; 0: it was taken */
static uint32_t send_create(const uint8_t *cell)
{
	client_free(&c);
	client_init(&c);
	client_open(&c, client_node.session);
	client_cell(&c, cell);
	patient_run(is_answered, NULL);
	return c.created ? 0 : c.code;
}

static void relay__create_comes_again__is_refused_also_after_a_rotation(void **state)
{
	uint8_t used[VX6_CELL_BYTES] = {0}, unused[VX6_CELL_BYTES] = {0};
	struct vx6_create create;
	struct handshake *h = handshake_begin(&r1, NULL, 0, &create);
	size_t n;

	assert_true(vx6_is_ok(vx6_cell_put_create(used, &create, &n)));
	handshake_free(h);
	h = handshake_begin(&r1, NULL, 0, &create);
	assert_true(vx6_is_ok(vx6_cell_put_create(unused, &create, &n)));
	handshake_free(h);

	assert_int_equal(send_create(used), 0);
	assert_int_equal(send_create(used), VX6_CODE_CIRC_REPLAY);
	used[VX6_CELL_BYTES - 1] ^= 1; /* fill */
	assert_int_equal(send_create(used), VX6_CODE_CIRC_REPLAY);
	vx6_onion_keys_rotate(r1.keys);
	assert_int_equal(send_create(used), VX6_CODE_CIRC_REPLAY);
	assert_int_equal(send_create(unused), 0); /* the key before is still good */
	assert_int_equal(send_create(unused), VX6_CODE_CIRC_REPLAY);
	vx6_onion_keys_rotate(r1.keys);
	assert_int_equal(send_create(used), VX6_CODE_STALE);
	assert_int_equal(send_create(unused), VX6_CODE_STALE);
	assert_int_equal(relay_stats(&r1).creates_refused[VX6_RELAY_CREATE_REPLAY], 4);
	assert_int_equal(relay_stats(&r1).creates_refused[VX6_RELAY_CREATE_KEY], 2);
}

static void relay__create_that_proves_nothing__spends_nothing(void **state)
{
	uint8_t cell[VX6_CELL_BYTES] = {0};
	struct vx6_create create;
	struct handshake *h = handshake_begin(&r1, NULL, 0, &create);
	struct vx6_onion_keys_view view;
	size_t n;

	assert_true(vx6_is_ok(vx6_cell_put_create(cell, &create, &n)));
	handshake_free(h);
	cell[n - 1] ^= 1; /* its MAC */
	assert_int_equal(send_create(cell), VX6_CODE_CIRC_PROTO);
	vx6_onion_keys_view(r1.keys, &view);
	assert_int_equal(view.key[0].spent, 0);
	cell[n - 1] ^= 1;
	assert_int_equal(send_create(cell), 0);
	vx6_onion_keys_view(r1.keys, &view);
	assert_int_equal(view.key[0].spent, 1);
}

/* ---- violations ---- */

static void cell_ends(uint8_t cmd, uint32_t code)
{
	uint8_t cell[VX6_CELL_BYTES] = {cmd, 1};

	client_cell(&c, cell);
	assert_int_equal(client_wait_closed(&c), code);
	client_free(&c);
	client_init(&c);
}

static void relay__cells_out_of_order__end_the_circuit(void **state)
{
	static const uint8_t before[] = {0,  VX6_CELL_CREATE, VX6_CELL_CREATED, VX6_CELL_RELAY, 5,
					 255};
	static const uint8_t after[] = {0, VX6_CELL_CREATE, VX6_CELL_CREATED, VX6_CELL_RELAY, 5};
	uint8_t pad[VX6_CELL_BYTES] = {VX6_CELL_PAD};

	for (size_t i = 0; i < VX6_ARRAY_N(before); i++) {
		client_open(&c, client_node.session);
		client_cell(&c, pad);
		cell_ends(
			before[i],
			VX6_CODE_CIRC_PROTO); /* the first byte of a CREATE's body is not its version's length */
	}
	for (size_t i = 0; i < VX6_ARRAY_N(after); i++) {
		first();
		client_cell(&c, pad);
		assert_true(client_ping(&c, 0));
		cell_ends(after[i], VX6_CODE_CIRC_PROTO);
	}
	assert_int_equal(relay_stats(&r1).circuits, 0);
}

static void message_ends(enum vx6_payload_type type, const void *data, size_t n)
{
	client_send(&c, 0, type, data, n);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_PROTO);
	client_free(&c);
	client_init(&c);
}

static void relay__messages_that_cannot_be__end_the_circuit(void **state)
{
	uint8_t frames[16] = {0};

	for (int type = 0; type < 12; type++) {
		if (type == VX6_PAYLOAD_PAD)
			continue;
		first();
		message_ends((enum vx6_payload_type)type, "\0\1\2", 3);
	}
	two_hops(); /* a hop that leads on takes no streams */
	message_ends(VX6_PAYLOAD_STREAMS, frames, sizeof frames);
	patient_run(second_has_closed, NULL);
	assert_true(relay_stats(&r1).violations >= 11);
}

static void relay__payload_says_more_than_there_is__ends_the_circuit(void **state)
{
	uint8_t data[VX6_PAYLOAD_MAX] = {0}, payload[VX6_CELL_PAYLOAD] = {VX6_PAYLOAD_PAD};

	first();
	client_send(&c, 0, VX6_PAYLOAD_PAD, data, sizeof data);
	assert_true(client_ping(&c, 0));
	payload[1] = (VX6_PAYLOAD_MAX + 1) >> 8;
	payload[2] = (VX6_PAYLOAD_MAX + 1) & 0xff;
	client_payload(&c, 0, payload);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_PROTO);
}

static void relay__second_extend__ends_the_circuit(void **state)
{
	struct handshake *h, *k;

	/* while the first is under way */
	first();
	h = client_extend_ask(&c, &r2, r2.record, r2.record_n);
	k = client_extend_ask(&c, &r3, r3.record, r3.record_n);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_PROTO);
	handshake_free(h);
	handshake_free(k);
	client_free(&c);
	client_init(&c);
	assert_int_equal(relay_stats(&r1).dials, 0);
	/* and after it */
	two_hops();
	c.layers_n = 1;
	h = client_extend_ask(&c, &r3, r3.record, r3.record_n);
	c.layers_n = 2;
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_PROTO);
	handshake_free(h);
	patient_run(second_has_closed, NULL);
}

static void relay__ninth_extend__ends_the_circuit(void **state)
{
	first();
	for (int i = 0; i < VX6_EXTEND_MAX; i++)
		assert_int_equal(client_extend(&c, &r1), VX6_CODE_CIRC_POLICY);
	assert_int_equal(client_extend(&c, &r1), VX6_CODE_CIRC_PROTO);
	assert_int_equal(c.closed, 1);
}

/* ---- the end ---- */

static struct vx6_endlink *own_end;
static bool own_breaks; /* what it sends is followed by a cell that may not be */
static int own_at;      /* payloads that it was given */

static uint8_t end_data[VX6_PAYLOAD_MAX];

static uint8_t *on_own_room(void *user, size_t *cap)
{
	*cap = sizeof end_data;
	return vx6_hop_room(c.hop) ? end_data : NULL;
}

static void on_own_send(void *user, size_t n)
{
	uint8_t bad[VX6_CELL_BYTES] = {VX6_CELL_CREATE};

	client_send(&c, c.layers_n - 1, VX6_PAYLOAD_STREAMS, end_data, n);
	if (own_breaks)
		client_cell(&c, bad);
}

static void on_own_close(void *user, vx6_err why)
{
}

static const struct vx6_endlink_io own_io = {.room = on_own_room,
					     .send = on_own_send,
					     .close = on_own_close};

/* Hands what came to the client's end of the link. */
static void own_pump(void)
{
	for (; own_at < c.got_n; own_at++) {
		const struct got *g = &c.got[own_at % GOT_MAX];

		assert_int_equal(g->type, VX6_PAYLOAD_STREAMS);
		assert_true(vx6_is_ok(vx6_endlink_input(own_end, g->data, g->n)));
	}
	vx6_endlink_batch_end(own_end);
}

static void own_begin(struct relay_node *last, struct vx6_session **s)
{
	struct vx6_endlink_config cfg = {.loop = test_loop, .initiator = true, .io = &own_io};
	const struct vx6_adopt how = {.initiator = true,
				      .expect_node = true,
				      .proven = true,
				      .node = last->n.id.id,
				      .route = 1};

	own_at = c.got_n;
	memcpy(cfg.binding, c.binding, sizeof cfg.binding);
	own_end = vx6_endlink_new(&cfg);
	assert_true(
		vx6_is_ok(vx6_sessions_adopt(client_node.m, vx6_endlink_link(own_end), &how, s)));
}

static void on_no_outcome(void *user, vx6_err err, struct vx6_stream *stream,
			  const struct iovec *rest, int rest_n, bool fin)
{
	*(bool *)user = vx6_is_ok(err);
	if (stream)
		vx6_stream_set_events(stream, &test_stream_events, &client_node);
}

static void relay__streams_at_the_last_hop__make_a_session(void **state)
{
	static const struct vx6_opening_events ev = {.outcome = on_no_outcome};
	const struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .name = "web"};
	struct vx6_opening *o;
	struct vx6_session *s;
	struct handshake *h;
	bool ok = false;

	two_hops();
	own_begin(&r2, &s);
	test_run_ms(5);
	assert_true(vx6_is_ok(vx6_session_open(s, &what, &ev, &ok, &o)));
	for (int i = 0; i < 2000 && !ok; i++) {
		test_run_ms(1);
		own_pump();
	}
	assert_true(ok);
	assert_int_equal(r2.ends, 1);
	assert_string_equal(r2.n.asked, "web");
	assert_true(vx6_session_is_circuit(r2.end_session));
	assert_int_equal(relay_stats(&r2).end, 1);
	assert_int_equal(relay_stats(&r2).end_total, 1);
	/* no hop more from here */
	h = client_extend_ask(&c, &r3, r3.record, r3.record_n);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_DESTROYED);
	handshake_free(h);
	assert_int_equal(relay_stats(&r2).violations, 1);
	patient_run(second_has_closed, NULL);
	vx6_endlink_down(own_end, VX6_ERR(CLOSED));
}

/* What came right before a violation is still handed up, and answers to it have nowhere to go. */
static void relay__violation_right_behind_streams__ends_both(void **state)
{
	struct vx6_session *s;

	first();
	own_breaks = true;
	own_begin(&r1, &s);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_PROTO);
	own_breaks = false;
	assert_int_equal(r1.ends, 1);
	assert_int_equal(relay_stats(&r1).circuits, 0);
	vx6_endlink_down(own_end, VX6_ERR(CLOSED));
}

static void relay__circuit_inside_of_a_circuit__is_refused(void **state)
{
	static const struct vx6_opening_events ev = {.outcome = on_no_outcome};
	const struct vx6_open what = {.kind = VX6_OPEN_CIRCUIT};
	struct vx6_opening *o;
	struct vx6_session *s;
	bool ok = false;

	two_hops();
	own_begin(&r2, &s);
	test_run_ms(5);
	assert_true(vx6_is_ok(vx6_session_open(s, &what, &ev, &ok, &o)));
	for (int i = 0; i < 2000; i++) {
		if (relay_stats(&r2).creates_refused[VX6_RELAY_CREATE_POLICY])
			break;
		test_run_ms(1);
		own_pump();
	}
	assert_int_equal(relay_stats(&r2).creates_refused[VX6_RELAY_CREATE_POLICY], 1);
	assert_int_equal(relay_stats(&r2).circuits, 1);
	assert_false(ok);
	vx6_endlink_down(own_end, VX6_ERR(CLOSED));
}

static void relay__end_is_not_wanted__circuit_ends(void **state)
{
	struct vx6_session *s;

	first();
	r1.refuse_ends = true;
	own_begin(&r1, &s);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_POLICY);
	vx6_endlink_down(own_end, VX6_ERR(CLOSED));
	assert_int_equal(relay_stats(&r1).circuits, 0);
}

/* ---- a last hop that does with cells what a test wants ---- */

struct sink {
	struct relay_node *r;
	struct vx6_hop *hop;
	struct relay_crypt *crypt;
	uint64_t got, sent, goal;
	bool stopped, ready;
	int closed;
	uint32_t code;
};
static struct sink sink;

static bool on_sink_cell(struct vx6_hop *hop, uint8_t *cell, void *user)
{
	struct vx6_onion_keypair *key;
	struct vx6_create create;
	struct vx6_created created;
	struct relay_hs *hs;
	uint8_t cm[VX6_CM_MAX], out[VX6_CREATED_HS_MAX], *room;
	size_t n;

	if (sink.stopped)
		return false;
	if (cell[0] == VX6_CELL_RELAY) {
		assert_true(relay_crypt_forward(sink.crypt, cell));
		sink.got++;
		return true;
	}
	assert_true(vx6_is_ok(vx6_cell_get_create(cell, &create)));
	assert_true(vx6_is_ok(vx6_onion_keys_find(sink.r->keys, create.key_id, create.hs, &key)));
	assert_true(
		vx6_is_ok(relay_hs_take(&sink.r->n.id, key, create.hs, create.hs_n, cm, &n, &hs)));
	created.hs = out;
	assert_true(vx6_is_ok(relay_hs_answer(hs, NULL, 0, out, &created.hs_n, &sink.crypt)));
	room = vx6_hop_room(hop);
	assert_true(vx6_is_ok(vx6_cell_put_created(room, &created, &n)));
	vx6_hop_commit(hop);
	sink.ready = true;
	return true;
}

static void sink_pump(void)
{
	uint8_t *room;

	while (sink.sent < sink.goal && (room = vx6_hop_room(sink.hop)) != NULL) {
		memset(room, 0, VX6_CELL_BYTES);
		room[0] = VX6_CELL_RELAY;
		vx6_payload_seal(room + VX6_CELL_PAYLOAD_AT, VX6_PAYLOAD_PAD, 0);
		relay_crypt_own(sink.crypt, room);
		vx6_hop_commit(sink.hop);
		sink.sent++;
	}
}

static void on_sink_writable(struct vx6_hop *hop, void *user)
{
	sink_pump();
}

static void on_sink_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	sink.closed++;
	sink.code = code;
	sink.hop = NULL;
}

static const struct vx6_hop_events sink_events = {.cell = on_sink_cell,
						  .writable = on_sink_writable,
						  .closed = on_sink_closed};

static void on_sink_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			     const struct vx6_open *what, const struct iovec *rest, int rest_n,
			     bool fin)
{
	sink.hop = vx6_hop_new(sink.r->sched, stream, &sink_events, NULL);
	vx6_hop_answer(sink.hop);
	vx6_hop_feed(sink.hop, rest, rest_n);
}

static const struct test_hooks sink_hooks = {.incoming = on_sink_incoming};

/* A circuit over r1 and r2 whose last hop, r3, is the sink. */
static void with_sink(void)
{
	memset(&sink, 0, sizeof sink);
	sink.r = &r3;
	r3.n.hooks = &sink_hooks;
	two_hops();
	assert_int_equal(client_extend(&c, &r3), 0);
	assert_true(sink.ready);
}

static void sink_end(void)
{
	if (sink.hop)
		vx6_hop_close(sink.hop, VX6_CODE_CIRC_DESTROYED);
	relay_crypt_free(sink.crypt);
	memset(&sink, 0, sizeof sink);
}

static size_t bytes_at(const struct relay_node *r)
{
	struct vx6_hop_sched_stats st;

	vx6_hop_sched_stats(r->sched, &st);
	return st.bytes;
}

static bool sink_has(void *arg)
{
	return sink.got >= *(uint64_t *)arg;
}

static bool sink_is_closed(void *arg)
{
	return sink.closed > 0;
}

static bool client_has(void *arg)
{
	return c.cells >= *(uint64_t *)arg;
}

static bool both_hold_some(void *arg)
{
	return bytes_at(&r1) > 64 * 1024 && bytes_at(&r2) > 64 * 1024;
}

static void relay__reader_stops__each_relay_holds_a_window_at_most(void **state)
{
	uint64_t goal = 20000;
	size_t most = (VX6_HOP_WINDOW / VX6_CELL_BYTES + VX6_HOP_QUEUE + 2) * 1056;

	with_sink();
	c.stopped = true;
	sink.goal = goal;
	sink_pump();
	patient_run(both_hold_some, NULL);
	test_run_ms(200);
	assert_true(bytes_at(&r1) <= most && bytes_at(&r2) <= most);
	assert_true(sink.sent < goal);
	assert_int_equal(relay_stats(&r1).circuits, 1); /* nobody was ended for it */
	c.stopped = false;
	vx6_hop_resume(c.hop);
	patient_run(client_has, &goal);
	assert_false(c.garbled);
	assert_int_equal(bytes_at(&r1) + bytes_at(&r2), 0);
	sink_end();
}

static void relay__forward_reader_stops__client_halts(void **state)
{
	uint64_t sent = 0, goal;

	with_sink();
	sink.stopped = true;
	for (int i = 0; i < 200; i++) {
		while (vx6_hop_room(c.hop) && sent < 20000) {
			client_send(&c, 2, VX6_PAYLOAD_PAD, NULL, 0);
			sent++;
		}
		test_run_ms(1);
	}
	assert_true(sent < 20000);
	assert_true(bytes_at(&r1) <= 1200 * 1056 && bytes_at(&r2) <= 1200 * 1056);
	sink.stopped = false;
	goal = sent;
	vx6_hop_resume(sink.hop);
	patient_run(sink_has, &goal);
	sink_end();
}

static void relay__client_goes__all_that_waits_is_dropped(void **state)
{
	with_sink();
	c.stopped = true;
	sink.goal = 20000;
	sink_pump();
	patient_run(both_hold_some, NULL);
	vx6_hop_close(c.hop, VX6_CODE_CIRC_DESTROYED);
	c.hop = NULL;
	patient_run(none_left, &r1);
	patient_run(none_left, &r2);
	assert_int_equal(bytes_at(&r1) + bytes_at(&r2), 0);
	assert_true(relay_stats(&r1).cells_dropped > 0);
	patient_run(sink_is_closed, NULL);
	assert_int_equal(sink.code, VX6_CODE_CIRC_DESTROYED);
	sink_end();
}

static void relay__next_hop_dies__client_hears_of_it(void **state)
{
	with_sink();
	sink.goal = 5000;
	sink_pump();
	vx6_hop_close(sink.hop, VX6_CODE_CIRC_PROTO);
	sink.hop = NULL;
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_DESTROYED);
	assert_int_equal(relay_stats(&r1).circuits + relay_stats(&r2).circuits, 0);
	sink_end();
}

static void relay__link_of_next_hop_dies__client_hears_of_it(void **state)
{
	with_sink();
	vx6_session_close(r3.n.session, VX6_ERR(IDLE));
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_DESTROYED);
	assert_int_equal(sink.closed, 1);
	sink_end();
}

/* Its machine lost power: nothing is ever heard of it again. A link alone would wait for a minute. */
static void relay__next_hop_falls_silent__is_found_out(void **state)
{
	with_sink();
	vx6_mem_set_dead(r3.n.t, true);
	client_send(&c, 2, VX6_PAYLOAD_PAD, NULL, 0);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_DESTROYED);
	assert_int_equal(r2.n.last_down.code, VX6_E_TIMEOUT);
	sink_end();
}

static void relay__rate_is_limited__cells_wait(void **state)
{
	const struct vx6_relaying_budget slow = {.rate_mbit = 1};
	uint64_t goal = 75, begun_ms;

	with_sink();
	vx6_relay_set_budget(r1.relay, &slow);
	begun_ms = vx6_now_ms();
	for (uint64_t i = 0; i < goal; i++) {
		while (!vx6_hop_room(c.hop))
			test_run_ms(1);
		client_send(&c, 2, VX6_PAYLOAD_PAD, NULL, 0);
	}
	patient_run(sink_has, &goal);
	/* 75 KiB at 125 kB/s, of which 16 may be saved up */
	assert_true(vx6_now_ms() - begun_ms >= 400);
	sink_end();
}

/* ---- limits ---- */

enum { MANY = 300 };
static struct client many[MANY];

static void many_free(int n)
{
	for (int i = 0; i < n; i++)
		client_free(&many[i]);
}

static int count_closed(int n)
{
	int closed = 0;

	for (int i = 0; i < n; i++)
		closed += many[i].closed > 0;
	return closed;
}

static bool those_too_many_closed(void *arg)
{
	return count_closed(MANY) == MANY - 4 * VX6_RELAY_HALF_NETWORK;
}

/* Circuits that are opened and never created do not keep others out: the oldest of them gives way. */
static void relay__half_built_ones__give_way_to_the_next(void **state)
{
	char detail[VX6_DIAL_DETAIL_MAX];
	struct test_node honest;

	for (int i = 0; i < MANY; i++) {
		client_init(&many[i]);
		client_open(&many[i], client_node.session);
		if (i % 100 == 99)
			test_run_ms(500); /* within the rate */
	}
	assert_int_equal(relay_stats(&r1).half, 4 * VX6_RELAY_HALF_NETWORK);
	patient_run(those_too_many_closed, NULL);
	assert_int_equal(many[0].code, VX6_CODE_LIMIT);
	assert_int_equal(many[MANY - 1].closed, 0);
	node_start_at(&honest, "[2001:db8:7::1]:0");
	assert_true(vx6_is_ok(node_dial(&honest, &r1.n, &r1.n.id.id, false, detail)));
	client_create(&c, honest.session, &r1);
	assert_int_equal(client_extend(&c, &r2), 0);
	client_free(&c);
	client_init(&c);
	many_free(MANY);
	node_stop(&honest);
}

static void relay__too_many_a_second__are_refused(void **state)
{
	char detail[VX6_DIAL_DETAIL_MAX];
	uint64_t refused, begun_ms = vx6_now_ms(), most;

	assert_true(vx6_is_ok(node_dial(&client_node, &r1.n, &r1.n.id.id, true, detail)));
	for (int i = 0; i < MANY; i++) {
		client_init(&many[i]);
		client_open(&many[i], client_node.session);
	}
	refused = relay_stats(&r1).creates_refused[VX6_RELAY_CREATE_RATE];
	most = VX6_RELAY_CREATES_S * (1 + (vx6_now_ms() - begun_ms + 999) / 1000);
	assert_int_equal(relay_stats(&r1).circuits_total + refused, MANY);
	assert_true(relay_stats(&r1).circuits_total >= VX6_RELAY_CREATES_S);
	assert_true(relay_stats(&r1).circuits_total <= most);
	many_free(MANY);
}

static void relay__full_of_resting_circuits__the_idlest_gives_way(void **state)
{
	const struct vx6_relaying_budget few = {.circuits = 8};
	char detail[VX6_DIAL_DETAIL_MAX];
	struct test_node honest;

	vx6_relay_set_budget(r1.relay, &few);
	for (int i = 0; i < 4; i++) {
		client_init(&many[i]);
		client_create(&many[i], client_node.session, &r1);
		test_run_ms(2);
	}
	assert_true(client_ping(&many[0], 0)); /* not the idlest any more */
	/* no more of one neighbour than half of all */
	client_init(&many[4]);
	client_open(&many[4], client_node.session);
	assert_int_equal(client_wait_closed(&many[4]), VX6_CODE_LIMIT);
	node_start_at(&honest, "[2001:db8:7::1]:0");
	assert_true(vx6_is_ok(node_dial(&honest, &r1.n, &r1.n.id.id, true, detail)));
	for (int i = 5; i < 9; i++) {
		client_init(&many[i]);
		client_create(&many[i], honest.session, &r1);
	}
	assert_int_equal(count_closed(4), 0);
	assert_true(vx6_is_ok(node_dial(&r2.n, &r1.n, &r1.n.id.id, false, detail)));
	client_create(&c, r2.n.session, &r1);
	assert_int_equal(client_wait_closed(&many[1]), VX6_CODE_LIMIT);
	assert_int_equal(many[1].code, VX6_CODE_LIMIT);
	assert_int_equal(relay_stats(&r1).circuits, 8);
	assert_int_equal(relay_stats(&r1).gave_way, 1);
	client_free(&c);
	client_init(&c);
	many_free(9);
	node_stop(&honest);
}

static struct vx6_relay_config hasty = {.create_ms = 100, .extend_ms = 100, .idle_ms = 1500};

static void relay__nothing_comes__ends(void **state)
{
	client_open(&c, client_node.session);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_TIMEOUT);
	assert_int_equal(relay_stats(&r1).creates_refused[VX6_RELAY_CREATE_TIMEOUT], 1);
	client_free(&c);
	client_init(&c);
	first();
	assert_int_equal(client_wait_closed(&c), VX6_CODE_IDLE);
	assert_int_equal(relay_stats(&r1).idle, 1);
}

static void on_deaf_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			     const struct vx6_open *what, const struct iovec *rest, int rest_n,
			     bool fin)
{
	vx6_stream_set_events(stream, &test_stream_events, n);
	test_stream_events.data(stream, rest, rest_n, fin, n);
	n->stream = stream;
}

static const struct test_hooks deaf_hooks = {.incoming = on_deaf_incoming};

static void relay__next_hop_never_answers__is_a_timeout(void **state)
{
	first();
	r2.n.hooks = &deaf_hooks;
	assert_int_equal(client_extend(&c, &r2), VX6_CODE_TIMEOUT);
	assert_int_equal(relay_stats(&r1).extends_refused[VX6_RELAY_EXTEND_TIMEOUT], 1);
	assert_true(client_ping(&c, 0));
}

/* ---- drain ---- */

static void relay__drain__tells_clients_and_takes_no_more(void **state)
{
	static struct client d;
	struct got *g;

	two_hops();
	vx6_relay_drain(r2.relay, 1500);
	g = client_wait(&c, 0 + c.got_n);
	assert_non_null(g);
	assert_int_equal(g->from, 1);
	assert_int_equal(g->type, VX6_PAYLOAD_DRAIN);
	assert_true(client_ping(&c, 1)); /* goes on for now */
	assert_int_equal(client_extend(&c, &r3), VX6_CODE_DRAINING);
	client_init(&d);
	client_create(&d, client_node.session, &r1);
	assert_int_equal(client_extend(&d, &r2), VX6_CODE_DRAINING);
	assert_int_equal(client_wait_closed(&c), VX6_CODE_CIRC_DESTROYED);
	assert_int_equal(relay_stats(&r2).circuits, 0);
	client_free(&d);
}

static void relay__mode_off__those_it_leads_on_are_asked_to_leave(void **state)
{
	struct vx6_relaying_budget off = {.mode = VX6_RELAYING_OFF};
	struct got *g;

	two_hops();
	vx6_relay_set_budget(r1.relay, &off);
	g = client_wait(&c, 0 + c.got_n);
	assert_non_null(g);
	assert_int_equal(g->from, 0);
	assert_int_equal(g->type, VX6_PAYLOAD_DRAIN);
	assert_true(client_ping(&c, 1)); /* nobody is cut off */
	assert_int_equal(relay_stats(&r1).middle, 1);
}

static bool count_row(void *user, const struct vx6_relay_circuit_show *row)
{
	assert_string_equal(vx6_relay_role_name(row->role), "middle");
	assert_false(row->prev_is_anonymous);
	assert_true(row->cells_forward > 0);
	++*(int *)user;
	return true;
}

static void relay__rows__show_no_names(void **state)
{
	int rows = 0;

	two_hops();
	assert_true(client_ping(&c, 1));
	vx6_relay_each(r1.relay, count_row, &rows);
	assert_int_equal(rows, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_WITH(f, how) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, how)
		TEST(relay__create__answers_and_pings_come_back),
		TEST(relay__extend__leads_on_over_three_hops),
		TEST(relay__session_with_next_hop_is_there__is_used),
		TEST(relay__two_want_the_same_node__share_a_dial),
		TEST(relay__next_in_create__builds_two_hops_at_once),
		TEST(relay__next_is_unknown__says_so_and_stays),
		TEST(relay__extend_to_itself_or_back__is_refused),
		TEST(relay__addresses_of_other_kinds__are_not_dialled),
		TEST(relay__private_itself__dials_private_ones_but_not_loopback),
		TEST(relay__record_is_wrong__is_refused),
		TEST(relay__somebody_else_is_there__is_unreachable),
		TEST(relay__modes__say_who_may_extend),
		TEST(relay__private_mode_and_nameless_neighbour__is_refused),
		TEST(relay__next_hop_refuses__its_code_comes_back),
		TEST(relay__create_comes_again__is_refused_also_after_a_rotation),
		TEST(relay__create_that_proves_nothing__spends_nothing),
		TEST(relay__cells_out_of_order__end_the_circuit),
		TEST(relay__messages_that_cannot_be__end_the_circuit),
		TEST(relay__payload_says_more_than_there_is__ends_the_circuit),
		TEST(relay__second_extend__ends_the_circuit),
		TEST(relay__ninth_extend__ends_the_circuit),
		TEST(relay__circuit_inside_of_a_circuit__is_refused),
		TEST(relay__streams_at_the_last_hop__make_a_session),
		TEST(relay__violation_right_behind_streams__ends_both),
		TEST(relay__end_is_not_wanted__circuit_ends),
		TEST(relay__reader_stops__each_relay_holds_a_window_at_most),
		TEST(relay__forward_reader_stops__client_halts),
		TEST(relay__client_goes__all_that_waits_is_dropped),
		TEST(relay__next_hop_dies__client_hears_of_it),
		TEST(relay__link_of_next_hop_dies__client_hears_of_it),
		TEST(relay__next_hop_falls_silent__is_found_out),
		TEST(relay__rate_is_limited__cells_wait),
		TEST(relay__half_built_ones__give_way_to_the_next),
		TEST(relay__too_many_a_second__are_refused),
		TEST(relay__full_of_resting_circuits__the_idlest_gives_way),
		TEST_WITH(relay__nothing_comes__ends, &hasty),
		TEST_WITH(relay__next_hop_never_answers__is_a_timeout, &hasty),
		TEST(relay__drain__tells_clients_and_takes_no_more),
		TEST(relay__mode_off__those_it_leads_on_are_asked_to_leave),
		TEST(relay__rows__show_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
