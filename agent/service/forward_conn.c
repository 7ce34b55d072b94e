/*
 * One connection of a forward, or one attached socket. It belongs to its list and is freed when its pump has ended, when it could not
 * reach its target, or when its forward is deleted.
 *
 *   begin -> REACHING (the application may write early) -> JOINED -> ended
 *                └-> failed: the client is reset
 */
#include <unistd.h>

#include "base/util.h"
#include "service/forwards_internal.h"
#include "wire/code.h"

struct conn {
	struct vx6_list node;
	struct vx6_forwards *table;
	struct forward *forward;       /* NULL: attached */
	struct vx6_reaching *reaching; /* NULL: reached */
	struct vx6_pump pump;
	struct attachment *attachment; /* NULL: of a forward */
};

struct attachment {
	struct vx6_target to;
	const struct vx6_attach_events *ev;
	void *user;
};

static struct vx6_flow_stats *conn_stats(struct conn *c)
{
	return c->forward ? &c->forward->seen.stats : &c->table->attached_stats;
}

static const struct vx6_target *conn_target(const struct conn *c)
{
	return c->forward ? &c->forward->spec.to : &c->attachment->to;
}

static void conn_free(struct conn *c)
{
	vx6_list_remove(&c->node);
	conn_stats(c)->active--;
	c->table->connections--;
	free(c->attachment);
	free(c);
}

static void tell_outcome(const struct conn *c, vx6_err err, const char *detail)
{
	if (c->attachment)
		c->attachment->ev->outcome(c->attachment->user, err, detail);
}

static void on_ended(struct vx6_pump *p, vx6_err why, void *user)
{
	struct conn *c = user;
	struct attachment *a = c->attachment;
	bool reached = !c->reaching;

	/* the client left before there was anything to join it with */
	if (c->reaching)
		vx6_reach_cancel(c->reaching);
	c->attachment = NULL;
	conn_free(c);
	if (a && reached)
		a->ev->ended(a->user);
	else if (a)
		a->ev->outcome(a->user, why, "the local side closed the connection");
	free(a);
}

/* Why the client gets a reset; frees. */
static void give_up(struct conn *c, vx6_err err, const char *detail)
{
	vx6_pump_abort(&c->pump, VX6_CODE_RESET);
	forward_failed(c->table, c->forward, conn_target(c), err, detail);
	tell_outcome(c, err, detail);
	conn_free(c);
}

static void remember_session(struct forward *fwd, const struct vx6_stream *stream)
{
	const struct vx6_forwards_config *cfg = &fwd->table->cfg;
	struct vx6_link_info info;

	vx6_link_info(vx6_stream_link(stream), &info);
	fwd->seen.circuit[0] = 0;
	fwd->seen.hops = 0;
	if (cfg->carrier)
		cfg->carrier(cfg->user, vx6_stream_link(stream), fwd->seen.circuit,
			     &fwd->seen.hops);
	vx6_strlcpy(fwd->seen.transport, info.transport, sizeof fwd->seen.transport);
	fwd->seen.remote = info.remote;
	fwd->seen.rtt_us = info.srtt_us;
}

static void on_outcome(void *user, vx6_err err, const char *detail, struct vx6_stream *stream,
		       const struct iovec *rest, int rest_n, bool fin)
{
	struct conn *c = user;

	c->reaching = NULL;
	if (!vx6_is_ok(err))
		return give_up(c, err, detail);
	if (c->forward)
		remember_session(c->forward, stream);
	conn_stats(c)->total++;
	tell_outcome(c, VX6_OK, detail);
	err = vx6_pump_join(&c->pump, stream, rest, rest_n, fin);
	if (!vx6_is_ok(err)) {
		/* bytes of the application went down with the session they were written to */
		vx6_pump_discard(stream);
		vx6_stream_reset(stream, VX6_CODE_RESET);
		vx6_pump_abort(&c->pump, VX6_CODE_RESET);
		if (c->attachment)
			c->attachment->ev->ended(c->attachment->user);
		conn_free(c);
	}
}

static void on_early(void *user, struct vx6_stream *stream)
{
	struct conn *c = user;

	vx6_pump_early(&c->pump, stream);
}

static void on_early_writable(void *user, struct vx6_stream *stream)
{
	struct conn *c = user;

	vx6_pump_early_writable(&c->pump);
}

/* @p c is freed on failure, @p fd closed. */
static vx6_err begin(struct conn *c, int fd)
{
	static const struct vx6_pump_events pump_events = {.ended = on_ended};
	static const struct vx6_reach_events reach_events = {.outcome = on_outcome,
							     .early = on_early,
							     .early_writable = on_early_writable};
	struct vx6_stream *early = NULL;
	vx6_err err;

	conn_stats(c)->active++;
	c->table->connections++;
	err = vx6_pump_start(&c->pump, c->table->cfg.loop, fd, conn_stats(c), &pump_events, c);
	if (!vx6_is_ok(err)) {
		conn_free(c);
		return err;
	}
	c->reaching = vx6_reach_open(c->table->cfg.reach, conn_target(c), &reach_events, c, &early);
	if (early)
		vx6_pump_early(&c->pump, early);
	return VX6_OK;
}

void forward_conn_begin(struct forward *fwd, int fd)
{
	struct vx6_forwards *f = fwd->table;
	struct conn *c;
	vx6_err err;

	if (fwd->seen.stats.active >= f->cfg.connections_max) {
		vx6_pump_close_hard(fd);
		forward_failed(f, fwd, &fwd->spec.to, VX6_ERR(LIMIT), "too many connections");
		return;
	}
	c = vx6_zalloc(sizeof *c);
	c->table = f;
	c->forward = fwd;
	vx6_list_push(&fwd->conns, &c->node);
	err = begin(c, fd);
	if (!vx6_is_ok(err))
		forward_failed(f, fwd, &fwd->spec.to, err, vx6_err_text(err));
}

vx6_err vx6_forwards_attach(struct vx6_forwards *f, int fd, const struct vx6_target *to,
			    const struct vx6_attach_events *ev, void *user)
{
	struct conn *c;

	if (f->draining || f->attached_stats.active >= f->cfg.connections_max) {
		vx6_pump_close_hard(fd);
		return f->draining ? VX6_ERR(DRAINING) : VX6_ERR(LIMIT);
	}
	c = vx6_zalloc(sizeof *c);
	c->table = f;
	c->attachment = vx6_zalloc(sizeof *c->attachment);
	*c->attachment = (struct attachment){.to = *to, .ev = ev, .user = user};
	vx6_list_push(&f->attached, &c->node);
	return begin(c, fd);
}

void forward_conns_abort(struct vx6_list *conns)
{
	VX6_LIST_EACH(node, conns)
	{
		struct conn *c = VX6_CONTAINER_OF(node, struct conn, node);

		if (c->reaching)
			vx6_reach_cancel(c->reaching);
		vx6_pump_abort(&c->pump, VX6_CODE_RESET);
		if (c->reaching)
			tell_outcome(c, VX6_ERR(DRAINING), "the agent is stopping");
		else if (c->attachment)
			c->attachment->ev->ended(c->attachment->user);
		conn_free(c);
	}
}
