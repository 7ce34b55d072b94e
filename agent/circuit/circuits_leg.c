/*
 * One circuit of ours, from the draw of its path to its end.
 *
 *   drawn -> building -> open (of the pool: no link yet; else a session to the target at its end) -> over, kept for a while to say why
 */
#include "circuit/circuits_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { MEASURE_MS = 200 }; /* a shorter time says little */

static const struct vx6_circuit_events circuit_events;
static const struct vx6_adopt_events session_events;

/* ---- what is known of a leg ---- */

struct vx6_session *leg_session(const struct leg *l)
{
	return l->session ? vx6_sessions_by_id(l->c->cfg.sessions, l->session) : NULL;
}

bool leg_is_good(const struct leg *l)
{
	const struct vx6_session *s = leg_session(l);

	return l->circuit && l->open && !l->leaving && !l->is_drain && !l->in_doubt && s &&
	       vx6_session_takes_streams(s);
}

struct leg *leg_find(const struct vx6_circuits *c, const char *id)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (strcmp(l->id, id) == 0)
			return l;
	}
	return NULL;
}

/* What went through since the last look says what its relays can carry. */
static void measure(struct leg *l, uint64_t now_ms)
{
	struct vx6_circuit_info info;
	uint64_t bytes;

	if (!l->open || (l->seen_ms && now_ms - l->seen_ms < MEASURE_MS))
		return;
	vx6_circuit_info(l->circuit, &info);
	bytes = info.rx_bytes + info.tx_bytes;
	for (size_t i = 0; l->seen_ms && i < l->path.n; i++)
		vx6_relays_seen_bytes(l->c->cfg.relays, &l->path.hop[i].node, bytes - l->seen_bytes,
				      (uint32_t)(now_ms - l->seen_ms), vx6_wall_s());
	if (l->seen_ms)
		l->bytes_s =
			(uint32_t)VX6_MIN((bytes - l->seen_bytes) * 1000 / (now_ms - l->seen_ms),
					  (uint64_t)UINT32_MAX);
	l->seen_bytes = bytes;
	l->seen_ms = now_ms;
}

static uint32_t streams_of(const struct leg *l)
{
	struct vx6_session *s = leg_session(l);
	struct vx6_link_info info;

	if (!s)
		return 0;
	vx6_session_info(s, &info);
	/* the control stream is nobody's */
	return info.streams > 0 ? info.streams - 1 : 0;
}

void leg_refresh(struct leg *l, uint64_t now_ms)
{
	measure(l, now_ms);
	l->streams = streams_of(l);
	if (l->streams > 0)
		l->idle_ms = now_ms;
}

static void show_hops(const struct leg *l, const struct vx6_circuit_info *info,
		      struct vx6_circuit_show *out)
{
	out->hops_n = info->hops_n;
	out->built_n = info->built_n;
	for (size_t i = 0; i < info->hops_n; i++) {
		struct vx6_circuit_hop_show *h = &out->hop[i];

		h->node = info->hop[i].node;
		h->rtt_us = info->hop[i].rtt_us;
		h->built_us = info->hop[i].built_us;
		h->is_target = l->has_target && i + 1 == info->hops_n;
		if (i < l->path.n) {
			h->is_guard = l->path.hop[i].why.pick == VX6_PATH_GUARD;
			vx6_path_reason_format(&l->path.hop[i].why, h->why);
		}
	}
}

void leg_show(const struct leg *l, struct vx6_circuit_show *out)
{
	struct vx6_circuit_info info;

	*out = (struct vx6_circuit_show){
		.purpose = l->purpose,
		.is_open = l->open,
		.is_draining = l->leaving || l->is_drain,
		.has_target = l->has_target,
		.anonymous = l->anonymous,
		.single_pass = l->nest,
		.target = l->target,
		.streams = streams_of(l),
		.opened_ms = l->opened_wall_ms,
	};
	vx6_strlcpy(out->id, l->id, sizeof out->id);
	vx6_strlcpy(out->reason, l->reason, sizeof out->reason);
	vx6_circuit_info(l->circuit, &info);
	show_hops(l, &info, out);
	out->rtt_us = info.srtt_us;
	out->build_us = (uint32_t)(info.built_ms * 1000);
	out->rx_bytes = info.rx_bytes;
	out->tx_bytes = info.tx_bytes;
	out->rx_cells = info.rx_cells;
	out->tx_cells = info.tx_cells;
}

/* ---- the end ---- */

void leg_free(struct leg *l)
{
	VX6_ASSERT(!l->circuit);
	l->c->closed_n--;
	vx6_list_remove(&l->all);
	free(l);
}

/* Its row stays for a while. The circuit is gone, or about to be. */
static void leg_over(struct leg *l, vx6_err err, const char *why)
{
	struct vx6_circuits *c = l->c;

	leg_show(l, &l->last);
	l->last.is_closed = true;
	l->last.closed_ms = vx6_wall_ms();
	l->last.err = err;
	vx6_strlcpy(l->last.reason, why, sizeof l->last.reason);
	l->circuit = NULL;
	l->link = NULL;
	l->session = 0;
	l->streams = 0;
	vx6_list_remove(&l->of_route);
	l->route = NULL;
	vx6_list_remove(&l->all);
	c->legs_n--;
	vx6_list_push(&c->closed, &l->all);
	if (++c->closed_n > VX6_CIRCUITS_CLOSED)
		leg_free(VX6_CONTAINER_OF(c->closed.next, struct leg, all));
}

static void tell(struct leg *l, enum vx6_circuits_news what, const char *why)
{
	struct vx6_circuits *c = l->c;

	if (c->cfg.news && !c->stopping)
		c->cfg.news(c->cfg.user, what, l->id, l->has_target ? &l->target : NULL, why);
}

/* The session outlives the circuit by some turns of the loop, and perhaps this struct: it is not to come back here. */
void leg_close(struct leg *l, vx6_err err, const char *why)
{
	struct vx6_circuit *circuit = l->circuit;
	struct vx6_session *s = leg_session(l);
	struct route *r = l->route;

	circuits_decide(l->c, l->has_target ? &l->target : NULL, l->id, "close", "%s", why);
	tell(l, VX6_NEWS_CLOSED, why);
	if (s)
		vx6_session_disown(s);
	leg_over(l, err, why);
	vx6_circuit_close(circuit, vx6_is_ok(err) ? VX6_ERR(CLOSED) : err);
	if (r)
		route_keep(r);
}

/* ---- relays that failed ---- */

bool leg_has_guard(const struct leg *l)
{
	return l->path.n > 0 && l->path.hop[0].why.pick == VX6_PATH_GUARD;
}

static enum vx6_relay_failure failure_of(vx6_err why, bool was_open)
{
	switch (why.code) {
	case VX6_E_TIMEOUT:
		return VX6_RELAY_TIMEOUT;
	case VX6_E_PROTOCOL:
	case VX6_E_SIGNATURE:
	case VX6_E_FORMAT:
		return VX6_RELAY_PROTOCOL;
	case VX6_E_REFUSED:
	case VX6_E_LIMIT:
	case VX6_E_DRAINING:
		return VX6_RELAY_REFUSED;
	default:
		return was_open ? VX6_RELAY_DIED : VX6_RELAY_UNREACHABLE;
	}
}

/* The key that is known of a node is one of its former ones: it has lost them, by a restart. What it says now is asked for; it is not dead. */
static void ask_anew(struct vx6_circuits *c, struct route *r, const struct vx6_node_id *node,
		     bool anonymous)
{
	bool asked = circuits_ask(c, node, anonymous);

	if (!r || !asked || !route_needs(r, node))
		return;
	r->asked = true;
	r->asked_for = *node;
}

/*
 * Whose fault it was decides who is drawn less. Where that cannot be known nobody is; all but a guard are left out for a while: one of them is likely
 * dead. What the target does is no relay's fault.
 */
static void blame(struct leg *l, vx6_err why, int hop)
{
	struct vx6_circuits *c = l->c;

	for (size_t i = 0; i < l->path.n; i++) {
		const struct vx6_node_id *node = &l->path.hop[i].node;

		if (hop >= 0 ? (size_t)hop != i : (i == 0 && leg_has_guard(l)))
			continue;
		circuits_suspect(c, node);
		if (hop >= 0 && why.code != VX6_E_STALE)
			vx6_relays_seen_failure(c->cfg.relays, node, failure_of(why, l->open),
						vx6_wall_s());
	}
}

/* It said no: it is there. Another one is taken for a while, and it stays what it is. */
static bool has_answered(vx6_err why)
{
	return failure_of(why, false) == VX6_RELAY_REFUSED;
}

/*
 * A guard is blamed for what it did: it did not answer. For what relays behind it do it is so only if that happens often; for a failure whose place is
 * not known, or that of the target, never: whoever could make those would choose our guards.
 */
static void blame_guard(struct leg *l, vx6_err why, int hop)
{
	struct vx6_circuits *c = l->c;
	const struct vx6_node_id *guard = &l->path.hop[0].node;

	if (!leg_has_guard(l) || l->open || hop < 0 || (size_t)hop >= l->path.n)
		return;
	if (why.code == VX6_E_STALE || (hop == 0 && has_answered(why)))
		return;
	if (hop == 0)
		vx6_guards_down(c->cfg.guards, guard, vx6_wall_s(), &vx6_rand_system);
	else if (vx6_guards_beyond(c->cfg.guards, guard, false, vx6_wall_s(), &vx6_rand_system))
		circuits_decide(c, NULL, l->id, "guard",
				"the first relay is set aside: too many circuits fail behind it");
}

static void learn_from(struct leg *l, vx6_err why, int hop)
{
	struct vx6_circuits *c = l->c;
	size_t at = (size_t)VX6_MAX(hop, 0);

	if (c->draining)
		return; /* it may well have been ourselves */
	blame(l, why, hop);
	blame_guard(l, why, hop);
	if (why.code == VX6_E_STALE && hop >= 0 && !l->open)
		ask_anew(c, l->route, at < l->path.n ? &l->path.hop[at].node : &l->target,
			 l->anonymous);
}

static void on_down(void *user, struct vx6_circuit *circuit, vx6_err why, int hop)
{
	struct leg *l = user;
	struct vx6_circuits *c = l->c;
	struct route *r = l->route;
	char text[VX6_CIRCUIT_WHY], id[VX6_NODE_ID_SHORT];
	bool was_open = l->open;

	(void)circuit;
	if (hop >= 0 && (size_t)hop < l->path.n)
		snprintf(text, sizeof text, "%s at hop %d, %s", vx6_err_text(why), hop + 1,
			 vx6_node_id_format_short(&l->path.hop[hop].node, id));
	else
		snprintf(text, sizeof text, "%s%s", vx6_err_text(why),
			 hop >= 0 ? " at the target" : "");
	circuits_decide(c, l->has_target ? &l->target : NULL, l->id, was_open ? "close" : "build",
			"%s%s", was_open ? "" : "failed: ", text);
	/* built in one pass all hops wait at once, and the first to lose patience speaks: that says little of who it was */
	if (!was_open && l->nest && why.code == VX6_E_TIMEOUT && hop != 0)
		hop = VX6_CIRCUIT_NO_HOP;
	learn_from(l, why, hop);
	if (!was_open) {
		if (why.code == VX6_E_TIMEOUT)
			vx6_build_times_timed_out(c->cfg.times, l->path.n + l->has_target);
		if (r && l->nest)
			r->nest_off_ms = circuits_now_ms(c) + NEST_OFF_MS;
	}
	tell(l, was_open ? VX6_NEWS_CLOSED : VX6_NEWS_FAILED, text);
	if (!r && !was_open)
		pool_failed(c);
	leg_over(l, why, text);
	if (r && !was_open)
		route_failed(r, why, text);
	else if (r && circuits_now_ms(c) - l->open_ms < FLAP_MS)
		route_flapped(r);
	if (r)
		route_keep(r);
}

/* ---- open ---- */

static vx6_err adopt(struct leg *l)
{
	const struct vx6_adopt how = {
		.initiator = true,
		.anonymous = l->anonymous,
		.proven = true,
		.expect_node = true,
		.node = l->target,
		.route = l->route->id,
		.ev = &session_events,
		.user = l,
	};
	struct vx6_link *link = vx6_circuit_link(l->circuit);
	struct vx6_session *s;

	if (!link)
		return VX6_ERR(CLOSED);
	l->link = link;
	VX6_TRY(vx6_sessions_adopt(l->c->cfg.sessions, link, &how, &s));
	l->session = vx6_session_id(s);
	return VX6_OK;
}

/* The one that this one was made for goes, or is left by its streams. */
static void take_place(struct leg *l)
{
	struct leg *old = l->replaces[0] ? leg_find(l->c, l->replaces) : NULL;

	l->replaces[0] = '\0';
	if (!old || old == l)
		return;
	if (!old->route || !old->open || old->streams == 0) {
		leg_close(old, VX6_OK, "another one has taken its place");
		return;
	}
	l->purpose = old->purpose;
	(void)route_move_off(old->route, old, "another one takes its place, as asked");
}

static void note_built(struct leg *l)
{
	struct vx6_circuits *c = l->c;
	struct vx6_circuit_info info;
	uint32_t before_us = 0, adds_us;

	vx6_circuit_info(l->circuit, &info);
	if (!l->extended)
		vx6_build_times_built(c->cfg.times, info.built_n,
				      (uint32_t)(circuits_now_ms(c) - l->began_ms));
	for (size_t i = 0; i < l->path.n && i < info.hops_n; i++) {
		/* in one pass no single hop was timed */
		adds_us = l->nest ? 0 : info.hop[i].rtt_us - VX6_MIN(before_us, info.hop[i].rtt_us);
		before_us = info.hop[i].rtt_us;
		vx6_relays_seen_success(c->cfg.relays, &l->path.hop[i].node, adds_us, vx6_wall_s());
	}
	if (!leg_has_guard(l))
		return;
	vx6_guards_up(c->cfg.guards, &l->path.hop[0].node, vx6_wall_s(), &vx6_rand_system);
	(void)vx6_guards_beyond(c->cfg.guards, &l->path.hop[0].node, true, vx6_wall_s(),
				&vx6_rand_system);
}

static void on_built(void *user, struct vx6_circuit *circuit)
{
	struct leg *l = user;
	struct vx6_circuits *c = l->c;
	uint64_t now_ms = circuits_now_ms(c);
	vx6_err err = VX6_OK;

	(void)circuit;
	note_built(l);
	if (!l->route)
		c->pool_failed_n = 0;
	l->open = true;
	l->open_ms = l->idle_ms = now_ms;
	l->age_ms = LEG_AGE_MS / 4 * 3 + vx6_random_below(LEG_AGE_MS / 2);
	circuits_decide(c, l->has_target ? &l->target : NULL, l->id, "build", "open after %llu ms",
			(unsigned long long)(now_ms - l->began_ms));
	if (l->route)
		err = adopt(l);
	if (!vx6_is_ok(err)) {
		route_failed(l->route, err, "no session could be made over a circuit");
		leg_close(l, err, "no session could be made over it");
		return;
	}
	leg_ping(l);
	tell(l, VX6_NEWS_BUILT, l->reason);
	take_place(l);
	if (l->route) {
		route_serve(l->route);
		route_keep(l->route);
	}
	circuits_wake(c, TICK_MS);
}

static void back_to_pool(struct leg *l)
{
	vx6_list_remove(&l->of_route);
	l->route = NULL;
	l->purpose = VX6_PURPOSE_POOL;
	l->refused = l->target;
	l->refused_n++;
	l->has_target = false;
	l->open = true;
	vx6_strlcpy(l->reason, "a target could not be reached from it", sizeof l->reason);
}

/*
 * The target of a circuit of the pool could not be reached from there: another one may be, and the target from elsewhere. An anonymous circuit goes:
 * its last relay has heard of that target, and is not to know what else the same client wants.
 */
static void on_refused(void *user, struct vx6_circuit *circuit, vx6_err why)
{
	struct leg *l = user;
	struct route *r = l->route;
	char text[VX6_CIRCUIT_WHY];

	(void)circuit;
	snprintf(text, sizeof text, "the target could not be reached: %s", vx6_err_text(why));
	circuits_decide(l->c, &l->target, l->id, "build", "failed: %s", text);
	route_failed(r, why, text);
	if (why.code == VX6_E_STALE)
		ask_anew(l->c, r, &l->target, l->anonymous);
	if (l->anonymous || l->refused_n >= REFUSED_MAX)
		leg_close(l, why, text);
	else
		back_to_pool(l);
	route_keep(r);
}

static void on_draining(void *user, struct vx6_circuit *circuit, int hop, uint16_t code)
{
	struct leg *l = user;

	(void)circuit;
	(void)code;
	l->is_drain = true;
	if (hop >= 0 && (size_t)hop < l->path.n)
		circuits_suspect(l->c, &l->path.hop[hop].node);
	if (l->route)
		route_keep(l->route);
	circuits_wake(l->c, 0);
}

/* What the hop adds to the one before it is what is told of its relay. */
static void on_pong(void *user, struct vx6_circuit *circuit, int hop, uint32_t rtt_us)
{
	struct leg *l = user;
	struct vx6_circuit_info info;
	uint32_t before_us;

	vx6_circuit_info(circuit, &info);
	if (hop + 1 < info.hops_n)
		l->near_pongs++;
	else if (!l->best_us || rtt_us < l->best_us)
		l->best_us = rtt_us;
	if (hop < 0 || (size_t)hop >= l->path.n || !l->nest || l->timed & 1U << hop)
		return;
	before_us = hop > 0 ? info.hop[hop - 1].rtt_us : 0;
	if (hop > 0 && !before_us)
		return;
	l->timed |= 1U << hop;
	vx6_relays_seen_success(l->c->cfg.relays, &l->path.hop[hop].node,
				rtt_us - VX6_MIN(before_us, rtt_us), vx6_wall_s());
}

void leg_ping(struct leg *l)
{
	struct vx6_circuit_info info;

	vx6_circuit_info(l->circuit, &info);
	for (int i = info.built_n - 1; i >= 0; i--)
		vx6_circuit_ping(l->circuit, i);
	l->pinged_ms = circuits_now_ms(l->c);
}

static const struct vx6_circuit_events circuit_events = {
	.built = on_built,
	.pong = on_pong,
	.refused = on_refused,
	.draining = on_draining,
	.down = on_down,
};

static void on_session_down(void *user, struct vx6_session *s, vx6_err why)
{
	struct leg *l = user;

	(void)s;
	l->session = 0;
	l->streams = 0;
	/* its circuit follows: the link was its end. `down` of the circuit tells the rest */
	if (why.code == VX6_E_DRAINING || why.code == VX6_E_REVOKED)
		l->leaving = true;
}

/* Streams that wait to leave another leg need not wait for the next look at it. */
static void on_session_up(void *user, struct vx6_session *s)
{
	struct leg *l = user;

	(void)s;
	l->up = true;
	circuits_wake(l->c, 0);
}

static const struct vx6_adopt_events session_events = {.up = on_session_up,
						       .down = on_session_down};

/* ---- building ---- */

static bool key_of(const struct vx6_relay_info *info, uint64_t now_s, uint8_t out[static 32])
{
	for (size_t i = 0; i < info->keys_n; i++) {
		if (info->keys[i].not_after_s <= now_s)
			continue;
		memcpy(out, info->keys[i].pk, VX6_ONION_KEY_BYTES);
		return true;
	}
	return false;
}

/* @return AGAIN: asked for | PEER_UNKNOWN: it cannot even be asked for now */
static vx6_err plan_hop(struct vx6_circuits *c, struct route *r, const struct vx6_node_id *node,
			bool anonymous, struct vx6_circuit_hop *out, uint32_t *policy)
{
	struct vx6_circuits_node known;

	if (!c->cfg.node(c->cfg.user, node, &known) ||
	    !key_of(&known.info, vx6_wall_s(), out->onion_key)) {
		if (r)
			r->asked_for = *node;
		return circuits_ask(c, node, anonymous) ? VX6_ERR(AGAIN) : VX6_ERR(PEER_UNKNOWN);
	}
	out->node = *node;
	out->record = known.endpoint;
	out->record_n = known.endpoint_n;
	*policy &= known.info.policy;
	return VX6_OK;
}

static vx6_err plan(struct leg *l, const struct vx6_routing *how, struct vx6_circuit_plan *out)
{
	struct vx6_circuits *c = l->c;
	uint32_t policy = UINT32_MAX;

	*out = (struct vx6_circuit_plan){.anonymous = how->anonymous};
	for (size_t i = 0; i < l->path.n; i++)
		VX6_TRY(plan_hop(c, l->route, &l->path.hop[i].node, how->anonymous,
				 &out->hop[out->hops_n++], &policy));
	if (l->has_target)
		VX6_TRY(plan_hop(c, l->route, &l->target, how->anonymous, &out->hop[out->hops_n++],
				 &policy));
	out->timeout_ms = vx6_build_times_timeout(c->cfg.times, out->hops_n);
	out->nest = out->hops_n > 1 && (policy & VX6_RELAY_NEST) && !how->hop_by_hop &&
		    !(l->route && circuits_now_ms(c) < l->route->nest_off_ms);
	l->nest = out->nest;
	return VX6_OK;
}

/* A spare that dies with the one it stands by for is none: other relays, if there are any. */
static size_t shared(const struct leg *l, struct vx6_node_id *out, size_t max)
{
	size_t n = 0;

	if (!l->route)
		return 0;
	VX6_LIST_EACH(node, &l->route->legs)
	{
		const struct leg *o = VX6_CONTAINER_OF(node, struct leg, of_route);

		for (size_t i = leg_has_guard(o) ? 1 : 0; o != l && i < o->path.n && n < max; i++)
			out[n++] = o->path.hop[i].node;
	}
	return n;
}

/* Only with relays that were to be avoided: rather with the longest suspected ones. @return false: those are no way out */
static bool fewer(const struct vx6_path *path, size_t *avoid_n, size_t *suspects)
{
	size_t less = VX6_MAX(*suspects / 8, (size_t)1);

	if (!(path->relaxed & VX6_PATH_RELAXED_AVOID) || *suspects == 0)
		return false;
	*suspects -= less;
	*avoid_n -= less;
	return true;
}

static vx6_err draw(struct leg *l, const struct vx6_routing *how,
		    char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_circuits *c = l->c;
	struct vx6_node_id avoid[4 * VX6_ROUTE_HOPS_MAX + SUSPECTS_MAX];
	struct vx6_path_request ask = {
		.purpose = how->anonymous ? VX6_PATH_ANONYMOUS : VX6_PATH_PERFORMANCE,
		.n = vx6_routing_relays(how),
		.avoid = avoid,
	};
	struct vx6_relay_entry named[VX6_ROUTE_HOPS_MAX];
	struct vx6_path_view view;
	struct vx6_path_end end;
	struct vx6_path_lack lack;
	size_t suspects;
	vx6_err err;

	VX6_TRY(circuits_named(c, l->route, how, named, &ask));
	ask.avoid_n = shared(l, avoid, 4 * VX6_ROUTE_HOPS_MAX);
	suspects = circuits_suspects(c, avoid + ask.avoid_n);
	ask.avoid_n += suspects;
	c->cfg.view(c->cfg.user, &view);
	if (l->has_target) {
		c->cfg.end(c->cfg.user, &l->target, &end);
		ask.target = &end;
	}
	if (how->anonymous)
		vx6_guards_update(c->cfg.guards, c->cfg.relays, &view, &vx6_rand_system);
	do {
		err = vx6_path_draw(c->cfg.relays, c->cfg.guards, &view, &ask, &vx6_rand_system,
				    &l->path, &lack);
	} while (vx6_is_ok(err) && fewer(&l->path, &ask.avoid_n, &suspects));
	if (!vx6_is_ok(err))
		vx6_path_lack_format(err, &lack, detail);
	return err;
}

static struct leg *leg_new(struct vx6_circuits *c, struct route *r, bool anonymous,
			   enum vx6_circuit_purpose purpose, const char *why)
{
	struct leg *l = vx6_zalloc(sizeof *l);

	l->c = c;
	l->route = r;
	l->purpose = purpose;
	l->anonymous = anonymous;
	l->has_target = r != NULL;
	if (r)
		l->target = r->target;
	l->began_ms = l->idle_ms = circuits_now_ms(c);
	l->opened_wall_ms = vx6_wall_ms();
	vx6_strlcpy(l->reason, why, sizeof l->reason);
	circuits_new_id(c, l->id);
	return l;
}

vx6_err leg_begin(struct vx6_circuits *c, struct route *r, const struct vx6_routing *how,
		  enum vx6_circuit_purpose purpose, const char *why, struct leg **out,
		  char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_circuit_plan p;
	struct leg *l;
	vx6_err err;

	if (c->draining) {
		vx6_strlcpy(detail, "draining", VX6_CIRCUIT_WHY);
		return VX6_ERR(DRAINING);
	}
	if (c->legs_n >= VX6_CIRCUITS_MAX) {
		vx6_strlcpy(detail, "too many circuits", VX6_CIRCUIT_WHY);
		return VX6_ERR(FULL);
	}
	l = leg_new(c, r, how->anonymous, purpose, why);
	detail[0] = '\0';
	err = draw(l, how, detail);
	if (vx6_is_ok(err))
		err = plan(l, how, &p);
	if (vx6_is_ok(err))
		err = vx6_circuit_build(c->cfg.origin, &p, &circuit_events, l, &l->circuit);
	if (!vx6_is_ok(err)) {
		if (!detail[0])
			vx6_strlcpy(detail, vx6_err_text(err), VX6_CIRCUIT_WHY);
		free(l);
		return err;
	}
	vx6_list_push(&c->legs, &l->all);
	c->legs_n++;
	if (r)
		vx6_list_push(&r->legs, &l->of_route);
	circuits_decide(c, r ? &r->target : NULL, l->id, "build", "%u relays: %s",
			(unsigned)l->path.n, why);
	circuits_wake(c, TICK_MS);
	if (out)
		*out = l;
	return VX6_OK;
}

/* ---- from the pool ---- */

static bool shares_network(const struct vx6_networks *a, const struct vx6_networks *b)
{
	for (size_t i = 0; i < a->prefix_n; i++)
		for (size_t k = 0; k < b->prefix_n; k++)
			if (a->prefix[i] == b->prefix[k])
				return true;
	for (size_t i = 0; i < a->asn_n; i++)
		for (size_t k = 0; k < b->asn_n; k++)
			if (a->asn[i] == b->asn[k])
				return true;
	return false;
}

static bool is_far(const struct vx6_relay_entry *e, const struct vx6_path_end *end, bool diverse)
{
	static const uint8_t none[VX6_RELAY_FAMILY_BYTES];

	if (vx6_node_id_eq(&e->node, &end->node) ||
	    (memcmp(e->family, none, sizeof none) != 0 &&
	     memcmp(e->family, end->family, sizeof none) == 0))
		return false;
	return !diverse || !shares_network(&e->nets, &end->nets);
}

/* The path was drawn before the target was known: it keeps to the rules with that, too. */
static bool suits(const struct leg *l, const struct route *r)
{
	struct vx6_circuits *c = r->c;
	struct vx6_path_view view;
	struct vx6_path_end end;
	bool diverse;

	c->cfg.view(c->cfg.user, &view);
	c->cfg.end(c->cfg.user, &r->target, &end);
	diverse = vx6_path_is_diverse(&view, c->cfg.relays);
	for (size_t i = 0; i < l->path.n; i++) {
		const struct vx6_relay_entry *e =
			vx6_relays_find(c->cfg.relays, &l->path.hop[i].node);

		if (!e || !is_far(e, &end, diverse))
			return false;
	}
	return true;
}

static bool fits(const struct leg *l, const struct route *r)
{
	if (l->refused_n > 0 && vx6_node_id_eq(&l->refused, &r->target))
		return false;
	return !l->route && l->open && !l->leaving && !l->is_drain && !l->has_target &&
	       r->how.nodes_n == 0 && l->path.n == r->how.hops &&
	       l->anonymous == r->how.anonymous && suits(l, r);
}

/* Whether a relay of it is one of the route's other circuits', too: the first one of an anonymous one may be, for guards are few. */
static bool overlaps(const struct leg *l, const struct route *r)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		const struct leg *o = VX6_CONTAINER_OF(node, struct leg, of_route);

		for (size_t i = 0; i < o->path.n; i++)
			for (size_t k = leg_has_guard(l) ? 1 : 0; k < l->path.n; k++)
				if (vx6_node_id_eq(&o->path.hop[i].node, &l->path.hop[k].node))
					return true;
	}
	return false;
}

bool leg_from_pool(struct route *r, enum vx6_circuit_purpose purpose, const char *why)
{
	struct vx6_circuits *c = r->c;
	struct vx6_circuit_hop hop;
	uint32_t policy = 0;

	VX6_LIST_EACH(node, &c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (!fits(l, r) || overlaps(l, r) || leg_is_suspect(l) ||
		    !vx6_is_ok(plan_hop(c, r, &r->target, r->how.anonymous, &hop, &policy)) ||
		    !vx6_is_ok(vx6_circuit_extend(l->circuit, &hop,
						  vx6_build_times_timeout(c->cfg.times, 1))))
			continue;
		l->open = false;
		l->route = r;
		l->purpose = purpose;
		l->has_target = true;
		l->target = r->target;
		l->keep = false;
		l->extended = true;
		l->best_us = 0; /* was that of another hop */
		l->began_ms = circuits_now_ms(c);
		vx6_strlcpy(l->reason, why, sizeof l->reason);
		vx6_list_push(&r->legs, &l->of_route);
		circuits_decide(c, &r->target, l->id, "build", "from the pool: %s", why);
		return true;
	}
	return false;
}
