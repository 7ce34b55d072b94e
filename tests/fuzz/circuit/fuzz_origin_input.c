/* The client's end of a circuit against hops that say anything. One hand plays all hops and has their keys, so that it gets past the
 * handshakes; the link is a stream between two ends of tests/unit/circuit/endlink_family.c. Whatever comes, the circuit ends once.
 *
 * The input is a byte of plan (bits 0, 1: hops - 1; bit 2: nested), then steps: an op byte and what the op needs.
 *   0 a cell: its command, a length, the beginning of its body   1 the answer to the latest handshake: a length, what it says (SM)
 *   2 a message: of which hop, its type, a length, its data      3 the same, with a byte of the cell changed
 *   4 the loop runs      5 the user: opens a stream and sends, pings, extends, closes, says something, joins      6 the stream is reset
 * Once it is joined the other end, behind the last hop, is one hop more. */
#include "base/util.h"
#include "circuit/origin_internal.h"
#include "crypto/cgo.h"
#include "crypto/secret.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/circuit/endlink_family.h"
#include "tests/unit/circuit/tonion.h"

enum { HOPS = 5 };

static struct vx6_loop *loop;
static struct vx6_transport *t;
static struct vx6_listener *listener;
static struct vx6_link *near, *far;
static struct vx6_hop_sched *sched;
static struct vx6_origin *origin;
static struct tonion_key key[HOPS];
static struct vx6_node_id node[HOPS];

static struct vx6_circuit *circuit; /* NULL once it is down */
static struct vx6_hop *hop;         /* the other end of its link */
static struct tonion_hs *pending;
static struct tonion_layer *layer[HOPS];
static int made, wanted, down_n, streams_n;
static bool closed, joined, acceptor;
static struct vx6_cgo far_end; /* what the other end writes with */
static const uint8_t *in;
static size_t in_n;

static uint8_t take(void)
{
	if (!in_n)
		return 0;
	in_n--;
	return *in++;
}

static size_t take_some(uint8_t *to, size_t cap)
{
	size_t n = take();

	n = VX6_MIN(n, VX6_MIN(in_n, cap));
	if (n)
		memcpy(to, in, n);
	in += n;
	in_n -= n;
	return n;
}

/* ---- the other end ---- */

static void handshake(const struct vx6_create *create)
{
	uint8_t cm[VX6_CM_MAX];
	size_t n;

	tonion_hs_free(pending);
	pending = made < HOPS ? tonion_accept(&key[made], &node[made], create, cm, &n) : NULL;
}

static bool on_cell(struct vx6_hop *h, uint8_t *cell, void *user)
{
	struct vx6_create create;
	struct vx6_payload p;
	struct vx6_extend ext;

	if (cell[0] == VX6_CELL_CREATE) {
		FUZZ_CHECK(vx6_is_ok(vx6_cell_get_create(cell, &create)));
		handshake(&create);
		return true;
	}
	FUZZ_CHECK(cell[0] == VX6_CELL_RELAY);
	for (int i = 0; i < made; i++) {
		if (!tonion_forward(layer[i], cell))
			continue;
		FUZZ_CHECK(vx6_is_ok(vx6_payload_decode(cell + VX6_CELL_PAYLOAD_AT, &p)));
		if (p.type == VX6_PAYLOAD_EXTEND) {
			FUZZ_CHECK(vx6_is_ok(vx6_payload_get_extend(&p, &ext)));
			handshake(&ext.create);
		}
		return true;
	}
	return true;
}

static void on_hop_closed(struct vx6_hop *h, vx6_err why, uint32_t code, void *user)
{
	hop = NULL;
}

static const struct vx6_hop_events hop_events = {.cell = on_cell, .closed = on_hop_closed};

static void on_far_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	hop = vx6_hop_new(sched, s, &hop_events, NULL);
}

static void on_link_down(struct vx6_link *link, vx6_err why, void *user)
{
	FUZZ_CHECK(!"the link below has no reason to end");
}

static void on_up(struct vx6_link *link, void *user)
{
}

static const struct vx6_link_events link_events = {.up = on_up,
						   .stream = on_far_stream,
						   .down = on_link_down};

static void on_accept(struct vx6_listener *l, struct vx6_link *link, void *user)
{
	far = link;
	vx6_link_set_events(link, &link_events, NULL);
}

static const struct vx6_accept_events accept_events = {.accept = on_accept};

/* ---- the circuit's user ---- */

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	for (int i = 0; i < n; i++)
		vx6_stream_consume(s, iov[i].iov_len);
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	streams_n--;
}

static const struct vx6_stream_events stream_events = {.data = on_data, .closed = on_closed};

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	streams_n++;
	vx6_stream_set_events(s, &stream_events, NULL);
}

static void on_end_down(struct vx6_link *link, vx6_err why, void *user)
{
	FUZZ_CHECK(streams_n == 0);
}

static const struct vx6_link_events end_events = {.stream = on_stream, .down = on_end_down};

static void on_built(void *user, struct vx6_circuit *c)
{
	struct vx6_circuit_info info;

	vx6_circuit_info(c, &info);
	FUZZ_CHECK(info.built_n == made && info.built_n == wanted);
}

static void on_refused(void *user, struct vx6_circuit *c, vx6_err why)
{
	wanted--;
}

static void on_said(void *user, struct vx6_circuit *c, uint8_t type, const uint8_t *data, size_t n)
{
	FUZZ_CHECK(!closed && !joined && type >= VX6_PAYLOAD_ESTABLISH_INTRO &&
		   n <= VX6_PAYLOAD_MAX);
}

static void on_down(void *user, struct vx6_circuit *c, vx6_err why, int fault)
{
	FUZZ_CHECK(!closed && !vx6_is_ok(why) && fault >= VX6_CIRCUIT_NO_HOP && fault <= HOPS);
	circuit = NULL;
	down_n++;
}

static const struct vx6_circuit_events events = {.built = on_built,
						 .refused = on_refused,
						 .said = on_said,
						 .down = on_down};

/* ---- steps ---- */

static void stop(struct vx6_task *task)
{
	vx6_loop_stop(loop);
}

static void run_once(void)
{
	struct vx6_task end;

	vx6_task_init(&end, stop, NULL);
	vx6_loop_defer(loop, &end);
	vx6_loop_run(loop);
}

static void step_cell(void)
{
	uint8_t *cell = vx6_hop_room(hop);

	if (!cell)
		return;
	memset(cell, 0, VX6_CELL_BYTES);
	cell[0] = take();
	take_some(cell + 1, VX6_CELL_BODY);
	vx6_hop_commit(hop);
}

/* A payload that is in place, from hop @p from. */
static void send_from(int from, uint8_t *cell)
{
	cell[0] = VX6_CELL_RELAY;
	if (from < made)
		tonion_originate(layer[from], cell);
	else if (acceptor)
		vx6_cgo_client_forward(&far_end, 0, cell[0], cell + 1);
	else
		vx6_cgo_relay_originate(&far_end, cell[0], cell + 1);
	for (int i = from - 1; i >= 0; i--)
		tonion_backward(layer[i], cell);
}

static void step_answer(void)
{
	uint8_t *cell = vx6_hop_room(hop), sm[VX6_SM_MAX], hs[VX6_CREATED_HS_MAX], kh[VX6_CB_BYTES];
	struct vx6_created created = {.hs = hs};
	struct tonion_layer *next;
	size_t used, n;

	if (!cell || !pending)
		return;
	n = take_some(sm, sizeof sm);
	next = tonion_reply(pending, sm, n, hs, &created.hs_n, kh);
	pending = NULL;
	if (made == 0) {
		FUZZ_CHECK(vx6_is_ok(vx6_cell_put_created(cell, &created, &used)));
	} else {
		FUZZ_CHECK(vx6_is_ok(
			vx6_payload_put_extended(cell + VX6_CELL_PAYLOAD_AT, &created, &used)));
		send_from(made - 1, cell);
	}
	layer[made++] = next;
	vx6_hop_commit(hop);
}

static void step_message(bool changed)
{
	uint8_t *cell = vx6_hop_room(hop), type;
	int from;
	size_t n;

	if (!cell || !made)
		return;
	from = take() % (made + joined);
	type = take();
	memset(cell, 0, VX6_CELL_BYTES);
	n = take_some(cell + VX6_CELL_PAYLOAD_AT + VX6_PAYLOAD_HEADER, VX6_PAYLOAD_MAX);
	vx6_payload_seal(cell + VX6_CELL_PAYLOAD_AT, type, n);
	send_from(from, cell);
	if (changed)
		cell[1 + take() * 4] ^= 1;
	vx6_hop_commit(hop);
}

static void open_and_send(void)
{
	struct vx6_link *link = vx6_circuit_link(circuit);
	struct vx6_stream *s;
	size_t cap, n;
	uint8_t *to;

	if (!link)
		return;
	vx6_link_set_events(link, &end_events, NULL);
	if (!vx6_is_ok(vx6_stream_open(link, &stream_events, NULL, &s)))
		return;
	streams_n++;
	n = (size_t)take() * 20;
	to = vx6_stream_reserve(s, &cap);
	if (!to)
		return;
	n = VX6_MIN(n, cap);
	memset(to, 0x44, n);
	vx6_stream_commit(s, n, false);
}

static void say(void)
{
	uint8_t type = take(), data[VX6_PAYLOAD_MAX];
	vx6_err err = vx6_circuit_say(circuit, type, data, take_some(data, sizeof data));

	FUZZ_CHECK(!vx6_is_ok(err) || (!joined && type >= VX6_PAYLOAD_ESTABLISH_INTRO));
}

static void join(void)
{
	static const uint8_t keys[VX6_CIRCUIT_JOIN_KEYS] = {1, 2, 3}, kh[VX6_CB_BYTES];
	struct vx6_circuit_join j = {.keys = keys, .kh = kh, .far = &node[0]};

	j.acceptor = take() & 1;
	if (!vx6_is_ok(vx6_circuit_join(circuit, &j)))
		return;
	FUZZ_CHECK(!joined);
	joined = true;
	acceptor = j.acceptor;
	vx6_cgo_init(&far_end, acceptor ? keys : keys + VX6_CGO_SEED_BYTES);
}

static void step_user(void)
{
	int next = VX6_MIN(made, HOPS - 1);
	struct vx6_circuit_hop more = {.node = node[next]};

	if (!circuit)
		return;
	switch (take() % 6) {
	case 0:
		open_and_send();
		break;
	case 1:
		vx6_circuit_ping(circuit, take() % HOPS);
		break;
	case 2:
		memcpy(more.onion_key, key[next].pk, sizeof more.onion_key);
		wanted += vx6_is_ok(vx6_circuit_extend(circuit, &more, 1000));
		break;
	case 4:
		say();
		break;
	case 5:
		join();
		break;
	default:
		vx6_circuit_close(circuit, VX6_OK);
		circuit = NULL;
		closed = true;
	}
}

static void step(void)
{
	uint8_t op = take() % 7;

	if (op == 4)
		run_once();
	else if (op == 5)
		step_user();
	else if (!hop)
		return;
	else if (op == 0)
		step_cell();
	else if (op == 1)
		step_answer();
	else if (op == 6)
		vx6_hop_close(hop, take()), hop = NULL;
	else
		step_message(op == 3);
}

static void set_up(void)
{
	struct vx6_transport_config cfg = {0};
	struct vx6_dial how = {0};
	struct vx6_addr at = {0};

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	cfg.loop = loop;
	vx6_transport_limits_default(&cfg.limits);
	cfg.limits.idle_ms = cfg.limits.keepalive_ms = 0;
	FUZZ_CHECK(vx6_is_ok(endlink_family.new(&cfg, &t)) &&
		   vx6_is_ok(endlink_family.listen(t, &at, &accept_events, NULL, &listener)) &&
		   vx6_is_ok(endlink_family.dial(t, &how, &link_events, NULL, &near)));
	sched = vx6_hop_sched_new(loop, 1 << 24);
	for (int i = 0; i < HOPS; i++) {
		tonion_key_make(&key[i]);
		node[i].b[0] = (uint8_t)(i + 1);
	}
}

static void begin(void)
{
	struct vx6_circuit_plan plan = {.addrs_n = 1};
	uint8_t flags = take();
	struct vx6_stream *s;

	origin = vx6_origin_new(
		&(struct vx6_origin_config){.loop = loop, .sched = sched, .net = &vx6_net_default});
	plan.hops_n = (uint8_t)(wanted = 1 + flags % 4);
	plan.nest = flags & 4;
	for (int i = 0; i < plan.hops_n; i++) {
		plan.hop[i].node = node[i];
		memcpy(plan.hop[i].onion_key, key[i].pk, sizeof plan.hop[i].onion_key);
	}
	FUZZ_CHECK(vx6_is_ok(circuit_new(origin, &plan, &events, NULL, &circuit)));
	FUZZ_CHECK(vx6_is_ok(vx6_stream_open(near, &stream_events, NULL, &s)));
	circuit->create_due = true;
	first_linked(circuit, s);
	run_once();
	FUZZ_CHECK(hop && pending);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!loop)
		set_up();
	in = data;
	in_n = n;
	made = down_n = streams_n = 0;
	closed = joined = acceptor = false;
	begin();
	while (in_n)
		step();
	run_once();
	vx6_origin_free(origin);
	FUZZ_CHECK(down_n + closed == 1);
	if (hop)
		vx6_hop_close(hop, 0);
	hop = NULL;
	tonion_hs_free(pending);
	pending = NULL;
	while (made)
		tonion_layer_free(layer[--made]);
	run_once();
	return 0;
}
