#include "discovery/dht_circuit.h"

#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/dht_guides.h"
#include "discovery/dht_link_internal.h"

struct vx6_dht_circuit {
	struct vx6_dht_circuit_config cfg;
	struct vx6_dht *dht; /* NULL: not wanted now */
	struct link_queries queries;
	struct guides guides;
	struct vx6_timer wake, idle;
	struct vx6_task led;
	uint64_t wanted_ms;
	uint32_t life;
	bool living; /* perhaps with nothing but proxies */
	bool ending;
};

void vx6_dht_circuit_now(const struct vx6_dht_circuit *c, struct vx6_dht_now *out)
{
	*out = (struct vx6_dht_now){.ms = vx6_loop_now_ms(c->cfg.loop), .wall_s = vx6_wall_s()};
}

/* ---- ways to proxies ---- */

static uint64_t circuit_way(void *user, const struct vx6_node_id *proxy)
{
	struct vx6_dht_circuit *c = user;
	/* not the circuits of another life, nor those of what else goes to that node */
	const struct vx6_routing how = {
		.via = VX6_ROUTE_RELAY,
		.hops = c->cfg.relays,
		.anonymous = true,
		.vanguard = c->cfg.hidden,
		.apart = c->life,
	};

	return vx6_circuits_route(c->cfg.circuits, proxy, &how);
}

static struct vx6_session *circuit_session(void *user, uint64_t way)
{
	return vx6_circuits_session(((struct vx6_dht_circuit *)user)->cfg.circuits, way);
}

static struct vx6_circuits_wait *circuit_want(void *user, uint64_t way, vx6_circuits_cb *cb,
					      void *cb_user)
{
	return vx6_circuits_want(((struct vx6_dht_circuit *)user)->cfg.circuits, way, cb, cb_user);
}

static void circuit_cancel(void *user, struct vx6_circuits_wait *w)
{
	(void)user;
	vx6_circuits_wait_cancel(w);
}

static void circuit_leave(void *user, uint64_t way)
{
	vx6_circuits_leave(((struct vx6_dht_circuit *)user)->cfg.circuits, way);
}

/* ---- what the DHT asks of the world ---- */

static void io_query(void *user, uint64_t id, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct vx6_dht_circuit *c = user;
	struct vx6_session *proxy = guides_asked(&c->guides, path, id);

	link_query_send_via(&c->queries, id, proxy, to, req, n);
}

/* It took too long. */
static void io_cancel(void *user, uint64_t id)
{
	struct vx6_dht_circuit *c = user;

	link_query_cancel(&c->queries, id);
	if (!c->ending)
		guides_heard(&c->guides, id, false);
}

/* Nobody is asked on a path before its proxy is there. */
static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	return true;
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

static uint8_t io_count(void *user)
{
	return guides_count(&((struct vx6_dht_circuit *)user)->guides);
}

static uint64_t io_guide(void *user, uint8_t path)
{
	return guides_guide(&((struct vx6_dht_circuit *)user)->guides, path);
}

static bool io_may_ask(void *user, uint8_t path, const struct vx6_dht_contact *to)
{
	return guides_may_ask(&((struct vx6_dht_circuit *)user)->guides, path, to);
}

static const struct vx6_dht_guides io_guides = {
	.count = io_count,
	.guide = io_guide,
	.may_ask = io_may_ask,
};

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = io_query,
	.cancel = io_cancel,
	.is_warm = io_is_warm,
	.random = io_random,
	.wake_at = io_wake_at,
	.guides = &io_guides,
};

static void on_answered(void *user, uint64_t id, const uint8_t *resp, size_t n)
{
	struct vx6_dht_circuit *c = user;
	struct vx6_dht_now now;

	guides_heard(&c->guides, id, true);
	vx6_dht_circuit_now(c, &now);
	vx6_dht_answered(c->dht, id, resp, n, &now);
}

static void on_failed(void *user, uint64_t id, vx6_err why)
{
	struct vx6_dht_circuit *c = user;
	struct vx6_dht_now now;

	guides_heard(&c->guides, id, false);
	vx6_dht_circuit_now(c, &now);
	vx6_dht_failed(c->dht, id, why, &now);
}

static void on_wake(struct vx6_timer *timer)
{
	struct vx6_dht_circuit *c = timer->user;
	struct vx6_dht_now now;

	vx6_dht_circuit_now(c, &now);
	vx6_dht_step(c->dht, &now);
}

static void on_led(struct vx6_task *task)
{
	struct vx6_dht_circuit *c = task->user;
	struct vx6_dht_now now;

	if (!c->dht)
		return;
	vx6_dht_circuit_now(c, &now);
	vx6_dht_led(c->dht, &now);
}

static void guides_changed(void *user)
{
	struct vx6_dht_circuit *c = user;

	vx6_loop_defer(c->cfg.loop, &c->led);
}

/* ---- what it begins with ---- */

struct sample {
	struct vx6_dht_row *row;
	size_t n, room;
	bool has_global;
};

static void collect(void *user, const struct vx6_dht_row *row)
{
	struct sample *s = user;

	if (!row->proved)
		return;
	if (s->n == s->room) {
		s->room = VX6_MAX(s->room * 2, (size_t)VX6_DHT_CIRCUIT_CONTACTS);
		s->row = vx6_realloc_array(s->row, s->room, sizeof *s->row);
	}
	s->row[s->n++] = *row;
	s->has_global |= !vx6_dht_contact_is_private(&row->contact);
}

/* The one nearest to a point drawn by chance. */
static size_t draw(const struct sample *s)
{
	struct vx6_dht_key at;
	size_t best = 0;

	vx6_random_bytes(at.b, sizeof at.b);
	for (size_t i = 1; i < s->n; i++)
		if (vx6_dht_closer(&at, &s->row[i].pos, &s->row[best].pos) < 0)
			best = i;
	return best;
}

/*
 * Whom a node knows says who it is: so few are taken, and evenly over the whole space, for a table is full of those near to its owner. Nor is
 * anybody told of addresses that mean something only where we are.
 */
static void take_over(struct vx6_dht_circuit *c, const struct vx6_dht *other)
{
	struct sample s = {0};
	struct vx6_dht_now now;
	size_t taken = 0;

	vx6_dht_circuit_now(c, &now);
	vx6_dht_each(other, collect, &s);
	while (s.n > 0 && taken < VX6_DHT_CIRCUIT_CONTACTS) {
		size_t i = draw(&s);

		if (!s.has_global || !vx6_dht_contact_is_private(&s.row[i].contact)) {
			vx6_dht_met(c->dht, &s.row[i].contact, VX6_DHT_PROVED, &now);
			taken++;
		}
		s.row[i] = s.row[--s.n];
	}
	free(s.row);
}

/* So many of all that come, each as likely as the other. */
struct draw {
	struct vx6_dht_contact c[VX6_DHT_CIRCUIT_CONTACTS];
	size_t n;
	uint32_t seen;
};

static void draw_one(void *user, const struct vx6_dht_contact *c)
{
	struct draw *d = user;
	size_t at = d->n;

	d->seen++;
	if (d->n < VX6_ARRAY_N(d->c))
		d->n++;
	else
		at = vx6_random_below(d->seen);
	if (at < VX6_ARRAY_N(d->c))
		d->c[at] = *c;
}

/*
 * A node that takes no part in the DHT has no table, and has met nobody in it. Their own records will do: each of them is asked, or stands for one
 * holder, by way of a proxy that knows better where it is.
 */
static void begin_with_heard(struct vx6_dht_circuit *c)
{
	struct draw d = {.n = 0};
	struct vx6_dht_now now;

	if (!c->cfg.heard)
		return;
	vx6_dht_circuit_now(c, &now);
	c->cfg.heard(c->cfg.user, draw_one, &d);
	for (size_t i = 0; i < d.n; i++)
		vx6_dht_met(c->dht, &d.c[i], VX6_DHT_PROVED, &now);
}

/* ---- there, and gone ---- */

static void tell(struct vx6_dht_circuit *c, struct vx6_dht *dht)
{
	if (c->cfg.changed)
		c->cfg.changed(c->cfg.user, dht);
}

static void end_dht(struct vx6_dht_circuit *c)
{
	tell(c, NULL);
	vx6_dht_free(c->dht);
	c->dht = NULL;
	vx6_timer_stop(&c->wake);
	vx6_timer_stop(&c->idle);
	link_queries_fini(&c->queries);
}

static void end(struct vx6_dht_circuit *c)
{
	c->ending = true;
	if (c->dht)
		end_dht(c);
	guides_end(&c->guides);
	vx6_task_cancel(&c->led);
	c->ending = false;
	c->living = false;
}

static void on_idle(struct vx6_timer *timer)
{
	struct vx6_dht_circuit *c = timer->user;
	struct vx6_dht_info info;

	vx6_dht_info(c->dht, &info);
	if (info.lookups > 0 || info.kept > 0)
		c->wanted_ms = vx6_loop_now_ms(c->cfg.loop);
	if (vx6_loop_now_ms(c->cfg.loop) - c->wanted_ms >= c->cfg.idle_ms)
		end(c);
	else
		vx6_timer_in_ms(timer, c->cfg.idle_ms / 4);
}

/*
 * Nothing of it is this node's: its id is of this life only. Nor does a setting of the operator's say who asks; so the rules on prefixes are the
 * usual ones.
 */
static struct vx6_dht *make(struct vx6_dht_circuit *c)
{
	struct vx6_dht_config cfg = {
		.net = c->cfg.net,
		.io = &io,
		.user = c,
		.diversity = VX6_DIVERSITY_AUTO,
	};

	vx6_random_bytes(cfg.self.b, sizeof cfg.self.b);
	return vx6_dht_new(&cfg);
}

static void begin_life(struct vx6_dht_circuit *c)
{
	if (c->living)
		return;
	c->living = true;
	c->life = c->cfg.apart ? c->cfg.apart : c->life + 1;
}

void vx6_dht_circuit_prepare(struct vx6_dht_circuit *c)
{
	begin_life(c);
	for (uint8_t i = 0; i < c->guides.n; i++)
		(void)guides_guide(&c->guides, i);
}

unsigned vx6_dht_circuit_prepared(const struct vx6_dht_circuit *c)
{
	return guides_up(&c->guides);
}

void vx6_dht_circuit_pass(struct vx6_dht_circuit *c, void *user)
{
	VX6_ASSERT(!c->dht);
	c->cfg.user = c->guides.pick_user = user;
}

void vx6_dht_circuit_want(struct vx6_dht_circuit *c)
{
	const struct vx6_dht *other = c->cfg.other(c->cfg.user);

	c->wanted_ms = vx6_loop_now_ms(c->cfg.loop);
	if (c->dht || (!other && !c->cfg.heard))
		return;
	link_queries_init(&c->queries, &(struct link_queries_config){
					       .loop = c->cfg.loop,
					       .sessions = c->cfg.sessions,
					       .answered = on_answered,
					       .failed = on_failed,
					       .user = c,
				       });
	begin_life(c);
	c->dht = make(c);
	if (other)
		take_over(c, other);
	else
		begin_with_heard(c);
	vx6_timer_in_ms(&c->idle, c->cfg.idle_ms / 4);
	tell(c, c->dht);
}

struct vx6_dht *vx6_dht_circuit_dht(const struct vx6_dht_circuit *c)
{
	return c->dht;
}

bool vx6_dht_circuit_proxy(const struct vx6_dht_circuit *c, uint8_t path, struct vx6_node_id *out)
{
	if (path >= c->guides.n || !c->guides.guide[path].chosen)
		return false;
	*out = c->guides.guide[path].node;
	return true;
}

struct vx6_dht_circuit *vx6_dht_circuit_new(const struct vx6_dht_circuit_config *cfg)
{
	struct vx6_dht_circuit *c = vx6_zalloc(sizeof *c);
	const struct vx6_dht_circuit_ways circuits = {
		.way = circuit_way,
		.session = circuit_session,
		.want = circuit_want,
		.cancel = circuit_cancel,
		.leave = circuit_leave,
		.user = c,
	};

	c->cfg = *cfg;
	if (cfg->idle_ms == 0)
		c->cfg.idle_ms = VX6_DHT_CIRCUIT_IDLE_MS;
	if (cfg->relays == 0)
		c->cfg.relays =
			cfg->hidden ? VX6_DHT_CIRCUIT_RELAYS_HIDDEN : VX6_DHT_CIRCUIT_RELAYS;
	guides_init(&c->guides, cfg->loop, cfg->ways ? cfg->ways : &circuits,
		    cfg->proxies ? cfg->proxies : VX6_DHT_CIRCUIT_PROXIES);
	c->guides.pick = cfg->pick;
	c->guides.pick_user = cfg->user;
	c->guides.changed = guides_changed;
	c->guides.changed_user = c;
	vx6_task_init(&c->led, on_led, c);
	vx6_timer_init(cfg->loop, &c->wake, on_wake, c);
	vx6_timer_init(cfg->loop, &c->idle, on_idle, c);
	return c;
}

void vx6_dht_circuit_free(struct vx6_dht_circuit *c)
{
	if (!c)
		return;
	end(c);
	free(c);
}
