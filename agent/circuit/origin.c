/* Life of the client's circuits: plans, ends, and what can be asked of them. */
#include "circuit/origin.h"

#include <string.h>

#include "base/util.h"
#include "circuit/origin_internal.h"
#include "crypto/secret.h"
#include "record/endpoint.h"

/* For the last words of a link to get to its other end, which ends the circuit when it has them; a reset would overtake them. */
enum {
	LEAVE_MS = 500,
	GROWTH_MAX = 64 * 1024 * 1024, /* what windows at our ends may grow by, in sum */
};

const char *vx6_circuit_state_text(enum vx6_circuit_state state)
{
	static const char *const text[] = {"new", "building", "open", "draining", "closed"};

	return text[state];
}

/* ---- the end ---- */

void circuit_end(struct vx6_circuit *c, vx6_err why, int fault)
{
	if (c->ended)
		return;
	c->ended = true;
	c->state = VX6_CIRCUIT_CLOSED;
	c->why = why;
	c->fault = fault;
	vx6_timer_stop(&c->timer);
	vx6_timer_stop(&c->pause);
	if (c->link)
		vx6_hop_pad(c->link, false);
	vx6_loop_defer(c->o->cfg.loop, &c->task);
}

void circuit_violation(struct vx6_circuit *c, int fault)
{
	circuit_end(c, VX6_ERR(PROTOCOL), fault);
}

static void circuit_free(struct vx6_circuit *c)
{
	bool ours = c->why.code == VX6_E_PROTOCOL;

	if (c->link)
		vx6_hop_close(c->link, ours ? VX6_CODE_CIRC_PROTO : VX6_CODE_CIRC_DESTROYED);
	origin_forget(c, 0);
	hs_free(c);
	for (int i = 0; i < VX6_CIRCUIT_HOPS_MAX; i++)
		free(c->hop[i].record);
	onion_free(c->onion);
	free(c->dial);
	vx6_timer_stop(&c->timer);
	vx6_timer_stop(&c->pause);
	vx6_task_cancel(&c->task);
	vx6_list_remove(&c->node);
	vx6_wipe_free(c, sizeof *c);
}

/* Tells of the end: the link's first, then the circuit's. */
static void circuit_tell(struct vx6_circuit *c)
{
	const struct vx6_circuit_events *ev;
	struct vx6_endlink *end = c->end;

	first_leave(c);
	c->end = NULL;
	if (end)
		vx6_endlink_down(end, c->why);
	ev = c->ev;
	c->ev = NULL;
	if (ev)
		ev->down(c->user, c, c->why, c->fault);
}

static void on_task(struct vx6_task *task)
{
	struct vx6_circuit *c = task->user;

	if (!c->ended) {
		cells_work(c);
		return;
	}
	circuit_tell(c);
	if (c->leaving && c->link)
		vx6_timer_in_ms(&c->timer, LEAVE_MS);
	else
		circuit_free(c);
}

static void on_timer(struct vx6_timer *timer)
{
	struct vx6_circuit *c = timer->user;

	if (c->ended)
		circuit_free(c);
	else if (c->closing)
		circuit_end(c, VX6_ERR(CLOSED), VX6_CIRCUIT_NO_HOP);
	else
		circuit_end(c, VX6_ERR(TIMEOUT), c->built_n);
}

void vx6_circuit_close(struct vx6_circuit *c, vx6_err why)
{
	c->ev = NULL;
	if (c->ended)
		return;
	if (c->end)
		vx6_link_close(vx6_endlink_link(c->end), why); /* says goodbye, then comes here */
	else if (why.code != VX6_E_CLOSED || !shape_close(c))
		circuit_end(c, why, VX6_CIRCUIT_NO_HOP);
}

struct vx6_origin *vx6_origin_new(const struct vx6_origin_config *cfg)
{
	struct vx6_origin *o = vx6_zalloc(sizeof *o);

	o->cfg = *cfg;
	o->growth.max = GROWTH_MAX;
	vx6_list_init(&o->circuits);
	vx6_list_init(&o->ways);
	return o;
}

void vx6_origin_free(struct vx6_origin *o)
{
	if (!o)
		return;
	while (!vx6_list_is_empty(&o->circuits)) {
		struct vx6_circuit *c =
			VX6_CONTAINER_OF(o->circuits.next, struct vx6_circuit, node);

		circuit_end(c, VX6_ERR(CLOSED), VX6_CIRCUIT_NO_HOP);
		circuit_tell(c);
		circuit_free(c);
	}
	while (!vx6_list_is_empty(&o->ways))
		way_free(VX6_CONTAINER_OF(o->ways.next, struct way, node));
	free(o);
}

/* ---- plans ---- */

static vx6_err hop_plan(struct chop *h, const struct vx6_circuit_hop *p)
{
	if (p->record_n > VX6_ENDPOINT_MAX)
		return VX6_ERR(INVALID);
	h->node = p->node;
	memcpy(h->onion_key, p->onion_key, sizeof h->onion_key);
	if (!p->record_n)
		return VX6_OK;
	h->record = vx6_zalloc(p->record_n);
	h->record_n = p->record_n;
	memcpy(h->record, p->record, p->record_n);
	return VX6_OK;
}

static vx6_err word_plan(struct vx6_circuit *c, const struct vx6_payload *word)
{
	if (!word->type)
		return VX6_OK;
	if (word->n > sizeof c->word)
		return VX6_ERR(INVALID);
	c->word_type = word->type;
	c->word_n = (uint8_t)word->n;
	if (c->word_n)
		memcpy(c->word, word->data, c->word_n);
	return VX6_OK;
}

static bool has_node(const struct vx6_circuit *c, const struct vx6_node_id *node)
{
	int from = c->may_return ? VX6_MAX(c->hops_n - 2, 0) : 0;

	for (int i = from; i < c->hops_n; i++)
		if (vx6_node_id_eq(&c->hop[i].node, node))
			return true;
	return false;
}

static vx6_err dial_from_record(const struct chop *h, struct vx6_dial_request *d)
{
	struct vx6_endpoint ep;
	struct vx6_record rec;

	if (!h->record || !vx6_is_ok(vx6_record_parse(h->record, h->record_n, &rec)) ||
	    !vx6_is_ok(vx6_endpoint_read(&rec, &ep)))
		return VX6_ERR(INVALID);
	for (int i = 0; i < ep.n_addrs; i++) {
		d->addrs[i] = ep.addrs[i].addr;
		d->via[i] = ep.addrs[i].via;
	}
	d->addrs_n = ep.n_addrs;
	return VX6_OK;
}

static vx6_err dial_plan(struct vx6_circuit *c, const struct vx6_circuit_plan *plan)
{
	struct vx6_dial_request *d = c->dial = vx6_zalloc(sizeof *d);

	d->expect_node = true;
	d->node = c->hop[0].node;
	d->anonymous = c->anonymous;
	if (plan->addrs_n > VX6_DIAL_ADDRS_MAX)
		return VX6_ERR(INVALID);
	if (!plan->addrs_n && c->hop[0].record)
		return dial_from_record(&c->hop[0], d);
	memcpy(d->addrs, plan->addr, sizeof d->addrs);
	memcpy(d->via, plan->via, sizeof d->via);
	d->addrs_n = plan->addrs_n;
	return VX6_OK;
}

static vx6_err circuit_plan(struct vx6_circuit *c, const struct vx6_circuit_plan *plan)
{
	if (plan->hops_n == 0 || plan->hops_n > VX6_CIRCUIT_HOPS_MAX)
		return VX6_ERR(INVALID);
	for (; c->hops_n < plan->hops_n; c->hops_n++) {
		const struct vx6_circuit_hop *p = &plan->hop[c->hops_n];

		if (has_node(c, &p->node) || (p->word.type && c->hops_n + 1 < plan->hops_n))
			return VX6_ERR(INVALID);
		VX6_TRY(hop_plan(&c->hop[c->hops_n], p));
	}
	VX6_TRY(word_plan(c, &plan->hop[plan->hops_n - 1].word));
	return dial_plan(c, plan);
}

static void build_within(struct vx6_circuit *c, uint32_t ms)
{
	vx6_timer_in_ms(&c->timer, ms ? ms : VX6_CIRCUIT_TIMEOUT_MS);
}

vx6_err circuit_new(struct vx6_origin *o, const struct vx6_circuit_plan *plan,
		    const struct vx6_circuit_events *ev, void *user, struct vx6_circuit **out)
{
	struct vx6_circuit *c = vx6_zalloc(sizeof *c);
	vx6_err err;

	c->o = o;
	c->id = ++o->next_id;
	c->anonymous = plan->anonymous;
	c->may_return = plan->may_return;
	c->nest = plan->nest;
	c->onion = onion_new();
	c->began_ns = vx6_loop_now_ns(o->cfg.loop);
	vx6_list_push(&o->circuits, &c->node);
	vx6_list_init(&c->says);
	vx6_task_init(&c->task, on_task, c);
	vx6_timer_init(o->cfg.loop, &c->timer, on_timer, c);
	err = circuit_plan(c, plan);
	if (!vx6_is_ok(err)) {
		circuit_free(c);
		return err;
	}
	c->ev = ev;
	c->user = user;
	build_within(c, plan->timeout_ms);
	*out = c;
	return VX6_OK;
}

vx6_err vx6_circuit_build(struct vx6_origin *o, const struct vx6_circuit_plan *plan,
			  const struct vx6_circuit_events *ev, void *user, struct vx6_circuit **out)
{
	VX6_TRY(circuit_new(o, plan, ev, user, out));
	first_begin(*out);
	return VX6_OK;
}

vx6_err vx6_circuit_extend(struct vx6_circuit *c, const struct vx6_circuit_hop *hop,
			   uint32_t timeout_ms)
{
	if ((c->state != VX6_CIRCUIT_OPEN && c->state != VX6_CIRCUIT_DRAINING) || c->end ||
	    c->joined)
		return VX6_ERR(CONFLICT);
	if (c->hops_n == VX6_CIRCUIT_HOPS_MAX)
		return VX6_ERR(LIMIT);
	if (has_node(c, &hop->node))
		return VX6_ERR(INVALID);
	VX6_TRY(word_plan(c, &hop->word));
	VX6_TRY(hop_plan(&c->hop[c->hops_n], hop));
	c->hops_n++;
	c->nest = false;
	c->state = VX6_CIRCUIT_BUILDING;
	build_within(c, timeout_ms);
	origin_extend(c);
	return VX6_OK;
}

/* ---- what can be asked ---- */

static bool is_open(const struct vx6_circuit *c)
{
	return c->state == VX6_CIRCUIT_OPEN || c->state == VX6_CIRCUIT_DRAINING;
}

struct vx6_link *vx6_circuit_link(struct vx6_circuit *c)
{
	struct vx6_endlink_config cfg = {.loop = c->o->cfg.loop,
					 .initiator = !c->acceptor,
					 .io = &circuit_end_io,
					 .growth = &c->o->growth,
					 .user = c};

	if (!is_open(c))
		return NULL;
	if (!c->end) {
		memcpy(cfg.binding, c->hop[c->built_n - 1].kh, sizeof cfg.binding);
		c->end = vx6_endlink_new(&cfg);
		vx6_wipe(cfg.binding, sizeof cfg.binding);
		if (c->joined && c->link)
			vx6_hop_resume(c->link);
	}
	return vx6_endlink_link(c->end);
}

void vx6_circuit_ping(struct vx6_circuit *c, int hop)
{
	if (c->ended || hop < 0 || hop >= c->built_n || c->hop[hop].ping_ns)
		return;
	c->hop[hop].ping_due = true;
	vx6_loop_defer(c->o->cfg.loop, &c->task);
}

bool vx6_circuit_binding(const struct vx6_circuit *c, uint8_t out[static VX6_CB_BYTES])
{
	if (!is_open(c))
		return false;
	memcpy(out, c->hop[c->built_n - 1].kh, VX6_CB_BYTES);
	return true;
}

void vx6_circuit_info(const struct vx6_circuit *c, struct vx6_circuit_info *out)
{
	uint64_t now = vx6_loop_now_ns(c->o->cfg.loop);
	struct vx6_link_info link = {0};

	if (c->end)
		vx6_link_info(vx6_endlink_link(c->end), &link);
	*out = (struct vx6_circuit_info){
		.id = c->id,
		.state = c->state,
		.anonymous = c->anonymous,
		.joined = c->joined,
		.hops_n = c->hops_n,
		.built_n = c->built_n,
		.age_ms = (now - c->began_ns) / 1000000,
		.built_ms = c->built_ns ? (c->built_ns - c->began_ns) / 1000000 : 0,
		.tx_cells = c->tx_cells,
		.rx_cells = c->rx_cells,
		.tx_bytes = c->tx_bytes,
		.rx_bytes = c->rx_bytes,
		.streams = link.streams,
		.srtt_us = link.srtt_us,
		.session_id = c->session_id,
	};
	for (int i = 0; i < c->hops_n; i++) {
		out->hop[i].node = c->hop[i].node;
		out->hop[i].rtt_us = c->hop[i].rtt_us;
		out->hop[i].built_us = c->hop[i].built_us;
		out->hop[i].draining = c->hop[i].draining;
		if (c->hop[i].ping_ns)
			out->hop[i].owes_ms = 1 + (uint32_t)((now - c->hop[i].ping_ns) / 1000000);
	}
}

void vx6_origin_each(struct vx6_origin *o, void (*fn)(struct vx6_circuit *c, void *user),
		     void *user)
{
	VX6_LIST_EACH(node, &o->circuits)
	{
		struct vx6_circuit *c = VX6_CONTAINER_OF(node, struct vx6_circuit, node);

		if (!c->ended)
			fn(c, user);
	}
}
