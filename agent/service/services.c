/*
 * The table of published services, and who may reach which: a service belongs to the table, its connections to service_conn.c.
 */
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/util.h"
#include "service/pump.h"
#include "service/services_internal.h"
#include "session/session.h"
#include "wire/code.h"

enum {
	FAILURES_BURST = 5,
	FAILURES_PER_MS = 5000,
	FD_RESERVE =
		64, /* descriptors that peers cannot take: for the API, the database, new links */
};

/* ---- table ---- */

struct vx6_services *vx6_services_new(const struct vx6_services_config *cfg)
{
	struct vx6_services *s = vx6_zalloc(sizeof *s);
	struct rlimit files;

	s->fd_end = RLIM_INFINITY;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 2 * (rlim_t)FD_RESERVE)
		s->fd_end = files.rlim_cur - FD_RESERVE;
	s->cfg = *cfg;
	if (!s->cfg.connections_max)
		s->cfg.connections_max = VX6_SERVICE_CONNECTIONS_MAX;
	vx6_list_init(&s->list);
	return s;
}

static struct service *find_id(const struct vx6_services *s, const char *id)
{
	struct service *found;

	HASH_FIND(by_id, s->ids, id, strlen(id), found);
	return found;
}

static struct service *find_name(const struct vx6_services *s, const char *name)
{
	struct service *found;

	HASH_FIND(by_name, s->names, name, strlen(name), found);
	return found;
}

static void service_free(struct service *svc)
{
	service_conns_abort(svc);
	vx6_list_remove(&svc->node);
	HASH_DELETE(by_id, svc->table->ids, svc);
	HASH_DELETE(by_name, svc->table->names, svc);
	svc->table->n--;
	vx6_service_spec_fini(&svc->spec);
	free(svc);
}

void vx6_services_free(struct vx6_services *s)
{
	if (!s)
		return;
	VX6_LIST_EACH(node, &s->list)
	service_free(VX6_CONTAINER_OF(node, struct service, node));
	free(s);
}

vx6_err vx6_services_check(const struct vx6_services *s, const struct vx6_service_spec *spec)
{
	const struct vx6_addr *to = &spec->target;

	if (!vx6_label_is_valid(spec->name, strnlen(spec->name, sizeof spec->name)) ||
	    spec->allow_n > VX6_ALLOW_MAX)
		return VX6_ERR(INVALID);
	/* whoever comes to a hidden service has no node id there: it has clients of its own */
	if (spec->visibility == VX6_VISIBILITY_HIDDEN && spec->access != VX6_ACCESS_ANY)
		return VX6_ERR(INVALID);
	if (to->family == VX6_ADDR_UNIX)
		return to->path[0] == '/' ? VX6_OK : VX6_ERR(INVALID);
	if (to->family != VX6_ADDR_IP || to->port == 0 || vx6_addr_is_multicast(to))
		return VX6_ERR(INVALID);
	if (!vx6_addr_is_loopback(to) && !s->cfg.allow_non_loopback)
		return VX6_ERR(NOT_LOOPBACK);
	return VX6_OK;
}

vx6_err vx6_services_put(struct vx6_services *s, const char *id,
			 const struct vx6_service_spec *spec)
{
	struct service *svc = find_id(s, id), *namesake = find_name(s, spec->name);
	struct vx6_service_spec copy;

	VX6_TRY(vx6_services_check(s, spec));
	if (namesake && namesake != svc)
		return VX6_ERR(EXISTS);
	if (!svc) {
		if (s->n == VX6_SERVICES_MAX)
			return VX6_ERR(FULL);
		svc = vx6_zalloc(sizeof *svc);
		svc->table = s;
		vx6_strlcpy(svc->id, id, sizeof svc->id);
		vx6_list_init(&svc->conns);
		vx6_list_push(&s->list, &svc->node);
		HASH_ADD_KEYPTR(by_id, s->ids, svc->id, strlen(svc->id), svc);
		s->n++;
	} else {
		HASH_DELETE(by_name, s->names, svc);
	}
	vx6_service_spec_copy(&copy, spec);
	vx6_service_spec_fini(&svc->spec);
	svc->spec = copy;
	HASH_ADD_KEYPTR(by_name, s->names, svc->spec.name, strlen(svc->spec.name), svc);
	if (spec->visibility != VX6_VISIBILITY_HIDDEN)
		svc->scope = 0;
	else if (!svc->scope)
		svc->scope = ++s->last_scope;
	return VX6_OK;
}

vx6_err vx6_services_delete(struct vx6_services *s, const char *id)
{
	struct service *svc = find_id(s, id);

	if (!svc)
		return VX6_ERR(NOT_FOUND);
	service_free(svc);
	return VX6_OK;
}

const struct vx6_flow_stats *vx6_services_stats(const struct vx6_services *s, const char *id)
{
	const struct service *svc = find_id(s, id);

	return svc ? &svc->stats : NULL;
}

/* ---- refusals and failures ---- */

static void peer_text(const struct vx6_node_id *peer, char out[VX6_NODE_ID_SHORT])
{
	if (peer)
		vx6_node_id_format_short(peer, out);
	else
		vx6_strlcpy(out, "anonymous", VX6_NODE_ID_SHORT);
}

void service_failed(struct vx6_services *s, struct service *svc, const char *name,
		    const struct vx6_node_id *peer, vx6_err err, const char *detail)
{
	struct vx6_failure f = {.err = err, .wall_ms = vx6_wall_ms()};
	char who[VX6_NODE_ID_SHORT];

	vx6_strlcpy(f.detail, detail, sizeof f.detail);
	if (svc) {
		svc->stats.refused++;
		svc->stats.last_failure = f;
		svc->stats.failing = svc->stats.failing || err.code == VX6_E_TARGET_UNREACHABLE;
	}
	if (!vx6_log_allow(svc ? &svc->loud : &s->loud, "service", FAILURES_BURST, FAILURES_PER_MS))
		return;
	peer_text(peer, who);
	VX6_WARN("service", "%s for %s: %s: %s", name, who, vx6_err_name(err), detail);
	if (s->cfg.failed)
		s->cfg.failed(s->cfg.user, svc ? svc->id : NULL, name, peer, &f);
}

void service_refuse(struct vx6_stream *stream, vx6_err err)
{
	vx6_err answered;

	vx6_pump_discard(stream);
	answered = vx6_session_answer(stream, err);
	if (!vx6_is_ok(answered))
		vx6_stream_reset(stream, vx6_code_from_err(err));
}

/* ---- who may come in ---- */

static bool is_allowed(const struct vx6_service_spec *spec, const struct vx6_node_id *peer)
{
	if (spec->access == VX6_ACCESS_ANY)
		return true;
	for (size_t i = 0; peer && i < spec->allow_n; i++)
		if (vx6_node_id_eq(&spec->allow[i], peer))
			return true;
	return false;
}

/* @param svc NULL: none that the peer may know of */
static void take(struct vx6_services *s, struct service *svc, struct vx6_stream *stream,
		 const struct vx6_node_id *peer, const struct vx6_open *what,
		 const struct iovec *rest, int rest_n, bool fin)
{
	const char *detail = NULL;
	vx6_err err = VX6_OK;

	if (!svc || !svc->spec.enabled) {
		svc = NULL;
		err = VX6_ERR(SERVICE_UNKNOWN);
		detail = "no such service is published";
	} else if (!is_allowed(&svc->spec, peer)) {
		err = VX6_ERR(ACCESS_REFUSED);
		detail = "not on the list of allowed nodes";
	} else if (svc->stats.active >= s->cfg.connections_max) {
		err = VX6_ERR(FULL);
		detail = "too many connections";
	}
	if (!vx6_is_ok(err)) {
		service_failed(s, svc, what->name, peer, err, detail);
		service_refuse(stream, err);
		return;
	}
	service_conn_begin(svc, stream, peer, rest, rest_n, fin);
}

void vx6_services_incoming(struct vx6_services *s, struct vx6_stream *stream,
			   const struct vx6_node_id *peer, const struct vx6_open *what,
			   const struct iovec *rest, int rest_n, bool fin)
{
	struct service *svc = find_name(s, what->name);

	/* from here on as if there were none */
	if (svc && svc->scope)
		svc = NULL;
	take(s, svc, stream, peer, what, rest, rest_n, fin);
}

uint64_t vx6_services_scope(const struct vx6_services *s, const char *id)
{
	const struct service *svc = find_id(s, id);

	return svc ? svc->scope : 0;
}

static struct service *find_scope(const struct vx6_services *s, uint64_t scope)
{
	VX6_LIST_EACH(node, &s->list)
	{
		struct service *svc = VX6_CONTAINER_OF(node, struct service, node);

		if (svc->scope == scope)
			return svc;
	}
	return NULL;
}

void vx6_services_incoming_hidden(struct vx6_services *s, uint64_t scope, struct vx6_stream *stream,
				  const struct vx6_open *what, const struct iovec *rest, int rest_n,
				  bool fin)
{
	bool is_it = scope != 0 && strcmp(what->name, VX6_OPEN_HIDDEN) == 0;

	take(s, is_it ? find_scope(s, scope) : NULL, stream, NULL, what, rest, rest_n, fin);
}
