#include "discovery/hs_dht_internal.h"

#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/dht_guides.h"

/* Of vx6_routing.apart: the numbers below are those of whoever looks something else up, or speaks with relays. */
static const uint32_t APART_FIRST = 0x40000000;

enum {
	READY_MS = 10 * 60 * 1000,
	READY_CALM_MS = 750, /* what the fetch was for goes first */
	READY_LOOK_MS = 15000,
};

/* ---- proxies ---- */

static size_t add_proxies(const struct hs_side *s, struct vx6_node_id *out)
{
	size_t n = 0;

	for (uint8_t i = 0; s && s->circuit && i < VX6_DHT_CIRCUIT_PROXIES; i++)
		if (vx6_dht_circuit_proxy(s->circuit, i, &out[n]))
			n++;
	return n;
}

static bool pick(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out)
{
	struct vx6_node_id all[2 * VX6_DHT_CIRCUIT_PROXIES + GUIDES_SHUNNED_MAX];
	const struct hs_side *s = user;
	const struct vx6_hs_dht_config *cfg = &s->h->cfg;
	size_t all_n;

	VX6_ASSERT(n <= VX6_DHT_CIRCUIT_PROXIES + GUIDES_SHUNNED_MAX);
	memcpy(all, but, n * sizeof *but);
	all_n = n + add_proxies(s->sibling, all + n);
	return cfg->pick(cfg->user, all, all_n, out) ||
	       (s->may_share && all_n > n && cfg->pick(cfg->user, but, n, out));
}

static const struct vx6_dht *other(void *user)
{
	const struct vx6_hs_dht_config *cfg = &((const struct hs_side *)user)->h->cfg;

	return cfg->other(cfg->user);
}

static void heard(void *user, vx6_dht_circuit_met *met, void *met_user)
{
	const struct vx6_hs_dht_config *cfg = &((const struct hs_side *)user)->h->cfg;

	cfg->heard(cfg->user, met, met_user);
}

/* ---- life ---- */

static void make(struct hs_side *s, uint8_t proxies)
{
	struct vx6_hs_dht *h = s->h;

	if (++h->apart < APART_FIRST)
		h->apart = APART_FIRST;
	s->circuit = vx6_dht_circuit_new(&(struct vx6_dht_circuit_config){
		.loop = h->cfg.loop,
		.sessions = h->cfg.sessions,
		.circuits = h->cfg.circuits,
		.ways = h->cfg.ways,
		.net = h->cfg.net,
		.proxies = proxies,
		.hidden = true,
		.apart = h->apart,
		.pick = pick,
		.other = other,
		.heard = h->cfg.heard ? heard : NULL,
		.user = s,
	});
}

static struct vx6_dht *want(struct hs_side *s)
{
	struct vx6_dht *dht;

	vx6_dht_circuit_want(s->circuit);
	dht = vx6_dht_circuit_dht(s->circuit);
	if (!dht)
		hs_side_close(s);
	return dht;
}

struct vx6_dht *hs_side_open(struct hs_side *s, uint8_t proxies)
{
	hs_side_close(s);
	make(s, proxies);
	return want(s);
}

void hs_side_close(struct hs_side *s)
{
	vx6_dht_circuit_free(s->circuit);
	s->circuit = NULL;
}

/* ---- ahead ---- */

struct vx6_dht *hs_side_take(struct hs_side *s)
{
	struct vx6_hs_dht *h = s->h;

	if (!h->ready.circuit || (s->sibling && s->sibling->circuit))
		return hs_side_open(s, HS_FETCH_PROXIES);
	hs_side_close(s);
	s->circuit = h->ready.circuit;
	h->ready.circuit = NULL;
	vx6_dht_circuit_pass(s->circuit, s);
	return want(s);
}

static void on_ready(struct vx6_timer *timer)
{
	struct vx6_hs_dht *h = timer->user;

	if (vx6_loop_now_ms(h->cfg.loop) - h->fetched_ms >= READY_MS) {
		hs_side_close(&h->ready);
		return;
	}
	if (!h->ready.circuit)
		make(&h->ready, HS_FETCH_PROXIES);
	vx6_dht_circuit_prepare(h->ready.circuit);
	vx6_timer_in_ms(timer, READY_LOOK_MS);
}

void hs_side_make_ready(struct vx6_hs_dht *h)
{
	h->fetched_ms = vx6_loop_now_ms(h->cfg.loop);
	if (!h->ready.circuit)
		vx6_timer_in_ms(&h->ready_timer,
				READY_CALM_MS + vx6_random_below(READY_CALM_MS / 3));
}

struct vx6_dht_now hs_side_now(const struct hs_side *s)
{
	struct vx6_dht_now now;

	vx6_dht_circuit_now(s->circuit, &now);
	return now;
}

struct vx6_hs_dht *vx6_hs_dht_new(const struct vx6_hs_dht_config *cfg)
{
	struct vx6_hs_dht *h = vx6_zalloc(sizeof *h);

	h->cfg = *cfg;
	h->ready.h = h;
	vx6_timer_init(cfg->loop, &h->ready_timer, on_ready, h);
	vx6_list_init(&h->fetches);
	return h;
}

void vx6_hs_dht_free(struct vx6_hs_dht *h)
{
	if (!h)
		return;
	VX6_ASSERT(h->publishers == 0);
	hs_fetches_end(h);
	vx6_timer_stop(&h->ready_timer);
	hs_side_close(&h->ready);
	free(h);
}
