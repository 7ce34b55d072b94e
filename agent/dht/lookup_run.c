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
	WIDEN_NODES = 100, /* in a smaller network four paths have seen everybody */
	RETRY_MS = 100,    /* when too many queries are under way */
	LED_MS = 1000,     /* for a leader, should nobody say that there is one */
	PATIENCE_MS = 500, /* with other paths, or as long again as the first one took */
};
static const double CHURN = 0.25; /* share of queries that fail: more in flight */

/* ---- one query ---- */

static void send_trace(const struct vx6_dht_lookup *l, struct vx6_dht_trace *t)
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
	send_trace(l, &t);
	vx6_dht_lookup_run(l);
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
	c->query = vx6_dht_ask_one(l->d, path, &c->contact, &req, on_outcome, l);
	if (c->query == 0)
		return false;
	c->state = CAND_ASKED;
	c->path = path;
	c->sent_ms = l->d->now.ms;
	c->soft_ms = (uint16_t)vx6_dht_soft_ms(l->d, path, c->warm);
	l->path[path].in_flight++;
	l->path[path].queries++;
	l->queries++;
	l->bytes_out += 3 + sizeof req.key;
	t = trace_of(l, c, VX6_DHT_STEP_ASKED);
	send_trace(l, &t);
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
			send_trace(l, &t);
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
	bool whole = l->ask.want > VX6_DHT_WANT_BEST && next->distance > path->nearest;

	if (l->ask.want == VX6_DHT_WANT_NEWEST)
		return whole ? IN_FLIGHT_NEWEST : IN_FLIGHT_NEWEST / 2;
	if (whole)
		return IN_FLIGHT_WHOLE;
	return vx6_dht_query_failures(l->d) > CHURN ? IN_FLIGHT_CHURN : IN_FLIGHT;
}

static uint64_t guide_of(struct vx6_dht_lookup *l, uint8_t p)
{
	const struct vx6_dht_guides *guides = l->d->io->guides;
	uint64_t guide = guides ? guides->guide(l->d->user, p) : VX6_DHT_GUIDE_FIRST;
	struct dht_path *path = &l->path[p];

	if (guide < VX6_DHT_GUIDE_FIRST)
		return guide;
	if (path->guide != 0 && path->guide != guide)
		vx6_dht_cand_again(l, p);
	path->guide = guide;
	return guide;
}

/* Who should hold a record was heard on it, and nothing else is wanted. */
static bool is_whole(struct vx6_dht_lookup *l, uint8_t p)
{
	uint64_t now = l->d->now.ms;

	if (l->ask.want != VX6_DHT_WANT_NEWEST || !vx6_dht_is_led(l->d))
		return false;
	if (!l->path[p].whole && vx6_dht_cand_heard(l, p, VX6_DHT_HOLDERS)) {
		l->path[p].whole = true;
		if (l->whole_ms == 0) {
			l->whole_ms = VX6_MAX(now, 1u);
			l->until_ms =
				VX6_MIN(l->until_ms, now + VX6_MAX(now - l->began_ms, PATIENCE_MS));
		}
	}
	return l->path[p].whole;
}

/* @return false: it has come to its end */
static bool run_path(struct vx6_dht_lookup *l, uint8_t p)
{
	struct dht_path *path = &l->path[p];
	uint64_t guide;
	bool pending;
	int next;

	if (is_whole(l, p))
		return false;
	guide = guide_of(l, p);
	if (guide == VX6_DHT_GUIDE_NONE)
		return path->in_flight > 0;
	if (guide == VX6_DHT_GUIDE_SOON) {
		l->due_ms = VX6_MIN(l->due_ms, l->d->now.ms + LED_MS);
		return true;
	}
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
	const struct dht_found *best = vx6_dht_found_best(l);

	if (!best || l->ask.want > VX6_DHT_WANT_BEST)
		return false;
	/* who leads a path can give an old record for the newest: another one has to agree */
	if (l->ask.want == VX6_DHT_WANT_ONE && !vx6_dht_is_led(l->d))
		return true;
	return vx6_dht_found_paths(l, best) >= 2;
}

uint8_t vx6_dht_lookup_converged(const struct vx6_dht_lookup *l)
{
	uint8_t n = 0;

	for (uint8_t p = 0; p < l->paths; p++)
		if (l->path[p].done && l->path[p].answers > 0)
			n++;
	return n;
}

uint8_t vx6_dht_lookup_heard(const struct vx6_dht_lookup *l)
{
	uint8_t n = 0;

	for (uint8_t p = 0; p < l->paths; p++)
		if (l->path[p].answers > 0)
			n++;
	return n;
}

uint8_t vx6_dht_lookup_whole(const struct vx6_dht_lookup *l)
{
	uint8_t n = 0;

	for (uint8_t p = 0; p < l->paths; p++)
		if (l->path[p].answers > 0 && (l->path[p].whole || l->path[p].done))
			n++;
	return n;
}

/* Nothing was found where much should be: as many paths again, from contacts that were not asked yet. */
static bool widen(struct vx6_dht_lookup *l)
{
	struct vx6_dht_trace t = {.kind = VX6_DHT_STEP_WIDENED};
	uint8_t first = l->paths;

	if (l->widened || vx6_dht_is_led(l->d) || vx6_dht_found_best(l) ||
	    l->ask.want == VX6_DHT_WANT_NODES || l->paths >= VX6_DHT_PATHS_MAX ||
	    vx6_dht_network_size(l->d) < WIDEN_NODES)
		return false;
	l->widened = true;
	if (vx6_dht_cand_seed(l, first, (uint8_t)(VX6_DHT_PATHS_MAX - first)) == 0)
		return false;
	l->paths = VX6_DHT_PATHS_MAX;
	l->until_ms = l->d->now.ms + LOOKUP_MS;
	t.path = first;
	send_trace(l, &t);
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

void vx6_dht_lookup_run(struct vx6_dht_lookup *l)
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
