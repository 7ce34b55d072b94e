/*
 *   drawn -> needed: a way is made -> up: it leads a path -> answers
 *                        |               |
 *                        +- no way       +- several failures in a row, gone, old
 *                              |               |
 *                              +---> shunned for a while, another one is drawn
 *
 * A proxy that says that nobody answers may be right, and several in a row may be too: it costs a circuit to learn that from another one.
 */
#include "discovery/dht_guides.h"

#include <string.h>

#include "base/util.h"

struct asked {
	struct vx6_list node;
	uint64_t query, number;
	struct guide *guide;
};

static uint64_t now_ms(const struct guides *g)
{
	return vx6_loop_now_ms(g->loop);
}

/* ---- drawing ---- */

static size_t others(const struct guides *g,
		     struct vx6_node_id out[static VX6_DHT_CIRCUIT_PROXIES + GUIDES_SHUNNED_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->guide[i].chosen)
			out[n++] = g->guide[i].node;
	for (size_t i = 0; i < VX6_ARRAY_N(g->shunned); i++)
		if (g->shunned[i].until_ms > now_ms(g))
			out[n++] = g->shunned[i].node;
	return n;
}

static bool choose(struct guide *p)
{
	struct vx6_node_id but[VX6_DHT_CIRCUIT_PROXIES + GUIDES_SHUNNED_MAX];
	struct guides *g = p->g;

	if (p->chosen)
		return true;
	if (now_ms(g) < p->rest_until_ms || !g->pick(g->pick_user, but, others(g, but), &p->node))
		return false;
	p->chosen = true;
	p->way = p->number = 0;
	p->failures = 0;
	return true;
}

static void let_go(struct guide *p)
{
	if (p->wait)
		p->g->ways.cancel(p->g->ways.user, p->wait);
	p->wait = NULL;
	if (p->way && p->g->ways.leave)
		p->g->ways.leave(p->g->ways.user, p->way);
	p->chosen = false;
	p->way = p->number = 0;
}

static void shun(struct guide *p)
{
	struct guides *g = p->g;
	size_t i = g->shunned_next++ % GUIDES_SHUNNED_MAX;

	g->shunned[i].node = p->node;
	g->shunned[i].until_ms = now_ms(g) + VX6_DHT_CIRCUIT_SHUN_MS;
	let_go(p);
	if (++p->tries < VX6_DHT_CIRCUIT_TRIES)
		return;
	p->tries = 0;
	p->rest_until_ms = now_ms(g) + VX6_DHT_CIRCUIT_REST_MS;
}

/* ---- ways ---- */

static void on_way(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct guide *p = user;

	p->wait = NULL;
	if (s) {
		p->number = ++p->g->last;
		p->since_ms = now_ms(p->g);
	} else {
		shun(p);
	}
	p->g->changed(p->g->changed_user);
}

static void make_way(struct guide *p)
{
	struct vx6_dht_circuit_ways *ways = &p->g->ways;

	p->way = ways->way(ways->user, &p->node);
	if (p->way)
		p->wait = ways->want(ways->user, p->way, on_way, p);
	if (!p->wait)
		shun(p);
}

static struct vx6_session *session_of(const struct guide *p)
{
	return p->number ? p->g->ways.session(p->g->ways.user, p->way) : NULL;
}

/* ---- what the DHT wants to know ---- */

uint8_t guides_count(struct guides *g)
{
	uint8_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		if (choose(&g->guide[i]))
			n = (uint8_t)(i + 1);
	return n;
}

uint64_t guides_guide(struct guides *g, uint8_t path)
{
	struct guide *p;

	if (path >= g->n)
		return VX6_DHT_GUIDE_NONE;
	p = &g->guide[path];
	if (p->number && now_ms(g) - p->since_ms >= VX6_DHT_CIRCUIT_KEEP_MS)
		let_go(p);
	else if (p->number && !session_of(p))
		shun(p);
	if (!choose(p))
		return VX6_DHT_GUIDE_NONE;
	if (!p->number && !p->wait)
		make_way(p);
	return p->number ? p->number : VX6_DHT_GUIDE_SOON;
}

bool guides_may_ask(const struct guides *g, uint8_t path, const struct vx6_dht_contact *to)
{
	for (size_t i = 0; i < g->n; i++)
		if (i != path && g->guide[i].chosen && vx6_node_id_eq(&g->guide[i].node, &to->node))
			return false;
	return true;
}

unsigned guides_up(const struct guides *g)
{
	unsigned n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += session_of(&g->guide[i]) != NULL;
	return n;
}

/* ---- how good they are ---- */

struct vx6_session *guides_asked(struct guides *g, uint8_t path, uint64_t query)
{
	struct asked *a;

	if (path >= g->n)
		return NULL;
	a = vx6_zalloc(sizeof *a);
	a->query = query;
	a->guide = &g->guide[path];
	a->number = a->guide->number;
	vx6_list_push(&g->asked, &a->node);
	return session_of(a->guide);
}

static void judge(struct guide *p, bool answered)
{
	if (answered) {
		p->failures = 0;
		p->tries = 0;
	} else if (++p->failures >= VX6_DHT_CIRCUIT_FAILURES) {
		shun(p);
	}
}

void guides_heard(struct guides *g, uint64_t query, bool answered)
{
	VX6_LIST_EACH(node, &g->asked)
	{
		struct asked *a = VX6_CONTAINER_OF(node, struct asked, node);

		if (a->query != query)
			continue;
		if (a->number && a->number == a->guide->number)
			judge(a->guide, answered);
		vx6_list_remove(&a->node);
		free(a);
		return;
	}
}

/* ---- life ---- */

void guides_init(struct guides *g, struct vx6_loop *loop, const struct vx6_dht_circuit_ways *ways,
		 uint8_t n)
{
	VX6_ASSERT(n <= VX6_ARRAY_N(g->guide));
	g->n = n;
	g->loop = loop;
	g->ways = *ways;
	g->last = VX6_DHT_GUIDE_FIRST;
	vx6_list_init(&g->asked);
	for (size_t i = 0; i < g->n; i++)
		g->guide[i].g = g;
}

void guides_end(struct guides *g)
{
	struct vx6_list *node;

	for (size_t i = 0; i < g->n; i++)
		let_go(&g->guide[i]);
	while ((node = vx6_list_pop(&g->asked)) != NULL)
		free(VX6_CONTAINER_OF(node, struct asked, node));
}
