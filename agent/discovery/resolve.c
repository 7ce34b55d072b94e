/*
 * Resolutions under way. One job for all who want the same; its lookups run side by side:
 *
 *   name (all claims) ------------> who -> endpoint, service, revocation (of that node) ---> answer
 *   of a pinned name these begin at once, together with the name
 *
 * What lookups bring is copied in their callbacks and put into the registry afterwards, in a task of the job's own: the registry's
 * changes reach the DHT again. A revocation that is not found takes the longest to say so; once the rest is there it has GRACE_MS more. If it comes
 * later it still ends the session.
 */
#include "discovery/resolve_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "dht/key.h"
#include "loop/loop.h"

enum {
	DEADLINE_MS = 12000,
	GRACE_MS = 400,
	ACTIVE_MAX =
		12, /* jobs with lookups; the others wait their turn, for the DHT has other users too */
};

enum what { NAME, ENDPOINT, SERVICE, REVOCATION, RELAY, WHATS };
static const char *const what_text[WHATS] = {"name", "endpoint", "service", "revocation", "relay"};
static const uint8_t what_type[WHATS] = {VX6_RTYPE_NAME, VX6_RTYPE_ENDPOINT, VX6_RTYPE_SERVICE,
					 VX6_RTYPE_REVOCATION, VX6_RTYPE_RELAY};

struct heard {
	struct heard *next;
	struct vx6_dht_value value; /* its record points to `bytes` */
	uint8_t bytes[];
};

struct job;

struct probe {
	struct job *job;
	enum what what;
	struct vx6_dht_lookup *lookup; /* NULL: not running */
	struct heard *heard;
	bool done;
	struct vx6_claims_asked asked; /* NAME */
};

struct job {
	struct vx6_list node; /* vx6_resolver.jobs */
	struct vx6_resolver *r;
	struct vx6_resolve_ask ask;
	struct vx6_list waiters;
	struct probe probe[WHATS];
	struct vx6_task advance;
	struct vx6_timer deadline, grace;
	bool begun, who_done, where_begun, grace_over, expired, finishing, answered, asked;
	bool refused;                  /* the DHT has too many lookups under way */
	struct vx6_node_id node_asked; /* the one that ENDPOINT and the others are about */
	struct vx6_resolution res;
	struct vx6_name_conflict *conflict;
	uint64_t began_ms;
};

struct vx6_resolving {
	struct vx6_list node; /* job.waiters */
	struct job *job;
	vx6_resolved_cb *done;
	void *user;
};

/* ---- lookups ---- */

static void heard_free(struct heard *h)
{
	while (h) {
		struct heard *next = h->next;

		free(h);
		h = next;
	}
}

static void keep_value(struct probe *p, const struct vx6_dht_value *v)
{
	struct heard *h;

	if (v->n > VX6_RECORD_MAX)
		return;
	h = vx6_zalloc(sizeof *h + v->n);
	memcpy(h->bytes, v->record, v->n);
	h->value = *v;
	h->value.record = h->bytes;
	h->next = p->heard;
	p->heard = h;
}

static void on_looked(void *user, const struct vx6_dht_result *res)
{
	struct probe *p = user;
	struct job *j = p->job;

	p->lookup = NULL;
	p->done = true;
	for (size_t i = 0; i < res->values_n && i < VX6_CLAIMS_MAX; i++)
		keep_value(p, &res->value[i]);
	p->asked.network = vx6_is_ok(res->err) || res->err.code == VX6_E_NOT_FOUND;
	p->asked.holders = res->holders_asked;
	p->asked.prefixes = res->prefixes_asked;
	j->res.queries += res->queries;
	j->answered |= res->answers > 0;
	vx6_loop_defer(j->r->cfg.loop, &j->advance);
}

static void on_trace(void *user, const struct vx6_dht_trace *t)
{
	struct probe *p = user;

	if (!vx6_list_is_empty(&p->job->waiters)) {
		struct vx6_resolving *g =
			VX6_CONTAINER_OF(p->job->waiters.next, struct vx6_resolving, node);

		p->job->ask.trace(g->user, what_text[p->what], t);
	}
}

static void key_of(const struct job *j, enum what what, struct vx6_dht_key *out)
{
	const struct vx6_net *net = &j->r->cfg.net;

	switch (what) {
	case NAME:
		vx6_dht_key_name(net, j->ask.target.node, out);
		break;
	case ENDPOINT:
	case RELAY:
		vx6_dht_key_endpoint(net, &j->node_asked, out);
		break;
	case SERVICE:
		vx6_dht_key_service(net, &j->node_asked, j->res.service, out);
		break;
	default:
		vx6_dht_key_revocation(net, &j->node_asked, out);
	}
}

static void probe_start(struct job *j, enum what what)
{
	struct probe *p = &j->probe[what];
	struct vx6_dht_ask ask = {.want = VX6_DHT_WANT_ONE, .type = what_type[what]};
	const struct resolver_way *way = resolver_way(j->r, j->ask.anonymous);
	struct vx6_dht_now now;

	if (what == NAME)
		ask.want = VX6_DHT_WANT_ALL;
	else if (j->ask.fresh)
		ask.want = VX6_DHT_WANT_BEST;
	key_of(j, what, &ask.key);
	if (j->ask.trace)
		ask.trace = on_trace;
	p->done = false;
	j->asked = true;
	way->now(way->user, &now);
	p->lookup = vx6_dht_look(way->dht, &ask, on_looked, p, &now);
	p->done = !p->lookup;
	j->refused |= !p->lookup;
}

static void probe_stop(struct probe *p)
{
	if (p->lookup)
		vx6_dht_lookup_cancel(p->lookup);
	p->lookup = NULL;
	p->done = true;
}

static void probes_stop(struct job *j)
{
	for (int i = 0; i < WHATS; i++)
		probe_stop(&j->probe[i]);
}

static void take_one(struct job *j, const struct vx6_dht_value *v)
{
	const struct vx6_resolver_config *cfg = &j->r->cfg;
	const struct vx6_source from = {.kind = VX6_SOURCE_DHT};

	if (cfg->take)
		cfg->take(cfg->user, v->record, v->n);
	else
		(void)vx6_is_ok(vx6_registry_admit(cfg->registry, v->record, v->n, &from,
						   vx6_wall_s(), NULL));
}

/* What came in goes through the registry's door; what does not pass it is not believed either. */
static void take_heard(struct job *j, struct vx6_claims *claims)
{
	struct vx6_claims_view view;

	resolver_view(j->r, &view);
	for (int i = 0; i < WHATS; i++)
		for (struct heard *h = j->probe[i].heard; h; h = h->next)
			take_one(j, &h->value);
	if (j->who_done)
		return;
	resolve_claims(j->r, j->ask.target.node, claims);
	for (struct heard *h = j->probe[NAME].heard; h; h = h->next)
		vx6_claims_add_value(&view, j->ask.target.node, &h->value, claims);
}

static void heard_fini(struct job *j)
{
	for (int i = 0; i < WHATS; i++) {
		heard_free(j->probe[i].heard);
		j->probe[i].heard = NULL;
	}
}

/* ---- the end of a job ---- */

static void begin_next(struct vx6_resolver *r);

static void job_free(struct job *j)
{
	struct vx6_resolver *r = j->r;

	vx6_list_remove(&j->node);
	vx6_timer_stop(&j->deadline);
	vx6_timer_stop(&j->grace);
	vx6_task_cancel(&j->advance);
	probes_stop(j);
	heard_fini(j);
	r->jobs_n--;
	r->active_n -= j->begun;
	free(j->conflict);
	free(j);
	begin_next(r);
}

static void job_finish(struct job *j)
{
	struct vx6_list *node;

	j->finishing = true;
	vx6_list_remove(&j->node); /* nobody joins it any more */
	probes_stop(j);
	vx6_task_cancel(&j->advance);
	if (j->refused && (!j->who_done || vx6_is_ok(j->res.err))) {
		j->res.err = VX6_ERR(FULL);
		vx6_strlcpy(j->res.detail, "too many lookups are under way", sizeof j->res.detail);
	}
	if (vx6_is_ok(j->res.err)) {
		resolve_where(j->r, &j->ask, &j->res);
		resolve_missing(j->answered, &j->res);
	}
	j->res.from_registry = !j->asked;
	j->res.ms = (uint32_t)(vx6_loop_now_ms(j->r->cfg.loop) - j->began_ms);
	while ((node = vx6_list_pop(&j->waiters)) != NULL) {
		struct vx6_resolving *g = VX6_CONTAINER_OF(node, struct vx6_resolving, node);
		vx6_resolved_cb *done = g->done;
		void *user = g->user;

		free(g);
		done(user, &j->res);
	}
	job_free(j);
}

/* ---- its course ---- */

static bool wants_where(const struct job *j)
{
	if (j->expired || j->ask.local_only || !resolver_has_network(j->r, j->ask.anonymous))
		return false;
	return j->ask.fresh || !j->res.has_endpoint || !j->res.service_known;
}

static void begin_where(struct job *j, const struct vx6_node_id *node)
{
	j->where_begun = true;
	j->node_asked = *node;
	probe_start(j, ENDPOINT);
	probe_start(j, REVOCATION);
	if (j->ask.want_service && j->res.service[0])
		probe_start(j, SERVICE);
	if (j->ask.want_relay)
		probe_start(j, RELAY);
}

/* The name means another node than the one that was asked after in the meantime. */
static void drop_where(struct job *j)
{
	for (int i = ENDPOINT; i < WHATS; i++) {
		probe_stop(&j->probe[i]);
		heard_free(j->probe[i].heard);
		j->probe[i].heard = NULL;
	}
	j->where_begun = false;
}

/* A pin holds, and its user hears of those who claim the name beside it. */
static void tell_of_others(struct job *j, const struct vx6_claims *claims)
{
	for (size_t i = 0; i < claims->n; i++)
		if (!vx6_node_id_eq(&claims->claim[i].node, &j->res.node))
			vx6_names_claimed(j->r->cfg.names, j->ask.target.node, &claims->claim[i],
					  vx6_wall_ms());
}

/* The resolver's own copy is overwritten by the next resolution. */
static void keep_conflict(struct job *j)
{
	if (!j->res.conflict)
		return;
	j->conflict = vx6_zalloc(sizeof *j->conflict);
	*j->conflict = *j->res.conflict;
	j->res.conflict = j->conflict;
}

static void decide_who(struct job *j, const struct vx6_claims *claims)
{
	(void)resolve_who(j->r, &j->ask, claims, &j->probe[NAME].asked, &j->res);
	j->who_done = true;
	keep_conflict(j);
	if (vx6_is_ok(j->res.err) && j->res.by == VX6_BY_PIN)
		tell_of_others(j, claims);
	if (j->where_begun && j->res.has_node && !vx6_node_id_eq(&j->res.node, &j->node_asked))
		drop_where(j);
}

static bool is_running(const struct job *j, enum what what)
{
	return j->probe[what].lookup != NULL;
}

static bool waits_for_revocation(struct job *j)
{
	if (!is_running(j, REVOCATION) || j->grace_over)
		return false;
	if (!vx6_timer_is_armed(&j->grace))
		vx6_timer_in_ms(&j->grace, GRACE_MS);
	return true;
}

/* @return true: more is to come */
static bool waits_for_where(struct job *j)
{
	if (!j->where_begun && wants_where(j))
		begin_where(j, &j->res.node);
	return is_running(j, ENDPOINT) || is_running(j, SERVICE) || is_running(j, RELAY) ||
	       waits_for_revocation(j);
}

static void on_advance(struct vx6_task *task)
{
	struct job *j = task->user;
	struct vx6_claims claims;

	take_heard(j, &claims);
	if (is_running(j, NAME))
		return;
	/* a pinned node says in its endpoint record, too, what it calls itself; if it is over, its successor belongs into the answer */
	if (!j->who_done && (is_running(j, ENDPOINT) || waits_for_revocation(j)))
		return;
	/* what could not be asked is no "nobody knows" */
	if (!j->who_done && !j->refused)
		decide_who(j, &claims);
	heard_fini(j);
	if (j->who_done && vx6_is_ok(j->res.err) && !j->where_begun)
		resolve_where(j->r, &j->ask, &j->res);
	if (j->who_done && vx6_is_ok(j->res.err) && waits_for_where(j))
		return;
	job_finish(j);
}

static void on_deadline(struct vx6_timer *timer)
{
	struct job *j = timer->user;

	probes_stop(j);
	j->expired = true;
	on_advance(&j->advance);
}

static void on_grace(struct vx6_timer *timer)
{
	struct job *j = timer->user;

	j->grace_over = true;
	on_advance(&j->advance);
}

/* What is known decides whether the name has to be asked for. */
static void job_begin(struct job *j)
{
	struct vx6_resolver *r = j->r;
	const struct vx6_target *to = &j->ask.target;
	bool network = !j->ask.local_only && resolver_has_network(r, j->ask.anonymous);
	struct vx6_name_binding pin;
	vx6_err err = vx6_resolve_known(r, &j->ask, &j->res);
	bool by_name = err.code == VX6_E_AGAIN ||
		       (j->ask.fresh && (j->res.by == VX6_BY_PIN || j->res.by == VX6_BY_CLAIM) &&
			vx6_is_ok(err));

	j->begun = true;
	r->active_n++;
	if (network && by_name) {
		memset(&j->res, 0, sizeof j->res);
		vx6_strlcpy(j->res.service, to->service, sizeof j->res.service);
		probe_start(j, NAME);
		if (vx6_names_find(r->cfg.names, VX6_BINDING_PIN, to->node, &pin))
			begin_where(j, &pin.node);
	} else if (err.code != VX6_E_AGAIN) {
		j->who_done = true;
		keep_conflict(j);
	}
	vx6_loop_defer(r->cfg.loop, &j->advance);
}

static void begin_next(struct vx6_resolver *r)
{
	if (r->stopping)
		return;
	VX6_LIST_EACH(node, &r->jobs)
	{
		struct job *j = VX6_CONTAINER_OF(node, struct job, node);

		if (r->active_n >= ACTIVE_MAX)
			return;
		if (!j->begun)
			job_begin(j);
	}
}

static struct job *job_new(struct vx6_resolver *r, const struct vx6_resolve_ask *ask)
{
	struct job *j = vx6_zalloc(sizeof *j);

	j->r = r;
	j->ask = *ask;
	j->began_ms = vx6_loop_now_ms(r->cfg.loop);
	vx6_list_init(&j->waiters);
	vx6_task_init(&j->advance, on_advance, j);
	vx6_timer_init(r->cfg.loop, &j->deadline, on_deadline, j);
	vx6_timer_init(r->cfg.loop, &j->grace, on_grace, j);
	for (int i = 0; i < WHATS; i++) {
		j->probe[i].job = j;
		j->probe[i].what = (enum what)i;
	}
	vx6_timer_in_ms(&j->deadline, DEADLINE_MS);
	vx6_list_push(&r->jobs, &j->node);
	r->jobs_n++;
	return j;
}

static struct job *job_find(struct vx6_resolver *r, const struct vx6_resolve_ask *ask)
{
	VX6_LIST_EACH(node, &r->jobs)
	{
		struct job *j = VX6_CONTAINER_OF(node, struct job, node);
		const struct vx6_resolve_ask *a = &j->ask;

		if (a->trace || a->local_only != ask->local_only || a->fresh != ask->fresh ||
		    a->want_service != ask->want_service || a->want_relay != ask->want_relay ||
		    a->anonymous != ask->anonymous ||
		    a->target.has_node_id != ask->target.has_node_id ||
		    a->target.is_hidden != ask->target.is_hidden ||
		    strcmp(a->target.node, ask->target.node) != 0 ||
		    strcmp(a->target.catalog, ask->target.catalog) != 0)
			continue;
		if (a->target.has_node_id &&
		    !vx6_node_id_eq(&a->target.node_id, &ask->target.node_id))
			continue;
		if ((!ask->want_service && !ask->target.catalog[0]) ||
		    strcmp(a->target.service, ask->target.service) == 0)
			return j;
	}
	return NULL;
}

/* ---- public ---- */

struct vx6_resolver *vx6_resolver_new(const struct vx6_resolver_config *cfg)
{
	struct vx6_resolver *r = vx6_zalloc(sizeof *r);

	r->cfg = *cfg;
	vx6_list_init(&r->jobs);
	return r;
}

void vx6_resolver_free(struct vx6_resolver *r)
{
	if (!r)
		return;
	r->stopping = true;
	while (!vx6_list_is_empty(&r->jobs)) {
		struct job *j = VX6_CONTAINER_OF(r->jobs.next, struct job, node);

		memset(&j->res, 0, sizeof j->res);
		j->res.err = VX6_ERR(DRAINING);
		vx6_strlcpy(j->res.detail, "shutting down", sizeof j->res.detail);
		job_finish(j);
	}
	free(r);
}

static void set_way(struct vx6_resolver *r, bool anonymous, const struct resolver_way *to)
{
	VX6_LIST_EACH(node, &r->jobs)
	{
		struct job *j = VX6_CONTAINER_OF(node, struct job, node);

		if (j->ask.anonymous != anonymous)
			continue;
		probes_stop(j);
		if (j->begun)
			vx6_loop_defer(r->cfg.loop, &j->advance);
	}
	*(anonymous ? &r->hidden : &r->open) = *to;
}

void vx6_resolver_set_dht(struct vx6_resolver *r, struct vx6_dht *dht,
			  void (*now)(void *user, struct vx6_dht_now *out), void *user)
{
	set_way(r, false, &(struct resolver_way){.dht = dht, .now = now, .user = user});
}

void vx6_resolver_set_anonymous_dht(struct vx6_resolver *r, struct vx6_dht *dht,
				    void (*now)(void *user, struct vx6_dht_now *out), void *user)
{
	set_way(r, true, &(struct resolver_way){.dht = dht, .now = now, .user = user});
}

struct vx6_resolving *vx6_resolve(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
				  vx6_resolved_cb *done, void *user)
{
	struct job *j = ask->trace ? NULL : job_find(r, ask);
	struct vx6_resolving *g;

	if (!j && r->jobs_n >= VX6_RESOLVING_MAX)
		return NULL;
	g = vx6_zalloc(sizeof *g);
	g->done = done;
	g->user = user;
	g->job = j ? j : job_new(r, ask);
	vx6_list_push(&g->job->waiters, &g->node);
	begin_next(r);
	return g;
}

void vx6_resolve_cancel(struct vx6_resolving *g)
{
	struct job *j = g->job;

	vx6_list_remove(&g->node);
	free(g);
	if (vx6_list_is_empty(&j->waiters) && !j->finishing)
		job_free(j);
}
