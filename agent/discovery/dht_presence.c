/*
 * Whether others can reach us, and so whether we are of use as a server.
 *
 * The best proof is a session that came in from another network at our own primary address: nobody can make that up. Without one, peers
 * in different networks are asked to dial us. They may lie, so one word is not enough where more can be had; and a "no" ends our serving
 * only when as many say so as would have been needed for a "yes".
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/secret.h"
#include "discovery/dht_link_internal.h"
#include "wire/code.h"

enum {
	WITNESSES_WANTED = 3,
	ASK_TIMEOUT_MS = 30 * 1000,
};

static const struct link_presence_times usual_times = {
	.tick_ms = 60 * 1000,
	.soon_ms = 500,
	.keep_ms = 40 * 60 * 1000,
	.renew_ms = 30 * 60 * 1000,
	.pause_ms = DHT_DIALBACK_PAUSE_MS,
};

static uint64_t now_ms(const struct link_presence *p)
{
	return VX6_MAX(vx6_loop_now_ms(p->cfg.loop), 1u);
}

static bool own_is_global(const struct link_presence *p)
{
	return p->has_own && !vx6_dht_contact_is_private(&p->own);
}

/* ---- witnesses ---- */

static bool is_recent(const struct link_presence *p, uint64_t at_ms, uint64_t within_ms)
{
	return at_ms != 0 && now_ms(p) - at_ms < within_ms;
}

static unsigned count(const struct link_presence *p, enum link_word says)
{
	unsigned n = 0;

	for (size_t i = 0; i < DHT_WITNESSES_MAX; i++)
		n += p->witness[i].says == says &&
		     is_recent(p, p->witness[i].at_ms, p->cfg.times->keep_ms);
	return n;
}

static struct link_witness *witness_of(struct link_presence *p, const uint8_t prefix[16])
{
	for (size_t i = 0; i < DHT_WITNESSES_MAX; i++)
		if (p->witness[i].at_ms != 0 &&
		    memcmp(p->witness[i].prefix, prefix, sizeof p->witness[i].prefix) == 0)
			return &p->witness[i];
	return NULL;
}

static struct link_witness *witness_take(struct link_presence *p, const uint8_t prefix[16])
{
	struct link_witness *w = witness_of(p, prefix), *oldest = &p->witness[0];

	for (size_t i = 0; !w && i < DHT_WITNESSES_MAX; i++)
		if (p->witness[i].at_ms < oldest->at_ms)
			oldest = &p->witness[i];
	if (!w)
		w = oldest;
	memcpy(w->prefix, prefix, sizeof w->prefix);
	w->at_ms = now_ms(p);
	w->says = WORD_AWAITED;
	return w;
}

/* A prefix that has spoken is asked again when its word gets old; a peer dials no more than once in so long anyway. */
static bool may_ask(struct link_presence *p, const uint8_t prefix[16])
{
	const struct link_witness *w = witness_of(p, prefix);

	if (!w)
		return true;
	return !is_recent(p, w->at_ms,
			  w->says == WORD_REACHED ? p->cfg.times->renew_ms
						  : p->cfg.times->pause_ms);
}

/* ---- asking ---- */

struct candidates {
	struct link_session *ask[WITNESSES_WANTED]; /* of different prefixes */
	uint8_t prefix[WITNESSES_WANTED][16];
	unsigned n;
	unsigned prefixes; /* that could be asked at all, up to WITNESSES_WANTED */
	uint8_t seen[WITNESSES_WANTED][16];
};

static void consider(struct link_presence *p, struct candidates *c, struct link_session *ds,
		     bool near)
{
	struct vx6_addr remote, own;
	uint8_t prefix[16], mine[16];
	bool is_near;

	if (!ds->peer || vx6_session_is_anonymous(ds->s))
		return;
	link_session_remote(ds, &remote, prefix);
	vx6_dht_contact_addr(&p->own, &own);
	vx6_addr_prefix(&own, mine);
	is_near = vx6_addr_is_private(&remote) || memcmp(prefix, mine, sizeof mine) == 0;
	if (is_near != near)
		return;
	for (unsigned i = 0; i < c->prefixes; i++)
		if (memcmp(c->seen[i], prefix, sizeof prefix) == 0)
			return;
	if (c->prefixes < WITNESSES_WANTED)
		memcpy(c->seen[c->prefixes++], prefix, sizeof prefix);
	if (c->n == WITNESSES_WANTED || !may_ask(p, prefix))
		return;
	for (unsigned i = 0; i < c->n; i++)
		if (memcmp(c->prefix[i], prefix, sizeof prefix) == 0)
			return;
	memcpy(c->prefix[c->n], prefix, sizeof prefix);
	c->ask[c->n++] = ds;
}

/* Those of other networks; a neighbour's word counts where there is nobody else. */
static void find_candidates(struct link_presence *p, struct candidates *c)
{
	struct link_session *ds, *next;

	memset(c, 0, sizeof *c);
	for (int near = 0; near < 2 && c->prefixes == 0; near++)
		HASH_ITER(hh, p->cfg.pool->sessions, ds, next)
	consider(p, c, ds, near);
}

static void ask(struct link_presence *p, struct link_session *ds, const uint8_t prefix[16])
{
	uint8_t buf[64];
	struct link_witness *w = witness_take(p, prefix);
	struct vx6_dht_req req = {.op = VX6_DHT_DIALBACK};
	struct vx6_wr wr;

	vx6_wr_init(&wr, buf, sizeof buf);
	vx6_dht_req_encode(&wr, &req);
	/* a witness of before may be asked anew while the last question hangs: that one is void */
	link_query_cancel(&p->asks, (uint64_t)(w - p->witness));
	link_query_send_over(&p->asks, (uint64_t)(w - p->witness), ds, buf, wr.len);
}

static void heard(struct link_presence *p, uint64_t id, enum link_word says)
{
	p->witness[id].says = says;
	p->witness[id].at_ms = now_ms(p);
	link_presence_judge(p);
	/* one who would not say may be made up for by another */
	if (says == WORD_NONE && !vx6_timer_is_armed(&p->soon))
		vx6_timer_in_ms(&p->soon, p->cfg.times->soon_ms);
}

static void on_answered(void *user, uint64_t id, const uint8_t *in, size_t n)
{
	struct vx6_dht_resp resp;
	enum link_word says = WORD_NONE;

	if (vx6_is_ok(vx6_dht_resp_decode(in, n, &resp)) && resp.op == VX6_DHT_DIALBACK)
		says = resp.status == VX6_CODE_OK        ? WORD_REACHED
		       : resp.status == VX6_CODE_TIMEOUT ? WORD_NOT_REACHED
							 : WORD_NONE;
	heard(user, id, says);
}

static void on_failed(void *user, uint64_t id, vx6_err why)
{
	heard(user, id, WORD_NONE);
}

static void look_for_proof(struct link_presence *p)
{
	struct candidates c;
	unsigned have;

	if (p->held_back || p->cfg.mode != VX6_DHT_MODE_AUTO || !own_is_global(p) ||
	    is_recent(p, p->reached_ms, p->cfg.times->renew_ms))
		return;
	find_candidates(p, &c);
	have = 0;
	for (size_t i = 0; i < DHT_WITNESSES_MAX; i++)
		have += (p->witness[i].says == WORD_REACHED &&
			 is_recent(p, p->witness[i].at_ms, p->cfg.times->renew_ms)) ||
			(p->witness[i].says == WORD_AWAITED &&
			 is_recent(p, p->witness[i].at_ms, ASK_TIMEOUT_MS));
	for (unsigned i = 0; i < c.n && have < WITNESSES_WANTED; i++, have++)
		ask(p, c.ask[i], c.prefix[i]);
}

/* ---- the verdict ---- */

static bool verdict(struct link_presence *p)
{
	struct candidates c;
	unsigned needed, reached;

	if (!p->has_own || p->held_back || p->cfg.mode == VX6_DHT_MODE_CLIENT ||
	    p->cfg.mode == VX6_DHT_MODE_OFF)
		return false;
	if (p->cfg.mode == VX6_DHT_MODE_SERVER)
		return true;
	if (!own_is_global(p))
		return !p->cfg.is_global(p->cfg.user);
	if (is_recent(p, p->reached_ms, p->cfg.times->keep_ms))
		return true;
	find_candidates(p, &c);
	reached = count(p, WORD_REACHED);
	needed = VX6_MAX(1u, VX6_MIN((unsigned)WITNESSES_WANTED, c.prefixes));
	if (reached >= needed)
		return true;
	/* without a clear word things stay as they are */
	return p->serving && count(p, WORD_NOT_REACHED) < needed;
}

void link_presence_judge(struct link_presence *p)
{
	bool serving = verdict(p);

	if (serving == p->serving)
		return;
	p->serving = serving;
	VX6_INFO("discovery",
		 serving ? "this node serves the DHT" : "this node does not serve the DHT");
	p->cfg.changed(p->cfg.user, serving ? &p->own : NULL);
}

void link_presence_hold_back(struct link_presence *p)
{
	p->held_back = true;
	link_presence_judge(p);
}

static void on_soon(struct vx6_timer *timer)
{
	look_for_proof(timer->user);
}

static void on_tick(struct vx6_timer *timer)
{
	struct link_presence *p = timer->user;
	uint32_t ms = p->cfg.times->tick_ms;

	link_presence_judge(p);
	look_for_proof(p);
	vx6_timer_in_ms(&p->tick, ms - ms / 10 + vx6_random_below(ms / 5));
}

/* ---- what happens ---- */

void link_presence_init(struct link_presence *p, const struct link_presence_config *cfg)
{
	*p = (struct link_presence){.cfg = *cfg};
	if (!cfg->times)
		p->cfg.times = &usual_times;
	link_queries_init(&p->asks, &(struct link_queries_config){
					    .loop = cfg->loop,
					    .sessions = cfg->sessions,
					    .pool = cfg->pool,
					    .answered = on_answered,
					    .failed = on_failed,
					    .user = p,
				    });
	vx6_timer_init(cfg->loop, &p->soon, on_soon, p);
	vx6_timer_init(cfg->loop, &p->tick, on_tick, p);
	if (cfg->mode == VX6_DHT_MODE_AUTO)
		vx6_timer_in_ms(&p->tick, p->cfg.times->tick_ms);
}

void link_presence_fini(struct link_presence *p)
{
	vx6_timer_stop(&p->tick);
	vx6_timer_stop(&p->soon);
	link_queries_fini(&p->asks);
}

static bool same_place(const struct vx6_dht_contact *a, const struct vx6_dht_contact *b)
{
	return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->port == b->port && a->via == b->via;
}

void link_presence_own(struct link_presence *p, const struct vx6_dht_contact *own)
{
	bool same = own ? p->has_own && same_place(&p->own, own) : !p->has_own;

	if (same)
		return;
	p->has_own = own != NULL;
	p->reached_ms = 0;
	link_queries_fini(&p->asks);
	memset(p->witness, 0, sizeof p->witness);
	if (!own) {
		link_presence_judge(p);
		return;
	}
	p->own = *own;
	/* whoever could be reached where it was can most likely be reached where it is; a check follows */
	if (p->serving)
		p->cfg.changed(p->cfg.user, &p->own);
	link_presence_judge(p);
	vx6_timer_in_ms(&p->soon, p->cfg.times->soon_ms);
}

void link_presence_session_up(struct link_presence *p, struct link_session *ds)
{
	struct vx6_link_info info;
	struct vx6_addr own;
	uint8_t theirs[16], mine[16];

	if (p->cfg.mode != VX6_DHT_MODE_AUTO || !own_is_global(p))
		return;
	vx6_session_info(ds->s, &info);
	vx6_dht_contact_addr(&p->own, &own);
	vx6_addr_prefix(&info.remote, theirs);
	vx6_addr_prefix(&own, mine);
	if (!info.initiator && vx6_addr_same_ip(&info.local, &own) &&
	    !vx6_addr_is_private(&info.remote) && memcmp(theirs, mine, sizeof mine) != 0) {
		p->reached_ms = now_ms(p);
		link_presence_judge(p);
	} else if (!vx6_timer_is_armed(&p->soon)) {
		vx6_timer_in_ms(&p->soon, p->cfg.times->soon_ms);
	}
}
