/* Life of the multiplexer, the table of ids, and credit. The link that carries it owns it and is outlived by nothing here. */
#include "transport/mux/mux_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "wire/code.h"

enum { BUCKETS_MIN = 16, CREDIT_PARTS = 4 };

void mux_init(struct mux *m, const struct mux_config *cfg, uint64_t now_ns)
{
	const struct vx6_transport_limits *l = cfg->limits;

	VX6_ASSERT(cfg->frame_max <= VX6_MUX_PAYLOAD_MAX &&
		   (!cfg->frame_max || cfg->frame_max >= VX6_RESERVE_LINK));
	*m = (struct mux){
		.io = cfg->io,
		.link = cfg->link,
		.ops = cfg->ops,
		.batch = cfg->batch,
		.initiator = cfg->initiator,
		.now_ns = now_ns,
		.frame_max = cfg->frame_max ? cfg->frame_max : VX6_MUX_PAYLOAD_MAX,
		.own_next = cfg->initiator ? 1 : 2,
		.own_max = cfg->own_streams_max,
		.peer_max = cfg->peer_streams_max,
		.tx_credit = MUX_LINK_WINDOW,
		.stream_window = VX6_MAX(l->stream_window, MUX_STREAM_WINDOW),
	};
	credit_init(&m->rx, MUX_LINK_WINDOW, VX6_MAX(l->link_window_max, MUX_LINK_WINDOW), now_ns);
	m->rx.growth = cfg->growth;
	/* one stopped stream must not be able to hold the whole link's window */
	m->stream_window_max =
		VX6_MAX(VX6_MIN(l->stream_window_max, m->rx.window_max / 4), MUX_STREAM_WINDOW);
	m->stream_window = VX6_MIN(m->stream_window, m->stream_window_max);
	vx6_list_init(&m->all);
	vx6_list_init(&m->waiting);
	vx6_list_init(&m->touched);
	vx6_list_init(&m->urgent);
	vx6_list_init(&m->closing);
	if (l->link_window > MUX_LINK_WINDOW) {
		m->rx.freed = VX6_MIN(l->link_window, m->rx.window_max) - MUX_LINK_WINDOW;
		m->rx.window += m->rx.freed;
		m->ctl |= CTL_WINDOW;
	}
}

void mux_end(struct mux *m, vx6_err why)
{
	m->dead = true;
	VX6_LIST_EACH(node, &m->all)
	stream_close(VX6_CONTAINER_OF(node, struct vx6_stream, all), why, 0);
	mux_reap(m);
	VX6_LIST_EACH(
		node,
		&m->all) /* those that had been told before, but whose last frame had not left */
	stream_free(VX6_CONTAINER_OF(node, struct vx6_stream, all));
	VX6_FREE(m->bucket);
	m->buckets_n = 0;
	credit_end(&m->rx);
}

vx6_err mux_watch(struct mux *m, const struct vx6_transport_limits *l, uint64_t rx_ns,
		  uint64_t *next_ms)
{
	uint64_t silent_ms = (m->now_ns - rx_ns) / VX6_NS_PER_MS, next = UINT64_MAX;

	if (l->idle_ms) {
		if (silent_ms >= l->idle_ms)
			return VX6_ERR(IDLE);
		next = l->idle_ms - silent_ms;
	}
	if (l->keepalive_ms) {
		uint64_t quiet_ms = l->keepalive_ms;

		if (silent_ms >= l->keepalive_ms)
			mux_ping(m);
		else
			quiet_ms -= silent_ms;
		next = VX6_MIN(next, quiet_ms);
	}
	*next_ms = next == UINT64_MAX ? 0 : next;
	return VX6_OK;
}

void mux_ping(struct mux *m)
{
	if (m->ping_sent_ns)
		return;
	m->ctl |= CTL_PING;
	m->io->wake(m);
}

void mux_goaway(struct mux *m)
{
	if (m->goaway_tx)
		return;
	m->goaway_tx = true;
	m->ctl |= CTL_GOAWAY;
	m->io->wake(m);
}

size_t mux_goodbye(uint8_t frame[static VX6_MUX_HEADER + 4], vx6_err why)
{
	uint16_t code =
		vx6_is_ok(why) || why.code == VX6_E_CLOSED ? VX6_CODE_OK : vx6_code_from_err(why);

	return vx6_mux_encode_u32(frame, VX6_MUX_GOAWAY, 0, code);
}

vx6_err mux_end_reason(const struct mux *m)
{
	if (!m->goaway_rx || m->goaway_code == VX6_CODE_OK || m->goaway_code == VX6_CODE_DRAINING)
		return VX6_ERR(CLOSED);
	return vx6_code_to_err(m->goaway_code);
}

/* ---- ids ---- */

static bool id_is_own(const struct mux *m, uint32_t id)
{
	return (id & 1) == (m->initiator ? 1u : 0u);
}

bool id_was_opened(const struct mux *m, uint32_t id)
{
	return id_is_own(m, id) ? id < m->own_next : id <= m->peer_last;
}

/* Ids grow by two on each side, so their upper bits spread evenly by themselves. */
static struct vx6_stream **table_bucket(const struct mux *m, uint32_t id)
{
	return &m->bucket[(id >> 1) & (m->buckets_n - 1)];
}

static void table_grow(struct mux *m)
{
	struct vx6_stream **old = m->bucket;
	uint32_t old_n = m->buckets_n;

	m->buckets_n = old_n ? old_n * 2 : BUCKETS_MIN;
	m->bucket = vx6_zalloc(m->buckets_n * sizeof *m->bucket);
	for (uint32_t i = 0; i < old_n; i++) {
		while (old[i]) {
			struct vx6_stream *s = old[i], **to = table_bucket(m, s->id);

			old[i] = s->hash_next;
			s->hash_next = *to;
			*to = s;
		}
	}
	free(old);
}

void table_put(struct mux *m, struct vx6_stream *s)
{
	struct vx6_stream **to;

	if (m->table_n >= m->buckets_n)
		table_grow(m);
	to = table_bucket(m, s->id);
	s->hash_next = *to;
	*to = s;
	m->table_n++;
}

void table_remove(struct mux *m, struct vx6_stream *s)
{
	struct vx6_stream **at = m->buckets_n ? table_bucket(m, s->id) : NULL;

	for (; at && *at; at = &(*at)->hash_next) {
		if (*at == s) {
			*at = s->hash_next;
			s->hash_next = NULL;
			m->table_n--;
			return;
		}
	}
}

struct vx6_stream *table_find(const struct mux *m, uint32_t id)
{
	struct vx6_stream *s = m->buckets_n ? *table_bucket(m, id) : NULL;

	while (s && s->id != id)
		s = s->hash_next;
	return s;
}

/* ---- credit ---- */

void credit_init(struct mux_credit *c, uint32_t window, uint32_t window_max, uint64_t now_ns)
{
	*c = (struct mux_credit){.avail = window,
				 .window = window,
				 .window_max = window_max,
				 .drained_ns = now_ns};
}

void credit_end(struct mux_credit *c)
{
	if (c->growth)
		c->growth->used -= c->grown;
	c->growth = NULL;
	c->grown = 0;
}

bool credit_is_due(const struct mux_credit *c)
{
	return c->freed >= c->window / CREDIT_PARTS;
}

static size_t left_of(const struct mux_growth *g)
{
	return g->max - VX6_MIN(g->used, g->max);
}

static void credit_double(struct mux_credit *c)
{
	size_t more = VX6_MIN(c->window, c->window_max - c->window);

	if (c->growth) {
		size_t left = left_of(c->growth);

		more = VX6_MIN(more, (left - VX6_MIN(left, (size_t)c->grown)) / 2);
		c->growth->used += more;
		c->grown += (uint32_t)more;
	}
	c->window += (uint32_t)more;
	c->freed += (uint32_t)more;
}

/* One that has grown by more than is left for others: up to half of what is free is not granted again. */
static bool credit_shrink(struct mux_credit *c)
{
	size_t left = c->growth ? left_of(c->growth) : UINT32_MAX;
	uint32_t less;

	if (c->grown <= left)
		return false;
	less = VX6_MIN(c->freed / 2, (uint32_t)(c->grown - left + 1) / 2);
	c->window -= less;
	c->freed -= less;
	c->grown -= less;
	c->growth->used -= less;
	return true;
}

/* Whether half of the window was drained in less than two round trips: then it is what holds the sender up. */
static bool is_drained(struct mux_credit *c, uint64_t now_ns, uint32_t srtt_us)
{
	bool quick = now_ns - c->drained_ns < (uint64_t)srtt_us * 2000;

	c->drained += c->freed;
	if (c->drained < c->window / 2)
		return false;
	c->drained = 0;
	c->drained_ns = now_ns;
	return quick;
}

uint32_t credit_grant(struct mux_credit *c, uint64_t now_ns, uint32_t srtt_us)
{
	bool drained = is_drained(c, now_ns, srtt_us);
	uint32_t n;

	if (!credit_shrink(c) && drained)
		credit_double(c);
	n = c->freed;
	c->avail += n;
	c->freed = 0;
	return n;
}

/* Bytes of the link's window have left the receiver's hands. Slow streams that hold much of it make it grow, so that they do not
 * stall the others, up to the most that a link may hold. */
void link_give(struct mux *m, uint32_t n)
{
	m->rx.held -= n;
	m->rx.freed += n;
	if (m->rx.held >= m->rx.window / 2)
		credit_double(&m->rx);
	if (credit_is_due(&m->rx) && !(m->ctl & CTL_WINDOW)) {
		m->ctl |= CTL_WINDOW;
		m->io->wake(m);
	}
}
