/*
 * Operations: lookups that are under way or have ended, in memory only. Whoever asks for the end of one waits in its row's list; an end,
 * a deadline or the stop of the agent answers him.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/discovery_internal.h"

enum { WAITERS_MAX = 64, STEPS_KEPT_MAX = 16384 };

struct operation {
	struct vx6_op_row row;
	struct operations *all;
	struct vx6_resolving *resolving;
	struct vx6_dht_lookup *lookup;
	size_t steps_cap;
};

struct operations {
	struct vx6_node *node;
	struct operation *op[VX6_OPERATIONS_MAX]; /* in the order of their ids */
	size_t n;
	size_t steps;            /* kept by all of them */
	struct vx6_list waiters; /* struct request */
	size_t waiters_n;
	struct vx6_timer timer;
};

/* ---- rows ---- */

/* Ends what is under way for @p op without an outcome. */
static void give_up(struct operation *op)
{
	if (op->resolving)
		vx6_resolve_cancel(op->resolving);
	if (op->lookup)
		vx6_dht_lookup_cancel(op->lookup);
	op->resolving = NULL;
	op->lookup = NULL;
}

static void operation_free(struct operation *op)
{
	give_up(op);
	op->all->steps -= op->row.lookup.steps_n;
	free(op->row.lookup.conflict);
	free(op->row.lookup.values);
	free(op->row.lookup.steps);
	free(op);
}

static void remove_at(struct operations *all, size_t i)
{
	operation_free(all->op[i]);
	memmove(&all->op[i], &all->op[i + 1], (all->n - i - 1) * sizeof all->op[0]);
	all->n--;
}

static struct operation *find(const struct operations *all, const char *id)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->op[i]->row.id, id) == 0)
			return all->op[i];
	return NULL;
}

static void *copy_of(const void *from, size_t bytes)
{
	void *out = bytes ? vx6_zalloc(bytes) : NULL;

	if (bytes)
		memcpy(out, from, bytes);
	return out;
}

static void copy_row(const struct operation *op, struct vx6_op_row *out)
{
	struct vx6_lookup_view *v = &out->lookup;

	*out = op->row;
	v->conflict = copy_of(v->conflict, v->conflict ? sizeof *v->conflict : 0);
	v->values = copy_of(v->values, v->values_n * sizeof *v->values);
	v->steps = copy_of(v->steps, v->steps_n * sizeof *v->steps);
}

static struct vx6_page *page_of(const struct operation *op)
{
	struct vx6_page *p = page_new(VX6_PAGE_OPERATIONS, 1);

	if (op) {
		copy_row(op, &p->u.operations[0]);
		p->n = 1;
	}
	return p;
}

/* ---- waiting ---- */

static void arm(struct operations *all)
{
	uint64_t due = UINT64_MAX, now = vx6_loop_now_ms(all->node->loop);

	VX6_LIST_EACH(at, &all->waiters)
	{
		struct request *rq = VX6_CONTAINER_OF(at, struct request, node);

		due = VX6_MIN(due, rq->deadline_ms);
	}
	if (due == UINT64_MAX)
		vx6_timer_stop(&all->timer);
	else
		vx6_timer_in_ms(&all->timer, due > now ? due - now : 0);
}

static const char *waits_for(const struct request *rq)
{
	return rq->cmd->kind == VX6_CMD_READ ? rq->cmd->u.page.exact : rq->cmd->id;
}

/* Answers who waits for @p op (NULL: for any) and, with @p late, only those whose time is over. */
static void answer_waiters(struct operations *all, const struct operation *op, bool late)
{
	uint64_t now = vx6_loop_now_ms(all->node->loop);
	struct vx6_list due;

	vx6_list_init(&due);
	for (struct vx6_list *at = all->waiters.next, *next; at != &all->waiters; at = next) {
		struct request *rq = VX6_CONTAINER_OF(at, struct request, node);

		next = at->next;
		if ((late && rq->deadline_ms > now) ||
		    (op && strcmp(waits_for(rq), op->row.id) != 0))
			continue;
		vx6_list_remove(at);
		vx6_list_push(&due, at);
		all->waiters_n--;
	}
	for (struct vx6_list *at; (at = vx6_list_pop(&due)) != NULL;) {
		struct request *rq = VX6_CONTAINER_OF(at, struct request, node);

		page_answer(rq, page_of(find(all, waits_for(rq))));
	}
	arm(all);
}

static void on_timer(struct vx6_timer *timer)
{
	answer_waiters(timer->user, NULL, true);
}

/* Answers at once when there is nothing to wait for. */
static void wait_or_answer(struct operations *all, struct request *rq, const struct operation *op,
			   uint32_t wait_ms)
{
	if (!op || op->row.state != VX6_OP_RUNNING || wait_ms == 0 ||
	    all->waiters_n >= WAITERS_MAX) {
		page_answer(rq, page_of(op));
		return;
	}
	rq->deadline_ms = vx6_loop_now_ms(all->node->loop) +
			  VX6_MIN(wait_ms, (uint32_t)VX6_OPERATION_WAIT_MAX_MS);
	vx6_list_push(&all->waiters, &rq->node);
	all->waiters_n++;
	arm(all);
}

/* ---- the end of one ---- */

static void tell_end(struct operation *op)
{
	static const char *const states[] = {[VX6_OP_RUNNING] = "running",
					     [VX6_OP_DONE] = "done",
					     [VX6_OP_FAILED] = "failed",
					     [VX6_OP_CANCELED] = "canceled"};
	struct vx6_json j = {0};
	struct vx6_event ev;

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "kind",
		     op->row.kind == VX6_OP_KIND_LOOKUP ? "dht.lookup" : "registry.refresh");
	vx6_json_str(&j, "state", states[op->row.state]);
	vx6_json_str(&j, "target", op->row.target);
	vx6_json_u64(&j, "took_ms", op->row.lookup.ms);
	vx6_json_end_object(&j);
	event_init(&ev, "operation.finished", "operation", op->row.id, vx6_json_take(&j));
	event_emit(op->all->node, &ev);
}

static void finish(struct operation *op, enum vx6_op_state state, vx6_err err, const char *detail)
{
	op->resolving = NULL;
	op->lookup = NULL;
	op->row.state = state;
	op->row.err = err;
	op->row.message = state == VX6_OP_DONE     ? "found"
			  : state == VX6_OP_FAILED ? "not found"
						   : "";
	vx6_strlcpy(op->row.detail, detail ? detail : "", sizeof op->row.detail);
	op->row.finished_ms = vx6_wall_ms();
	tell_end(op);
	answer_waiters(op->all, op, false);
}

/* ---- steps ---- */

static void forget_steps(struct operation *op)
{
	op->all->steps -= op->row.lookup.steps_n;
	VX6_FREE(op->row.lookup.steps);
	op->row.lookup.steps_n = op->steps_cap = 0;
}

/* The oldest traces make room for new ones. */
static void make_room(struct operations *all, const struct operation *besides)
{
	for (size_t i = 0; i < all->n && all->steps >= STEPS_KEPT_MAX; i++)
		if (all->op[i] != besides && all->op[i]->row.state != VX6_OP_RUNNING)
			forget_steps(all->op[i]);
}

static void add_step(struct operation *op, enum vx6_about about, const struct vx6_dht_trace *t)
{
	struct vx6_lookup_view *v = &op->row.lookup;

	op->row.done += t->kind == VX6_DHT_STEP_ASKED;
	v->answers += t->kind == VX6_DHT_STEP_ANSWERED;
	v->timeouts += t->kind == VX6_DHT_STEP_FAILED && t->err.code == VX6_E_TIMEOUT;
	op->row.message = about == VX6_ABOUT_NAME ? "asking who claims the name" : "asking";
	if (!op->row.ask.trace || v->steps_n == VX6_TRACE_MAX)
		return;
	make_room(op->all, op);
	if (v->steps_n == op->steps_cap) {
		op->steps_cap = op->steps_cap ? op->steps_cap * 2 : 32;
		v->steps = vx6_realloc_array(v->steps, op->steps_cap, sizeof *v->steps);
	}
	v->steps[v->steps_n++] = (struct vx6_lookup_step){.about = about, .t = *t};
	op->all->steps++;
}

static void on_trace(void *user, const char *what, const struct vx6_dht_trace *t)
{
	enum vx6_about about = strcmp(what, "name") == 0         ? VX6_ABOUT_NAME
			       : strcmp(what, "service") == 0    ? VX6_ABOUT_SERVICE
			       : strcmp(what, "revocation") == 0 ? VX6_ABOUT_REVOCATION
								 : VX6_ABOUT_ENDPOINT;

	add_step(user, about, t);
}

static void on_key_trace(void *user, const struct vx6_dht_trace *t)
{
	add_step(user, VX6_ABOUT_KEY, t);
}

/* ---- outcomes ---- */

static void on_resolved(void *user, const struct vx6_resolution *r)
{
	struct operation *op = user;
	struct vx6_lookup_view *v = &op->row.lookup;
	uint64_t now_s = vx6_wall_s();

	v->found = vx6_is_ok(r->err);
	v->has_node = r->has_node;
	v->node = r->node;
	v->has_by = r->has_node;
	v->by = r->by;
	v->from_registry = r->from_registry;
	v->has_endpoint = r->has_endpoint;
	v->endpoint = r->endpoint;
	if (r->has_endpoint) {
		v->age_s =
			now_s > r->endpoint.issued_s ? (uint32_t)(now_s - r->endpoint.issued_s) : 0;
		vx6_strlcpy(v->node_name, r->endpoint.name, sizeof v->node_name);
	}
	v->conflict = copy_of(r->conflict, r->conflict ? sizeof *r->conflict : 0);
	v->has_successor = r->has_successor;
	v->successor = r->successor;
	v->queries = r->queries;
	v->ms = r->ms;
	finish(op, v->found ? VX6_OP_DONE : VX6_OP_FAILED, r->err, r->detail);
}

static void copy_value(const struct vx6_dht_value *from, struct vx6_lookup_value *to)
{
	struct vx6_record_view view;

	to->bytes = (uint32_t)from->n;
	to->holders = from->holders;
	to->prefixes = from->prefixes;
	to->paths = from->paths;
	to->median_age_s = from->median_age_s;
	if (!vx6_is_ok(vx6_record_decode(from->record, from->n, &view)))
		return; /* cannot be: the DHT verified it */
	to->rtype = view.type;
	to->has_node = view.type != VX6_RTYPE_CATALOG && view.type != VX6_RTYPE_DESCRIPTOR &&
		       view.type != VX6_RTYPE_ALIAS;
	memcpy(to->node.b, view.subject, sizeof to->node.b);
	to->seq = view.seq;
	if (view.lifetime_s != UINT32_MAX)
		to->expires_ms = (view.issued_s + view.lifetime_s) * 1000;
}

static void on_looked(void *user, const struct vx6_dht_result *r)
{
	struct operation *op = user;
	struct vx6_lookup_view *v = &op->row.lookup;

	v->found = vx6_is_ok(r->err) && r->values_n > 0;
	v->queries = r->queries;
	v->answers = r->answers;
	v->timeouts = r->timeouts;
	v->ms = r->ms;
	v->tx_bytes = r->bytes_out;
	v->rx_bytes = r->bytes_in;
	v->values_n = r->values_n;
	v->values = r->values_n ? vx6_zalloc(r->values_n * sizeof *v->values) : NULL;
	for (size_t i = 0; i < r->values_n; i++)
		copy_value(&r->value[i], &v->values[i]);
	v->closest_n = VX6_MIN(r->closest_n, (size_t)VX6_DHT_K);
	if (v->closest_n)
		memcpy(v->closest, r->closest, v->closest_n * sizeof v->closest[0]);
	if (v->found)
		finish(op, VX6_OP_DONE, VX6_OK, NULL);
	else
		finish(op, VX6_OP_FAILED, vx6_is_ok(r->err) ? VX6_ERR(NOT_FOUND) : r->err,
		       r->answers ? "no record is stored under that key"
				  : "nobody in the DHT answered");
}

/* ---- begin ---- */

static void name_target(const struct vx6_lookup_ask *ask, char out[static VX6_ASK_TEXT])
{
	char text[VX6_TARGET_TEXT];

	if (ask->kind == VX6_ASK_KEY) {
		for (size_t i = 0; i < VX6_DHT_KEY_BYTES; i++)
			snprintf(out + 2 * i, 3, "%02x", ask->key.b[i]);
	} else if (ask->kind == VX6_ASK_SERVICE) {
		vx6_strlcpy(out, vx6_target_format(&ask->target, text), VX6_ASK_TEXT);
	} else if (ask->target.has_node_id) {
		vx6_node_id_format(&ask->target.node_id, out);
	} else {
		vx6_strlcpy(out, ask->target.node, VX6_ASK_TEXT);
	}
}

/* Old ones go first. @return false: all of them are under way */
static bool has_room(struct operations *all)
{
	uint64_t now = vx6_wall_ms();

	for (size_t i = 0; i < all->n;)
		if (all->op[i]->row.state != VX6_OP_RUNNING &&
		    now > all->op[i]->row.finished_ms + VX6_OPERATION_KEEP_MS)
			remove_at(all, i);
		else
			i++;
	for (size_t i = 0; i < all->n && all->n == VX6_OPERATIONS_MAX; i++)
		if (all->op[i]->row.state != VX6_OP_RUNNING) {
			remove_at(all, i);
			break;
		}
	return all->n < VX6_OPERATIONS_MAX;
}

static bool start(struct operation *op)
{
	struct vx6_node *node = op->all->node;
	const struct vx6_lookup_ask *ask = &op->row.ask;

	if (ask->kind == VX6_ASK_KEY) {
		const struct vx6_dht_ask what = {.key = ask->key,
						 .want = VX6_DHT_WANT_ALL,
						 .trace = on_key_trace};
		struct vx6_dht_now now;

		vx6_dht_link_now(node->dht_link, &now);
		op->lookup = vx6_dht_look(discovery_dht(node), &what, on_looked, op, &now);
	} else {
		const struct vx6_resolve_ask what = {.target = ask->target,
						     .fresh = ask->fresh,
						     .want_service = ask->kind == VX6_ASK_SERVICE,
						     .anonymous = ask->anonymous,
						     .trace = on_trace};

		op->resolving = vx6_resolve(node->resolver, &what, on_resolved, op);
	}
	return op->lookup || op->resolving;
}

void operation_begin(struct request *rq)
{
	struct operations *all = rq->owner->operations;
	const struct vx6_lookup_ask *ask = &rq->cmd->u.lookup.ask;
	struct operation *op;

	if ((ask->kind == VX6_ASK_KEY || ask->fresh) && !discovery_dht(rq->owner)) {
		request_fail(rq, VX6_ERR(UNSUPPORTED), NULL, "this agent takes no part in the DHT");
		return;
	}
	if (ask->kind == VX6_ASK_KEY && ask->anonymous) {
		request_fail(rq, VX6_ERR(INVALID), "/anonymous", "a key is looked up openly only");
		return;
	}
	op = vx6_zalloc(sizeof *op);
	op->all = all;
	op->row.kind = rq->cmd->u.lookup.kind;
	op->row.ask = *ask;
	op->row.message = "asking";
	op->row.started_ms = vx6_wall_ms();
	vx6_strlcpy(op->row.managed_by, rq->cmd->managed_by, sizeof op->row.managed_by);
	name_target(ask, op->row.target);
	new_id(&rq->owner->ids, "op", op->row.started_ms, op->row.id);
	if (!has_room(all) || !start(op)) {
		operation_free(op);
		request_fail(rq, VX6_ERR(FULL), NULL, "too many lookups are under way");
		return;
	}
	all->op[all->n++] = op;
	vx6_strlcpy(rq->cmd->id, op->row.id, sizeof rq->cmd->id);
	wait_or_answer(all, rq, op, rq->cmd->u.lookup.wait_ms);
}

/* ---- commands about those that are there ---- */

void operation_cancel(struct request *rq)
{
	struct operation *op = find(rq->owner->operations, rq->cmd->id);

	if (!op) {
		page_answer(rq, page_of(NULL));
	} else if (op->row.state != VX6_OP_RUNNING) {
		request_fail(rq, VX6_ERR(CONFLICT), NULL, "it has finished");
	} else {
		give_up(op);
		finish(op, VX6_OP_CANCELED, VX6_OK, NULL);
		page_answer(rq, page_of(op));
	}
}

void operations_read(struct request *rq)
{
	const struct vx6_page_ask *ask = &rq->cmd->u.page;
	struct operations *all = rq->owner->operations;
	struct vx6_page *p;

	if (ask->exact[0]) {
		wait_or_answer(all, rq, find(all, ask->exact), ask->wait_ms);
		return;
	}
	p = page_new(VX6_PAGE_OPERATIONS, ask->limit);
	for (size_t i = 0; i < all->n; i++) {
		const struct vx6_op_row *row = &all->op[i]->row;

		if ((ask->after[0] && strcmp(row->id, ask->after) <= 0) ||
		    (ask->has_filter && (int)row->state != ask->filter))
			continue;
		p->more = p->n == ask->limit;
		if (p->more)
			break;
		copy_row(all->op[i], &p->u.operations[p->n++]);
	}
	page_answer(rq, p);
}

/* ---- life ---- */

struct operations *operations_new(struct vx6_node *node)
{
	struct operations *all = vx6_zalloc(sizeof *all);

	all->node = node;
	vx6_list_init(&all->waiters);
	vx6_timer_init(node->loop, &all->timer, on_timer, all);
	return all;
}

void operations_free(struct operations *all)
{
	struct vx6_list *first;

	if (!all)
		return;
	vx6_timer_stop(&all->timer);
	while ((first = vx6_list_pop(&all->waiters)) != NULL)
		request_fail(VX6_CONTAINER_OF(first, struct request, node), VX6_ERR(DRAINING), NULL,
			     NULL);
	while (all->n > 0)
		remove_at(all, all->n - 1);
	free(all);
}
