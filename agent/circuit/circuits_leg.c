/*
 * One circuit of ours, from the draw of its path to its end.
 *
 *   drawn -> building -> open (of the pool: no link yet; else a session to the target at its end) -> over, kept for a while to say why
 *   of a hidden route: building -> at x, its last relay -> open, once the other end is joined to it (circuits_hidden.c)
 */
#include "circuit/circuits_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { MEASURE_MS = 200 }; /* a shorter time says little */

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

size_t leg_learns_n(const struct leg *l)
{
	return l->path.n - (l->bare && l->bare->is_named);
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
	for (size_t i = 0; l->seen_ms && i < leg_learns_n(l); i++)
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
	struct vx6_circuit_info circuit;
	struct vx6_link_info info = {0};

	if (s) {
		vx6_session_info(s, &info);
	} else if (l->bare && l->circuit) { /* the session is somebody else's */
		vx6_circuit_info(l->circuit, &circuit);
		info.streams = circuit.streams;
	}
	/* the control stream is nobody's */
	return info.streams > 0 ? info.streams - 1 : 0;
}

size_t leg_kept(const struct leg *l)
{
	if (!leg_has_guard(l))
		return 0;
	return l->path.n > 1 && l->path.hop[1].why.pick == VX6_PATH_VANGUARD ? 2 : 1;
}

/* Where its circuit and that of another one are joined. */
static bool is_rendezvous(const struct leg *l, size_t i)
{
	return l->to_last && i + 1 == l->path.n &&
	       (l->route || l->purpose == VX6_PURPOSE_RENDEZVOUS);
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
		h->is_target = l->has_target && i >= l->path.n;
		h->is_rendezvous = is_rendezvous(l, i);
		if (i < l->path.n) {
			h->is_guard = l->path.hop[i].why.pick == VX6_PATH_GUARD;
			h->is_vanguard = l->path.hop[i].why.pick == VX6_PATH_VANGUARD;
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
		.is_hidden = l->hidden,
		.to_service = l->has_target && l->to_last,
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
	if (l->number)
		hidden_gone(l);
	if (l->bare)
		l->bare->leg = NULL;
	l->bare = NULL;
	l->at_x = false;
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
	struct vx6_bare *bare = l->bare;
	struct route *r = l->route;

	circuits_decide(l->c, l->has_target ? &l->target : NULL, l->id, "close", "%s", why);
	tell(l, VX6_NEWS_CLOSED, why);
	if (s)
		vx6_session_disown(s);
	leg_over(l, err, why);
	vx6_circuit_close(circuit, vx6_is_ok(err) ? VX6_ERR(CLOSED) : err);
	if (r)
		route_keep(r);
	if (bare)
		bare_over(bare, vx6_is_ok(err) ? VX6_ERR(CLOSED) : err, why);
}

/* Its last relay said what nobody waits for. */
static void leg_misbehaved(struct leg *l)
{
	struct route *r = l->route;
	bool was_open = l->open;

	leg_learn_from(l, VX6_ERR(PROTOCOL), l->path.n - 1);
	if (r && !was_open)
		route_failed(r, VX6_ERR(PROTOCOL), "a relay broke the protocol");
	leg_close(l, VX6_ERR(PROTOCOL), "its last relay said what it may not");
}

static void say_end(const struct leg *l, vx6_err why, int hop, char out[static VX6_CIRCUIT_WHY])
{
	char id[VX6_NODE_ID_SHORT];

	if (hop >= 0 && (size_t)hop < l->path.n)
		snprintf(out, VX6_CIRCUIT_WHY, "%s at hop %d, %s", vx6_err_text(why), hop + 1,
			 vx6_node_id_format_short(&l->path.hop[hop].node, id));
	else
		snprintf(out, VX6_CIRCUIT_WHY, "%s%s", vx6_err_text(why),
			 hop >= 0 ? " at the target" : "");
}

static void learn_of_build(struct leg *l, vx6_err why)
{
	struct vx6_circuits *c = l->c;

	if (why.code == VX6_E_TIMEOUT && leg_learns_n(l) == l->path.n)
		vx6_build_times_timed_out(c->cfg.times, l->path.n + (l->has_target && !l->to_last));
	if (l->route && l->nest)
		l->route->nest_off_ms = circuits_now_ms(c) + NEST_OFF_MS;
	if (!l->route && !l->bare)
		pool_failed(c);
}

static void on_down(void *user, struct vx6_circuit *circuit, vx6_err why, int hop)
{
	struct leg *l = user;
	struct vx6_circuits *c = l->c;
	struct route *r = l->route;
	struct vx6_bare *bare = l->bare;
	char text[VX6_CIRCUIT_WHY];
	bool was_open = l->open, was_built = l->built, last = (size_t)hop + 1 == l->path.n;

	(void)circuit;
	say_end(l, why, hop, text);
	circuits_decide(c, l->has_target ? &l->target : NULL, l->id, was_open ? "close" : "build",
			"%s%s", was_open ? "" : "failed: ", text);
	/* built in one pass all hops wait at once, and the first to lose patience speaks: that says little of who it was */
	if (!was_built && l->nest && why.code == VX6_E_TIMEOUT && hop != 0)
		hop = VX6_CIRCUIT_NO_HOP;
	leg_learn_from(l, why, hop);
	if (!was_built)
		learn_of_build(l, why);
	tell(l, was_open ? VX6_NEWS_CLOSED : VX6_NEWS_FAILED, text);
	leg_over(l, why, text);
	if (r && !was_open)
		route_failed(r, why, text);
	else if (r && circuits_now_ms(c) - l->open_ms < FLAP_MS)
		route_flapped(r);
	if (r)
		route_keep(r);
	if (bare)
		bare_down(bare, was_open, why, hop, last && hop >= 0, text);
}

/* ---- open ---- */

static vx6_err adopt(struct leg *l)
{
	const struct vx6_adopt how = {
		.initiator = true,
		.anonymous = l->anonymous,
		.proven = true,
		.expect_node = true,
		.hidden = l->to_last,
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
	if (!l->extended && leg_learns_n(l) == l->path.n)
		vx6_build_times_built(c->cfg.times, info.built_n,
				      (uint32_t)(circuits_now_ms(c) - l->began_ms));
	for (size_t i = 0; i < leg_learns_n(l) && i < info.hops_n; i++) {
		/* in one pass no single hop was timed */
		adds_us = l->nest ? 0 : info.hop[i].rtt_us - VX6_MIN(before_us, info.hop[i].rtt_us);
		before_us = info.hop[i].rtt_us;
		vx6_relays_seen_success(c->cfg.relays, &l->path.hop[i].node, adds_us, vx6_wall_s());
	}
	if (!leg_has_guard(l))
		return;
	if (leg_kept(l) == 2)
		vx6_vanguards_up(c->cfg.vanguards, &l->path.hop[1].node);
	vx6_guards_up(c->cfg.guards, &l->path.hop[0].node, vx6_wall_s(), &vx6_rand_system);
	(void)vx6_guards_beyond(c->cfg.guards, &l->path.hop[0].node, true, vx6_wall_s(),
				&vx6_rand_system);
}

void leg_is_there(struct leg *l)
{
	struct vx6_circuits *c = l->c;
	uint64_t now_ms = circuits_now_ms(c);
	vx6_err err = VX6_OK;

	if (!l->route && !l->bare)
		c->pool_failed_n = 0;
	l->open = true;
	l->at_x = false;
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
	circuits_wake(c, TICK_MS);
	if (l->route) {
		route_serve(l->route);
		route_keep(l->route);
	}
}

static void on_built(void *user, struct vx6_circuit *circuit)
{
	struct leg *l = user;

	(void)circuit;
	note_built(l);
	l->built = true;
	if (l->route && l->to_last)
		hidden_at_x(l);
	else
		leg_is_there(l);
	if (l->bare)
		bare_open(l);
}

static void back_to_pool(struct leg *l)
{
	vx6_list_remove(&l->of_route);
	l->route = NULL;
	l->purpose = VX6_PURPOSE_POOL;
	l->refused = l->target;
	l->refused_n++;
	l->has_target = false;
	l->open = l->built = true;
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
	if (l->to_last) {
		hidden_refused(l, why);
		return;
	}
	snprintf(text, sizeof text, "the target could not be reached: %s", vx6_err_text(why));
	circuits_decide(l->c, &l->target, l->id, "build", "failed: %s", text);
	route_failed(r, why, text);
	if (why.code == VX6_E_STALE)
		circuits_ask_anew(l->c, r, &l->target, l->anonymous);
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
	circuits_wake(l->c, 0);
	if (l->route)
		route_keep(l->route);
	if (l->bare)
		bare_leaving(l);
}

/* Only the last relay of a circuit for hidden services has anything to say to us. */
static void on_said(void *user, struct vx6_circuit *circuit, uint8_t type, const uint8_t *data,
		    size_t n)
{
	struct leg *l = user;

	(void)circuit;
	if (l->bare && l->open)
		bare_said(l, type, data, n);
	else if (l->at_x && l->number)
		hidden_said(l, type, data, n);
	else
		leg_misbehaved(l);
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
	if (hop < 0 || (size_t)hop >= leg_learns_n(l) || !l->nest || l->timed & 1U << hop)
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

const struct vx6_circuit_events leg_circuit_events = {
	.built = on_built,
	.pong = on_pong,
	.refused = on_refused,
	.draining = on_draining,
	.said = on_said,
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
