#include "tests/unit/circuit/tnode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "record/endpoint.h"
#include "wire/code.h"

struct tnode tnodes[TNODES_MAX];
int tnodes_n;

/* One circuit at one node. */
struct tcirc {
	struct vx6_list node;
	struct tnode *t;
	struct vx6_session *session; /* to the client's side */
	struct vx6_hop *prev, *next;
	struct tonion_hs *hs; /* CREATE whose answer waits for the next hop */
	struct tonion_layer *layer;
	uint8_t kh[VX6_CB_BYTES];
	struct vx6_dialing *dialing;
	struct vx6_opening *opening;
	uint8_t create[VX6_CREATE_MAX]; /* for the next hop */
	size_t create_n;
	uint8_t held[VX6_CELL_BYTES];
	bool holding;
	struct vx6_endlink *end;
	uint8_t *room;
	bool end_waits, prev_waits, next_waits;
	struct vx6_task task; /* frees it */
	bool dead;
};

static void tcirc_end(struct tcirc *c, uint16_t code);

/* ---- streams that end here: echo ---- */

struct echo {
	struct tnode *t;
	uint8_t *p;
	size_t n, cap;
	bool fin, fin_sent;
};

static void echo_pump(struct vx6_stream *s, struct echo *e)
{
	size_t cap;
	uint8_t *to;

	while (e->n && (to = vx6_stream_reserve(s, &cap)) != NULL) {
		size_t n = VX6_MIN(cap, e->n);

		memcpy(to, e->p, n);
		vx6_stream_commit(s, n, false);
		memmove(e->p, e->p + n, e->n - n);
		e->n -= n;
		vx6_stream_consume(s, n);
	}
	if (e->fin && !e->n && !e->fin_sent) {
		e->fin_sent = true;
		vx6_stream_commit(s, 0, true);
	}
}

static void on_echo_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct echo *e = user;

	for (int i = 0; i < n; i++) {
		e->t->rx += iov[i].iov_len;
		if (e->t->freeze)
			continue;
		if (e->n + iov[i].iov_len > e->cap) {
			e->cap = 2 * (e->n + iov[i].iov_len);
			e->p = vx6_realloc_array(e->p, e->cap, 1);
		}
		memcpy(e->p + e->n, iov[i].iov_base, iov[i].iov_len);
		e->n += iov[i].iov_len;
	}
	e->fin |= fin;
	echo_pump(s, e);
}

static void on_echo_writable(struct vx6_stream *s, void *user)
{
	echo_pump(s, user);
}

static void on_echo_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct echo *e = user;

	free(e->p);
	free(e);
}

static const struct vx6_stream_events echo_events = {.data = on_echo_data,
						     .writable = on_echo_writable,
						     .closed = on_echo_closed};

void tnode_echo(struct tnode *t, struct vx6_stream *s, const struct iovec *rest, int n, bool fin)
{
	struct echo *e = vx6_zalloc(sizeof *e);

	e->t = t;
	t->streams_n++;
	vx6_stream_set_events(s, &echo_events, e);
	assert_true(vx6_is_ok(vx6_session_answer(s, VX6_OK)));
	on_echo_data(s, rest, n, fin, e);
}

static void on_end_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	struct echo *e = vx6_zalloc(sizeof *e);

	e->t = user;
	e->t->streams_n++;
	vx6_stream_set_events(s, &echo_events, e);
}

static void on_end_down(struct vx6_link *link, vx6_err why, void *user)
{
	struct tnode *t = user;

	t->ends_n++;
	t->end_why = why;
}

static const struct vx6_link_events end_events = {.stream = on_end_stream, .down = on_end_down};

/* ---- to the client's side ---- */

/* A RELAY cell that is ready, with whatever this node does wrong. */
static void back(struct tcirc *c, uint8_t *cell)
{
	struct tnode *t = c->t;
	bool now = t->back_n++ == t->wrong_at;
	uint8_t copy[VX6_CELL_BYTES], *more;

	if (now && t->wrong == T_FLIP_BACK)
		cell[500] ^= 1;
	if (now && t->wrong == T_FLIP_CMD)
		cell[0] = VX6_CELL_CREATED;
	if (now && t->wrong == T_SWAP_BACK) {
		memcpy(c->held, cell, sizeof c->held);
		c->holding = true;
		return;
	}
	memcpy(copy, cell, sizeof copy);
	vx6_hop_commit(c->prev);
	if ((now && t->wrong == T_DUP_BACK) || c->holding) {
		more = vx6_hop_room(c->prev);
		assert_non_null(more);
		memcpy(more, c->holding ? c->held : copy, VX6_CELL_BYTES);
		c->holding = false;
		vx6_hop_commit(c->prev);
	}
}

static void seal_and_send(struct tcirc *c, uint8_t *cell)
{
	cell[0] = VX6_CELL_RELAY;
	tonion_originate(c->layer, cell);
	back(c, cell);
}

static void say(struct tcirc *c, uint8_t type, const void *data, size_t n)
{
	uint8_t *cell = vx6_hop_room(c->prev);

	assert_non_null(cell);
	memset(cell, 0, VX6_CELL_BYTES);
	if (n)
		memcpy(cell + VX6_CELL_PAYLOAD_AT + VX6_PAYLOAD_HEADER, data, n);
	vx6_payload_seal(cell + VX6_CELL_PAYLOAD_AT, type, n);
	seal_and_send(c, cell);
}

static void say_code(struct tcirc *c, uint8_t type, uint16_t code)
{
	uint8_t *cell = vx6_hop_room(c->prev);

	assert_non_null(cell);
	vx6_payload_put_code(cell + VX6_CELL_PAYLOAD_AT, type, code);
	seal_and_send(c, cell);
}

void tnode_say(struct tnode *t, uint8_t type, const void *data, size_t n)
{
	VX6_LIST_EACH(node, &t->circuits)
	say(VX6_CONTAINER_OF(node, struct tcirc, node), type, data, n);
}

static void say_extended(struct tcirc *c, const struct vx6_created *created)
{
	uint8_t *cell = vx6_hop_room(c->prev);
	size_t used;

	assert_non_null(cell);
	assert_true(
		vx6_is_ok(vx6_payload_put_extended(cell + VX6_CELL_PAYLOAD_AT, created, &used)));
	seal_and_send(c, cell);
}

/* Answers CREATE, with @p msg inside. */
static void reply(struct tcirc *c, const struct vx6_server_msg *msg)
{
	uint8_t sm[VX6_SM_MAX], hs[VX6_CREATED_HS_MAX], *cell = vx6_hop_room(c->prev);
	struct vx6_created created = {.hs = hs};
	struct vx6_wr w;
	size_t sm_n, used;

	assert_non_null(cell);
	vx6_wr_init(&w, sm, sizeof sm);
	vx6_server_msg_encode(&w, msg);
	assert_true(vx6_is_ok(vx6_wr_done(&w, &sm_n)));
	c->layer = tonion_reply(c->hs, sm, sm_n, hs, &created.hs_n, c->kh);
	c->hs = NULL;
	memcpy(c->t->kh, c->kh, sizeof c->kh);
	if (c->t->wrong == T_AUTH)
		hs[40] ^= 1;
	if (c->t->wrong == T_REPLAY)
		memcpy(hs, c->t->said, created.hs_n = c->t->said_n);
	memcpy(c->t->said, hs, c->t->said_n = created.hs_n);
	for (int i = c->t->wrong == T_CREATED_TWICE ? 2 : 1; i > 0; i--) {
		assert_true(vx6_is_ok(vx6_cell_put_created(cell, &created, &used)));
		memset(cell + used, 0, VX6_CELL_BYTES - used);
		vx6_hop_commit(c->prev);
		cell = vx6_hop_room(c->prev);
		assert_non_null(cell);
	}
}

/* ---- the link that ends here ---- */

static uint8_t *on_end_room(void *user, size_t *cap)
{
	struct tcirc *c = user;

	c->room = c->prev && !c->dead ? vx6_hop_room(c->prev) : NULL;
	c->end_waits |= !c->room;
	*cap = VX6_PAYLOAD_MAX;
	return c->room ? c->room + VX6_CELL_PAYLOAD_AT + VX6_PAYLOAD_HEADER : NULL;
}

static void on_end_send(void *user, size_t n)
{
	struct tcirc *c = user;

	vx6_payload_seal(c->room + VX6_CELL_PAYLOAD_AT, VX6_PAYLOAD_STREAMS, n);
	seal_and_send(c, c->room);
}

static void on_end_close(void *user, vx6_err why)
{
	tcirc_end(user, VX6_CODE_CIRC_DESTROYED);
}

static const struct vx6_endlink_io end_io = {.room = on_end_room,
					     .send = on_end_send,
					     .close = on_end_close};

static void adopt(struct tcirc *c)
{
	static const struct vx6_adopt how;
	struct vx6_session *s;

	assert_true(vx6_is_ok(vx6_sessions_adopt(c->t->n.m, vx6_endlink_link(c->end), &how, &s)));
}

static void on_streams(struct tcirc *c, const struct vx6_payload *p)
{
	struct vx6_endlink_config cfg = {.loop = test_loop, .io = &end_io, .user = c};

	if (!c->end) {
		memcpy(cfg.binding, c->kh, sizeof cfg.binding);
		c->end = vx6_endlink_new(&cfg);
		if (c->t->adopt)
			adopt(c);
		else
			vx6_link_set_events(vx6_endlink_link(c->end), &end_events, c->t);
	}
	if (!vx6_is_ok(vx6_endlink_input(c->end, p->data, p->n)))
		tcirc_end(c, VX6_CODE_CIRC_PROTO);
}

/* ---- to the next hop ---- */

static bool on_next_cell(struct vx6_hop *hop, uint8_t *cell, void *user)
{
	struct tcirc *c = user;
	struct vx6_server_msg msg = {.has_inner = true};
	struct vx6_created created;
	uint8_t *to;

	if (c->dead)
		return true;
	if (cell[0] == VX6_CELL_CREATED) {
		c->t->crossings++;
		assert_true(vx6_is_ok(vx6_cell_get_created(cell, &created)));
		msg.inner = created;
		if (c->hs) {
			reply(c, &msg);
			return true;
		}
		say_extended(c, &created);
		if (c->t->wrong == T_EXTENDED_TWICE)
			say_extended(c, &created);
		if (c->t->wrong == T_SAY_STREAMS)
			say(c, VX6_PAYLOAD_STREAMS, "\6\0\0\0\0\0\0\0", 8);
		return true;
	}
	to = vx6_hop_room(c->prev);
	if (!to) {
		c->prev_waits = true;
		return false;
	}
	c->t->crossings++;
	tonion_backward(c->layer, cell);
	memcpy(to, cell, VX6_CELL_BYTES);
	back(c, to);
	return true;
}

static void on_next_writable(struct vx6_hop *hop, void *user)
{
	struct tcirc *c = user;

	if (c->next_waits && c->prev)
		vx6_hop_resume(c->prev);
	c->next_waits = false;
}

static void on_next_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	struct tcirc *c = user;

	c->next = NULL;
	tcirc_end(c, why.code == VX6_E_RESET ? (uint16_t)code : VX6_CODE_CIRC_DESTROYED);
}

static const struct vx6_hop_events next_events = {.cell = on_next_cell,
						  .writable = on_next_writable,
						  .closed = on_next_closed};

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int n, bool fin)
{
	struct tcirc *c = user;
	struct vx6_create create;
	uint8_t *cell;
	size_t used;

	c->opening = NULL;
	if (!vx6_is_ok(err)) {
		say_code(c, VX6_PAYLOAD_REFUSED, VX6_CODE_CIRC_UNREACHABLE);
		return;
	}
	c->next = vx6_hop_new(c->t->sched, stream, &next_events, c);
	cell = vx6_hop_room(c->next);
	assert_non_null(cell);
	assert_true(vx6_is_ok(vx6_create_decode(c->create, c->create_n, &create)));
	assert_true(vx6_is_ok(vx6_cell_put_create(cell, &create, &used)));
	vx6_hop_commit(c->next);
	vx6_hop_feed(c->next, rest, n);
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome};

static void open_next(struct tcirc *c, struct vx6_session *s)
{
	struct vx6_open what = {.kind = VX6_OPEN_CIRCUIT};

	assert_true(vx6_is_ok(vx6_session_open(s, &what, &opening_events, c, &c->opening)));
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct tcirc *c = user;

	c->dialing = NULL;
	if (s)
		open_next(c, s);
	else
		say_code(c, VX6_PAYLOAD_REFUSED, VX6_CODE_CIRC_UNREACHABLE);
}

static struct tnode *find(const uint8_t node[static 32])
{
	for (int i = 0; i < tnodes_n; i++)
		if (memcmp(tnodes[i].n.id.id.b, node, 32) == 0)
			return &tnodes[i];
	return NULL;
}

/* @return false: there is no such node */
static bool go_on(struct tcirc *c, const uint8_t node[static 32], const struct vx6_create *create)
{
	struct tnode *next = find(node);
	struct vx6_dial_request req = {.addrs_n = 1, .expect_node = true};
	struct vx6_session *s;
	struct vx6_wr w;

	if (!next)
		return false;
	vx6_wr_init(&w, c->create, sizeof c->create);
	vx6_create_encode(&w, create);
	assert_true(vx6_is_ok(vx6_wr_done(&w, &c->create_n)));
	s = vx6_sessions_find(c->t->n.m, &next->n.id.id, VX6_DIAL_ANY);
	if (s) {
		open_next(c, s);
		return true;
	}
	req.addrs[0] = next->n.at;
	req.node = next->n.id.id;
	c->dialing = vx6_sessions_dial(c->t->n.m, &req, on_dialed, c);
	assert_non_null(c->dialing);
	return true;
}

/* ---- from the client's side ---- */

static void on_extend(struct tcirc *c, const struct vx6_payload *p)
{
	struct vx6_extend ext;

	assert_true(vx6_is_ok(vx6_payload_get_extend(p, &ext)));
	c->t->extends++;
	switch (c->t->wrong) {
	case T_DEAF_EXTEND:
		return;
	case T_REFUSE:
		say_code(c, VX6_PAYLOAD_REFUSED, VX6_CODE_CIRC_POLICY);
		return;
	case T_RESET_EXTEND:
		tcirc_end(c, VX6_CODE_CIRC_OOM);
		return;
	case T_LINK_EXTEND:
		vx6_session_close(c->session, VX6_ERR(CLOSED));
		return;
	default:
		if (!go_on(c, ext.node, &ext.create))
			say_code(c, VX6_PAYLOAD_REFUSED, VX6_CODE_CIRC_UNREACHABLE);
	}
}

static void on_message(struct tcirc *c, uint8_t *cell)
{
	struct vx6_payload p;

	assert_true(vx6_is_ok(vx6_payload_decode(cell + VX6_CELL_PAYLOAD_AT, &p)));
	switch (p.type) {
	case VX6_PAYLOAD_EXTEND:
		on_extend(c, &p);
		break;
	case VX6_PAYLOAD_STREAMS:
		on_streams(c, &p);
		break;
	case VX6_PAYLOAD_PING:
		if (c->t->wrong == T_SAY_EXTEND)
			say(c, VX6_PAYLOAD_EXTEND, NULL, 0);
		else if (c->t->wrong == T_SAY_JUNK)
			say(c, 99, NULL, 0);
		else
			say(c, VX6_PAYLOAD_PONG,
			    c->t->wrong == T_SAY_PONG ? (const void *)"12345678" : p.data, p.n);
		break;
	default:
		break;
	}
}

static void on_create(struct tcirc *c, uint8_t *cell)
{
	struct vx6_server_msg msg = {0};
	struct vx6_client_msg cm;
	struct vx6_create create;
	uint8_t buf[VX6_CM_MAX];
	size_t n;

	c->t->crossings++;
	assert_true(vx6_is_ok(vx6_cell_get_create(cell, &create)));
	c->hs = tonion_accept(&c->t->key, &c->t->n.id.id, &create, buf, &n);
	assert_non_null(c->hs);
	assert_true(vx6_is_ok(vx6_client_msg_decode(buf, n, &cm)));
	switch (c->t->wrong) {
	case T_DEAF:
		return;
	case T_RESET_CREATE:
		tcirc_end(c, VX6_CODE_CIRC_REPLAY);
		return;
	case T_LINK_CREATE:
		vx6_session_close(c->session, VX6_ERR(CLOSED));
		return;
	case T_LIE_INNER:
		msg.has_inner = true;
		msg.inner = (struct vx6_created){.hs = buf, .hs_n = 64};
		memset(buf, 0, 64);
		break;
	case T_REFUSE:
		msg.refused = cm.has_next ? VX6_CODE_CIRC_POLICY : 0;
		break;
	case T_NO_NEST:
		break;
	default:
		if (cm.has_next && go_on(c, cm.next_node, &cm.next))
			return;
		msg.refused = cm.has_next ? VX6_CODE_CIRC_UNREACHABLE : 0;
		break;
	}
	reply(c, &msg);
}

static bool on_prev_cell(struct vx6_hop *hop, uint8_t *cell, void *user)
{
	struct tcirc *c = user;
	struct tnode *t = c->t;
	uint8_t *to = NULL;

	if (c->dead)
		return true;
	if (cell[0] == VX6_CELL_CREATE) {
		on_create(c, cell);
		return true;
	}
	if (c->next && !(to = vx6_hop_room(c->next))) {
		c->next_waits = true;
		return false;
	}
	t->crossings++;
	if (t->wrong == T_FLIP_FWD && t->fwd_n == t->wrong_at)
		cell[500] ^= 1;
	t->fwd_n++;
	if (tonion_forward(c->layer, cell)) {
		on_message(c, cell);
	} else if (to) {
		memcpy(to, cell, VX6_CELL_BYTES);
		vx6_hop_commit(c->next);
	} else {
		t->refused_n++;
		tcirc_end(c, VX6_CODE_CIRC_PROTO);
	}
	return true;
}

static void on_prev_batch_end(struct vx6_hop *hop, void *user)
{
	struct tcirc *c = user;

	if (c->end)
		vx6_endlink_batch_end(c->end);
}

static void on_prev_writable(struct vx6_hop *hop, void *user)
{
	struct tcirc *c = user;

	if (c->end_waits && c->end)
		vx6_endlink_writable(c->end);
	if (c->prev_waits && c->next)
		vx6_hop_resume(c->next);
	c->end_waits = c->prev_waits = false;
}

static void on_prev_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	struct tcirc *c = user;

	c->prev = NULL;
	tcirc_end(c, VX6_CODE_CIRC_DESTROYED);
}

static const struct vx6_hop_events prev_events = {.cell = on_prev_cell,
						  .batch_end = on_prev_batch_end,
						  .writable = on_prev_writable,
						  .closed = on_prev_closed};

/* ---- life ---- */

static void tcirc_free(struct tcirc *c)
{
	if (c->end)
		vx6_endlink_down(c->end, VX6_ERR(CLOSED));
	if (c->dialing)
		vx6_dialing_cancel(c->dialing);
	if (c->opening)
		vx6_opening_cancel(c->opening);
	if (c->prev)
		vx6_hop_close(c->prev, VX6_CODE_CIRC_DESTROYED);
	if (c->next)
		vx6_hop_close(c->next, VX6_CODE_CIRC_DESTROYED);
	tonion_hs_free(c->hs);
	tonion_layer_free(c->layer);
	vx6_task_cancel(&c->task);
	vx6_list_remove(&c->node);
	c->t->circuits_n--;
	free(c);
}

static void on_task(struct vx6_task *task)
{
	tcirc_free(task->user);
}

/* Both sides end at once; the rest goes from a task. */
static void tcirc_end(struct tcirc *c, uint16_t code)
{
	if (c->dead)
		return;
	c->dead = true;
	if (c->prev)
		vx6_hop_close(c->prev, code);
	if (c->next)
		vx6_hop_close(c->next, code);
	c->prev = c->next = NULL;
	vx6_loop_defer(test_loop, &c->task);
}

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct tnode *t = (struct tnode *)(void *)n;
	struct tcirc *c;

	if (what->kind == VX6_OPEN_SERVICE) {
		tnode_echo(t, stream, rest, rest_n, fin);
		return;
	}
	assert_int_equal(what->kind, VX6_OPEN_CIRCUIT);
	if (t->wrong == T_NO_OPEN) {
		assert_true(vx6_is_ok(vx6_session_answer(stream, VX6_ERR(FULL))));
		return;
	}
	c = vx6_zalloc(sizeof *c);
	c->t = t;
	c->session = s;
	vx6_task_init(&c->task, on_task, c);
	vx6_list_push(&t->circuits, &c->node);
	t->circuits_n++;
	t->peer_known = vx6_session_node(s) != NULL;
	c->prev = vx6_hop_new(t->sched, stream, &prev_events, c);
	vx6_hop_answer(c->prev);
	vx6_hop_feed(c->prev, rest, rest_n);
}

static void on_up(struct test_node *n, struct vx6_session *s)
{
	((struct tnode *)(void *)n)->nobody_n += vx6_session_node(s) == NULL;
}

static const struct test_hooks hooks = {.up = on_up, .incoming = on_incoming};

static void record_make(struct tnode *t)
{
	struct vx6_endpoint ep = {.seq = 1,
				  .issued_s = vx6_wall_s(),
				  .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				  .n_addrs = 1};

	ep.addrs[0] = (struct vx6_endpoint_addr){.addr = t->n.at, .via = VX6_VIA_TCP};
	assert_true(vx6_is_ok(vx6_endpoint_build(&ep, &t->n.id, t->record, &t->record_n)));
}

void tnodes_start(int n)
{
	tnodes_n = n;
	for (int i = 0; i < n; i++) {
		struct tnode *t = &tnodes[i];

		memset(t, 0, sizeof *t);
		node_start(&t->n);
		t->n.hooks = &hooks;
		t->sched = vx6_hop_sched_new(test_loop, 64 << 20);
		vx6_list_init(&t->circuits);
		tonion_key_make(&t->key);
		record_make(t);
	}
}

void tnodes_stop(void)
{
	for (int i = 0; i < tnodes_n; i++) {
		struct tnode *t = &tnodes[i];

		while (!vx6_list_is_empty(&t->circuits))
			tcirc_free(VX6_CONTAINER_OF(t->circuits.next, struct tcirc, node));
	}
	for (int i = 0; i < tnodes_n; i++) {
		node_stop(&tnodes[i].n);
		vx6_hop_sched_free(tnodes[i].sched);
	}
}

int tnode_crossings(void)
{
	int n = 0;

	for (int i = 0; i < tnodes_n; i++)
		n += tnodes[i].crossings;
	return n;
}
