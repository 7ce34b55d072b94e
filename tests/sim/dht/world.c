#include "tests/sim/dht/world.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "tests/sim/dht/door.h"
#include "tests/sim/dht/liars.h"

enum { VERDICTS = 1 << 16, HASH_KEPT = 16 };

/* A record whose signature was checked before; times are checked each time. */
struct verdict {
	uint8_t hash[HASH_KEPT];
	bool known;
	vx6_err err;
};

struct place {
	uint8_t ip[16];
	struct node *node; /* NULL: free */
};

/* ---- who lives where ---- */

static size_t ip_slot(const struct world *w, const uint8_t ip[static 16])
{
	uint64_t a, b;

	memcpy(&a, ip, 8);
	memcpy(&b, ip + 8, 8);
	a = (a ^ (b * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
	return (a ^ (a >> 31)) & (w->places_cap - 1);
}

/* Places are never given up: an address that somebody has left belongs to nobody else. */
static struct place *place_of(const struct world *w, const uint8_t ip[static 16])
{
	size_t i = ip_slot(w, ip);

	while (w->places[i].node != NULL && memcmp(w->places[i].ip, ip, 16) != 0)
		i = (i + 1) & (w->places_cap - 1);
	return &w->places[i];
}

static struct node *node_at(const struct world *w, const uint8_t ip[static 16])
{
	struct node *n = place_of(w, ip)->node;

	return n != NULL && memcmp(n->contact.ip, ip, 16) == 0 ? n : NULL;
}

struct node *world_at(const struct world *w, const struct vx6_dht_contact *c)
{
	struct node *n = node_at(w, c->ip);

	return n != NULL && vx6_node_id_eq(&n->contact.node, &c->node) ? n : NULL;
}

static void settle_at(struct world *w, struct node *n)
{
	struct place *p;

	if (2 * (w->places_n + 1) > w->places_cap) {
		struct place *old = w->places;
		size_t old_cap = w->places_cap;

		w->places_cap = old_cap == 0 ? 1024 : old_cap * 2;
		w->places = vx6_zalloc(w->places_cap * sizeof *w->places);
		for (size_t i = 0; i < old_cap; i++)
			if (old[i].node != NULL)
				*place_of(w, old[i].ip) = old[i];
		free(old);
	}
	p = place_of(w, n->contact.ip);
	VX6_ASSERT(p->node == NULL);
	memcpy(p->ip, n->contact.ip, 16);
	p->node = n;
	w->places_n++;
}

/* ---- what the DHT asks of the outside ---- */

static void io_query(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct node *me = user, *there = node_at(me->w, to->ip);

	if (there != NULL && !vx6_node_id_eq(&there->contact.node, &to->node))
		sim_net_fail(me->w->net, me->number, query,
			     2 * sim_net_one_way_us(me->w->net, me->number, there->number),
			     VX6_ERR(WRONG_PEER));
	else
		sim_net_request(me->w->net, me->number, there == NULL ? SIM_NOWHERE : there->number,
				query, req, n);
}

static void io_cancel(void *user, uint64_t query)
{
	struct node *me = user;

	sim_net_cancel(me->w->net, me->number, query);
}

static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	struct node *me = user, *there = world_at(me->w, to);

	return there != NULL && sim_net_is_warm(me->w->net, me->number, there->number);
}

static void io_random(void *user, void *out, size_t n)
{
	struct node *me = user;

	sim_rng_fill(&me->rng, out, n);
}

static void io_wake_at(void *user, uint64_t ms)
{
	struct node *me = user;

	if (ms >= UINT64_MAX / 1000)
		sim_queue_cancel(me->w->q, &me->wake);
	else
		sim_queue_set(me->w->q, &me->wake, ms * SIM_MS);
}

static vx6_err check(const struct world *w, const struct vx6_record *rec, uint64_t wall_s)
{
	return vx6_record_verify(rec, &(struct vx6_record_check){.net = &w->id, .now_s = wall_s});
}

vx6_err world_verify(struct world *w, const uint8_t *record, size_t n, uint64_t wall_s,
		     struct vx6_record *out)
{
	struct verdict *v;
	uint32_t slot;

	VX6_TRY(vx6_record_parse(record, n, out));
	memcpy(&slot, out->hash.b + HASH_KEPT, sizeof slot);
	v = &w->verdicts[slot % VERDICTS];
	if (!v->known || memcmp(v->hash, out->hash.b, HASH_KEPT) != 0) {
		memcpy(v->hash, out->hash.b, HASH_KEPT);
		v->known = true;
		/* as of its beginning: the signature counts, times are looked at below */
		v->err = check(w, out, out->view.issued_s);
		w->verified++;
	}
	VX6_TRY(v->err);
	if (out->view.issued_s > wall_s + VX6_CLOCK_SKEW_S)
		return VX6_ERR(FUTURE);
	return wall_s >= vx6_record_expires_s(&out->view) ? VX6_ERR(EXPIRED) : VX6_OK;
}

static vx6_err io_verify(void *user, const uint8_t *record, size_t n, uint64_t wall_s,
			 struct vx6_record *out)
{
	return world_verify(((struct node *)user)->w, record, n, wall_s, out);
}

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = io_query,
	.cancel = io_cancel,
	.is_warm = io_is_warm,
	.random = io_random,
	.wake_at = io_wake_at,
	.verify = io_verify,
};

/* ---- what the network asks of a node ---- */

void world_now(const struct world *w, struct vx6_dht_now *out)
{
	uint64_t us = sim_queue_now_us(w->q) - w->time_ago_us;

	out->ms = us / SIM_MS;
	out->wall_s = WORLD_EPOCH_S + us / SIM_S;
}

static size_t net_serve(void *user, uint32_t host, uint32_t from, const uint8_t *req, size_t n,
			uint8_t *answer, uint64_t *delay_us)
{
	struct world *w = user;
	struct node *me = w->nodes[host], *them = w->nodes[from];
	struct vx6_dht_requester who = {.has_node = true, .node = them->contact.node};
	struct vx6_dht_now now;

	memcpy(who.ip, them->contact.ip, sizeof who.ip);
	if (me->role != ROLE_HONEST)
		return liar_serve(me, them, &who, req, n, answer);
	world_now(w, &now);
	return vx6_dht_serve(me->dht, &who, req, n, answer, &now);
}

static void net_answered(void *user, uint32_t host, uint64_t id, const uint8_t *answer, size_t n)
{
	struct world *w = user;
	struct vx6_dht_now now;

	if (door_answered(w, id, answer, n, VX6_OK))
		return;
	if (w->nodes[host]->dht == NULL) /* it has become a liar meanwhile */
		return;
	world_now(w, &now);
	vx6_dht_answered(w->nodes[host]->dht, id, answer, n, &now);
}

static void net_failed(void *user, uint32_t host, uint64_t id, vx6_err why)
{
	struct world *w = user;
	struct vx6_dht_now now;

	if (door_answered(w, id, NULL, 0, why) || w->nodes[host]->dht == NULL)
		return;
	world_now(w, &now);
	vx6_dht_failed(w->nodes[host]->dht, id, why, &now);
}

/* Both prove who they are in the handshake, and tell their endpoint record. */
static void net_session_up(void *user, uint32_t host, uint32_t peer)
{
	struct world *w = user;
	struct vx6_dht_now now;

	if (w->nodes[host]->dht == NULL)
		return;
	world_now(w, &now);
	vx6_dht_met(w->nodes[host]->dht, &w->nodes[peer]->contact, VX6_DHT_PROVED, &now);
}

static const struct sim_net_calls calls = {net_serve, net_answered, net_failed, net_session_up};

static void woken(struct sim_event *ev)
{
	struct node *n = VX6_CONTAINER_OF(ev, struct node, wake);
	struct vx6_dht_now now;

	world_now(n->w, &now);
	vx6_dht_step(n->dht, &now);
}

/* ---- the world ---- */

struct world *world_new(const struct world_config *cfg)
{
	struct sim_net_config net = {.one_way_us = (uint64_t)(cfg->rtt_ms * SIM_MS / 2),
				     .jitter = cfg->jitter,
				     .warm_max = cfg->warm_max,
				     .dead_us = 60 * SIM_S,
				     .dial_us = 5 * SIM_S,
				     .seed = cfg->seed};
	struct world *w = vx6_zalloc(sizeof *w);

	if (!vx6_is_ok(vx6_crypto_init())) {
		fprintf(stderr, "libsodium does not start\n");
		exit(2);
	}
	w->seed = cfg->seed;
	w->rtt_ms = cfg->rtt_ms;
	w->id = vx6_net_default;
	w->q = sim_queue_new();
	w->net = sim_net_new(w->q, &net, &calls, w);
	w->verdicts = vx6_zalloc(VERDICTS * sizeof *w->verdicts);
	sim_addrs_init(&w->addrs, cfg->seed);
	world_reseed(w, "world");
	return w;
}

void world_reseed(struct world *w, const char *what)
{
	sim_rng_derive(&w->rng, w->seed, what, 0);
}

static void dht_end(struct node *n)
{
	if (n->dht != NULL)
		vx6_dht_free(n->dht);
	n->dht = NULL;
	sim_queue_cancel(n->w->q, &n->wake);
}

void world_free(struct world *w)
{
	if (w == NULL)
		return;
	doors_free(w);
	for (uint32_t i = 0; i < w->n; i++)
		dht_end(w->nodes[i]);
	sim_net_free(w->net);
	sim_queue_free(w->q);
	liars_free(w->liars);
	for (uint32_t i = 0; i < w->n; i++) {
		free(w->nodes[i]->saved);
		free(w->nodes[i]);
	}
	free(w->nodes);
	free(w->verdicts);
	free(w->places);
	free(w);
}

void world_run(struct world *w, uint64_t us)
{
	sim_queue_run(w->q, sim_queue_now_us(w->q) + us);
}

struct node *world_pick(struct world *w, struct sim_rng *rng)
{
	for (;;) {
		struct node *n = w->nodes[sim_rng_below(rng, w->n)];

		if (n->role == ROLE_HONEST && sim_net_is_up(w->net, n->number))
			return n;
	}
}

void world_ring(const struct world *w, struct ring *out)
{
	for (uint32_t i = 0; i < w->n; i++)
		ring_add(out, ring_at(&w->nodes[i]->pos), i);
	ring_sort(out);
}

/* ---- nodes ---- */

static void keypair(const struct world *w, const char *what, uint64_t n,
		    struct vx6_sign_keypair *out)
{
	struct vx6_sign_seed seed;
	struct sim_rng rng;

	sim_rng_derive(&rng, w->seed, what, n);
	sim_rng_fill(&rng, seed.b, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, out);
}

static struct node *add(struct world *w, const struct vx6_dht_contact *c)
{
	struct node *n = vx6_zalloc(sizeof *n);

	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 256 : w->cap * 2;
		w->nodes = vx6_realloc_array(w->nodes, w->cap, sizeof *w->nodes);
	}
	w->nodes[w->n++] = n;
	n->w = w;
	n->number = sim_net_add(w->net);
	VX6_ASSERT(n->number == w->n - 1);
	n->contact = *c;
	vx6_dht_contact_pos(&w->id, c, &n->pos);
	n->wake.fn = woken;
	sim_rng_derive(&n->rng, w->seed, "node", n->number);
	settle_at(w, n);
	return n;
}

static void contact(const struct vx6_sign_keypair *kp, const uint8_t ip[static 16],
		    struct vx6_dht_contact *out)
{
	*out = (struct vx6_dht_contact){.port = WORLD_PORT,
					.via = VX6_DHT_VIA_QUIC | VX6_DHT_VIA_TCP};
	memcpy(out->ip, ip, sizeof out->ip);
	vx6_node_id_from_pk(&kp->pk, &out->node);
}

struct node *world_add(struct world *w, const uint8_t ip[static 16])
{
	struct vx6_sign_keypair kp;
	struct vx6_dht_contact c;

	keypair(w, "master", w->n, &kp);
	contact(&kp, ip, &c);
	return add(w, &c);
}

uint64_t world_place_at(const struct world *w, const uint8_t ip[static 16], unsigned place)
{
	struct vx6_dht_contact c = {.port = 1};
	uint8_t prefix[VX6_DHT_PREFIX_BYTES], r = (uint8_t)place;
	struct vx6_hash_state st;
	struct vx6_dht_key pos;
	struct vx6_hash h;

	memcpy(c.ip, ip, sizeof c.ip);
	vx6_dht_contact_prefix(&c, prefix);
	vx6_hash_init(&st, "VX6-pos");
	vx6_hash_update(&st, w->id.b, sizeof w->id.b);
	vx6_hash_update(&st, prefix, sizeof prefix);
	vx6_hash_update(&st, &r, 1);
	vx6_hash_final(&st, &h);
	memcpy(pos.b, h.b, sizeof pos.b);
	return ring_at(&pos) & ~UINT64_C(0xffffffff);
}

struct node *world_add_ground(struct world *w, const uint8_t ip[static 16], unsigned place)
{
	uint64_t want = world_place_at(w, ip, place);
	struct vx6_sign_keypair kp;
	struct vx6_dht_contact c;
	struct vx6_dht_key pos;

	for (uint64_t i = 0;; i++) {
		keypair(w, "ground", (uint64_t)w->n << 32 | i, &kp);
		contact(&kp, ip, &c);
		vx6_dht_contact_pos(&w->id, &c, &pos);
		if (ring_at(&pos) >> 32 == want >> 32)
			return add(w, &c);
	}
}

void node_identity(const struct node *n, struct vx6_identity *out)
{
	struct vx6_sign_keypair master;
	struct vx6_subkey *s = &out->subkey;
	vx6_err err;

	memset(out, 0, sizeof *out);
	keypair(n->w, "master", n->number, &master);
	keypair(n->w, "subkey", n->number, &s->key);
	vx6_node_id_from_pk(&master.pk, &out->id);
	VX6_ASSERT(vx6_node_id_eq(&out->id, &n->contact.node));
	out->net = n->w->id;
	s->cert = (struct vx6_subkey_cert){.kind = VX6_SUBKEY_SIGN,
					   .purposes = VX6_PURPOSE_TLS | VX6_PURPOSE_RECORD,
					   .not_before_s = WORLD_EPOCH_S - 3600,
					   .not_after_s = WORLD_EPOCH_S + VX6_SUBKEY_LIFETIME_S,
					   .cert_seq = 1,
					   .subject = s->key.pk};
	err = vx6_subkey_cert_sign(&s->cert, &master, &out->net, s->cert_bytes);
	VX6_ASSERT(vx6_is_ok(err));
}

static void dht_begin(struct node *n)
{
	struct vx6_dht_config cfg = {.net = n->w->id,
				     .self = n->contact.node,
				     .io = &io,
				     .user = n,
				     .diversity = VX6_DIVERSITY_AUTO};
	struct vx6_dht_now now;

	world_now(n->w, &now);
	n->dht = vx6_dht_new(&cfg);
	vx6_dht_set_self(n->dht, &n->contact, &now);
}

void node_start(struct node *n)
{
	sim_net_up(n->w->net, n->number);
	dht_begin(n);
}

void node_start_bare(struct node *n)
{
	sim_net_up(n->w->net, n->number);
}

static void save(void *user, const struct vx6_dht_row *row)
{
	struct node *n = user;

	n->saved = vx6_realloc_array(n->saved, n->saved_n + 1, sizeof *n->saved);
	n->saved[n->saved_n++] = row->contact;
}

/* What it knew before its last start and has not asked since is still on its disk. */
static void save_again(struct node *n, const struct vx6_dht_contact *old, size_t old_n)
{
	size_t fresh = n->saved_n;

	for (size_t i = 0; i < old_n; i++) {
		size_t k = 0;

		while (k < fresh && !vx6_node_id_eq(&n->saved[k].node, &old[i].node))
			k++;
		if (k == fresh)
			save(n, &(struct vx6_dht_row){.contact = old[i]});
	}
}

void node_stop(struct node *n)
{
	struct vx6_dht_contact *old = n->saved;
	size_t old_n = n->saved_n;

	n->saved = NULL;
	n->saved_n = 0;
	if (n->dht != NULL)
		vx6_dht_each(n->dht, save, n);
	if (n->saved_n < old_n / 2)
		save_again(n, old, old_n);
	free(old);
	dht_end(n);
	sim_net_down(n->w->net, n->number);
}

void node_resume(struct node *n)
{
	struct vx6_dht_now now;

	node_start(n);
	world_now(n->w, &now);
	for (size_t i = 0; i < n->saved_n; i++)
		vx6_dht_met(n->dht, &n->saved[i], VX6_DHT_HEARD, &now);
}

void node_restart(struct node *n)
{
	node_stop(n);
	node_resume(n);
}

void node_move(struct node *n, const uint8_t ip[static 16])
{
	VX6_ASSERT(!sim_net_is_up(n->w->net, n->number));
	memcpy(n->contact.ip, ip, sizeof n->contact.ip);
	vx6_dht_contact_pos(&n->w->id, &n->contact, &n->pos);
	n->moves++;
	settle_at(n->w, n);
}

void node_set_role(struct node *n, enum role role)
{
	n->role = role;
	if (role != ROLE_HONEST && role != ROLE_REPLAYER && role != ROLE_HOLDER)
		dht_end(n);
}
