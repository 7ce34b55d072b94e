/*
 * The overlay's parts and how they are connected: who hears of what. Lower layers know nothing of each other but by these calls.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/node_internal.h"
#include "wire/record.h"

static const char seq_key[] = "record_seq";

enum { RECORDS_WANTED_MAX = 64 }; /* of one node, to one question */

/* ---- what the parts ask and report ---- */

static void note_met(struct vx6_node *node, const struct vx6_session *s)
{
	struct vx6_endpoint_addr at = {0};
	struct vx6_link_info info;

	vx6_session_info(s, &info);
	at.addr = info.remote;
	at.via = strcmp(info.transport, "tcp") == 0 ? VX6_VIA_TCP : VX6_VIA_QUIC;
	/* where a session that came to us came from says nothing of where its node listens */
	vx6_registry_met(node->registry, vx6_session_node(s), info.initiator ? &at : NULL,
			 vx6_wall_s());
}

static void on_session_up(void *user, struct vx6_session *s)
{
	struct vx6_node *node = user;

	if (!vx6_session_node(s) || vx6_session_is_anonymous(s))
		return;
	node->snapshot_dirty = true;
	vx6_peers_session_up(node->peers, s);
	vx6_publisher_greet(node->publisher, s);
	note_met(node, s);
	tell_learned(node, "peer.up", s, VX6_OK);
}

static void on_session_down(void *user, struct vx6_session *s, vx6_err why)
{
	struct vx6_node *node = user;

	if (!vx6_session_node(s) || vx6_session_is_anonymous(s) || node->stopping)
		return;
	node->snapshot_dirty = true;
	tell_learned(node, "peer.down", s, why);
	vx6_peers_session_down(node->peers, s, why);
}

/*
 * Before the DHT is there a peer speaks for itself only. Records of others would prove themselves as well, but then one peer could fill the
 * registry with nodes that it made up.
 */
static vx6_err take_record(struct vx6_node *node, struct vx6_session *s, const uint8_t *record,
			   size_t n)
{
	const struct vx6_source from = {.kind = VX6_SOURCE_SUBJECT};
	const struct vx6_node_id *who = vx6_session_node(s);
	struct vx6_record_view view;

	VX6_TRY(vx6_record_decode(record, n, &view));
	if (!who || memcmp(view.subject, who->b, sizeof who->b) != 0)
		return VX6_ERR(MISMATCH);
	return vx6_registry_admit(node->registry, record, n, &from, vx6_wall_s(), NULL);
}

static void on_record(void *user, struct vx6_session *s, const uint8_t *record, size_t n)
{
	struct vx6_node *node = user;
	vx6_err err = take_record(node, s, record, n);

	if (!vx6_is_ok(err) && err.code != VX6_E_STALE &&
	    vx6_log_allow(&node->complaints, "node", 10, 10000))
		VX6_INFO("node", "a record from a peer was refused: %s", vx6_err_text(err));
}

/* Own records are given by the publisher, which knows who may see what. */
static void on_wanted(void *user, struct vx6_session *s, const struct vx6_node_id *who)
{
	struct vx6_known_record rec[RECORDS_WANTED_MAX];
	struct vx6_node *node = user;
	size_t n;

	if (vx6_node_id_eq(who, &node->identity.id)) {
		if (vx6_session_node(s))
			vx6_publisher_greet(node->publisher, s);
		return;
	}
	n = vx6_registry_records(node->registry, who, vx6_wall_s(), rec, RECORDS_WANTED_MAX);
	for (size_t i = 0; i < n; i++)
		if (!(rec[i].flags & VX6_RECORD_UNLISTED) &&
		    !vx6_is_ok(vx6_session_send_record(s, rec[i].bytes, rec[i].n)))
			return;
}

static void on_incoming(void *user, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct vx6_node *node = user;

	if (what->kind == VX6_OPEN_SERVICE)
		vx6_services_incoming(node->services, stream, vx6_session_node(s), what, rest,
				      rest_n, fin);
	else /* a refusal is never AGAIN: it is a reset */
		(void)!vx6_is_ok(vx6_session_answer(stream, VX6_ERR(UNSUPPORTED)));
}

static size_t own_endpoint(void *user, uint8_t *out, size_t cap)
{
	struct vx6_node *node = user;

	return vx6_publisher_endpoint(node->publisher, out, cap);
}

static const struct vx6_sessions_events session_events = {
	.up = on_session_up,
	.down = on_session_down,
	.record = on_record,
	.wanted = on_wanted,
	.incoming = on_incoming,
	.own_endpoint = own_endpoint,
};

static void on_pinned(void *user, const char *name, const struct vx6_node_id *id)
{
	struct vx6_node *node = user;
	struct vx6_write *w = vx6_write_new();
	struct vx6_name_binding pin = {.kind = VX6_BINDING_PIN,
				       .node = *id,
				       .since_ms = vx6_wall_ms()};
	char text[VX6_NODE_ID_TEXT];

	vx6_strlcpy(pin.name, name, sizeof pin.name);
	vx6_write_put_name(w, &pin);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("node", "the pin of %s could not be stored", name);
	VX6_INFO("node", "%s is %s from now on", name, vx6_node_id_format(id, text));
}

static void on_name_conflict(void *user, const char *name, const struct vx6_node_id *pinned,
			     const struct vx6_node_id *claims)
{
	char a[VX6_NODE_ID_TEXT], b[VX6_NODE_ID_TEXT];

	(void)user;
	VX6_WARN("node", "%s is pinned to %s, but %s calls itself that too; it is not trusted",
		 name, vx6_node_id_format(pinned, a), vx6_node_id_format(claims, b));
}

static bool is_configured(void *user, const struct vx6_node_id *id)
{
	const struct vx6_node *node = user;

	return node->peers && vx6_peers_has_node(node->peers, id);
}

/*
 * A revocation of a node that we have dealings with must outlive the registry's file, which may be set aside. Those of strangers are as
 * cheap as strangers are, and stay out of the database.
 */
static void on_revoked(void *user, const struct vx6_node_id *id, const struct vx6_revocation *r,
		       const struct vx6_registry_change *c)
{
	struct vx6_node *node = user;
	struct vx6_known_node known;
	struct vx6_write *w;

	if (!is_configured(node, id) &&
	    !(vx6_registry_node(node->registry, id, vx6_wall_s(), &known) && known.contact.met_s))
		return;
	w = vx6_write_new();
	vx6_write_put_revocation(w, &c->record->key, c->record->bytes, c->record->n);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("node", "a revocation could not be stored");
}

static const struct vx6_registry_events registry_events = {
	.pinned = on_pinned,
	.name_conflict = on_name_conflict,
	.is_configured = is_configured,
	.revoked = on_revoked,
};

static void tell_registry(struct vx6_node *node, const char *type, const char *detail)
{
	struct vx6_event ev;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "detail", detail);
	vx6_json_end_object(&j);
	event_init(&ev, type, "node", "", vx6_json_take(&j));
	event_emit(node, &ev);
}

static void on_registry_damaged(void *user, const char *detail)
{
	tell_registry(user, "registry.damaged", detail);
}

static void on_registry_stuck(void *user, vx6_err err, const char *detail)
{
	if (!vx6_is_ok(err))
		tell_registry(user, "registry.disk_full", detail);
}

/* What must never be forgotten comes from the database, all the rest from the registry's own file. */
static void make_registry(struct vx6_node *node, const struct vx6_state_image *img)
{
	struct vx6_registry_db_config cfg = {
		.dir = node->state_dir,
		.loop = node->loop,
		.damaged = on_registry_damaged,
		.stuck = on_registry_stuck,
		.user = node,
	};
	struct vx6_registry_loaded loaded;
	bool old = false;

	node->registry = vx6_registry_new(&node->identity.net, &registry_events, node);
	node->hwm = vx6_registry_hwm(node->registry);
	cfg.registry = node->registry;
	node->registry_db = vx6_registry_db_open(&cfg, &loaded);
	for (size_t i = 0; i < img->marks_n; i++) {
		const struct vx6_stored_mark *m = &img->marks[i];

		vx6_registry_restore(node->registry, &m->key, &m->mark, vx6_wall_s());
		old |= m->key.type != VX6_RTYPE_REVOCATION;
	}
	if (old && vx6_is_ok(vx6_registry_db_flush(node->registry_db))) {
		struct vx6_write *w = vx6_write_new();

		vx6_write_drop_old_marks(w);
		if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
			VX6_WARN("node", "old marks stay in the database until the next start");
	}
	for (size_t i = 0; i < img->names_n; i++)
		if (img->names[i].kind == VX6_BINDING_PIN)
			vx6_registry_load_pin(node->registry, img->names[i].name,
					      &img->names[i].node);
	VX6_DEBUG("node", "%zu rows of the registry loaded, %zu damaged, %zu expired", loaded.rows,
		  loaded.dropped, loaded.expired);
	if (loaded.dropped)
		VX6_WARN("node", "%zu damaged rows of the registry were left out", loaded.dropped);
	if (loaded.damaged || loaded.dropped)
		on_registry_damaged(node,
				    loaded.damaged ? loaded.detail : "damaged rows were left out");
	else if (loaded.detail[0])
		on_registry_stuck(node, VX6_ERR(IO), loaded.detail);
}

static bool may_see(void *user, const char *service, const struct vx6_node_id *who)
{
	const struct vx6_node *node = user;

	for (size_t i = 0; i < node->service_rows.n; i++) {
		const struct vx6_service_spec *spec = &node->service_rows.row[i]->spec.service;

		if (strcmp(spec->name, service) != 0)
			continue;
		if (spec->access == VX6_ACCESS_ANY)
			return true;
		for (size_t k = 0; k < spec->allow_n; k++)
			if (vx6_node_id_eq(&spec->allow[k], who))
				return true;
	}
	return false;
}

static void on_seq_used(void *user, uint64_t seq)
{
	struct vx6_node *node = user;
	struct vx6_write *w = vx6_write_new();

	vx6_write_put_u64(w, seq_key, seq);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("node", "the sequence number of our records could not be stored");
}

/* ---- own addresses ---- */

static uint8_t via_bits(const char *transport)
{
	return strcmp(transport, "tcp") == 0 ? VX6_VIA_TCP : VX6_VIA_QUIC;
}

static void add_own(struct vx6_endpoint_addr *out, size_t *n, const struct vx6_addr *ip,
		    uint16_t port, uint8_t via)
{
	for (size_t i = 0; i < *n; i++) {
		if (vx6_addr_same_ip(&out[i].addr, ip) && out[i].addr.port == port) {
			out[i].via |= via;
			return;
		}
	}
	if (*n == VX6_ENDPOINT_ADDRS_MAX)
		return;
	out[*n] = (struct vx6_endpoint_addr){.addr = *ip, .via = via, .prio = (uint8_t)*n};
	out[(*n)++].addr.port = port;
}

size_t wiring_own_addrs(struct vx6_node *node,
			struct vx6_endpoint_addr out[static VX6_ENDPOINT_ADDRS_MAX])
{
	struct vx6_bound bound[2 * VX6_SESSION_LISTEN_MAX];
	struct vx6_addr host[VX6_HOST_ADDRS_MAX];
	size_t bound_n = vx6_sessions_bound(node->sessions, bound), host_n = vx6_host_addrs(host),
	       n = 0;

	for (size_t i = 0; i < bound_n; i++) {
		bool v4_only = vx6_addr_is_v4(&bound[i].addr);

		if (!vx6_addr_is_any(&bound[i].addr)) {
			add_own(out, &n, &bound[i].addr, bound[i].addr.port,
				via_bits(bound[i].transport));
			continue;
		}
		for (size_t k = 0; k < host_n; k++)
			if (!v4_only || vx6_addr_is_v4(&host[k]))
				add_own(out, &n, &host[k], bound[i].addr.port,
					via_bits(bound[i].transport));
	}
	return n;
}

void wiring_announce(struct vx6_node *node)
{
	struct vx6_endpoint_addr own[VX6_ENDPOINT_ADDRS_MAX] = {0};
	size_t n = wiring_own_addrs(node, own);

	vx6_publisher_set_endpoint(node->publisher, node->name, own, n);
}

static void on_network_changed(void *user)
{
	struct vx6_node *node = user;

	if (node->draining)
		return;
	VX6_INFO("node", "addresses of this host changed");
	vx6_sessions_rebind(node->sessions);
	wiring_announce(node);
	vx6_peers_hurry(node->peers);
}

/* ---- start and stop ---- */

static vx6_err make_transport(struct vx6_node *node, const struct vx6_transport_ops *ops,
			      struct vx6_transport **out, char *detail)
{
	struct vx6_transport_config cfg = {.loop = node->loop, .key = &node->identity.subkey.key};
	vx6_err err;

	vx6_transport_limits_default(&cfg.limits);
	err = ops->new(&cfg, out);
	if (!vx6_is_ok(err))
		snprintf(detail, VX6_DETAIL_MAX, "cannot start transport %s: %s", ops->name,
			 vx6_err_text(err));
	return err;
}

static vx6_err make_sessions(struct vx6_node *node, char *detail)
{
	struct vx6_sessions_config cfg = {
		.loop = node->loop,
		.identity = &node->identity,
		.hwm = &node->hwm,
		.quic_ops = &vx6_transport_quic,
		.tcp_ops = &vx6_transport_tcp,
		.events = &session_events,
		.user = node,
	};

	if (node->cfg.transport != VX6_TRANSPORT_TCP_ONLY)
		VX6_TRY(make_transport(node, cfg.quic_ops, &cfg.quic, detail));
	if (node->cfg.transport != VX6_TRANSPORT_QUIC_ONLY) {
		vx6_err err = make_transport(node, cfg.tcp_ops, &cfg.tcp, detail);

		if (!vx6_is_ok(err)) {
			if (cfg.quic)
				cfg.quic_ops->free(cfg.quic);
			return err;
		}
	}
	return vx6_sessions_new(&cfg, &node->sessions);
}

static void make_parts(struct vx6_node *node, const struct vx6_state_image *img)
{
	struct vx6_publisher_config pub = {
		.loop = node->loop,
		.identity = &node->identity,
		.may_see = may_see,
		.seq_used = on_seq_used,
		.user = node,
		.last_seq = vx6_state_image_u64(img, seq_key, 0),
	};
	struct vx6_peers_config peers = {
		.loop = node->loop,
		.sessions = node->sessions,
		.transport = node->cfg.transport,
		.changed = tell_peer_changed,
		.user = node,
	};
	struct vx6_services_config services = {
		.loop = node->loop,
		.allow_non_loopback = node->cfg.allow_non_loopback,
		.failed = tell_service_failed,
		.recovered = tell_service_recovered,
		.user = node,
	};

	node->publisher = vx6_publisher_new(&pub);
	vx6_publisher_attach(node->publisher, node->sessions);
	node->peers = vx6_peers_new(&peers);
	node->services = vx6_services_new(&services);
	node->reach = vx6_reach_new(&(struct vx6_reach_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.registry = node->registry,
		.peers = node->peers,
		.transport = node->cfg.transport,
	});
	node->forwards = vx6_forwards_new(&(struct vx6_forwards_config){
		.loop = node->loop,
		.reach = node->reach,
		.allow_non_loopback = node->cfg.allow_non_loopback,
		.failed = tell_forward_failed,
		.recovered = tell_forward_recovered,
		.user = node,
	});
}

vx6_err wiring_start(struct vx6_node *node, const struct vx6_state_image *img, char *detail)
{
	make_registry(node, img);
	VX6_TRY(make_sessions(node, detail));
	make_parts(node, img);
	for (size_t i = 0; i < node->cfg.listen_n; i++)
		VX6_TRY(vx6_sessions_listen(node->sessions, &node->cfg.listen[i], detail));
	/* a host without netlink still works; it only hears later of its own changes */
	if (!vx6_is_ok(vx6_netwatch_new(node->loop, on_network_changed, node, &node->netwatch)))
		VX6_WARN("node", "cannot watch this host's addresses");
	wiring_announce(node);
	return VX6_OK;
}

void wiring_stop(struct vx6_node *node)
{
	node->stopping = true;
	vx6_netwatch_free(node->netwatch);
	vx6_forwards_free(node->forwards);
	vx6_reach_free(node->reach);
	vx6_services_free(node->services);
	if (node->publisher)
		vx6_publisher_attach(node->publisher, NULL);
	/* peers hear of their sessions' end; they do not dial any more once sessions drain */
	vx6_sessions_free(node->sessions);
	vx6_peers_free(node->peers);
	vx6_registry_db_close(node->registry_db);
	vx6_registry_free(node->registry);
	vx6_publisher_free(node->publisher);
}
