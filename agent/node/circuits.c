/*
 * The node's circuits: the parts are made and connected here, fed with what the registry knows, and asked about routes.
 * circuits_relay.c is this node as a relay of others; circuits_rows.c shows all of it; circuits_store.c keeps what must outlive a restart.
 */
#include "node/circuits_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/known.h"
#include "node/hidden_internal.h"

enum { UPKEEP_MS = 5000 };

/* ---- what is known of other nodes ---- */

static bool known_node(void *user, const struct vx6_node_id *who, struct vx6_circuits_node *out)
{
	struct vx6_node *node = user;
	uint64_t now_s = vx6_wall_s();

	if (vx6_node_id_eq(who, &node->identity.id))
		return circuits_known_self(node, out);
	return vx6_registry_relay(node->registry, who, now_s, &out->info) &&
	       vx6_registry_endpoint_record(node->registry, who, now_s, &out->endpoint,
					    &out->endpoint_n);
}

static uint32_t asn_of(const struct vx6_node *node, const struct vx6_addr *a)
{
	return node->dht_link ? vx6_dht_link_asn(node->dht_link, a) : 0;
}

static void known_end(void *user, const struct vx6_node_id *who, struct vx6_path_end *out)
{
	struct vx6_node *node = user;
	struct vx6_relay_info info;
	struct vx6_endpoint e;

	*out = (struct vx6_path_end){.node = *who};
	if (vx6_registry_relay(node->registry, who, vx6_wall_s(), &info) && info.has_family)
		memcpy(out->family, info.family, sizeof out->family);
	if (!vx6_registry_endpoint(node->registry, who, vx6_wall_s(), &e))
		return;
	for (size_t i = 0; i < e.n_addrs; i++)
		vx6_networks_add(&out->nets, &e.addrs[i].addr, asn_of(node, &e.addrs[i].addr));
}

static void try_direct(void *user, const struct vx6_node_id *who)
{
	const struct vx6_node *node = user;

	if (!node->draining && !node->stopping)
		vx6_reach_direct(node->reach, who);
}

void circuits_view(void *user, struct vx6_path_view *out)
{
	struct vx6_node *node = user;
	struct vx6_endpoint_addr own[VX6_ENDPOINT_ADDRS_MAX] = {0};
	size_t n = announce_own_addrs(node, own);

	*out = (struct vx6_path_view){.now_s = vx6_wall_s(), .self = node->identity.id};
	switch (node->cfg.diversity) {
	case VX6_DIVERSITY_OFF:
		out->diversity = VX6_PATH_DIVERSITY_OFF;
		break;
	case VX6_DIVERSITY_AUTO:
		out->diversity = VX6_PATH_DIVERSITY_AUTO;
		break;
	default:
		out->diversity = VX6_PATH_DIVERSITY_ON;
	}
	memcpy(out->family, node->relay_family, sizeof out->family);
	for (size_t i = 0; i < n; i++)
		vx6_networks_add(&out->nets, &own[i].addr, asn_of(node, &own[i].addr));
}

/* ---- relays come and go ---- */

static void put_relay(struct vx6_node *node, const struct vx6_relay_info *info)
{
	struct vx6_relay_facts f;
	struct vx6_endpoint e;
	size_t n = 0;

	if (vx6_node_id_eq(&info->node, &node->identity.id) ||
	    !vx6_registry_endpoint(node->registry, &info->node, vx6_wall_s(), &e))
		return;
	/* one that only says where its services are is no relay */
	if (!(info->policy & (VX6_RELAY_GUARD | VX6_RELAY_MIDDLE))) {
		vx6_relays_drop(node->relays, &info->node);
		return;
	}
	for (size_t i = 0; i < e.n_addrs; i++)
		if (vx6_known_may_dial(node->sessions, &e.addrs[i].addr))
			e.addrs[n++] = e.addrs[i];
	e.n_addrs = (uint8_t)n;
	if (n == 0)
		return;
	vx6_relay_facts_of(info, &e, vx6_wall_s(), &f);
	for (size_t i = 0; i < f.addrs_n; i++)
		f.asns[i] = asn_of(node, &f.addrs[i]);
	(void)vx6_is_ok(vx6_relays_put(node->relays, &f, vx6_wall_s()));
}

static void put_each(void *user, const struct vx6_relay_info *info)
{
	put_relay(user, info);
}

void circuits_heard(struct vx6_node *node, const struct vx6_registry_change *c)
{
	struct vx6_relay_info info;

	if (c->record->key.type != VX6_RTYPE_RELAY && c->record->key.type != VX6_RTYPE_ENDPOINT)
		return;
	if (vx6_registry_relay(node->registry, &c->subject, vx6_wall_s(), &info))
		put_relay(node, &info);
	else if (c->record->key.type == VX6_RTYPE_RELAY)
		vx6_relays_drop(node->relays, &c->subject);
	vx6_guards_heard(node->guards, &c->subject);
	vx6_vanguards_heard(node->vanguards, &c->subject);
	vx6_circuits_learned(node->circuits, &c->subject);
}

void circuits_revoked(struct vx6_node *node, const struct vx6_node_id *who)
{
	vx6_relays_forget(node->relays, who);
}

/* ---- asking for what is not known ---- */

static void on_asked(void *user, const struct vx6_resolution *res)
{
	struct circuits_ask *a = user;
	struct vx6_node *node = a->node;
	struct vx6_node_id who = a->who;
	struct vx6_circuits_node known;
	bool anonymous = a->anonymous;
	vx6_err err = res->err;

	vx6_list_remove(&a->of_node);
	free(a);
	if (node->stopping)
		return;
	if (known_node(node, &who, &known)) {
		vx6_circuits_learned(node->circuits, &who);
		return;
	}
	vx6_circuits_unknown(node->circuits, &who, anonymous,
			     vx6_is_ok(err) ? VX6_ERR(NOT_FOUND) : err);
}

/* In the open and over circuits side by side: neither is held up, or answered, by the other. */
static bool ask(void *user, const struct vx6_node_id *who, bool anonymous)
{
	struct vx6_node *node = user;
	struct vx6_resolve_ask how = {.fresh = true, .want_relay = true, .anonymous = anonymous};
	struct circuits_ask *a;

	VX6_LIST_EACH(n, &node->circuit_asks)
	{
		a = VX6_CONTAINER_OF(n, struct circuits_ask, of_node);
		if (a->anonymous == anonymous && vx6_node_id_eq(&a->who, who))
			return true;
	}
	how.target.has_node_id = true;
	how.target.node_id = *who;
	a = vx6_zalloc(sizeof *a);
	a->node = node;
	a->who = *who;
	a->anonymous = anonymous;
	vx6_list_push(&node->circuit_asks, &a->of_node);
	a->resolving = vx6_resolve(node->resolver, &how, on_asked, a);
	if (a->resolving)
		return true;
	vx6_list_remove(&a->of_node);
	free(a);
	return false;
}

static void stop_asking(struct vx6_node *node)
{
	VX6_LIST_EACH(n, &node->circuit_asks)
	{
		struct circuits_ask *a = VX6_CONTAINER_OF(n, struct circuits_ask, of_node);

		vx6_resolve_cancel(a->resolving);
		vx6_list_remove(&a->of_node);
		free(a);
	}
}

/* ---- lookups over circuits ---- */

static bool is_proxy(const struct vx6_node *node, const struct vx6_relay_entry *e,
		     const struct vx6_node_id *but, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (vx6_node_id_eq(&e->node, &but[i]))
			return false;
	return (e->policy & VX6_RELAY_DHT_PROXY) &&
	       vx6_path_standing(e, vx6_wall_s()) <= VX6_PATH_YOUNG;
}

/* Any one that says it does that, each as likely as the other. */
static bool pick_proxy(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out)
{
	const struct vx6_node *node = user;
	uint32_t seen = 0;

	for (size_t i = 0; i < vx6_relays_count(node->relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(node->relays, i);

		if (is_proxy(node, e, but, n) && vx6_random_below(++seen) == 0)
			*out = e->node;
	}
	return seen > 0;
}

static const struct vx6_dht *open_dht(void *user)
{
	const struct vx6_node *node = user;

	return node->dht_link ? vx6_dht_link_dht(node->dht_link) : NULL;
}

/* Proxies serve the DHT themselves. */
static void heard(void *user, vx6_dht_circuit_met *met, void *met_user)
{
	const struct vx6_node *node = user;
	uint64_t now_s = vx6_wall_s();

	for (size_t i = 0; i < vx6_relays_count(node->relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(node->relays, i);
		struct vx6_dht_contact c;
		struct vx6_endpoint ep;

		if (is_proxy(node, e, NULL, 0) &&
		    vx6_registry_endpoint(node->registry, &e->node, now_s, &ep) &&
		    vx6_dht_contact_of(&ep, &c))
			met(met_user, &c);
	}
}

static void circuit_now(void *user, struct vx6_dht_now *out)
{
	vx6_dht_circuit_now(user, out);
}

static void hidden_dht(void *user, struct vx6_dht *dht)
{
	struct vx6_node *node = user;

	vx6_resolver_set_anonymous_dht(node->resolver, dht, circuit_now, node->dht_circuit);
}

void circuits_make_dht(struct vx6_node *node)
{
	node->dht_circuit = vx6_dht_circuit_new(&(struct vx6_dht_circuit_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.circuits = node->circuits,
		.net = node->identity.net,
		.pick = pick_proxy,
		.other = open_dht,
		.heard = heard,
		.changed = hidden_dht,
		.user = node,
	});
}

struct vx6_hs_dht *circuits_make_hs_dht(struct vx6_node *node)
{
	return vx6_hs_dht_new(&(struct vx6_hs_dht_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.circuits = node->circuits,
		.net = node->identity.net,
		.pick = pick_proxy,
		.other = open_dht,
		.heard = heard,
		.user = node,
	});
}

void circuits_hide(void *user)
{
	struct vx6_node *node = user;

	if (node->dht_circuit && !node->stopping)
		vx6_dht_circuit_want(node->dht_circuit);
}

/* ---- news ---- */

static void on_news(void *user, enum vx6_circuits_news what, const char *id,
		    const struct vx6_node_id *target, const char *why)
{
	static const char *const type[] = {
		[VX6_NEWS_BUILT] = "circuit.built",
		[VX6_NEWS_FAILED] = "circuit.failed",
		[VX6_NEWS_CLOSED] = "circuit.closed",
		[VX6_NEWS_MOVED] = "circuit.moved",
	};
	struct vx6_node *node = user;

	if (!node->stopping)
		circuits_tell(node, type[what], id, target, why);
}

void circuits_path(void *user, const struct vx6_link *link, char id[static VX6_RESOURCE_ID_MAX],
		   uint32_t *hops)
{
	struct vx6_node *node = user;

	id[0] = '\0';
	*hops = 0;
	if (node->circuits)
		vx6_circuits_of_link(node->circuits, link, id, hops);
}

/* ---- by hand ---- */

static void explain(vx6_err err, const char *why, char *detail)
{
	if (!vx6_is_ok(err))
		vx6_strlcpy(detail, why[0] ? why : vx6_err_text(err), VX6_DETAIL_MAX);
}

vx6_err circuits_build(struct vx6_node *node, const struct vx6_circuit_ask *ask,
		       char id[static VX6_RESOURCE_ID_MAX], char *detail)
{
	char made[VX6_CIRCUIT_ID_TEXT] = "", why[VX6_CIRCUIT_WHY] = "";
	vx6_err err = vx6_circuits_build(node->circuits, ask->has_target ? &ask->target : NULL,
					 &ask->route, made, why);

	/* what is not known of the target is being asked for now; whoever asks again may have more luck */
	if (err.code == VX6_E_AGAIN)
		err = VX6_ERR(PEER_UNKNOWN);
	explain(err, why, detail);
	vx6_strlcpy(id, made, VX6_RESOURCE_ID_MAX);
	return err;
}

vx6_err circuits_rebuild(struct vx6_node *node, const char *id,
			 char new_id[static VX6_RESOURCE_ID_MAX], char *detail)
{
	char made[VX6_CIRCUIT_ID_TEXT] = "", why[VX6_CIRCUIT_WHY] = "";
	vx6_err err = vx6_circuits_rebuild(node->circuits, id, made, why);

	explain(err, why, detail);
	vx6_strlcpy(new_id, made, VX6_RESOURCE_ID_MAX);
	return err;
}

vx6_err circuits_close(struct vx6_node *node, const char *id)
{
	return vx6_circuits_close(node->circuits, id);
}

/* ---- life ---- */

static void on_upkeep(struct vx6_timer *timer)
{
	struct vx6_node *node = timer->user;
	struct vx6_path_view view;

	circuits_view(node, &view);
	vx6_relays_expire(node->relays, view.now_s);
	if (vx6_guards_count(node->guards) > 0)
		vx6_guards_update(node->guards, node->relays, &view, &vx6_rand_system);
	if (vx6_vanguards_count(node->vanguards) > 0)
		vx6_vanguards_update(node->vanguards, node->relays, node->guards, &view,
				     &vx6_rand_system);
	circuits_save(node);
	circuits_relay_upkeep(node);
	circuits_own_upkeep(node);
	vx6_timer_in_ms(timer, UPKEEP_MS);
}

void circuits_start(struct vx6_node *node, const struct vx6_state_image *img)
{
	vx6_list_init(&node->circuit_asks);
	node->relays = vx6_relays_new();
	node->guards = vx6_guards_new();
	node->vanguards = vx6_vanguards_new();
	node->build_times = vx6_build_times_new();
	circuits_load(node, img);
	circuits_own_load(node, img);
	circuits_relay_start(node);
	node->origin = vx6_origin_new(&(struct vx6_origin_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.sched = node->hop_sched,
		.net = &node->identity.net,
	});
	node->circuits = vx6_circuits_new(&(struct vx6_circuits_config){
		.loop = node->loop,
		.sessions = node->sessions,
		.origin = node->origin,
		.relays = node->relays,
		.guards = node->guards,
		.vanguards = node->vanguards,
		.times = node->build_times,
		.self = node->identity.id,
		.node = known_node,
		.ask = ask,
		.direct = try_direct,
		.own = circuits_own_relay,
		.view = circuits_view,
		.end = known_end,
		.news = on_news,
		.rendezvous = hidden_rendezvous,
		.rendezvous_begins = hidden_rendezvous_begins,
		.rendezvous_gone = hidden_rendezvous_gone,
		.rendezvous_said = hidden_rendezvous_said,
		.user = node,
	});
	vx6_registry_each_relay(node->registry, vx6_wall_s(), put_each, node);
	vx6_timer_init(node->loop, &node->circuit_upkeep, on_upkeep, node);
	vx6_timer_in_ms(&node->circuit_upkeep, UPKEEP_MS);
}

void circuits_stop(struct vx6_node *node)
{
	if (!node->circuits)
		return;
	vx6_timer_stop(&node->circuit_upkeep);
	stop_asking(node);
	vx6_dht_circuit_free(node->dht_circuit);
	node->dht_circuit = NULL;
	vx6_circuits_free(node->circuits);
	vx6_origin_free(node->origin);
	circuits_relay_stop(node);
	circuits_save(node);
	node->circuits = NULL;
}

void circuits_fini(struct vx6_node *node)
{
	circuits_relay_fini(node);
	vx6_build_times_free(node->build_times);
	vx6_vanguards_free(node->vanguards);
	vx6_guards_free(node->guards);
	vx6_relays_free(node->relays);
}
