/* The end of a circuit against a client that says anything, on its control stream and on others, before or after a HELLO that is right: the session
 * ends or goes on, nothing else. The first byte says what kind of HELLO comes first (0 none, 1 anonymous, 2 of a node with its proof; bit 6: it is the end
 * of a hidden service; above 127: the end of the node comes before that of the circuit); then come steps:
 * a byte that says which stream (0 control, else one of three others, the lowest bit of its upper half: after a turn of the loop), a length, bytes. */
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "record/hwm_mem.h"
#include "session/session.h"
#include "tests/fuzz/fuzz.h"
#include "transport/mem/mem.h"
#include "wire/ctl.h"

enum { TURNS = 8, STREAMS = 4 };

static struct vx6_loop *loop;
static struct vx6_identity own, other, ghost;
static struct vx6_hwm_store store;
static struct vx6_sessions *sessions;
static struct vx6_transport *stranger;
static struct vx6_addr at;
static struct vx6_link *link_up; /* the stranger's; NULL: down */
static struct vx6_stream *stream[STREAMS];
static int adopted, ups, downs;
static bool hidden;

static void on_record(void *user, struct vx6_session *s, const uint8_t *record, size_t n)
{
	FUZZ_CHECK(!"a record came over a circuit");
}

static void swallow(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	for (int i = 0; i < n; i++)
		vx6_stream_consume(s, iov[i].iov_len);
	if (fin)
		vx6_stream_commit(s, 0, true);
}

static void on_stream_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	if (user)
		*(struct vx6_stream **)user = NULL;
}

static const struct vx6_stream_events stream_events = {.data = swallow, .closed = on_stream_closed};

static void on_incoming(void *user, struct vx6_session *s, struct vx6_stream *in,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	FUZZ_CHECK(vx6_session_is_circuit(s) && vx6_session_route(s) == VX6_ROUTE_ACCEPTED);
	FUZZ_CHECK(!hidden || (vx6_session_scope(s) && !vx6_session_node(s)));
	vx6_stream_set_events(in, &stream_events, NULL);
	swallow(in, rest, rest_n, fin, NULL);
	if (!fin)
		(void)!vx6_is_ok(vx6_session_answer(in, VX6_OK));
}

static const struct vx6_sessions_events events = {.record = on_record, .incoming = on_incoming};

static void on_up(void *user, struct vx6_session *s)
{
	ups++;
}

static void on_down(void *user, struct vx6_session *s, vx6_err why)
{
	FUZZ_CHECK(!vx6_is_ok(why));
	downs++;
}

static void on_accept(struct vx6_listener *l, struct vx6_link *link, void *user)
{
	static const struct vx6_adopt_events ev = {.up = on_up, .down = on_down};
	const struct vx6_adopt how = {.ev = &ev,
				      .as = hidden ? &ghost : NULL,
				      .scope = hidden ? 5 : 0};
	struct vx6_session *s;

	FUZZ_CHECK(vx6_is_ok(vx6_sessions_adopt(sessions, link, &how, &s)));
	adopted++;
}

static void link_down(struct vx6_link *link, vx6_err why, void *user)
{
	link_up = NULL;
}

static const struct vx6_link_events link_events = {.down = link_down};
static const struct vx6_accept_events accept_events = {.accept = on_accept};

static void start(void)
{
	struct vx6_transport_config t = {.key = &other.subkey.key};
	struct vx6_listener *listener;
	uint64_t now = vx6_wall_s();

	vx6_log_set_level(VX6_LOG_ERROR);
	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	FUZZ_CHECK(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now, &own)));
	FUZZ_CHECK(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now, &other)));
	FUZZ_CHECK(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now, &ghost)));
	store = vx6_hwm_mem_store(vx6_hwm_mem_new(1000));
	t.loop = loop;
	vx6_transport_limits_default(&t.limits);
	FUZZ_CHECK(vx6_is_ok(vx6_transport_mem.new(&t, &stranger)));
	vx6_mem_set_keyless(stranger, true);
	FUZZ_CHECK(vx6_is_ok(vx6_addr_parse("[::1]:0", &at)));
	FUZZ_CHECK(vx6_is_ok(
		vx6_transport_mem.listen(stranger, &at, &accept_events, NULL, &listener)));
	vx6_transport_mem.listener_addr(listener, &at);
}

static void on_turn(struct vx6_timer *timer)
{
	vx6_loop_stop(loop);
}

static void turn(void)
{
	struct vx6_timer timer;

	vx6_timer_init(loop, &timer, on_turn, NULL);
	vx6_timer_in_ms(&timer, 0);
	vx6_loop_run(loop);
	vx6_timer_stop(&timer);
}

static void say(unsigned which, const uint8_t *p, size_t n)
{
	size_t cap;
	uint8_t *to;

	if (link_up && !stream[which])
		(void)!vx6_is_ok(
			vx6_stream_open(link_up, &stream_events, &stream[which], &stream[which]));
	to = stream[which] ? vx6_stream_reserve(stream[which], &cap) : NULL;
	if (!to)
		return;
	n = VX6_MIN(n, cap);
	memcpy(to, p, n);
	vx6_stream_commit(stream[which], n, false);
}

static void say_hello(uint8_t kind)
{
	struct vx6_hello h = {.version = VX6_HELLO_VERSION,
			      .min_version = VX6_HELLO_VERSION,
			      .features = VX6_FEAT_SERVICE | VX6_FEAT_RESUME,
			      .role = kind == 1 ? VX6_ROLE_ANON : VX6_ROLE_NODE};
	uint8_t out[VX6_HELLO_MAX + VX6_CTL_HEADER], msg[1 + VX6_CB_BYTES] = {1};
	struct vx6_link_info info;
	struct vx6_sig proof;
	struct vx6_wr w;

	if (kind > 1) {
		vx6_link_info(link_up, &info);
		memcpy(msg + 1, info.channel_binding, VX6_CB_BYTES);
		FUZZ_CHECK(vx6_is_ok(vx6_sign(&other.subkey.key, "VX6 hello proof v1",
					      &vx6_net_default, msg, sizeof msg, &proof)));
		h.node_id = other.id.b;
		h.subkey_cert = other.subkey.cert_bytes;
		h.proof = proof.b;
	}
	vx6_wr_init(&w, out, sizeof out);
	vx6_hello_encode(&w, &h);
	FUZZ_CHECK(vx6_is_ok(w.err));
	say(0, out, w.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_sessions_config cfg = {.identity = &own, .hwm = &store, .events = &events};
	struct vx6_dial how = {.anonymous = true};
	uint8_t kind = n ? (data[0] & 63) % 3 : 0;
	bool abrupt = n && data[0] > 127;

	if (!loop)
		start();
	hidden = n && (data[0] & 64);
	cfg.loop = loop;
	FUZZ_CHECK(vx6_is_ok(vx6_sessions_new(&cfg, &sessions)));
	adopted = ups = downs = 0;
	how.to = at;
	FUZZ_CHECK(vx6_is_ok(vx6_transport_mem.dial(stranger, &how, &link_events, NULL, &link_up)));
	turn();
	FUZZ_CHECK(link_up);
	if (kind > 0) {
		say_hello(kind);
		turn();
		/* a hidden service takes nobody by name */
		FUZZ_CHECK(ups == !(hidden && kind == 2));
		FUZZ_CHECK(downs == 0 || hidden);
	} else {
		say(0, data, 0);
	}
	for (data += n > 0, n -= n > 0; n >= 2;) {
		size_t part = VX6_MIN((size_t)data[1], n - 2);

		say(data[0] % STREAMS, data + 2, part);
		if (data[0] & 16)
			turn();
		data += 2 + part;
		n -= 2 + part;
	}
	for (int i = 0; i < 2; i++)
		turn();
	if (abrupt)
		vx6_sessions_free(sessions);
	if (link_up)
		vx6_link_close(link_up, VX6_ERR(CLOSED));
	for (int i = 0; i < TURNS && (link_up || adopted > downs); i++)
		turn();
	if (!abrupt)
		vx6_sessions_free(sessions);
	FUZZ_CHECK(!link_up && adopted == 1 && downs == 1);
	turn();
	return 0;
}
