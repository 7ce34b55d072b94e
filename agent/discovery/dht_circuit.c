#include "discovery/dht_circuit.h"

#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/dht_link_internal.h"

enum { WAITING_MAX = 256 };

/* A query that waits for its proxy's circuit. */
struct waiting {
	struct vx6_list node;
	uint64_t id;
	struct vx6_dht_contact to;
	size_t n;
	uint8_t req[];
};

struct proxy {
	struct vx6_dht_circuit *c;
	struct vx6_node_id node;
	uint64_t route; /* 0: none is chosen */
	uint64_t since_ms;
	struct vx6_circuits_wait *wait;
	struct vx6_list waiting;
	size_t waiting_n;
};

struct vx6_dht_circuit {
	struct vx6_dht_circuit_config cfg;
	struct vx6_dht_io io;
	struct vx6_dht *dht; /* NULL: not wanted now */
	struct link_queries queries;
	struct vx6_timer wake, idle;
	struct vx6_task fail;
	struct vx6_list failed; /* struct waiting, to be told */
	struct proxy proxy[VX6_DHT_CIRCUIT_PROXIES];
	unsigned turn;
	uint64_t wanted_ms;
};

void vx6_dht_circuit_now(const struct vx6_dht_circuit *c, struct vx6_dht_now *out)
{
	*out = (struct vx6_dht_now){.ms = vx6_loop_now_ms(c->cfg.loop), .wall_s = vx6_wall_s()};
}

/* ---- proxies ---- */

static bool choose(struct proxy *p)
{
	static const struct vx6_routing how = {
		.via = VX6_ROUTE_RELAY,
		.hops = VX6_DHT_CIRCUIT_RELAYS,
		.anonymous = true,
	};
	struct vx6_dht_circuit *c = p->c;
	struct vx6_node_id but[VX6_DHT_CIRCUIT_PROXIES];
	size_t n = 0;

	for (size_t i = 0; i < VX6_ARRAY_N(c->proxy); i++)
		if (c->proxy[i].route)
			but[n++] = c->proxy[i].node;
	p->route = 0;
	if (!c->cfg.pick(c->cfg.user, but, n, &p->node))
		return false;
	p->route = vx6_circuits_route(c->cfg.circuits, &p->node, &how);
	p->since_ms = vx6_loop_now_ms(c->cfg.loop);
	return p->route != 0;
}

static void fail_all(struct proxy *p)
{
	vx6_list_splice(&p->c->failed, &p->waiting);
	p->waiting_n = 0;
	vx6_loop_defer(p->c->cfg.loop, &p->c->fail);
}

static void on_circuit(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct proxy *p = user;
	struct vx6_list *node;

	p->wait = NULL;
	if (!s) {
		p->route = 0; /* another one next time */
		fail_all(p);
		return;
	}
	while ((node = vx6_list_pop(&p->waiting)) != NULL) {
		struct waiting *w = VX6_CONTAINER_OF(node, struct waiting, node);

		link_query_send_via(&p->c->queries, w->id, s, &w->to, w->req, w->n);
		free(w);
	}
	p->waiting_n = 0;
}

static void wait_for(struct proxy *p, uint64_t id, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct waiting *w = vx6_zalloc(sizeof *w + n);

	w->id = id;
	w->to = *to;
	w->n = n;
	memcpy(w->req, req, n);
	vx6_list_push(&p->waiting, &w->node);
	p->waiting_n++;
	if (!p->wait && p->route)
		p->wait = vx6_circuits_want(p->c->cfg.circuits, p->route, on_circuit, p);
	if (!p->wait || p->waiting_n > WAITING_MAX)
		fail_all(p);
}

/* ---- what the DHT asks of the world ---- */

static void io_query(void *user, uint64_t id, const struct vx6_dht_contact *to, const uint8_t *req,
		     size_t n)
{
	struct vx6_dht_circuit *c = user;
	struct proxy *p = &c->proxy[c->turn++ % VX6_ARRAY_N(c->proxy)];
	uint64_t now_ms = vx6_loop_now_ms(c->cfg.loop);
	struct vx6_session *s;

	if (!p->route || (!p->wait && now_ms - p->since_ms >= VX6_DHT_CIRCUIT_KEEP_MS))
		(void)choose(p);
	s = p->route && !p->wait ? vx6_circuits_session(c->cfg.circuits, p->route) : NULL;
	if (s)
		link_query_send_via(&c->queries, id, s, to, req, n);
	else
		wait_for(p, id, to, req, n);
}

static void drop(struct vx6_list *list, uint64_t id)
{
	VX6_LIST_EACH(node, list)
	{
		struct waiting *w = VX6_CONTAINER_OF(node, struct waiting, node);

		if (w->id != id)
			continue;
		vx6_list_remove(&w->node);
		free(w);
	}
}

static void io_cancel(void *user, uint64_t id)
{
	struct vx6_dht_circuit *c = user;

	link_query_cancel(&c->queries, id);
	drop(&c->failed, id);
	for (size_t i = 0; i < VX6_ARRAY_N(c->proxy); i++)
		drop(&c->proxy[i].waiting, id);
}

static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	struct vx6_dht_circuit *c = user;

	(void)to;
	for (size_t i = 0; i < VX6_ARRAY_N(c->proxy); i++)
		if (c->proxy[i].route && vx6_circuits_session(c->cfg.circuits, c->proxy[i].route))
			return true;
	return false;
}

static void io_random(void *user, void *out, size_t n)
{
	vx6_random_bytes(out, n);
}

static void io_wake_at(void *user, uint64_t ms)
{
	struct vx6_dht_circuit *c = user;

	if (ms >= UINT64_MAX / VX6_NS_PER_MS)
		vx6_timer_stop(&c->wake);
	else
		vx6_timer_at(&c->wake, ms * VX6_NS_PER_MS);
}

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = io_query,
	.cancel = io_cancel,
	.is_warm = io_is_warm,
	.random = io_random,
	.wake_at = io_wake_at,
};

static void on_answered(void *user, uint64_t id, const uint8_t *resp, size_t n)
{
	struct vx6_dht_circuit *c = user;
	struct vx6_dht_now now;

	vx6_dht_circuit_now(c, &now);
	vx6_dht_answered(c->dht, id, resp, n, &now);
}

static void on_failed(void *user, uint64_t id, vx6_err why)
{
	struct vx6_dht_circuit *c = user;
	struct vx6_dht_now now;

	vx6_dht_circuit_now(c, &now);
	vx6_dht_failed(c->dht, id, why, &now);
}

static void on_fail(struct vx6_task *task)
{
	struct vx6_dht_circuit *c = task->user;
	struct vx6_list *node;

	while ((node = vx6_list_pop(&c->failed)) != NULL) {
		uint64_t id = VX6_CONTAINER_OF(node, struct waiting, node)->id;

		free(VX6_CONTAINER_OF(node, struct waiting, node));
		if (c->dht)
			on_failed(c, id, VX6_ERR(UNREACHABLE));
	}
}

static void on_wake(struct vx6_timer *timer)
{
	struct vx6_dht_circuit *c = timer->user;
	struct vx6_dht_now now;

	vx6_dht_circuit_now(c, &now);
	vx6_dht_step(c->dht, &now);
}

/* ---- there, and gone ---- */

static void take_over(void *user, const struct vx6_dht_row *row)
{
	struct vx6_dht_circuit *c = user;
	struct vx6_dht_now now;

	vx6_dht_circuit_now(c, &now);
	vx6_dht_met(c->dht, &row->contact, VX6_DHT_PROVED, &now);
}

static void end(struct vx6_dht_circuit *c)
{
	if (!c->dht)
		return;
	c->cfg.changed(c->cfg.user, NULL);
	vx6_dht_free(c->dht);
	c->dht = NULL;
	vx6_timer_stop(&c->wake);
	vx6_timer_stop(&c->idle);
	link_queries_fini(&c->queries);
	for (size_t i = 0; i < VX6_ARRAY_N(c->proxy); i++) {
		struct proxy *p = &c->proxy[i];

		if (p->wait)
			vx6_circuits_wait_cancel(p->wait);
		p->wait = NULL;
		vx6_list_splice(&c->failed, &p->waiting);
		p->waiting_n = 0;
	}
	vx6_task_cancel(&c->fail);
	on_fail(&c->fail);
}

static void on_idle(struct vx6_timer *timer)
{
	struct vx6_dht_circuit *c = timer->user;
	struct vx6_dht_info info;

	vx6_dht_info(c->dht, &info);
	if (info.lookups > 0)
		c->wanted_ms = vx6_loop_now_ms(c->cfg.loop);
	if (vx6_loop_now_ms(c->cfg.loop) - c->wanted_ms >= VX6_DHT_CIRCUIT_IDLE_MS)
		end(c);
	else
		vx6_timer_in_ms(timer, VX6_DHT_CIRCUIT_IDLE_MS / 4);
}

void vx6_dht_circuit_want(struct vx6_dht_circuit *c)
{
	const struct vx6_dht *other = c->cfg.other(c->cfg.user);

	c->wanted_ms = vx6_loop_now_ms(c->cfg.loop);
	if (c->dht || !other)
		return;
	link_queries_init(&c->queries, &(struct link_queries_config){
					       .loop = c->cfg.loop,
					       .sessions = c->cfg.sessions,
					       .answered = on_answered,
					       .failed = on_failed,
					       .user = c,
				       });
	c->dht = vx6_dht_new(&(struct vx6_dht_config){
		.net = c->cfg.net,
		.self = c->cfg.self,
		.io = &c->io,
		.user = c,
		.diversity = c->cfg.diversity,
	});
	vx6_dht_each(other, take_over, c);
	vx6_timer_in_ms(&c->idle, VX6_DHT_CIRCUIT_IDLE_MS / 4);
	c->cfg.changed(c->cfg.user, c->dht);
}

struct vx6_dht_circuit *vx6_dht_circuit_new(const struct vx6_dht_circuit_config *cfg)
{
	struct vx6_dht_circuit *c = vx6_zalloc(sizeof *c);

	c->cfg = *cfg;
	c->io = io;
	vx6_list_init(&c->failed);
	vx6_task_init(&c->fail, on_fail, c);
	vx6_timer_init(cfg->loop, &c->wake, on_wake, c);
	vx6_timer_init(cfg->loop, &c->idle, on_idle, c);
	for (size_t i = 0; i < VX6_ARRAY_N(c->proxy); i++) {
		c->proxy[i].c = c;
		vx6_list_init(&c->proxy[i].waiting);
	}
	return c;
}

void vx6_dht_circuit_free(struct vx6_dht_circuit *c)
{
	if (!c)
		return;
	end(c);
	free(c);
}
