/*
 * The table of forwards and their listeners. A forward belongs to the table, its connections to it (forward_conn.c): none outlives it.
 *
 *   put -> DISABLED | LISTENING | FAILED (tried again every 5 s) -> delete
 */
#include "service/forwards.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "service/forwards_internal.h"

enum {
	ACCEPT_BATCH = 64,
	RESUME_MS = 200,
	RETRY_MS = 5000,
	FAILURES_BURST = 5,
	FAILURES_PER_MS = 5000,
};

static struct forward *find_id(const struct vx6_forwards *f, const char *id)
{
	VX6_LIST_EACH(node, &f->list)
	{
		struct forward *fwd = VX6_CONTAINER_OF(node, struct forward, node);

		if (!strcmp(fwd->id, id))
			return fwd;
	}
	return NULL;
}

static struct forward *find_name(const struct vx6_forwards *f, const char *name)
{
	VX6_LIST_EACH(node, &f->list)
	{
		struct forward *fwd = VX6_CONTAINER_OF(node, struct forward, node);

		if (!strcmp(fwd->spec.name, name))
			return fwd;
	}
	return NULL;
}

static void note_failure(struct vx6_flow_stats *stats, vx6_err err, const char *detail)
{
	stats->last_failure.err = err;
	stats->last_failure.wall_ms = vx6_wall_ms();
	vx6_strlcpy(stats->last_failure.detail, detail, sizeof stats->last_failure.detail);
}

void forward_failed(struct vx6_forwards *f, struct forward *fwd, const struct vx6_target *to,
		    vx6_err err, const char *detail)
{
	struct vx6_flow_stats *stats = fwd ? &fwd->seen.stats : &f->attached_stats;
	char text[VX6_TARGET_TEXT];

	stats->refused++;
	note_failure(stats, err, detail);
	if (!vx6_log_allow(fwd ? &fwd->loud : &f->loud, "forward", FAILURES_BURST, FAILURES_PER_MS))
		return;
	VX6_WARN("forward", "%s to %s: %s: %s", fwd ? fwd->spec.name : "connection",
		 vx6_target_format(to, text), vx6_err_name(err), detail);
	if (fwd && f->cfg.failed)
		f->cfg.failed(f->cfg.user, fwd->id, &stats->last_failure);
}

/* ---- listening ---- */

static bool is_shortage(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

static void pause_accepting(struct forward *fwd, int errnum)
{
	struct vx6_forwards *f = fwd->table;

	fwd->paused = true;
	vx6_io_want(&fwd->io, 0);
	if (!vx6_timer_is_armed(&f->resume))
		vx6_timer_in_ms(&f->resume, RESUME_MS);
	if (vx6_log_allow(&f->loud, "forward", FAILURES_BURST, FAILURES_PER_MS))
		VX6_WARN("forward", "%s: cannot accept for now: %s", fwd->spec.name,
			 strerror(errnum));
}

static void on_acceptable(struct vx6_io *io, int events)
{
	struct forward *fwd = io->user;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(fwd->socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			forward_conn_begin(fwd, fd);
		else if (is_shortage(errno))
			return pause_accepting(fwd, errno);
		else if (errno == EAGAIN)
			return;
		/* else this one connection is gone already (ECONNABORTED and its like) */
	}
}

static void on_resume(struct vx6_timer *timer)
{
	struct vx6_forwards *f = timer->user;

	VX6_LIST_EACH(node, &f->list)
	{
		struct forward *fwd = VX6_CONTAINER_OF(node, struct forward, node);

		if (fwd->paused && fwd->socket)
			vx6_io_want(&fwd->io, VX6_IO_READ);
		fwd->paused = false;
	}
}

static void unlisten(struct forward *fwd)
{
	if (!fwd->socket)
		return;
	vx6_io_stop(&fwd->io);
	vx6_forward_socket_free(fwd->socket);
	fwd->socket = NULL;
	fwd->paused = false;
}

/* Takes @p socket, or binds one. What goes wrong is kept in fwd->error. */
static void listen_on(struct forward *fwd, struct vx6_forward_socket *socket)
{
	struct vx6_forwards *f = fwd->table;

	fwd->error = socket ? VX6_OK : vx6_forward_socket_open(&fwd->spec.listen, &socket);
	if (vx6_is_ok(fwd->error))
		fwd->error = vx6_io_start(f->cfg.loop, &fwd->io, socket->fd, VX6_IO_READ,
					  on_acceptable, fwd);
	if (vx6_is_ok(fwd->error)) {
		fwd->socket = socket;
		return;
	}
	vx6_forward_socket_free(socket);
	if (!vx6_timer_is_armed(&f->retry))
		vx6_timer_in_ms(&f->retry, RETRY_MS);
}

static void on_retry(struct vx6_timer *timer)
{
	struct vx6_forwards *f = timer->user;

	VX6_LIST_EACH(node, &f->list)
	{
		struct forward *fwd = VX6_CONTAINER_OF(node, struct forward, node);

		if (fwd->socket || !fwd->spec.enabled || f->draining)
			continue;
		listen_on(fwd, NULL);
		if (fwd->socket && f->cfg.recovered)
			f->cfg.recovered(f->cfg.user, fwd->id);
	}
}

/* ---- table ---- */

struct vx6_forwards *vx6_forwards_new(const struct vx6_forwards_config *cfg)
{
	struct vx6_forwards *f = vx6_zalloc(sizeof *f);

	f->cfg = *cfg;
	if (!f->cfg.connections_max)
		f->cfg.connections_max = VX6_FORWARD_CONNECTIONS_MAX;
	vx6_list_init(&f->list);
	vx6_list_init(&f->attached);
	vx6_timer_init(cfg->loop, &f->resume, on_resume, f);
	vx6_timer_init(cfg->loop, &f->retry, on_retry, f);
	return f;
}

static void forward_free(struct forward *fwd)
{
	forward_conns_abort(&fwd->conns);
	unlisten(fwd);
	vx6_list_remove(&fwd->node);
	fwd->table->n--;
	free(fwd);
}

void vx6_forwards_free(struct vx6_forwards *f)
{
	if (!f)
		return;
	VX6_LIST_EACH(node, &f->list)
	forward_free(VX6_CONTAINER_OF(node, struct forward, node));
	forward_conns_abort(&f->attached);
	vx6_timer_stop(&f->resume);
	vx6_timer_stop(&f->retry);
	free(f);
}

static vx6_err check(const struct vx6_forwards *f, const struct vx6_forward_spec *spec)
{
	if (!spec->name[0] || (!spec->to.service[0] && !spec->to.is_hidden))
		return VX6_ERR(INVALID);
	if (spec->listen.family == VX6_ADDR_UNIX)
		return spec->listen.path[0] == '/' ? VX6_OK : VX6_ERR(INVALID);
	if (spec->listen.family != VX6_ADDR_IP)
		return VX6_ERR(INVALID);
	return vx6_addr_is_loopback(&spec->listen) || f->cfg.allow_non_loopback
		       ? VX6_OK
		       : VX6_ERR(NOT_LOOPBACK);
}

vx6_err vx6_forwards_prepare(struct vx6_forwards *f, const char *id,
			     const struct vx6_forward_spec *spec, struct vx6_forward_socket **out)
{
	const struct forward *fwd = id ? find_id(f, id) : NULL,
			     *namesake = find_name(f, spec->name);

	*out = NULL;
	VX6_TRY(check(f, spec));
	if (namesake && namesake != fwd)
		return VX6_ERR(EXISTS);
	if (!fwd && f->n >= VX6_FORWARDS_MAX)
		return VX6_ERR(FULL);
	if (!spec->enabled ||
	    (fwd && fwd->socket && vx6_addr_eq(&fwd->socket->asked, &spec->listen)))
		return VX6_OK;
	return vx6_forward_socket_open(&spec->listen, out);
}

void vx6_forwards_put(struct vx6_forwards *f, const char *id, const struct vx6_forward_spec *spec,
		      struct vx6_forward_socket *socket)
{
	struct forward *fwd = find_id(f, id);

	if (!fwd) {
		fwd = vx6_zalloc(sizeof *fwd);
		fwd->table = f;
		vx6_strlcpy(fwd->id, id, sizeof fwd->id);
		vx6_list_init(&fwd->conns);
		vx6_list_push(&f->list, &fwd->node);
		f->n++;
	}
	fwd->spec = *spec;
	fwd->error = VX6_OK;
	if (socket || !spec->enabled ||
	    (fwd->socket && !vx6_addr_eq(&fwd->socket->asked, &spec->listen)))
		unlisten(fwd);
	if (!spec->enabled || f->draining)
		vx6_forward_socket_free(socket);
	else if (!fwd->socket)
		listen_on(fwd, socket);
	if (!vx6_is_ok(fwd->error))
		VX6_WARN("forward", "%s cannot listen: %s", fwd->spec.name,
			 vx6_err_text(fwd->error));
}

vx6_err vx6_forwards_delete(struct vx6_forwards *f, const char *id)
{
	struct forward *fwd = find_id(f, id);

	if (!fwd)
		return VX6_ERR(NOT_FOUND);
	forward_free(fwd);
	return VX6_OK;
}

void vx6_forwards_alias_gone(struct vx6_forwards *f, const char *alias, const char *detail)
{
	VX6_LIST_EACH(node, &f->list)
	{
		struct forward *fwd = VX6_CONTAINER_OF(node, struct forward, node);
		const struct vx6_target *to = &fwd->spec.to;

		if (!to->is_hidden || to->has_node_id || strcmp(to->node, alias) != 0)
			continue;
		note_failure(&fwd->seen.stats, VX6_ERR(PEER_UNKNOWN), detail);
		VX6_WARN("forward", "%s: %s", fwd->spec.name, detail);
		if (f->cfg.failed)
			f->cfg.failed(f->cfg.user, fwd->id, &fwd->seen.stats.last_failure);
	}
}

vx6_err vx6_forwards_status(const struct vx6_forwards *f, const char *id,
			    struct vx6_forward_status *out)
{
	const struct forward *fwd = find_id(f, id);

	if (!fwd)
		return VX6_ERR(NOT_FOUND);
	*out = fwd->seen;
	out->error = fwd->error;
	if (fwd->socket) {
		out->phase = VX6_FORWARD_LISTENING;
		out->bound = fwd->socket->bound;
	} else {
		out->phase = fwd->spec.enabled && !f->draining ? VX6_FORWARD_FAILED
							       : VX6_FORWARD_DISABLED;
	}
	return VX6_OK;
}

void vx6_forwards_drain(struct vx6_forwards *f)
{
	f->draining = true;
	VX6_LIST_EACH(node, &f->list)
	unlisten(VX6_CONTAINER_OF(node, struct forward, node));
}

size_t vx6_forwards_connections(const struct vx6_forwards *f)
{
	return f->connections;
}
