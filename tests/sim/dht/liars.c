#include "tests/sim/dht/liars.h"

#include <string.h>

#include "base/util.h"
#include "wire/code.h"
#include "wire/dht.h"

enum {
	FAKES_PER_NODE = 8, /* they must lie nearer to any key than who is real */
	LOOK = 60,          /* candidates for an answer: of these one a prefix */
};

/* A record that a liar has seen put. */
struct seen {
	struct seen *next;
	uint32_t liar; /* ROLE_SLY: any */
	uint32_t from;
	uint8_t key[VX6_DHT_KEY_BYTES];
	size_t n;
	uint8_t record[];
};

struct liars {
	struct ring gang;  /* numbers of nodes */
	struct ring fakes; /* indices */
	struct vx6_dht_contact *fake;
	size_t fakes_n;
	struct seen *seen;
};

void liars_free(struct liars *l)
{
	if (l == NULL)
		return;
	while (l->seen != NULL) {
		struct seen *s = l->seen;

		l->seen = s->next;
		free(s);
	}
	ring_fini(&l->gang);
	ring_fini(&l->fakes);
	free(l->fake);
	free(l);
}

static void make_fakes(struct world *w)
{
	struct liars *l = w->liars;
	struct sim_rng rng;

	if (l->fakes_n > 0)
		return;
	sim_rng_derive(&rng, w->seed, "fakes", 0);
	l->fakes_n = (size_t)w->n * FAKES_PER_NODE;
	l->fake = vx6_zalloc(l->fakes_n * sizeof *l->fake);
	for (size_t i = 0; i < l->fakes_n; i++) {
		struct vx6_dht_contact *c = &l->fake[i];
		struct vx6_dht_key pos;

		c->port = WORLD_PORT;
		c->via = VX6_DHT_VIA_QUIC;
		sim_rng_fill(&rng, c->node.b, sizeof c->node.b);
		sim_rng_fill(&rng, c->ip, sizeof c->ip);
		c->ip[0] = 0x2e; /* where the address plan puts nobody */
		vx6_dht_contact_pos(&w->id, c, &pos);
		ring_add(&l->fakes, ring_at(&pos), (uint32_t)i);
	}
	ring_sort(&l->fakes);
}

void liars_ready(struct world *w)
{
	bool flooders = false;

	if (w->liars == NULL)
		w->liars = vx6_zalloc(sizeof *w->liars);
	ring_fini(&w->liars->gang);
	for (uint32_t i = 0; i < w->n; i++) {
		const struct node *n = w->nodes[i];

		flooders |= n->role == ROLE_FLOODER;
		if ((n->role == ROLE_COLLUDER || n->role == ROLE_SLY) && sim_net_is_up(w->net, i))
			ring_add(&w->liars->gang, ring_at(&n->pos), i);
	}
	ring_sort(&w->liars->gang);
	if (flooders)
		make_fakes(w);
}

/* ---- answers ---- */

static void add_node(struct vx6_dht_resp_wr *b, const struct vx6_dht_contact *c)
{
	struct vx6_dht_node node = {.port = c->port, .via = c->via, .age_days = 30};

	memcpy(node.node_id, c->node.b, sizeof node.node_id);
	memcpy(node.ip, c->ip, sizeof node.ip);
	vx6_dht_resp_add_node(b, &node);
}

/* Nearest to the key, at most one of a prefix: more would be dropped by whoever asks. */
static void add_nodes(struct vx6_dht_resp_wr *b, struct node *me, const uint8_t *key, size_t limit)
{
	struct liars *l = me->w->liars;
	bool fakes = me->role == ROLE_FLOODER;
	uint8_t taken[VX6_DHT_NODES_MAX][VX6_DHT_PREFIX_BYTES];
	struct vx6_dht_key k;
	uint32_t near[LOOK];
	size_t n, given = 0;

	memcpy(k.b, key, sizeof k.b);
	n = ring_near(fakes ? &l->fakes : &l->gang, ring_at(&k), near, LOOK);
	for (size_t i = 0; i < n && given < limit; i++) {
		const struct vx6_dht_contact *c =
			fakes ? &l->fake[near[i]] : &me->w->nodes[near[i]]->contact;
		size_t same = 0;

		vx6_dht_contact_prefix(c, taken[given]);
		while (memcmp(taken[same], taken[given], sizeof taken[0]) != 0)
			same++;
		if (same < given || (!fakes && near[i] == me->number))
			continue;
		add_node(b, c);
		given++;
	}
}

static struct seen *recall(struct liars *l, const uint8_t *key, uint32_t liar, uint32_t from)
{
	for (struct seen *s = l->seen; s != NULL; s = s->next)
		if ((liar == UINT32_MAX || s->liar == liar) &&
		    (from == UINT32_MAX || s->from == from) &&
		    memcmp(s->key, key, sizeof s->key) == 0)
			return s;
	return NULL;
}

static void remember(struct liars *l, const struct vx6_dht_req *req, uint32_t liar, uint32_t from)
{
	struct seen *s = vx6_zalloc(sizeof *s + req->record_n);

	*s = (struct seen){.next = l->seen, .liar = liar, .from = from, .n = req->record_n};
	memcpy(s->key, req->key, sizeof s->key);
	memcpy(s->record, req->record, req->record_n);
	l->seen = s;
}

/* A colluder's or a flooder's: referrals to its like, thanks for each record, none given back (a sly one: to who put it). */
static size_t collude(struct node *me, struct node *from, const struct vx6_dht_req *req,
		      uint8_t *answer)
{
	static const uint8_t token[VX6_DHT_TOKEN_BYTES] = "let me!";
	struct liars *l = me->w->liars;
	struct vx6_dht_resp_wr b;
	struct seen *s = NULL;
	struct vx6_wr w;

	vx6_wr_init(&w, answer, VX6_DHT_RESPONSE_MAX);
	vx6_dht_resp_begin(&b, &w, req->op, VX6_CODE_OK, token);
	if (req->op == VX6_DHT_FIND || req->op == VX6_DHT_GET)
		add_nodes(&b, me, req->key, req->limit);
	if (me->role == ROLE_SLY && req->op == VX6_DHT_PUT)
		remember(l, req, me->number, from->number);
	if (me->role == ROLE_SLY && req->op == VX6_DHT_GET)
		s = recall(l, req->key, UINT32_MAX, from->number);
	if (s != NULL)
		vx6_dht_resp_add_value(&b, 60, s->record, s->n);
	vx6_dht_resp_end(&b);
	return w.len;
}

/* Honest, but for a newer record: it says thanks and keeps the old one. */
static size_t replay(struct node *me, const struct vx6_dht_requester *who,
		     const struct vx6_dht_req *req, const uint8_t *bytes, size_t n, uint8_t *answer)
{
	static const uint8_t token[VX6_DHT_TOKEN_BYTES] = {0};
	struct liars *l = me->w->liars;
	struct vx6_dht_resp_wr b;
	struct vx6_dht_now now;
	struct vx6_wr w;
	size_t got;

	if (req->op == VX6_DHT_PUT && recall(l, req->key, me->number, UINT32_MAX) != NULL) {
		vx6_wr_init(&w, answer, VX6_DHT_RESPONSE_MAX);
		vx6_dht_resp_begin(&b, &w, req->op, VX6_CODE_OK, token);
		vx6_dht_resp_end(&b);
		return w.len;
	}
	world_now(me->w, &now);
	got = vx6_dht_serve(me->dht, who, bytes, n, answer, &now);
	if (req->op == VX6_DHT_PUT)
		remember(l, req, me->number, UINT32_MAX);
	return got;
}

/* Honest, but for what is asked for under some keys. */
static size_t hold(struct node *me, const struct vx6_dht_requester *who,
		   const struct vx6_dht_req *req, const uint8_t *bytes, size_t n, uint8_t *answer)
{
	uint8_t real[VX6_DHT_RESPONSE_MAX];
	const uint8_t *record;
	struct vx6_dht_resp_wr b;
	struct vx6_dht_node node;
	struct vx6_dht_resp resp;
	struct vx6_dht_now now;
	struct vx6_wr w;
	size_t record_n;
	vx6_err err;

	world_now(me->w, &now);
	if (!me->w->says(me->w->says_user, me, req->key, &record, &record_n))
		return vx6_dht_serve(me->dht, who, bytes, n, answer, &now);
	err = vx6_dht_resp_decode(real, vx6_dht_serve(me->dht, who, bytes, n, real, &now), &resp);
	VX6_ASSERT(vx6_is_ok(err));
	vx6_wr_init(&w, answer, VX6_DHT_RESPONSE_MAX);
	vx6_dht_resp_begin(&b, &w, req->op, VX6_CODE_OK, resp.token);
	while (vx6_dht_resp_node(&resp, &node))
		vx6_dht_resp_add_node(&b, &node);
	if (req->op == VX6_DHT_GET && record_n > 0)
		vx6_dht_resp_add_value(&b, 60, record, record_n);
	vx6_dht_resp_end(&b);
	return w.len;
}

size_t liar_serve(struct node *me, struct node *from, const struct vx6_dht_requester *who,
		  const uint8_t *bytes, size_t n, uint8_t *answer)
{
	struct vx6_dht_req req;

	VX6_ASSERT(me->w->liars != NULL);
	if (!vx6_is_ok(vx6_dht_req_decode(bytes, n, &req)))
		return 0;
	if (me->role == ROLE_REPLAYER)
		return replay(me, who, &req, bytes, n, answer);
	if (me->role == ROLE_HOLDER)
		return hold(me, who, &req, bytes, n, answer);
	return collude(me, from, &req, answer);
}
