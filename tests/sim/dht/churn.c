/* Nodes come and go, come back with what they knew, some of them elsewhere; their records follow them. */
#include "base/util.h"
#include "tests/sim/dht/scenario.h"

enum { MOVE_PERCENT = 30, SETTLED_US = 60 * SIM_S, REPUBLISH_S = 30 * 60 };

struct life {
	struct sim_event ev; /* first */
	struct churn *c;
	struct node *node;
	struct target *target; /* NULL: it publishes nothing */
	uint64_t since_us;     /* of its present session */
	uint64_t record_us;    /* when its record was made */
};

struct churn {
	struct run *run;
	struct sim_rng rng;
	double up_s, down_s; /* medians */
	struct life *lives;
	struct target *targets;
	size_t targets_n;
	struct sim_share moved;
};

static void after(struct life *l, double median_s)
{
	sim_queue_set(l->node->w->q, &l->ev,
		      sim_queue_now_us(l->node->w->q) +
			      (uint64_t)(sim_rng_exponential(&l->c->rng, median_s) * SIM_S));
}

static void go(struct life *l)
{
	lookups_drop(l->node);
	if (l->target != NULL)
		target_forget(l->target);
	node_stop(l->node);
	after(l, l->c->down_s);
}

static void come(struct life *l)
{
	struct world *w = l->node->w;
	bool move = sim_rng_below(&l->c->rng, 100) < MOVE_PERCENT;
	uint8_t ip[16];

	sim_share_add(&l->c->moved, move);
	if (move) {
		sim_addrs_fresh(&w->addrs, ip);
		node_move(l->node, ip);
	}
	node_resume(l->node);
	l->since_us = l->record_us = sim_queue_now_us(w->q);
	if (l->target != NULL)
		target_publish(l->target, l->target->seq + 1);
	after(l, l->c->up_s);
}

static void turn(struct sim_event *ev)
{
	struct life *l = VX6_CONTAINER_OF(ev, struct life, ev);

	if (sim_net_is_up(l->node->w->net, l->node->number))
		go(l);
	else
		come(l);
}

static void begin(struct churn *c)
{
	struct world *w = c->run->w;

	c->lives = vx6_zalloc(w->n * sizeof *c->lives);
	c->targets = vx6_zalloc(c->targets_n * sizeof *c->targets);
	for (size_t i = 0; i < c->targets_n; i++) {
		struct node *n;

		do
			n = world_pick(w, &c->rng);
		while (c->lives[n->number].target != NULL);
		target_init(&c->targets[i], n);
		c->lives[n->number].target = &c->targets[i];
	}
	for (uint32_t i = 0; i < w->n; i++) {
		struct life *l = &c->lives[i];

		l->ev.fn = turn;
		l->c = c;
		l->node = w->nodes[i];
		if (l->target != NULL)
			target_publish(l->target, 1);
		/* exponential: the rest of a session is as long as a session */
		after(l, sim_net_is_up(w->net, i) ? c->up_s : c->down_s);
	}
}

static void republish(struct churn *c)
{
	uint64_t now = sim_queue_now_us(c->run->w->q);

	for (size_t i = 0; i < c->targets_n; i++) {
		struct target *t = &c->targets[i];
		struct life *l = &c->lives[t->owner->number];

		if (t->kept == NULL || now - l->record_us < REPUBLISH_S * (uint64_t)SIM_S)
			continue;
		l->record_us = now;
		target_publish(t, t->seq + 1);
	}
}

/* A lookup by a node, of a record of a node, that have both been there for a minute. */
static void look(struct churn *c, struct tally *out)
{
	struct world *w = c->run->w;
	uint64_t now = sim_queue_now_us(w->q);
	struct lookup_ask ask = {.want = VX6_DHT_WANT_ONE};

	for (unsigned i = 0; i < 10000; i++) {
		ask.reader = world_pick(w, &c->rng);
		ask.target = &c->targets[sim_rng_below(&c->rng, c->targets_n)];
		if (ask.reader != ask.target->owner && ask.target->kept != NULL &&
		    now - c->lives[ask.reader->number].since_us >= SETTLED_US &&
		    now - c->lives[ask.target->owner->number].since_us >= SETTLED_US) {
			lookup_start(&ask, out);
			return;
		}
	}
}

void scenario_churn(struct run *r, const struct scenario *s, struct sim_report *out)
{
	struct churn c = {.run = r, .up_s = s->share * 60, .targets_n = r->quick ? 60 : 300};
	/* so that tables show what upkeep makes of them before it counts */
	uint64_t settle_s = 15 * 60, window_s = 300;
	size_t lookups = r->quick ? 400 : 2000;
	struct sim_net_totals before, now;
	struct sim_share alive = {0};
	struct tally t = {0};

	scenario_begin(r, ROLE_HONEST, 0);
	sim_rng_derive(&c.rng, r->seed, "churn", (uint64_t)s->share);
	c.down_s = c.up_s * SCENARIO_DEAD_PERCENT / (100 - SCENARIO_DEAD_PERCENT);
	begin(&c);
	for (uint64_t i = 0; i < settle_s; i += 30) {
		world_run(r->w, 30 * SIM_S);
		republish(&c);
	}
	sim_net_totals(r->w->net, &before);
	for (size_t i = 0; i < lookups; i++) {
		look(&c, &t);
		if (i % 100 == 0)
			republish(&c);
		world_run(r->w, window_s * SIM_S / lookups);
	}
	sim_net_totals(r->w->net, &now);
	for (unsigned i = 0; i < 30 && t.under_way > 0; i++)
		world_run(r->w, SIM_S);
	for (uint32_t i = 0; i < r->w->n; i++)
		sim_share_add(&alive, sim_net_is_up(r->w->net, i));
	scenario_report(r, &t, "", scenario_goal(r, s), out);
	sim_report_add(out, "found: newest record", sim_share_percent(&t.newest), "%");
	sim_report_add(out, "nodes alive", (double)alive.yes, "");
	sim_report_add(out, "came back elsewhere", sim_share_percent(&c.moved), "%");
	sim_report_add(out, "requests per node and hour",
		       (double)(now.requests - before.requests) * 3600.0 /
			       ((double)window_s * r->nodes),
		       "");
	free(c.lives);
	free(c.targets);
	tally_fini(&t);
}
