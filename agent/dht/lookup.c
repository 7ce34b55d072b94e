#include <string.h>

#include "base/util.h"
#include "dht/lookup_internal.h"

/*
 *                  answer, failure, timeout
 *                 +------------------------+
 *                 v                        |
 *   look --> run: each path asks its next nearest --> all paths done --> widen once? --> end
 *                 |                                                          ^            ^
 *                 +-- a record that suffices ----------------------------------------------+
 *
 * A path is done when its k nearest have answered, failed, or are late. Whoever is slow (soft timeout) holds no place among those in flight.
 */
enum {
	LATE_FACTOR = 2, /* soft timeouts until nobody waits for a slow one */
	LATE_MIN_MS = 150,
	WIDEN_NODES = 100,    /* in a smaller network four paths have seen everybody */
	RETRY_MS = 100,       /* when too many queries are under way */
	REGION_MAX = 40,      /* nodes around a key that are weighed */
	REGION_PREFIX_MAX = 4 /* of one prefix */
};
static const double CHURN = 0.25; /* share of queries that fail: more in flight */

struct dht_lookups {
	struct vx6_list active;
	uint32_t n;
};

struct result {
	struct vx6_dht_result pub;
	uint8_t token[VX6_DHT_K][VX6_DHT_TOKEN_BYTES];
};

struct dht_lookups *vx6_dht_lookups_new(void)
{
	struct dht_lookups *ls = vx6_zalloc(sizeof *ls);

	vx6_list_init(&ls->active);
	return ls;
}

static void lookup_free(struct vx6_dht_lookup *l)
{
	for (size_t i = 0; i < l->found_n; i++)
		free(l->found[i].bytes);
	free(l->found);
	free(l->cand);
	free(l);
}

/* No answer reaches it any more; the queries themselves go on, for the table's sake. */
static void detach(struct vx6_dht_lookup *l)
{
	for (size_t i = 0; i < l->cands_n; i++)
		if (l->cand[i].query != 0)
			vx6_dht_ask_forget(l->d, l->cand[i].query);
	vx6_list_remove(&l->node);
	l->d->lookups->n--;
}

void vx6_dht_lookups_free(struct vx6_dht *d)
{
	struct vx6_list *at;

	if (!d->lookups)
		return;
	while (!vx6_list_is_empty(&d->lookups->active)) {
		at = d->lookups->active.next;
		detach(VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node));
		lookup_free(VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node));
	}
	VX6_FREE(d->lookups);
}

uint32_t vx6_dht_lookups_n(const struct vx6_dht *d)
{
	return d->lookups->n;
}

void vx6_dht_lookup_cancel(struct vx6_dht_lookup *l)
{
	detach(l);
	lookup_free(l);
}

/* ---- one query ---- */

void vx6_dht_lookup_trace(const struct vx6_dht_lookup *l, struct vx6_dht_trace *t)
{
	if (!l->ask.trace)
		return;
	t->at_ms = (uint32_t)(l->d->now.ms - l->began_ms);
	l->ask.trace(l->user, t);
}

static struct vx6_dht_trace trace_of(const struct vx6_dht_lookup *l, const struct dht_cand *c,
				     enum vx6_dht_step_kind kind)
{
	return (struct vx6_dht_trace){
		.kind = kind,
		.path = c->path,
		.warm = c->warm,
		.peer = c->contact,
		.bits = vx6_dht_common_bits(&c->pos, &l->ask.key),
	};
}

static void run(struct vx6_dht_lookup *l);

static int find_query(const struct vx6_dht_lookup *l, uint64_t query)
{
	for (int i = 0; i < l->cands_n; i++)
		if (l->cand[i].query == query)
			return i;
	return -1;
}

static void answered(struct vx6_dht_lookup *l, uint16_t at, const struct dht_outcome *o,
		     struct vx6_dht_trace *t)
{
	struct dht_cand *c = &l->cand[at];
	struct dht_path *path = &l->path[c->path];

	c->state = CAND_ANSWERED;
	c->refused = o->resp->status != 0;
	memcpy(c->token, o->resp->token, sizeof c->token);
	l->answers++;
	path->answers++;
	path->nearest = VX6_MIN(path->nearest, c->distance);
	vx6_dht_cand_judge(l, c, true);
	t->kind = VX6_DHT_STEP_ANSWERED;
	t->rtt_ms = o->rtt_ms;
	vx6_dht_take_answer(l, at, o->resp, t);
}

static void on_outcome(void *user, const struct dht_outcome *o)
{
	struct vx6_dht_lookup *l = user;
	int at = find_query(l, o->query);
	struct vx6_dht_trace t;
	struct dht_cand *c;

	if (at < 0)
		return;
	c = &l->cand[at];
	c->query = 0;
	if (c->state == CAND_ASKED)
		l->path[c->path].in_flight--;
	l->bytes_in += o->bytes_in;
	t = trace_of(l, c, VX6_DHT_STEP_FAILED);
	if (vx6_is_ok(o->err)) {
		answered(l, (uint16_t)at, o, &t);
	} else {
		if (c->state != CAND_LATE) /* that was held against whoever named it already */
			vx6_dht_cand_judge(l, c, false);
		c->state = CAND_FAILED;
		l->timeouts += o->err.code == VX6_E_TIMEOUT;
		t.err = o->err;
	}
	vx6_dht_lookup_trace(l, &t);
	run(l);
}

/* An owner who looks for holders asks for its record too: those that have an older one are told. */
static bool wants_values(const struct vx6_dht_lookup *l)
{
	return l->ask.want != VX6_DHT_WANT_NODES || l->found_n > 0;
}

static bool ask(struct vx6_dht_lookup *l, uint16_t at, uint8_t path)
{
	struct dht_cand *c = &l->cand[at];
	struct vx6_dht_req req = {.op = wants_values(l) ? VX6_DHT_GET : VX6_DHT_FIND};
	struct vx6_dht_trace t;

	memcpy(req.key, l->ask.key.b, sizeof req.key);
	c->warm = l->d->io->is_warm(l->d->user, &c->contact);
	c->query = vx6_dht_ask_one(l->d, &c->contact, &req, on_outcome, l);
	if (c->query == 0)
		return false;
	c->state = CAND_ASKED;
	c->path = path;
	c->sent_ms = l->d->now.ms;
	c->soft_ms = (uint16_t)vx6_dht_soft_ms(l->d, c->warm);
	l->path[path].in_flight++;
	l->path[path].queries++;
	l->queries++;
	l->bytes_out += 3 + sizeof req.key;
	t = trace_of(l, c, VX6_DHT_STEP_ASKED);
	vx6_dht_lookup_trace(l, &t);
	return true;
}

/* ---- progress ---- */

static uint64_t late_at(const struct dht_cand *c)
{
	return c->sent_ms + VX6_MAX((uint64_t)c->soft_ms * LATE_FACTOR, LATE_MIN_MS);
}

static void pass_time(struct vx6_dht_lookup *l)
{
	uint64_t now = l->d->now.ms;

	for (size_t i = 0; i < l->cands_n; i++) {
		struct dht_cand *c = &l->cand[i];

		if (c->state == CAND_ASKED && now >= c->sent_ms + c->soft_ms) {
			struct vx6_dht_trace t = trace_of(l, c, VX6_DHT_STEP_SLOW);

			c->state = CAND_SLOW;
			l->path[c->path].in_flight--;
			vx6_dht_lookup_trace(l, &t);
		}
		if (c->state == CAND_SLOW && now >= late_at(c)) {
			c->state = CAND_LATE;
			vx6_dht_cand_judge(l, c, false);
		}
	}
}

static void set_due(struct vx6_dht_lookup *l)
{
	for (size_t i = 0; i < l->cands_n; i++) {
		const struct dht_cand *c = &l->cand[i];

		if (c->state == CAND_ASKED)
			l->due_ms = VX6_MIN(l->due_ms, c->sent_ms + c->soft_ms);
		else if (c->state == CAND_SLOW)
			l->due_ms = VX6_MIN(l->due_ms, late_at(c));
	}
}

/* Approaching its key, a path asks few at a time: each answer may show a shorter way. */
static unsigned in_flight_max(const struct vx6_dht_lookup *l, const struct dht_path *path,
			      const struct dht_cand *next)
{
	if (l->ask.want > VX6_DHT_WANT_BEST && next->distance > path->nearest)
		return IN_FLIGHT_WHOLE;
	return vx6_dht_query_failures(l->d) > CHURN ? IN_FLIGHT_CHURN : IN_FLIGHT;
}

/* @return false: it has come to its end */
static bool run_path(struct vx6_dht_lookup *l, uint8_t p)
{
	struct dht_path *path = &l->path[p];
	bool pending;
	int next;

	for (;;) {
		next = vx6_dht_cand_next(l, p, &pending);
		if (next < 0 && !pending && path->answers == 0 && !path->reseeded) {
			path->reseeded = true;
			if (vx6_dht_cand_seed(l, p, 1) > 0)
				continue;
		}
		if (next < 0 || path->queries >= PATH_QUERIES_MAX ||
		    path->in_flight >= in_flight_max(l, path, &l->cand[next]))
			break;
		if (!ask(l, (uint16_t)next, p)) {
			l->due_ms = l->d->now.ms + RETRY_MS;
			return true;
		}
	}
	if (path->queries >= PATH_QUERIES_MAX)
		return path->in_flight > 0;
	return next >= 0 || pending;
}

static bool is_enough(const struct vx6_dht_lookup *l)
{
	const struct dht_found *best = NULL;

	if (l->found_n == 0 || l->ask.want > VX6_DHT_WANT_BEST)
		return false;
	if (l->ask.want == VX6_DHT_WANT_ONE)
		return true;
	for (size_t i = 0; i < l->found_n; i++)
		if (!best || l->found[i].seq > best->seq)
			best = &l->found[i];
	return vx6_dht_found_paths(l, best) >= 2;
}

static uint8_t converged(const struct vx6_dht_lookup *l)
{
	uint8_t n = 0;

	for (uint8_t p = 0; p < l->paths; p++)
		if (l->path[p].done && l->path[p].answers > 0)
			n++;
	return n;
}

/* Nothing was found where much should be: as many paths again, from contacts that were not asked yet. */
static bool widen(struct vx6_dht_lookup *l)
{
	struct vx6_dht_trace t = {.kind = VX6_DHT_STEP_WIDENED};
	uint8_t first = l->paths;

	if (l->widened || l->found_n > 0 || l->ask.want == VX6_DHT_WANT_NODES ||
	    l->paths >= VX6_DHT_PATHS_MAX || vx6_dht_network_size(l->d) < WIDEN_NODES)
		return false;
	l->widened = true;
	if (vx6_dht_cand_seed(l, first, (uint8_t)(VX6_DHT_PATHS_MAX - first)) == 0)
		return false;
	l->paths = VX6_DHT_PATHS_MAX;
	l->until_ms = l->d->now.ms + LOOKUP_MS;
	t.path = first;
	vx6_dht_lookup_trace(l, &t);
	return true;
}

static bool run_paths(struct vx6_dht_lookup *l)
{
	bool active = false;

	for (uint8_t p = 0; p < l->paths; p++) {
		l->path[p].done = !run_path(l, p);
		active |= !l->path[p].done;
	}
	return active;
}

/* Asks whoever is next. The end itself comes in vx6_dht_step(), so that what arrives at the same moment counts. */
static void run(struct vx6_dht_lookup *l)
{
	if (l->ended)
		return;
	l->due_ms = l->until_ms;
	pass_time(l);
	if (is_enough(l) || l->d->now.ms >= l->until_ms ||
	    (!run_paths(l) && !(widen(l) && run_paths(l)))) {
		l->ended = true;
		l->due_ms = l->d->now.ms;
		return;
	}
	set_due(l);
}

/* ---- the end ---- */

static vx6_err verdict(const struct vx6_dht_lookup *l)
{
	bool whole = converged(l) * 2 >= l->paths;

	if (l->ask.want == VX6_DHT_WANT_NODES)
		return l->answers > 0 ? VX6_OK : VX6_ERR(UNREACHABLE);
	if (l->found_n > 0) {
		size_t holders = 0;

		for (size_t i = 0; i < l->found_n; i++)
			holders = VX6_MAX(holders, l->found[i].voices_n);
		/* one voice among many does not say what is the newest */
		return l->ask.want == VX6_DHT_WANT_BEST && holders < 2 &&
				       l->answers > VX6_DHT_HOLDERS
			       ? VX6_ERR(UNREACHABLE)
			       : VX6_OK;
	}
	if (l->answers == 0)
		return VX6_ERR(UNREACHABLE);
	return whole ? VX6_ERR(NOT_FOUND) : VX6_ERR(TIMEOUT);
}

/* What stands around the key, for the size of the network and the alarm. Who was kept out by the caps counts when its prefix is real. */
static void sense(struct vx6_dht_lookup *l)
{
	uint8_t prefix[REGION_MAX][VX6_DHT_PREFIX_BYTES];
	struct vx6_dht_key pos[REGION_MAX];
	size_t n = 0;

	for (size_t i = 0; i < l->cands_n && n < REGION_MAX; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];
		unsigned same = 0;

		vx6_dht_contact_prefix(&c->contact, prefix[n]);
		for (size_t j = 0; j < n; j++)
			same += memcmp(prefix[j], prefix[n], VX6_DHT_PREFIX_BYTES) == 0;
		if (c->state != CAND_ANSWERED && (c->state != CAND_NEW || same == 0))
			continue;
		if (vx6_dht_diversity(l->d) != VX6_DIVERSITY_OFF && same >= REGION_PREFIX_MAX)
			continue;
		pos[n++] = c->pos;
	}
	vx6_dht_sense_region(l->d, &l->ask.key, pos, n);
}

static void list_closest(const struct vx6_dht_lookup *l, struct result *r,
			 struct vx6_dht_contact *out)
{
	struct dht_caps caps = {0};
	size_t n = 0;

	for (size_t i = 0; i < l->cands_n && n < VX6_DHT_K; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];

		if (c->state != CAND_ANSWERED)
			continue;
		if (c->refused || !vx6_dht_caps_take(&caps, l->d, &c->contact))
			continue;
		memcpy(r->token[n], c->token, sizeof c->token);
		out[n++] = c->contact;
	}
	r->pub.closest = out;
	r->pub.closest_n = n;
	r->pub.prefixes_asked = (uint32_t)n;
}

static void count_asked(const struct vx6_dht_lookup *l, struct vx6_dht_result *r)
{
	unsigned nearest = 0;

	for (size_t i = 0; i < l->cands_n && nearest < VX6_DHT_K; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];

		if (c->state == CAND_NEW || c->state == CAND_FAILED)
			continue;
		r->holders_asked += c->state == CAND_ANSWERED;
		nearest++;
	}
}

static void account(struct vx6_dht_lookup *l, vx6_err err)
{
	bool whole = converged(l) * 2 >= l->paths;

	vx6_dht_table_touch(l->d, &l->ask.key);
	if (whole && l->answers > 0)
		sense(l);
	if (l->ask.want == VX6_DHT_WANT_NODES)
		return;
	if (l->found_n > 0)
		vx6_dht_sense_lookup(l->d, l->widened);
	else if (err.code != VX6_E_NOT_FOUND)
		vx6_dht_sense_lookup(l->d, true);
}

static void end(struct vx6_dht_lookup *l)
{
	struct vx6_dht_value values[FOUND_MAX];
	struct vx6_dht_contact closest[VX6_DHT_K];
	struct result r = {.pub = {
				   .err = verdict(l),
				   .value = values,
				   .values_n = vx6_dht_found_values(l, values),
				   .queries = l->queries,
				   .answers = l->answers,
				   .timeouts = l->timeouts,
				   .paths = l->paths,
				   .converged = converged(l),
				   .ms = (uint32_t)(l->d->now.ms - l->began_ms),
				   .bytes_out = l->bytes_out,
				   .bytes_in = l->bytes_in,
			   }};

	list_closest(l, &r, closest);
	count_asked(l, &r.pub);
	account(l, r.pub.err);
	vx6_dht_lookup_leave_better(l);
	detach(l);
	l->done(l->user, &r.pub);
	lookup_free(l);
}

const uint8_t *vx6_dht_result_token(const struct vx6_dht_result *r, size_t i)
{
	const struct result *whole = VX6_CONTAINER_OF(r, struct result, pub);

	VX6_ASSERT(i < r->closest_n);
	return whole->token[i];
}

/* ---- from outside ---- */

static void take_own(void *user, uint32_t age_s, const uint8_t *record, size_t n)
{
	vx6_dht_take_value(user, FROM_TABLE, age_s, record, n);
}

struct vx6_dht_lookup *vx6_dht_look(struct vx6_dht *d, const struct vx6_dht_ask *ask,
				    vx6_dht_done_cb *done, void *user,
				    const struct vx6_dht_now *now)
{
	struct vx6_dht_lookup *l;

	if (d->lookups->n >= LOOKUPS_MAX)
		return NULL;
	vx6_dht_enter(d, now);
	l = vx6_zalloc(sizeof *l);
	l->d = d;
	l->ask = *ask;
	l->done = done;
	l->user = user;
	l->began_ms = d->now.ms;
	l->until_ms = d->now.ms + LOOKUP_MS;
	l->paths = ask->paths ? VX6_MIN(ask->paths, (uint8_t)VX6_DHT_PATHS_MAX) : vx6_dht_paths(d);
	for (uint8_t p = 0; p < VX6_DHT_PATHS_MAX; p++)
		l->path[p].nearest = UINT64_MAX;
	vx6_list_push(&d->lookups->active, &l->node);
	d->lookups->n++;
	if (ask->want == VX6_DHT_WANT_NODES)
		vx6_dht_keeper_get(d, &l->ask.key, take_own, l);
	else
		vx6_dht_holder_get(d, &l->ask.key, take_own, l);
	vx6_dht_cand_seed(l, 0, l->paths);
	run(l);
	vx6_dht_leave(d);
	return l;
}

uint64_t vx6_dht_lookups_due(const struct vx6_dht *d)
{
	uint64_t due = UINT64_MAX;

	VX6_LIST_EACH(at, &d->lookups->active)
	{
		const struct vx6_dht_lookup *l = VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node);

		due = VX6_MIN(due, l->due_ms);
	}
	return due;
}

/* Callbacks may end other lookups and begin new ones, so the list is looked through afresh after each. */
static struct vx6_dht_lookup *next_ended(const struct vx6_dht *d)
{
	VX6_LIST_EACH(at, &d->lookups->active)
	{
		struct vx6_dht_lookup *l = VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node);

		if (l->ended)
			return l;
	}
	return NULL;
}

void vx6_dht_lookups_step(struct vx6_dht *d)
{
	struct vx6_dht_lookup *l;

	VX6_LIST_EACH(at, &d->lookups->active)
	{
		l = VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node);
		if (l->due_ms <= d->now.ms)
			run(l);
	}
	for (unsigned i = 0; i < LOOKUPS_MAX && (l = next_ended(d)) != NULL; i++)
		end(l);
}
