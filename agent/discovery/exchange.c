/*
 * Who is told what: each session has a cursor into the registry's order of changes. A timer that runs only while some cursor is behind sends
 * what lies between, without what the peer has shown to know itself.
 */
#include "discovery/exchange.h"

#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "wire/record.h"

enum {
	GREET_MS = 100, /* after a session is up, plus as much at random */
	TELL_MS = 1000, /* after a change, plus as much at random */
	PAGE = 128,     /* records read from the registry at once */
	ASK_AT_ONCE = 64,
	SHOWN = 64, /* what a peer has lately shown to know */
	ASK_BURST = 600,
	ASK_PER_MIN = 60,
	ASK_CAME_PER_MIN = 6000, /* of all who came to us together: a new session is a new burst */
	ANSWER_MS =
		30000, /* what was asked for and has not come by then is not expected any more */
	URGENT_PER_MIN = 64,
	FLOOD_TELL = 64, /* records that nobody asked for before it is told */
};

struct peer {
	struct vx6_list node;
	struct vx6_session *s; /* borrowed: it ends with session_down */
	bool greeted, came;    /* came: the session is not one that we dialled */
	uint64_t cursor;
	uint64_t due_ms;                   /* when to tell it; 0: nothing to tell */
	uint32_t ask_tokens, ask_fraction; /* of a token, in 1/60000 */
	uint64_t ask_ms, asked_ms;
	uint32_t expected; /* records that were asked for and may come */
	uint32_t urgent, unasked;
	uint64_t urgent_ms;
	uint32_t shown_n;
	uint64_t shown[SHOWN]; /* tag ^ seq */
	uint32_t wants_n;
	uint64_t wants[ASK_AT_ONCE];
};

struct vx6_exchange {
	struct vx6_exchange_config cfg;
	struct vx6_list peers;
	struct vx6_timer timer;
	struct vx6_task ask;
	uint64_t came_ms;
	uint32_t came_n; /* asked of those who came, in this minute */
	struct vx6_exchange_info info;
};

static struct peer *peer_of(struct vx6_exchange *x, const struct vx6_session *s)
{
	VX6_LIST_EACH(node, &x->peers)
	{
		struct peer *p = VX6_CONTAINER_OF(node, struct peer, node);

		if (p->s == s)
			return p;
	}
	return NULL;
}

/* ---- what may be told ---- */

static bool is_exchanged(const struct vx6_known_record *r)
{
	return r->bytes && !(r->flags & VX6_RECORD_UNLISTED) && r->key.type != VX6_RTYPE_CATALOG &&
	       r->key.type < VX6_HWM_CERT && !vx6_known_is_confidential(r);
}

static bool is_about(const struct vx6_known_record *r, const struct vx6_node_id *node)
{
	return memcmp(r->key.subject, node->b, sizeof node->b) == 0;
}

static void note_shown(struct peer *p, uint64_t tag, uint64_t seq)
{
	p->shown[p->shown_n++ % SHOWN] = tag ^ seq;
}

static bool has_shown(const struct peer *p, uint64_t tag, uint64_t seq)
{
	for (size_t i = 0; i < VX6_MIN(p->shown_n, (uint32_t)SHOWN); i++)
		if (p->shown[i] == (tag ^ seq))
			return true;
	return false;
}

/* ---- telling ---- */

static void arm(struct vx6_exchange *x)
{
	uint64_t first = UINT64_MAX;

	VX6_LIST_EACH(node, &x->peers)
	{
		const struct peer *p = VX6_CONTAINER_OF(node, struct peer, node);

		if (p->due_ms)
			first = VX6_MIN(first, p->due_ms);
	}
	if (first == UINT64_MAX)
		vx6_timer_stop(&x->timer);
	else
		vx6_timer_at(&x->timer, first * VX6_NS_PER_MS);
}

static void tell_in(struct vx6_exchange *x, struct peer *p, uint32_t ms)
{
	if (!p->due_ms)
		p->due_ms = vx6_loop_now_ms(x->cfg.loop) + ms + vx6_random_below(ms);
}

/* @return false: the session takes no more now */
static bool offer(struct vx6_exchange *x, struct peer *p, const struct vx6_known_record *r,
		  size_t n)
{
	struct vx6_have have[PAGE];
	size_t have_n = 0;

	for (size_t i = 0; i < n; i++)
		if (is_exchanged(&r[i]) && !is_about(&r[i], vx6_session_node(p->s)) &&
		    !has_shown(p, r[i].tag, r[i].seq))
			have[have_n++] = (struct vx6_have){.tag = r[i].tag, .seq = r[i].seq};
	if (have_n == 0)
		return true;
	x->info.offered += have_n;
	return vx6_is_ok(vx6_session_send_have(p->s, have, have_n));
}

static void greet(struct vx6_exchange *x, struct peer *p, uint64_t now_s)
{
	struct vx6_known_record *r = vx6_zalloc(VX6_EXCHANGE_FIRST * sizeof *r);
	size_t n = vx6_registry_latest(x->cfg.registry, now_s, r, VX6_EXCHANGE_FIRST);

	p->greeted = true;
	p->cursor = vx6_registry_changes(x->cfg.registry);
	for (size_t i = 0; i < n; i += PAGE)
		if (!offer(x, p, r + i, VX6_MIN(n - i, (size_t)PAGE)))
			break;
	free(r);
}

static void tell(struct vx6_exchange *x, struct peer *p, uint64_t now_s)
{
	struct vx6_known_record r[PAGE];
	size_t n;

	do {
		n = vx6_registry_since(x->cfg.registry, p->cursor, now_s, r, PAGE);
		if (n == 0 || !offer(x, p, r, n))
			break;
		p->cursor = r[n - 1].change;
	} while (n == PAGE);
}

static void on_timer(struct vx6_timer *timer)
{
	struct vx6_exchange *x = timer->user;
	uint64_t now = vx6_loop_now_ms(x->cfg.loop), now_s = vx6_wall_s();

	VX6_LIST_EACH(node, &x->peers)
	{
		struct peer *p = VX6_CONTAINER_OF(node, struct peer, node);

		if (!p->due_ms || p->due_ms > now)
			continue;
		p->due_ms = 0;
		if (p->greeted)
			tell(x, p, now_s);
		else
			greet(x, p, now_s);
	}
	arm(x);
}

void vx6_exchange_changed(struct vx6_exchange *x, const struct vx6_known_record *rec,
			  const struct vx6_session *from)
{
	if (!is_exchanged(rec))
		return;
	VX6_LIST_EACH(node, &x->peers)
	{
		struct peer *p = VX6_CONTAINER_OF(node, struct peer, node);

		if (p->s == from) {
			note_shown(p, rec->tag, rec->seq);
			continue;
		}
		if (rec->key.type != VX6_RTYPE_REVOCATION)
			tell_in(x, p, TELL_MS);
		else if (vx6_is_ok(vx6_session_send_record(p->s, rec->bytes, rec->n)))
			note_shown(p, rec->tag, rec->seq);
	}
	arm(x);
}

/* ---- asking ---- */

static void refill(struct peer *p, uint64_t now)
{
	uint64_t passed = VX6_MIN(now - p->ask_ms, (uint64_t)60 * 60000);
	uint64_t fraction = p->ask_fraction + passed * ASK_PER_MIN;

	p->ask_ms = now;
	p->ask_tokens = (uint32_t)VX6_MIN(p->ask_tokens + fraction / 60000, (uint64_t)ASK_BURST);
	p->ask_fraction = (uint32_t)(fraction % 60000);
	if (now - p->asked_ms > ANSWER_MS)
		p->expected = 0;
}

static void flush(struct vx6_exchange *x, struct peer *p)
{
	if (p->wants_n == 0)
		return;
	if (vx6_is_ok(vx6_session_send_get(p->s, p->wants, p->wants_n))) {
		p->expected += p->wants_n;
		p->asked_ms = vx6_loop_now_ms(x->cfg.loop);
		x->info.asked += p->wants_n;
	}
	p->wants_n = 0;
}

static void on_ask(struct vx6_task *task)
{
	struct vx6_exchange *x = task->user;

	VX6_LIST_EACH(node, &x->peers)
	flush(x, VX6_CONTAINER_OF(node, struct peer, node));
}

static bool may_ask(struct vx6_exchange *x, struct peer *p)
{
	uint64_t now = vx6_loop_now_ms(x->cfg.loop);

	refill(p, now);
	if (now - x->came_ms >= 60000) {
		x->came_ms = now;
		x->came_n = 0;
	}
	if (p->ask_tokens == 0 || (p->came && x->came_n >= ASK_CAME_PER_MIN))
		return false;
	p->ask_tokens--;
	x->came_n += p->came;
	return true;
}

void vx6_exchange_have(struct vx6_exchange *x, struct vx6_session *s, const struct vx6_have *e)
{
	struct peer *p = peer_of(x, s);
	struct vx6_known_record known;

	if (!p)
		return;
	note_shown(p, e->tag, e->seq);
	/* what is confidential is asked for as if it were not there: that it is shows in nothing we do */
	if (vx6_registry_find_tag(x->cfg.registry, e->tag, vx6_wall_s(), &known) &&
	    known.seq >= e->seq && !vx6_known_is_confidential(&known))
		return;
	if (!may_ask(x, p))
		return;
	p->wants[p->wants_n++] = e->tag;
	if (p->wants_n == VX6_ARRAY_N(p->wants))
		flush(x, p);
	else
		vx6_loop_defer(x->cfg.loop, &x->ask);
}

/* ---- giving ---- */

static bool give(struct vx6_exchange *x, struct vx6_session *s, const struct vx6_known_record *r)
{
	if (!is_exchanged(r) || !vx6_is_ok(vx6_session_send_record(s, r->bytes, r->n)))
		return false;
	x->info.given++;
	return true;
}

void vx6_exchange_get(struct vx6_exchange *x, struct vx6_session *s, uint64_t tag)
{
	struct vx6_known_record r;

	if (peer_of(x, s) && vx6_registry_find_tag(x->cfg.registry, tag, vx6_wall_s(), &r))
		give(x, s, &r);
}

void vx6_exchange_wanted(struct vx6_exchange *x, struct vx6_session *s,
			 const struct vx6_node_id *node)
{
	struct vx6_known_record r[VX6_KNOWN_SERVICES_MAX];
	size_t n;

	if (!peer_of(x, s))
		return;
	n = vx6_registry_records(x->cfg.registry, node, vx6_wall_s(), r, VX6_ARRAY_N(r));
	for (size_t i = 0; i < n; i++)
		give(x, s, &r[i]);
}

/* ---- taking ---- */

/* @param urgent a revocation, or something about ourselves: that we did not ask for it is no fault, but few of them are enough */
static bool may_bring(struct vx6_exchange *x, struct peer *p, bool urgent)
{
	uint64_t now = vx6_loop_now_ms(x->cfg.loop);

	refill(p, now);
	if (p->expected > 0) {
		p->expected--;
		return true;
	}
	if (urgent) {
		if (now - p->urgent_ms >= 60000) {
			p->urgent_ms = now;
			p->urgent = 0;
		}
		if (p->urgent++ < URGENT_PER_MIN)
			return true;
	}
	if (++p->unasked == FLOOD_TELL && x->cfg.flood)
		x->cfg.flood(x->cfg.user, p->s);
	return false;
}

void vx6_exchange_record(struct vx6_exchange *x, struct vx6_session *s, const uint8_t *record,
			 size_t n)
{
	const struct vx6_node_id *who = vx6_session_node(s);
	struct vx6_record_view v;
	struct peer *p;
	bool urgent;

	if (!who || !vx6_is_ok(vx6_record_decode(record, n, &v)))
		return;
	if (memcmp(v.subject, who->b, sizeof who->b) == 0) {
		x->cfg.take(x->cfg.user, s, record, n, true);
		return;
	}
	p = peer_of(x, s);
	urgent = v.type == VX6_RTYPE_REVOCATION ||
		 memcmp(v.subject, x->cfg.self.b, sizeof v.subject) == 0;
	/* unlisted records are their subject's to give */
	if (!p || (v.flags & VX6_RECORD_UNLISTED) || !may_bring(x, p, urgent)) {
		x->info.dropped++;
		return;
	}
	x->info.taken++;
	x->cfg.take(x->cfg.user, s, record, n, false);
}

/* ---- life ---- */

void vx6_exchange_session_up(struct vx6_exchange *x, struct vx6_session *s)
{
	struct vx6_link_info info;
	struct peer *p;

	if (!vx6_session_node(s) || !(vx6_session_features(s) & VX6_FEAT_EXCHANGE))
		return;
	vx6_session_info(s, &info);
	p = vx6_zalloc(sizeof *p);
	p->came = !info.initiator;
	p->s = s;
	p->ask_tokens = ASK_BURST;
	p->ask_ms = p->urgent_ms = vx6_loop_now_ms(x->cfg.loop);
	vx6_list_push(&x->peers, &p->node);
	tell_in(x, p, GREET_MS);
	arm(x);
}

static void peer_free(struct peer *p)
{
	vx6_list_remove(&p->node);
	free(p);
}

void vx6_exchange_session_down(struct vx6_exchange *x, struct vx6_session *s)
{
	struct peer *p = peer_of(x, s);

	if (p)
		peer_free(p);
}

struct vx6_exchange *vx6_exchange_new(const struct vx6_exchange_config *cfg)
{
	struct vx6_exchange *x = vx6_zalloc(sizeof *x);

	x->cfg = *cfg;
	vx6_list_init(&x->peers);
	vx6_timer_init(cfg->loop, &x->timer, on_timer, x);
	vx6_task_init(&x->ask, on_ask, x);
	return x;
}

void vx6_exchange_free(struct vx6_exchange *x)
{
	if (!x)
		return;
	while (!vx6_list_is_empty(&x->peers))
		peer_free(VX6_CONTAINER_OF(x->peers.next, struct peer, node));
	vx6_timer_stop(&x->timer);
	vx6_task_cancel(&x->ask);
	free(x);
}

void vx6_exchange_info(const struct vx6_exchange *x, struct vx6_exchange_info *out)
{
	*out = x->info;
}
