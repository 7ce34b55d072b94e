/*
 * A request moves IDLE -> (DIAL ->) OUT -> BACK -> over, or -> LOST -> over when nobody is there. Each has one event of the queue. Between
 * calls: a session is in the tables of both ends unless one of them has gone down since (lives differ), or is down.
 */
#include "tests/sim/engine/net.h"

#include <string.h>

#include "base/util.h"
#include "tests/sim/engine/rng.h"

enum stage { DIAL, OUT, BACK, LOST };

struct session {
	uint32_t peer; /* + 1; 0: the place is free */
	uint32_t life; /* of the peer */
	uint64_t used_us;
};

struct request {
	struct sim_event ev; /* first */
	struct sim_net *net;
	struct request *next, **link; /* of the sender's */
	uint64_t id;
	uint32_t from, to, life, to_life;
	enum stage stage;
	bool opens;     /* comes with the handshake */
	bool cancelled; /* nobody waits for it */
	vx6_err why;
	size_t n;
	uint8_t *bytes;
};

struct dial {
	uint32_t to;
	uint64_t ready_us;
};

struct host {
	bool up;
	uint32_t life, sessions_n;
	uint64_t down_us;
	struct session *sessions; /* open addressing, `places` of them */
	struct request *requests;
	struct dial *dials;
	uint32_t dials_n, dials_cap;
};

struct sim_net {
	struct sim_queue *q;
	struct sim_net_config cfg;
	const struct sim_net_calls *calls;
	void *user;
	struct host *hosts;
	uint32_t n, cap, places; /* places: a power of two */
	struct sim_net_totals totals;
	uint8_t answer[SIM_ANSWER_MAX];
};

struct sim_net *sim_net_new(struct sim_queue *q, const struct sim_net_config *cfg,
			    const struct sim_net_calls *calls, void *user)
{
	struct sim_net *net = vx6_zalloc(sizeof *net);

	VX6_ASSERT(cfg->warm_max > 0 && cfg->warm_max < 1u << 20);
	net->q = q;
	net->cfg = *cfg;
	net->calls = calls;
	net->user = user;
	for (net->places = 4; net->places < 2 * cfg->warm_max + 2;)
		net->places *= 2;
	return net;
}

static void request_free(struct request *r)
{
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	free(r->bytes);
	free(r);
}

void sim_net_free(struct sim_net *net)
{
	if (net == NULL)
		return;
	for (uint32_t i = 0; i < net->n; i++) {
		struct host *h = &net->hosts[i];

		while (h->requests != NULL) {
			sim_queue_cancel(net->q, &h->requests->ev);
			request_free(h->requests);
		}
		free(h->sessions);
		free(h->dials);
	}
	free(net->hosts);
	free(net);
}

/* ---- hosts ---- */

uint32_t sim_net_add(struct sim_net *net)
{
	if (net->n == net->cap) {
		net->cap = net->cap == 0 ? 64 : net->cap * 2;
		net->hosts = vx6_realloc_array(net->hosts, net->cap, sizeof *net->hosts);
		for (uint32_t i = 0; i < net->n; i++) /* the lists begin in what has moved */
			if (net->hosts[i].requests != NULL)
				net->hosts[i].requests->link = &net->hosts[i].requests;
	}
	net->hosts[net->n] = (struct host){0};
	return net->n++;
}

void sim_net_up(struct sim_net *net, uint32_t host)
{
	struct host *h = &net->hosts[host];

	VX6_ASSERT(!h->up);
	h->up = true;
	h->life++;
}

void sim_net_down(struct sim_net *net, uint32_t host)
{
	struct host *h = &net->hosts[host];

	h->up = false;
	h->down_us = sim_queue_now_us(net->q);
	for (struct request *r = h->requests; r != NULL; r = r->next)
		r->cancelled = true;
	free(h->sessions);
	h->sessions = NULL;
	h->sessions_n = 0;
	h->dials_n = 0;
}

bool sim_net_is_up(const struct sim_net *net, uint32_t host)
{
	return host < net->n && net->hosts[host].up;
}

void sim_net_totals(const struct sim_net *net, struct sim_net_totals *out)
{
	*out = net->totals;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t sim_net_one_way_us(const struct sim_net *net, uint32_t a, uint32_t b)
{
	uint64_t pair = (uint64_t)VX6_MIN(a, b) << 32 | VX6_MAX(a, b);
	double u = (double)(mix(pair ^ mix(net->cfg.seed)) >> 11) * 0x1p-53;

	return (uint64_t)((double)net->cfg.one_way_us * (1.0 + net->cfg.jitter * (2.0 * u - 1.0)));
}

/* ---- sessions ---- */

static uint32_t place_of(const struct sim_net *net, uint32_t peer)
{
	return (uint32_t)mix(peer + 1) & (net->places - 1);
}

static struct session *session_find(const struct sim_net *net, uint32_t host, uint32_t peer)
{
	struct session *s = net->hosts[host].sessions;

	if (s == NULL)
		return NULL;
	for (uint32_t i = place_of(net, peer); s[i].peer != 0; i = (i + 1) & (net->places - 1))
		if (s[i].peer == peer + 1)
			return &s[i];
	return NULL;
}

static void session_remove(struct sim_net *net, uint32_t host, struct session *gone)
{
	struct session *s = net->hosts[host].sessions;
	uint32_t mask = net->places - 1, hole = (uint32_t)(gone - s);

	for (uint32_t i = (hole + 1) & mask; s[i].peer != 0; i = (i + 1) & mask) {
		uint32_t home = place_of(net, s[i].peer - 1);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			s[hole] = s[i];
			hole = i;
		}
	}
	s[hole].peer = 0;
	net->hosts[host].sessions_n--;
}

/* Both ends are there and have lived since the session began. */
static bool session_whole(const struct sim_net *net, const struct session *s)
{
	const struct host *peer = &net->hosts[s->peer - 1];

	return peer->up && peer->life == s->life;
}

static bool session_over(const struct sim_net *net, const struct session *s)
{
	uint64_t now = sim_queue_now_us(net->q);

	if (net->cfg.idle_us != 0 && now - s->used_us > net->cfg.idle_us)
		return true;
	return !session_whole(net, s) && now - net->hosts[s->peer - 1].down_us > net->cfg.dead_us;
}

/* Ends it at both ends. */
static void session_end(struct sim_net *net, uint32_t host, struct session *s)
{
	uint32_t peer = s->peer - 1;
	struct session *other = session_whole(net, s) ? session_find(net, peer, host) : NULL;

	session_remove(net, host, s);
	if (other != NULL)
		session_remove(net, peer, other);
}

static struct session *session_of(struct sim_net *net, uint32_t host, uint32_t peer)
{
	struct session *s = session_find(net, host, peer);

	if (s != NULL && session_over(net, s)) {
		session_end(net, host, s);
		s = NULL;
	}
	return s;
}

static void make_room(struct sim_net *net, uint32_t host)
{
	struct host *h = &net->hosts[host];

	while (h->sessions_n >= net->cfg.warm_max) {
		struct session *oldest = NULL;

		for (uint32_t i = 0; i < net->places; i++) {
			struct session *s = &h->sessions[i];

			if (s->peer != 0 && (oldest == NULL || s->used_us < oldest->used_us))
				oldest = s;
		}
		session_end(net, host, oldest);
	}
}

static void session_add(struct sim_net *net, uint32_t host, uint32_t peer)
{
	struct host *h = &net->hosts[host];
	struct session *s = session_find(net, host, peer);
	uint32_t i = place_of(net, peer);

	if (s == NULL) {
		make_room(net, host);
		if (h->sessions == NULL)
			h->sessions = vx6_zalloc(net->places * sizeof *h->sessions);
		while (h->sessions[i].peer != 0)
			i = (i + 1) & (net->places - 1);
		s = &h->sessions[i];
		h->sessions_n++;
	}
	*s = (struct session){peer + 1, net->hosts[peer].life, sim_queue_now_us(net->q)};
}

static void session_touch(struct sim_net *net, uint32_t a, uint32_t b)
{
	struct session *s = session_find(net, a, b);

	if (s != NULL)
		s->used_us = sim_queue_now_us(net->q);
}

bool sim_net_is_warm(struct sim_net *net, uint32_t host, uint32_t peer)
{
	return peer < net->n && session_of(net, host, peer) != NULL;
}

bool sim_net_warm(struct sim_net *net, uint32_t a, uint32_t b)
{
	if (net->hosts[a].sessions_n >= net->cfg.warm_max ||
	    net->hosts[b].sessions_n >= net->cfg.warm_max)
		return session_find(net, a, b) != NULL;
	session_add(net, a, b);
	session_add(net, b, a);
	return true;
}

void sim_net_cool(struct sim_net *net, uint32_t host)
{
	struct host *h = &net->hosts[host];

	for (uint32_t i = 0; h->sessions_n > 0; i = (i + 1) & (net->places - 1))
		while (h->sessions[i].peer != 0)
			session_end(net, host, &h->sessions[i]);
	h->dials_n = 0;
}

uint32_t sim_net_sessions(const struct sim_net *net, uint32_t host)
{
	return net->hosts[host].sessions_n;
}

/* ---- requests ---- */

static void later(struct request *r, enum stage stage, uint64_t after_us)
{
	r->stage = stage;
	sim_queue_set(r->net->q, &r->ev, sim_queue_now_us(r->net->q) + after_us);
}

static void lost(struct request *r, uint64_t after_us, vx6_err why)
{
	r->why = why;
	later(r, LOST, after_us);
}

static void go_out(struct request *r)
{
	struct sim_net *net = r->net;

	session_touch(net, r->from, r->to);
	net->totals.requests++;
	net->totals.request_bytes += r->n;
	later(r, OUT, sim_net_one_way_us(net, r->from, r->to));
}

/* The handshake that is under way to @p to, or a new one. @return when it is over */
static uint64_t dial(struct sim_net *net, uint32_t from, uint32_t to)
{
	struct host *h = &net->hosts[from];
	uint64_t now = sim_queue_now_us(net->q);
	struct dial *d = NULL;

	for (uint32_t i = 0; i < h->dials_n; i++) {
		if (h->dials[i].ready_us < now)
			h->dials[i--] = h->dials[--h->dials_n];
		else if (h->dials[i].to == to)
			d = &h->dials[i];
	}
	if (d != NULL)
		return d->ready_us;
	if (h->dials_n == h->dials_cap) {
		h->dials_cap = h->dials_cap == 0 ? 8 : h->dials_cap * 2;
		h->dials = vx6_realloc_array(h->dials, h->dials_cap, sizeof *h->dials);
	}
	net->totals.handshakes++;
	d = &h->dials[h->dials_n++];
	*d = (struct dial){to, now + (sim_net_is_up(net, to) ? 2 * sim_net_one_way_us(net, from, to)
							     : net->cfg.dial_us)};
	return d->ready_us;
}

static void dialled(struct request *r)
{
	struct sim_net *net = r->net;

	if (!net->hosts[r->from].up || net->hosts[r->from].life != r->life) {
		request_free(r);
		return;
	}
	if (!sim_net_is_up(net, r->to) || net->hosts[r->to].life != r->to_life) {
		lost(r, 0, VX6_ERR(UNREACHABLE));
		return;
	}
	if (session_find(net, r->from, r->to) == NULL) {
		session_add(net, r->from, r->to);
		session_add(net, r->to, r->from);
		r->opens = true;
		net->calls->session_up(net->user, r->from, r->to);
	}
	go_out(r);
}

static void arrived(struct request *r)
{
	struct sim_net *net = r->net;
	const struct host *to = &net->hosts[r->to];
	uint64_t delay_us = 0;
	size_t n;

	if (!to->up || to->life != r->to_life) {
		net->totals.lost++;
		lost(r, net->cfg.dead_us, VX6_ERR(CLOSED));
		return;
	}
	session_touch(net, r->to, r->from);
	if (r->opens)
		net->calls->session_up(net->user, r->to, r->from);
	n = net->calls->serve(net->user, r->to, r->from, r->bytes, r->n, net->answer, &delay_us);
	VX6_ASSERT(n <= sizeof net->answer);
	if (n == 0) {
		lost(r, net->cfg.dead_us, VX6_ERR(CLOSED));
		return;
	}
	net->totals.answers++;
	net->totals.answer_bytes += n;
	free(r->bytes);
	r->bytes = vx6_zalloc(n);
	memcpy(r->bytes, net->answer, n);
	r->n = n;
	later(r, BACK, delay_us + sim_net_one_way_us(net, r->to, r->from));
}

static void over(struct request *r)
{
	struct sim_net *net = r->net;
	bool wanted = !r->cancelled && net->hosts[r->from].life == r->life;

	if (r->stage == BACK)
		session_touch(net, r->from, r->to);
	r->cancelled = true; /* what is called may look for it */
	if (wanted && r->stage == BACK)
		net->calls->answered(net->user, r->from, r->id, r->bytes, r->n);
	else if (wanted)
		net->calls->failed(net->user, r->from, r->id, r->why);
	request_free(r);
}

static void fired(struct sim_event *ev)
{
	struct request *r = VX6_CONTAINER_OF(ev, struct request, ev);

	switch (r->stage) {
	case DIAL:
		dialled(r);
		break;
	case OUT:
		arrived(r);
		break;
	default:
		over(r);
	}
}

static struct request *request_new(struct sim_net *net, uint32_t from, uint64_t id)
{
	struct request *r = vx6_zalloc(sizeof *r);
	struct host *h = &net->hosts[from];

	VX6_ASSERT(h->up);
	r->ev.fn = fired;
	r->net = net;
	r->id = id;
	r->from = from;
	r->life = h->life;
	r->link = &h->requests;
	r->next = h->requests;
	if (r->next != NULL)
		r->next->link = &r->next;
	h->requests = r;
	return r;
}

void sim_net_request(struct sim_net *net, uint32_t from, uint32_t to, uint64_t id,
		     const uint8_t *req, size_t n)
{
	struct request *r = request_new(net, from, id);
	struct session *s;

	r->to = to;
	r->n = n;
	r->bytes = vx6_zalloc(n);
	memcpy(r->bytes, req, n);
	if (to >= net->n) {
		net->totals.handshakes++;
		lost(r, net->cfg.dial_us, VX6_ERR(UNREACHABLE));
		return;
	}
	s = session_of(net, from, to);
	r->to_life = s != NULL ? s->life : net->hosts[to].life;
	if (s != NULL)
		go_out(r);
	else
		later(r, DIAL, dial(net, from, to) - sim_queue_now_us(net->q));
}

void sim_net_fail(struct sim_net *net, uint32_t from, uint64_t id, uint64_t after_us, vx6_err why)
{
	lost(request_new(net, from, id), after_us, why);
}

void sim_net_cancel(struct sim_net *net, uint32_t from, uint64_t id)
{
	for (struct request *r = net->hosts[from].requests; r != NULL; r = r->next)
		if (r->id == id && !r->cancelled)
			r->cancelled = true;
}
