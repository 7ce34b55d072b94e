/* A whole session against a peer that writes anything onto its control stream, before or after a HELLO that is right: the session ends or
 * goes on, nothing else. The first byte says what kind of HELLO comes first (0 none, 1 anonymous, else of a node) and in what pieces
 * the rest is written. */
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "record/hwm_mem.h"
#include "session/session.h"
#include "tests/fuzz/fuzz.h"
#include "transport/mem/mem.h"
#include "wire/ctl.h"

enum { TURNS = 8 };

static struct vx6_loop *loop;
static struct vx6_identity own, other;
static struct vx6_hwm_store store;
static struct vx6_sessions *sessions;
static struct vx6_transport *stranger;
static struct vx6_addr at;
static struct vx6_link *link_up; /* the stranger's; NULL: down */
static int ups, downs;

static void on_up(void *user, struct vx6_session *s)
{
	ups++;
}

static void on_down(void *user, struct vx6_session *s, vx6_err why)
{
	FUZZ_CHECK(!vx6_is_ok(why));
	downs++;
}

static void on_record(void *user, struct vx6_session *s, const uint8_t *record, size_t n)
{
	FUZZ_CHECK(n <= VX6_RECORD_MAX);
}

static const struct vx6_sessions_events events = {.up = on_up,
						  .down = on_down,
						  .record = on_record};

static void link_down(struct vx6_link *link, vx6_err why, void *user)
{
	link_up = NULL;
}

static void stream_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	for (int i = 0; i < n; i++)
		vx6_stream_consume(s, iov[i].iov_len);
}

static void stream_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	*(struct vx6_stream **)user = NULL;
}

static const struct vx6_link_events link_events = {.down = link_down};
static const struct vx6_stream_events stream_events = {.data = stream_data,
						       .closed = stream_closed};

static struct vx6_transport *mem_new(const struct vx6_identity *id)
{
	struct vx6_transport_config cfg = {.loop = loop, .key = &id->subkey.key};
	struct vx6_transport *t;

	vx6_transport_limits_default(&cfg.limits);
	FUZZ_CHECK(vx6_is_ok(vx6_transport_mem.new(&cfg, &t)));
	return t;
}

static void start(void)
{
	struct vx6_sessions_config cfg = {.identity = &own,
					  .hwm = &store,
					  .tcp_ops = &vx6_transport_mem,
					  .events = &events};
	struct vx6_bound bound[2 * VX6_SESSION_LISTEN_MAX];
	char detail[VX6_DIAL_DETAIL_MAX];
	uint64_t now = vx6_wall_s();

	vx6_log_set_level(VX6_LOG_ERROR);
	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	FUZZ_CHECK(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now, &own)));
	FUZZ_CHECK(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now, &other)));
	store = vx6_hwm_mem_store(vx6_hwm_mem_new(1000));
	cfg.loop = loop;
	cfg.tcp = mem_new(&own);
	stranger = mem_new(&other);
	FUZZ_CHECK(vx6_is_ok(vx6_sessions_new(&cfg, &sessions)));
	FUZZ_CHECK(vx6_is_ok(vx6_addr_parse("[::1]:0", &at)));
	FUZZ_CHECK(vx6_is_ok(vx6_sessions_listen(sessions, &at, detail)));
	FUZZ_CHECK(vx6_sessions_bound(sessions, bound) == 1);
	at = bound[0].addr;
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

static size_t hello(uint8_t kind, uint8_t out[VX6_HELLO_MAX + VX6_CTL_HEADER])
{
	struct vx6_hello h = {.version = VX6_HELLO_VERSION,
			      .min_version = VX6_HELLO_VERSION,
			      .features = VX6_FEAT_SERVICE | VX6_FEAT_RECORDS,
			      .role = kind == 1 ? VX6_ROLE_ANON : VX6_ROLE_NODE};
	struct vx6_wr w;
	size_t n = 0;

	if (kind == 0)
		return 0;
	if (kind > 1) {
		h.node_id = other.id.b;
		h.subkey_cert = other.subkey.cert_bytes;
		h.clock_ms = vx6_wall_ms();
	}
	vx6_wr_init(&w, out, VX6_HELLO_MAX + VX6_CTL_HEADER);
	vx6_hello_encode(&w, &h);
	FUZZ_CHECK(vx6_is_ok(vx6_wr_done(&w, &n)));
	return n;
}

/* Writes in pieces of @p piece bytes, 0: as they fit. */
static void write_all(struct vx6_stream **s, const uint8_t *p, size_t n, size_t piece)
{
	for (int tries = 0; *s && n > 0 && tries < TURNS;) {
		size_t cap, part;
		uint8_t *to = vx6_stream_reserve(*s, &cap);

		if (!to) {
			tries++;
			turn();
			continue;
		}
		part = VX6_MIN(piece ? VX6_MIN(piece, cap) : cap, n);
		memcpy(to, p, part);
		vx6_stream_commit(*s, part, false);
		p += part;
		n -= part;
		if (piece && n < 64 * piece)
			turn();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t first[VX6_HELLO_MAX + VX6_CTL_HEADER], kind = n ? data[0] % 3 : 0;
	struct vx6_dial how = {.anonymous = kind == 1};
	struct vx6_stream *s = NULL;

	if (!loop)
		start();
	how.to = at;
	FUZZ_CHECK(vx6_is_ok(vx6_transport_mem.dial(stranger, &how, &link_events, NULL, &link_up)));
	turn();
	FUZZ_CHECK(link_up && vx6_is_ok(vx6_stream_open(link_up, &stream_events, &s, &s)));
	write_all(&s, first, hello(kind, first), 0);
	turn();
	FUZZ_CHECK(kind == 0 || ups == downs + 1);
	if (n > 1)
		write_all(&s, data + 1, n - 1, data[0] / 3);
	for (int i = 0; i < 2; i++)
		turn();
	if (link_up)
		vx6_link_close(link_up, VX6_ERR(CLOSED));
	for (int i = 0; i < TURNS && (link_up || vx6_sessions_count(sessions) > 0); i++)
		turn();
	FUZZ_CHECK(!link_up && vx6_sessions_count(sessions) == 0 && ups == downs);
	return 0;
}
