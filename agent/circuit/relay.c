/*
 * The life of circuits at a relay. One is made by vx6_relay_incoming() and gone after circ_close().
 *
 * Between calls: a circuit has its client's side; `next` from the answer to its OPEN on; `b` exactly while NESTING or EXTENDING; `crypt` in all
 * states but FRESH and NESTING; `end` in END; `intro` only in INTRO, `rend` in REND_WAIT and REND_EARLY, `peer` only in JOINED, and then that one's
 * peer is this. It stands in `half` exactly while FRESH, NESTING or EXTENDING.
 */
#include "circuit/relay.h"

#include <string.h>

#include "base/util.h"
#include "circuit/relay_internal.h"

enum {
	SWEEP_MS = 1000,
	GROWTH_SHARE =
		4, /* of the memory that relays may use: what windows may grow by where circuits end here */
	LINGER_MS = 20,      /* how often those that are to end are looked at */
	LINGER_MIN_MS = 500, /* for what the transport still has */
	LINGER_MAX_MS = 1000,
	TICK_MS = 100, /* how often introductions and early rendezvous are looked at */
};

static void on_sweep(struct vx6_timer *timer);
static void on_refill(struct vx6_timer *timer);
static void on_linger(struct vx6_timer *timer);
static void on_deadline(struct vx6_timer *timer);
static void on_tick(struct vx6_timer *timer);
static void on_orphans(struct vx6_task *task);

static void take_budget(struct vx6_relay *r, const struct vx6_relaying_budget *budget)
{
	r->cfg.budget = vx6_relaying_whole(budget);
	r->growth.max = ((size_t)r->cfg.budget.memory_mb << 20) / GROWTH_SHARE;
}

struct vx6_relay *vx6_relay_new(const struct vx6_relay_config *cfg)
{
	struct vx6_relay *r = vx6_zalloc(sizeof *r);

	r->cfg = *cfg;
	take_budget(r, &cfg->budget);
	r->cfg.create_ms = cfg->create_ms ? cfg->create_ms : VX6_RELAY_CREATE_MS;
	r->cfg.extend_ms = cfg->extend_ms ? cfg->extend_ms : VX6_RELAY_EXTEND_MS;
	r->cfg.idle_ms = cfg->idle_ms ? cfg->idle_ms : VX6_RELAY_IDLE_MS;
	r->cfg.rends = cfg->rends ? cfg->rends : VX6_RELAY_RENDS_MAX;
	vx6_list_init(&r->all);
	vx6_list_init(&r->half);
	vx6_list_init(&r->throttled);
	vx6_list_init(&r->ending);
	vx6_list_init(&r->introductions);
	vx6_list_init(&r->rend_waiting);
	vx6_list_init(&r->rend_early);
	vx6_list_init(&r->rend_spent);
	vx6_list_init(&r->orphans);
	vx6_task_init(&r->orphans_task, on_orphans, r);
	vx6_timer_init(cfg->loop, &r->tick, on_tick, r);
	vx6_timer_init(cfg->loop, &r->sweep, on_sweep, r);
	vx6_timer_init(cfg->loop, &r->refill, on_refill, r);
	vx6_timer_init(cfg->loop, &r->linger, on_linger, r);
	vx6_timer_init(cfg->loop, &r->deadline, on_deadline, r);
	r->tokens_ns = vx6_loop_now_ns(cfg->loop);
	limits_init(r);
	return r;
}

static struct relay_circ *first_of(struct vx6_relay *r)
{
	return vx6_list_is_empty(&r->all) ? NULL
					  : VX6_CONTAINER_OF(r->all.next, struct relay_circ, all);
}

static void close_all(struct vx6_relay *r, uint16_t code)
{
	struct relay_circ *c;

	while ((c = first_of(r)) != NULL)
		circ_close(c, code, code);
}

void vx6_relay_free(struct vx6_relay *r)
{
	if (!r)
		return;
	close_all(r, VX6_CODE_DRAINING);
	rend_free(r);
	vx6_task_cancel(&r->orphans_task);
	vx6_timer_stop(&r->tick);
	vx6_timer_stop(&r->sweep);
	vx6_timer_stop(&r->refill);
	vx6_timer_stop(&r->linger);
	vx6_timer_stop(&r->deadline);
	free(r);
}

static bool is_for_others(const struct relay_circ *c)
{
	return c->state == CIRC_MIDDLE || c->state == CIRC_INTRO || c->state == CIRC_REND_WAIT ||
	       c->state == CIRC_JOINED;
}

/* Those that lead on from here are asked to go elsewhere; nobody is cut off. */
static void send_away(struct vx6_relay *r)
{
	for (struct vx6_list *node = r->all.next, *next; node != &r->all; node = next) {
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);

		next = node->next;
		if (!is_for_others(c))
			continue;
		c->due |= DUE_DRAIN;
		circ_flush_due(c);
	}
}

void vx6_relay_set_budget(struct vx6_relay *r, const struct vx6_relaying_budget *budget)
{
	bool was_on = r->cfg.budget.mode != VX6_RELAYING_OFF;

	take_budget(r, budget);
	if (was_on && r->cfg.budget.mode == VX6_RELAYING_OFF)
		send_away(r);
	if (!vx6_list_is_empty(&r->throttled))
		vx6_timer_in_ms(&r->refill, 0);
}

/* ---- states ---- */

static bool is_half(enum circ_state s)
{
	return s == CIRC_FRESH || s == CIRC_NESTING || s == CIRC_EXTENDING;
}

static uint32_t *counter_of(struct vx6_relay *r, enum circ_state s)
{
	switch (s) {
	case CIRC_HERE:
		return &r->st.resting;
	case CIRC_MIDDLE:
		return &r->st.middle;
	case CIRC_END:
		return &r->st.end;
	case CIRC_INTRO:
		return &r->st.intro;
	case CIRC_REND_WAIT:
	case CIRC_REND_EARLY:
		return &r->st.rend_waiting;
	case CIRC_JOINED:
		return &r->st.joined;
	default:
		return &r->st.half;
	}
}

static void leave_state(struct relay_circ *c)
{
	--*counter_of(c->r, c->state);
	if (!is_half(c->state))
		return;
	c->source->half--;
	vx6_list_remove(&c->half);
}

static void enter_state(struct relay_circ *c, enum circ_state state)
{
	c->state = state;
	++*counter_of(c->r, state);
	if (!is_half(state))
		return;
	c->source->half++;
	c->half_ms = vx6_loop_now_ms(c->r->cfg.loop);
	vx6_list_push(&c->r->half, &c->half);
}

void circ_set_state(struct relay_circ *c, enum circ_state state)
{
	leave_state(c);
	enter_state(c, state);
}

/* ---- ends ---- */

static void close_hop(struct vx6_relay *r, struct vx6_hop **hop, uint16_t code)
{
	if (!*hop)
		return;
	r->st.cells_dropped += vx6_hop_waiting(*hop);
	vx6_hop_close(*hop, code);
	*hop = NULL;
}

static void sayings_free(struct relay_circ *c)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(&c->sayings)) != NULL)
		free(VX6_CONTAINER_OF(node, struct saying, node));
}

void circ_close(struct relay_circ *c, uint16_t to_prev, uint16_t to_next)
{
	struct vx6_relay *r = c->r;

	building_free(c->b);
	intro_leave(c);
	rend_leave(c);
	close_hop(r, &c->prev, to_prev);
	close_hop(r, &c->next, to_next);
	leave_state(c);
	vx6_list_remove(&c->all);
	vx6_list_remove(&c->throttled);
	c->source->circuits--;
	limits_put(r, c->source);
	r->st.circuits--;
	/* hands up what it still has, whose receivers may want to answer: there is no room any more */
	if (c->end)
		vx6_endlink_down(c->end, VX6_ERR(CLOSED));
	vx6_list_remove(&c->ending);
	vx6_list_remove(&c->orphan);
	sayings_free(c);
	relay_crypt_free(c->crypt);
	free(c->answer);
	free(c);
}

void circ_violation(struct relay_circ *c)
{
	struct vx6_relay *r = c->r;

	r->st.violations++;
	if (vx6_log_allow(&r->complaints, "circuit", 3, 60000))
		VX6_INFO("circuit", "a circuit broke the protocol and was ended");
	circ_close(c, VX6_CODE_CIRC_PROTO, VX6_CODE_CIRC_DESTROYED);
}

void circ_end_soon(struct relay_circ *c, uint16_t code)
{
	struct vx6_relay *r = c->r;

	if (vx6_list_is_linked(&c->ending))
		return;
	c->ending_code = code;
	c->ending_ms = vx6_loop_now_ms(r->cfg.loop);
	if (c->prev)
		vx6_hop_pad(c->prev, false);
	vx6_list_push(&r->ending, &c->ending);
	if (!vx6_timer_is_armed(&r->linger))
		vx6_timer_in_ms(&r->linger, LINGER_MS);
}

void circ_orphan(struct relay_circ *c)
{
	if (!vx6_list_is_linked(&c->orphan))
		vx6_list_push(&c->r->orphans, &c->orphan);
	vx6_loop_defer(c->r->cfg.loop, &c->r->orphans_task);
}

static void on_orphans(struct vx6_task *task)
{
	struct vx6_relay *r = task->user;
	struct vx6_list *node;

	while ((node = vx6_list_pop(&r->orphans)) != NULL)
		circ_close(VX6_CONTAINER_OF(node, struct relay_circ, orphan),
			   VX6_CODE_CIRC_DESTROYED, 0);
}

/* ---- timers ---- */

void relay_tick_soon(struct vx6_relay *r)
{
	if (!vx6_timer_is_armed(&r->tick))
		vx6_timer_in_ms(&r->tick, TICK_MS);
}

static void on_tick(struct vx6_timer *timer)
{
	struct vx6_relay *r = timer->user;
	bool more = intro_tick(r);

	if (rend_tick(r) || more)
		relay_tick_soon(r);
}

static void on_linger(struct vx6_timer *timer)
{
	struct vx6_relay *r = timer->user;
	uint64_t now_ms = vx6_loop_now_ms(r->cfg.loop);

	for (struct vx6_list *node = r->ending.next, *next; node != &r->ending; node = next) {
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, ending);
		uint64_t ms = now_ms - c->ending_ms;

		next = node->next; /* closing one closes no other */
		if (ms >= LINGER_MAX_MS || (ms >= LINGER_MIN_MS && vx6_hop_queued(c->prev) == 0))
			circ_close(c, c->ending_code, 0);
	}
	if (!vx6_list_is_empty(&r->ending))
		vx6_timer_in_ms(timer, LINGER_MS);
}

static void on_refill(struct vx6_timer *timer)
{
	struct vx6_relay *r = timer->user;
	struct vx6_list *node;

	relay_refill(r);
	while ((node = vx6_list_pop(&r->throttled)) != NULL) {
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, throttled);

		vx6_hop_resume(c->prev);
		if (c->next)
			vx6_hop_resume(c->next);
	}
}

static void on_deadline(struct vx6_timer *timer)
{
	close_all(timer->user, VX6_CODE_DRAINING);
}

static void half_timeout(struct relay_circ *c)
{
	if (c->state != CIRC_FRESH) {
		build_refuse(c, VX6_RELAY_EXTEND_TIMEOUT, VX6_CODE_TIMEOUT);
		return;
	}
	c->r->st.creates_refused[VX6_RELAY_CREATE_TIMEOUT]++;
	circ_close(c, VX6_CODE_TIMEOUT, 0);
}

static void on_sweep(struct vx6_timer *timer)
{
	struct vx6_relay *r = timer->user;
	uint64_t now_ms = vx6_loop_now_ms(r->cfg.loop);

	while (!vx6_list_is_empty(&r->half)) {
		struct relay_circ *c = VX6_CONTAINER_OF(r->half.next, struct relay_circ, half);
		uint32_t limit_ms = c->state == CIRC_FRESH ? r->cfg.create_ms : r->cfg.extend_ms;

		if (now_ms - c->half_ms < limit_ms)
			break;
		half_timeout(c);
	}
	rend_sweep(r);
	for (struct vx6_list *node = r->all.next, *next; node != &r->all; node = next) {
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);

		next = node->next;
		if (now_ms - c->last_ms < r->cfg.idle_ms)
			continue;
		r->st.idle++;
		circ_close(c, VX6_CODE_IDLE, VX6_CODE_IDLE);
	}
	if (r->st.circuits > 0 || r->rends)
		vx6_timer_in_ms(timer, SWEEP_MS);
}

/* ---- room ---- */

static void give_way(struct relay_circ *c)
{
	c->r->st.gave_way++;
	circ_close(c, VX6_CODE_LIMIT, VX6_CODE_CIRC_DESTROYED);
}

/* The oldest that is half built; of @p src only, unless NULL. */
static struct relay_circ *oldest_half(struct vx6_relay *r, const struct source *src)
{
	VX6_LIST_EACH(node, &r->half)
	{
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, half);

		if (!src || c->source == src)
			return c;
	}
	return NULL;
}

/* The one that rests, leads nowhere and carries nothing, and was used least recently. */
static struct relay_circ *idlest_resting(struct vx6_relay *r)
{
	struct relay_circ *idlest = NULL;

	VX6_LIST_EACH(node, &r->all)
	{
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);

		if (c->state == CIRC_HERE && (!idlest || c->last_ms < idlest->last_ms))
			idlest = c;
	}
	return idlest;
}

bool relay_room_for_one(struct vx6_relay *r)
{
	struct relay_circ *c;

	/* those half built, this one among them, are counted apart: they do not take the place of others */
	if (r->st.circuits - r->st.half < r->cfg.budget.circuits)
		return true;
	c = idlest_resting(r);
	if (!c)
		return false;
	give_way(c);
	return true;
}

static uint32_t half_max(const struct vx6_relay *r)
{
	return VX6_MIN((uint32_t)VX6_RELAY_HALF_MAX, VX6_MAX(r->cfg.budget.circuits / 4, 16u));
}

static void half_room(struct vx6_relay *r, const struct source *src)
{
	struct relay_circ *c = NULL;

	if (src->half >= limits_half(src))
		c = oldest_half(r, src);
	else if (r->st.half >= half_max(r))
		c = oldest_half(r, NULL);
	if (c)
		give_way(c);
}

/* ---- new ones ---- */

static struct relay_circ *circ_new(struct vx6_relay *r, struct vx6_session *s, struct source *src)
{
	struct relay_circ *c = vx6_zalloc(sizeof *c);
	const struct vx6_node_id *node = vx6_session_node(s);

	c->r = r;
	c->id = ++r->next_id;
	c->born_ms = c->last_ms = vx6_loop_now_ms(r->cfg.loop);
	c->source = src;
	src->circuits++;
	c->prev_session = vx6_session_id(s);
	c->prev_known = node != NULL;
	if (node)
		c->prev_node = *node;
	vx6_list_init(&c->sayings);
	vx6_list_init(&c->introductions);
	vx6_list_push(&r->all, &c->all);
	r->st.circuits++;
	r->st.circuits_total++;
	enter_state(c, CIRC_FRESH);
	if (!vx6_timer_is_armed(&r->sweep))
		vx6_timer_in_ms(&r->sweep, SWEEP_MS);
	return c;
}

static void refuse(struct vx6_relay *r, struct vx6_stream *stream,
		   enum vx6_relay_create_refused why, uint16_t code)
{
	r->st.creates_refused[why]++;
	vx6_stream_reset(stream, code);
}

void vx6_relay_incoming(struct vx6_relay *r, struct vx6_session *s, struct vx6_stream *stream,
			const struct iovec *rest, int rest_n, bool fin)
{
	struct relay_circ *c;
	struct source *src;

	if (r->draining || vx6_session_is_circuit(s)) {
		refuse(r, stream, r->draining ? VX6_RELAY_CREATE_DRAINING : VX6_RELAY_CREATE_POLICY,
		       r->draining ? VX6_CODE_DRAINING : VX6_CODE_CIRC_POLICY);
		return;
	}
	src = limits_source(r, s);
	if (!limits_admit_create(r, src, s)) {
		refuse(r, stream, VX6_RELAY_CREATE_RATE, VX6_CODE_LIMIT);
		limits_put(r, src);
		return;
	}
	if (src->circuits - src->half >= limits_circuits(r, src)) {
		refuse(r, stream, VX6_RELAY_CREATE_LIMIT, VX6_CODE_LIMIT);
		return;
	}
	src->circuits++; /* stays while others of it give way */
	half_room(r, src);
	src->circuits--;
	c = circ_new(r, s, src);
	c->prev = vx6_hop_new(r->cfg.sched, stream, &relay_prev_events, c);
	vx6_hop_answer(c->prev);
	if (vx6_hop_feed(c->prev, rest, rest_n) && fin)
		circ_violation(c);
}

void vx6_relay_drain(struct vx6_relay *r, uint32_t ms)
{
	if (r->draining)
		return;
	r->draining = r->st.draining = true;
	for (struct vx6_list *node = r->all.next, *next; node != &r->all; node = next) {
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);

		next = node->next;
		if (!c->crypt)
			continue; /* NESTING, FRESH: nothing can be said yet */
		c->due |= DUE_DRAIN;
		circ_flush_due(c);
	}
	vx6_timer_in_ms(&r->deadline, ms);
}

/* ---- to look at ---- */

const char *vx6_relay_create_refused_name(enum vx6_relay_create_refused why)
{
	static const char *const names[VX6_RELAY_CREATE_N] = {
		[VX6_RELAY_CREATE_FORMAT] = "format",     [VX6_RELAY_CREATE_REPLAY] = "replay",
		[VX6_RELAY_CREATE_KEY] = "key_unknown",   [VX6_RELAY_CREATE_LIMIT] = "limit",
		[VX6_RELAY_CREATE_RATE] = "rate",         [VX6_RELAY_CREATE_POLICY] = "policy",
		[VX6_RELAY_CREATE_DRAINING] = "draining", [VX6_RELAY_CREATE_TIMEOUT] = "timeout",
	};

	return names[why];
}

const char *vx6_relay_extend_refused_name(enum vx6_relay_extend_refused why)
{
	static const char *const names[VX6_RELAY_EXTEND_N] = {
		[VX6_RELAY_EXTEND_POLICY] = "policy",
		[VX6_RELAY_EXTEND_RECORD] = "record",
		[VX6_RELAY_EXTEND_UNKNOWN] = "unknown",
		[VX6_RELAY_EXTEND_UNREACHABLE] = "unreachable",
		[VX6_RELAY_EXTEND_LIMIT] = "limit",
		[VX6_RELAY_EXTEND_PEER] = "next_hop",
		[VX6_RELAY_EXTEND_TIMEOUT] = "timeout",
		[VX6_RELAY_EXTEND_DRAINING] = "draining",
	};

	return names[why];
}

const char *vx6_relay_hs_refused_name(enum vx6_relay_hs_refused why)
{
	static const char *const names[VX6_RELAY_HS_N] = {
		[VX6_RELAY_HS_POLICY] = "policy",   [VX6_RELAY_HS_PROOF] = "proof",
		[VX6_RELAY_HS_UNKNOWN] = "unknown", [VX6_RELAY_HS_RATE] = "rate",
		[VX6_RELAY_HS_LIMIT] = "limit",     [VX6_RELAY_HS_TIMEOUT] = "timeout",
		[VX6_RELAY_HS_REUSE] = "reuse",
	};

	return names[why];
}

const char *vx6_relay_role_name(enum vx6_relay_role role)
{
	static const char *const names[] = {
		[VX6_RELAY_ROLE_HALF] = "half",     [VX6_RELAY_ROLE_RESTING] = "resting",
		[VX6_RELAY_ROLE_MIDDLE] = "middle", [VX6_RELAY_ROLE_END] = "end",
		[VX6_RELAY_ROLE_INTRO] = "intro",   [VX6_RELAY_ROLE_RENDEZVOUS] = "rendezvous",
	};

	return names[role];
}

void vx6_relay_stats(const struct vx6_relay *r, struct vx6_relay_stats *out)
{
	*out = r->st;
	out->circuits_max = r->cfg.budget.circuits;
	out->introductions = r->introductions_n;
	out->cookies = HASH_COUNT(r->rends) - r->rend_spent_n;
}

static enum vx6_relay_role role_of(const struct relay_circ *c)
{
	switch (c->state) {
	case CIRC_HERE:
		return VX6_RELAY_ROLE_RESTING;
	case CIRC_MIDDLE:
		return VX6_RELAY_ROLE_MIDDLE;
	case CIRC_END:
		return VX6_RELAY_ROLE_END;
	case CIRC_INTRO:
		return VX6_RELAY_ROLE_INTRO;
	case CIRC_REND_WAIT:
	case CIRC_REND_EARLY:
	case CIRC_JOINED:
		return VX6_RELAY_ROLE_RENDEZVOUS;
	default:
		return VX6_RELAY_ROLE_HALF;
	}
}

void vx6_relay_each(const struct vx6_relay *r,
		    bool (*fn)(void *user, const struct vx6_relay_circuit_show *row), void *user)
{
	uint64_t now_ms = vx6_loop_now_ms(r->cfg.loop);

	VX6_LIST_EACH(node, &r->all)
	{
		const struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);
		const struct vx6_relay_circuit_show row = {
			.id = c->id,
			.role = role_of(c),
			.prev_is_anonymous = !c->prev_known,
			.draining = r->draining,
			.age_ms = now_ms - c->born_ms,
			.idle_ms = now_ms - c->last_ms,
			.cells_forward = c->cells_forward,
			.cells_back = c->cells_back,
			.waiting_bytes =
				vx6_hop_bytes(c->prev) + (c->next ? vx6_hop_bytes(c->next) : 0),
		};

		if (!fn(user, &row))
			return;
	}
}
