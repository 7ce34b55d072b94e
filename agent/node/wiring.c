/*
 * The overlay's parts and how they are connected: who hears of what. Lower layers know nothing of each other but by these calls.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"
#include "node/node_internal.h"
#include "wire/record.h"

/* ---- the registry and its file ---- */

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

	node->registry = vx6_registry_new(&node->identity.net, &hear_registry_events, node);
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
		.events = &hear_session_events,
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

static bool is_session_needed(void *user, const struct vx6_session *s)
{
	const struct vx6_node *node = user;

	return vx6_peers_owns(node->peers, s) || vx6_entry_needs(node->entry, s);
}

static bool endpoint_of(void *user, const struct vx6_node_id *id, struct vx6_endpoint *out)
{
	const struct vx6_node *node = user;

	return vx6_registry_endpoint(node->registry, id, vx6_wall_s(), out);
}

static void dht_now(void *user, struct vx6_dht_now *out)
{
	vx6_dht_link_now(user, out);
}

/* Nodes of before the restart are candidates for the DHT's table: the best that it has room for. */
static void remember_nodes(struct vx6_node *node)
{
	enum { REMEMBERED_MAX = 1024 };
	struct vx6_candidate *c = vx6_zalloc(REMEMBERED_MAX * sizeof *c);
	uint64_t now_s = vx6_wall_s();
	size_t n = vx6_registry_candidates(node->registry, now_s, c, REMEMBERED_MAX);
	struct vx6_endpoint e;

	for (size_t i = 0; i < n; i++)
		if (vx6_registry_endpoint(node->registry, &c[i].node, now_s, &e))
			vx6_dht_link_endpoint(node->dht_link, &e);
	free(c);
}

static vx6_err make_dht(struct vx6_node *node, char *detail)
{
	struct vx6_dht_link_config cfg = {
		.loop = node->loop,
		.sessions = node->sessions,
		.net = node->identity.net,
		.self = node->identity.id,
		.mode = node->cfg.dht,
		.diversity = node->cfg.diversity,
		.asn_map = node->cfg.asn_map,
		.serving_changed = announce_serving,
		.is_needed = is_session_needed,
		.endpoint = endpoint_of,
		.user = node,
	};

	circuits_make_dht(node);
	if (node->cfg.dht == VX6_DHT_MODE_OFF)
		return VX6_OK;
	VX6_TRY(vx6_dht_link_new(&cfg, &node->dht_link, detail, VX6_DETAIL_MAX));
	if (node->hidden_roles_off)
		vx6_dht_link_hold_back(node->dht_link);
	remember_nodes(node);
	vx6_publisher_attach_dht(node->publisher, vx6_dht_link_dht(node->dht_link), dht_now,
				 node->dht_link);
	vx6_resolver_set_dht(node->resolver, vx6_dht_link_dht(node->dht_link), dht_now,
			     node->dht_link);
	vx6_catalogs_set_dht(node->catalogs, vx6_dht_link_dht(node->dht_link), dht_now,
			     node->dht_link);
	return VX6_OK;
}

static void make_lan(struct vx6_node *node)
{
	struct vx6_lan_config cfg = {
		.loop = node->loop,
		.net = node->identity.net,
		.own = announce_beacon,
		.heard = hear_beacon,
		.user = node,
	};
	vx6_err err;

	if (node->cfg.lan_off || node->cfg.listen_n == 0)
		return;
	err = vx6_lan_new(&cfg, &node->lan);
	if (!vx6_is_ok(err))
		VX6_INFO("node", "no beacon on the local network: %s", vx6_err_text(err));
}

static void make_catalogs(struct vx6_node *node)
{
	char dir[sizeof node->state_dir + 16];

	snprintf(dir, sizeof dir, "%s/catalogs", node->state_dir);
	node->catalogs = vx6_catalogs_new(&(struct vx6_catalogs_config){
		.loop = node->loop,
		.registry = node->registry,
		.net = node->identity.net,
		.dir = dir,
		.take = naming_looked_up,
		.changed = tell_catalog,
		.user = node,
	});
}

static void make_parts(struct vx6_node *node, const struct vx6_state_image *img)
{
	struct vx6_publisher_config pub = {
		.loop = node->loop,
		.identity = &node->identity,
		.may_see = announce_may_see,
		.is_public = announce_is_public,
		.seq_used = announce_seq_used,
		.kept = announce_kept,
		.clash = naming_clashed,
		.made = clone_made,
		.foreign = clone_seen,
		.user = node,
		.last_seq = vx6_state_image_u64(img, announce_seq_key, 0),
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
	node->exchange = vx6_exchange_new(&(struct vx6_exchange_config){
		.loop = node->loop,
		.registry = node->registry,
		.self = node->identity.id,
		.take = hear_exchanged,
		.flood = tell_flood,
		.user = node,
	});
	node->entry = vx6_entry_new(&(struct vx6_entry_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.registry = node->registry,
		.self = node->identity.id,
		.transport = node->cfg.transport,
	});
	node->peers = vx6_peers_new(&peers);
	node->services = vx6_services_new(&services);
	node->reattach = vx6_reattach_new(&(struct vx6_reattach_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.registry = node->registry,
		.peers = node->peers,
		.transport = node->cfg.transport,
	});
	make_catalogs(node);
	node->resolver = vx6_resolver_new(&(struct vx6_resolver_config){
		.loop = node->loop,
		.registry = node->registry,
		.names = node->names,
		.peers = node->peers,
		.catalogs = node->catalogs,
		.net = node->identity.net,
		.take = naming_looked_up,
		.hide = circuits_hide,
		.user = node,
	});
	node->clash = vx6_clash_new(&(struct vx6_clash_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.resolver = node->resolver,
		.transport = node->cfg.transport,
		.own = naming_own_claim,
		.user = node,
	});
	circuits_start(node, img);
	node->reach = vx6_reach_new(&(struct vx6_reach_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.registry = node->registry,
		.names = node->names,
		.resolver = node->resolver,
		.peers = node->peers,
		.circuits = node->circuits,
		.hidden_alias = hidden_alias,
		.transport = node->cfg.transport,
		.user = node,
	});
	node->forwards = vx6_forwards_new(&(struct vx6_forwards_config){
		.loop = node->loop,
		.reach = node->reach,
		.allow_non_loopback = node->cfg.allow_non_loopback,
		.failed = tell_forward_failed,
		.recovered = tell_forward_recovered,
		.carrier = circuits_path,
		.user = node,
	});
}

vx6_err wiring_start(struct vx6_node *node, const struct vx6_state_image *img, char *detail)
{
	make_registry(node, img);
	naming_start(node, img);
	clone_start(node);
	VX6_TRY(make_sessions(node, detail));
	make_parts(node, img);
	claim_load(node, img);
	VX6_TRY(make_dht(node, detail));
	hidden_start(node, img);
	for (size_t i = 0; i < node->cfg.listen_n; i++)
		VX6_TRY(vx6_sessions_listen(node->sessions, &node->cfg.listen[i], detail));
	/* a host without netlink still works; it only hears later of its own changes */
	if (!vx6_is_ok(
		    vx6_netwatch_new(node->loop, announce_network_changed, node, &node->netwatch)))
		VX6_WARN("node", "cannot watch this host's addresses");
	announce_endpoint(node);
	circuits_announce(node);
	make_lan(node);
	return VX6_OK;
}

void wiring_stop(struct vx6_node *node)
{
	node->stopping = true;
	vx6_netwatch_free(node->netwatch);
	vx6_lan_free(node->lan);
	vx6_forwards_free(node->forwards);
	vx6_reach_free(node->reach);
	vx6_reattach_free(node->reattach);
	hidden_stop(node);
	circuits_stop(node);
	vx6_clash_free(node->clash);
	vx6_resolver_free(node->resolver);
	vx6_catalogs_free(node->catalogs);
	vx6_services_free(node->services);
	if (node->publisher) {
		vx6_publisher_attach(node->publisher, NULL);
		vx6_publisher_attach_dht(node->publisher, NULL, NULL, NULL);
	}
	vx6_dht_link_free(node->dht_link);
	vx6_entry_free(node->entry);
	/* peers hear of their sessions' end; they do not dial any more once sessions drain */
	vx6_sessions_free(node->sessions);
	circuits_fini(node);
	vx6_peers_free(node->peers);
	vx6_exchange_free(node->exchange);
	vx6_registry_db_close(node->registry_db);
	vx6_registry_free(node->registry);
	vx6_names_free(node->names);
	vx6_publisher_free(node->publisher);
	vx6_clone_free(node->clone);
}
