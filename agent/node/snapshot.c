/*
 * Snapshots: built on the loop when somebody asks and the last one is stale, shared with the API's thread by reference count.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"
#include "node/node_internal.h"

/* The public part must not show the count, and must be what the receiver points at. */
struct counted {
	struct vx6_snapshot s;
	atomic_uint refs;
};

const struct vx6_snapshot *vx6_snapshot_ref(const struct vx6_snapshot *s)
{
	struct counted *c = (struct counted *)(uintptr_t)s;

	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return s;
}

void vx6_snapshot_unref(const struct vx6_snapshot *s)
{
	struct counted *c = (struct counted *)(uintptr_t)s;

	if (!s || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < c->s.peers_n; i++) {
		vx6_meta_fini(&c->s.peers[i].meta);
		free(c->s.peers[i].services);
	}
	for (size_t i = 0; i < c->s.services_n; i++) {
		vx6_meta_fini(&c->s.services[i].meta);
		vx6_service_spec_fini(&c->s.services[i].spec);
		free(c->s.services[i].hidden);
	}
	for (size_t i = 0; i < c->s.forwards_n; i++)
		vx6_meta_fini(&c->s.forwards[i].meta);
	free(c->s.peers);
	free(c->s.services);
	for (size_t i = 0; i < c->s.tokens_n; i++)
		vx6_meta_fini(&c->s.tokens[i].meta);
	free(c->s.tokens);
	free(c->s.forwards);
	free(c);
}

/* ---- node ---- */

static void view_discovery(struct vx6_node *node, struct vx6_node_view *v)
{
	struct vx6_registry_info known;
	struct vx6_dht *dht = node->dht_link ? vx6_dht_link_dht(node->dht_link) : NULL;

	v->dht.mode = dht ? node->cfg.dht : VX6_DHT_MODE_OFF;
	v->dht.wanted = node->cfg.diversity;
	v->dht.asn_map = node->cfg.asn_map != NULL;
	if (dht)
		vx6_dht_info(dht, &v->dht.info);
	v->lan = node->lan != NULL;
	v->relay = node->stored.relay;
	circuits_relaying_view(node, &v->relaying);
	vx6_registry_info(node->registry, &known);
	v->known_nodes = known.nodes;
	v->known_records = known.records;
}

static void view_node(struct vx6_node *node, struct vx6_node_view *v)
{
	struct vx6_bound bound[2 * VX6_SESSION_LISTEN_MAX];
	struct vx6_endpoint_addr own[VX6_ENDPOINT_ADDRS_MAX];
	size_t n = vx6_sessions_bound(node->sessions, bound);

	vx6_strlcpy(v->name, node->name, sizeof v->name);
	v->generation = node->stored.generation;
	v->created_ms = node->stored.created_ms;
	v->updated_ms = node->stored.updated_ms;
	v->node_id = node->identity.id;
	memcpy(v->sign_pk, node->identity.subkey.key.pk.b, sizeof v->sign_pk);
	v->cert_seq = node->identity.subkey.cert.cert_seq;
	v->cert_not_before = node->identity.subkey.cert.not_before_s;
	v->cert_not_after = node->identity.subkey.cert.not_after_s;
	v->master = node->identity.master;
	for (size_t i = 0; i < n && v->listen_n < VX6_LISTEN_MAX; i++) {
		v->listen[v->listen_n] = bound[i].addr;
		vx6_strlcpy(v->listen_transport[v->listen_n++], bound[i].transport,
			    sizeof v->listen_transport[0]);
	}
	v->addrs_n = announce_own_addrs(node, own);
	for (size_t i = 0; i < v->addrs_n; i++)
		v->addrs[i] = own[i].addr;
	v->transport = node->cfg.transport;
	v->started_ms = node->started_ms;
	v->ready_db = v->ready_identity = true; /* an agent without either does not start */
	v->ready_transport = node->cfg.listen_n == 0 || n > 0;
	v->draining = node->draining;
	v->revoked = node->revoked;
	vx6_strlcpy(v->state_dir, node->state_dir, sizeof v->state_dir);
	view_discovery(node, v);
}

/* ---- peers ---- */

static void view_session(struct vx6_node *node, struct vx6_session *s, struct vx6_peer_view *v)
{
	struct vx6_link_info info;

	vx6_session_info(s, &info);
	v->state = VX6_PEER_UP;
	v->known = vx6_session_node(s) != NULL;
	if (v->known)
		v->node_id = *vx6_session_node(s);
	vx6_strlcpy(v->transport, info.transport, sizeof v->transport);
	v->inbound = !info.initiator;
	v->remote = info.remote;
	v->rtt_us = info.srtt_us;
	v->rttvar_us = info.rttvar_us;
	v->rx_bytes = info.rx_bytes;
	v->tx_bytes = info.tx_bytes;
	v->tx_packets = info.tx_packets;
	v->lost_packets = info.lost_packets;
	v->streams = info.streams > 0 ? info.streams - 1 : 0; /* without the control stream */
	v->since_ms = vx6_session_up_since_ms(s);
	(void)node;
}

static void view_known(struct vx6_node *node, struct vx6_peer_view *v)
{
	char names[VX6_KNOWN_SERVICES_MAX][VX6_LABEL_TEXT];

	if (!v->known)
		return;
	vx6_registry_name(node->registry, &v->node_id, v->node_name);
	v->services_n = vx6_registry_services(node->registry, &v->node_id, vx6_wall_s(), names,
					      VX6_KNOWN_SERVICES_MAX);
	if (v->services_n == 0)
		return;
	v->services = vx6_realloc_array(NULL, v->services_n, sizeof *v->services);
	memcpy(v->services, names, v->services_n * sizeof *names);
}

static void view_configured(struct vx6_node *node, const struct row *row, struct vx6_peer_view *v)
{
	struct vx6_peer_status st = {0};
	struct vx6_session *s = NULL;

	vx6_meta_copy(&v->meta, &row->meta);
	v->spec = row->spec.peer;
	if (!vx6_peers_status(node->peers, row->meta.id, &st))
		return;
	if (st.session)
		s = vx6_sessions_by_id(node->sessions, st.session);
	v->known = st.known;
	v->node_id = st.node;
	if (s)
		view_session(node, s, v);
	v->state = s ? VX6_PEER_UP : st.state;
	v->since_ms = st.since_ms;
	vx6_strlcpy(v->race, st.race, sizeof v->race);
	if (!vx6_is_ok(st.last_err)) {
		v->last_failure.err = st.last_err;
		v->last_failure.wall_ms = st.last_err_ms;
		vx6_strlcpy(v->last_failure.detail, vx6_err_text(st.last_err),
			    sizeof v->last_failure.detail);
	}
	view_known(node, v);
}

/* A node that a configured peer is, or that a session leads to. */
struct met {
	struct vx6_node_id node;
	struct vx6_session *session; /* NULL: it is listed already */
	size_t nth;
};

struct collecting {
	struct vx6_node *node;
	struct vx6_snapshot *s;
	size_t cap;
	struct met *met;
	size_t met_n, met_cap;
};

static struct vx6_peer_view *add_peer(struct collecting *c)
{
	if (c->s->peers_n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 16;
		c->s->peers = vx6_realloc_array(c->s->peers, c->cap, sizeof *c->s->peers);
	}
	memset(&c->s->peers[c->s->peers_n], 0, sizeof *c->s->peers);
	return &c->s->peers[c->s->peers_n++];
}

static void add_met(struct collecting *c, const struct vx6_node_id *node,
		    struct vx6_session *session)
{
	if (c->met_n == c->met_cap) {
		c->met_cap = c->met_cap ? c->met_cap * 2 : 16;
		c->met = vx6_realloc_array(c->met, c->met_cap, sizeof *c->met);
	}
	c->met[c->met_n] = (struct met){.node = *node, .session = session, .nth = c->met_n};
	c->met_n++;
}

static void add_session(struct vx6_session *session, void *user)
{
	const struct vx6_node_id *node = vx6_session_node(session);

	if (node)
		add_met(user, node, session);
}

static int by_node(const void *a, const void *b)
{
	const struct met *x = a, *y = b;
	int order = vx6_node_id_cmp(&x->node, &y->node);

	return order ? order : (x->nth > y->nth) - (x->nth < y->nth);
}

static void add_learned(struct collecting *c, struct vx6_session *session)
{
	const struct vx6_node_id *node = vx6_session_node(session);
	struct vx6_peer_view *v = add_peer(c);

	view_session(c->node, session, v);
	learned_peer_id(node, v->meta.id);
	vx6_strlcpy(v->meta.managed_by, "learned", sizeof v->meta.managed_by);
	v->meta.labels = vx6_strdup("{}");
	v->meta.generation = 1;
	v->meta.created_ms = v->meta.updated_ms = v->since_ms;
	v->spec.has_node_id = true;
	v->spec.node_id = *node;
	view_known(c->node, v);
}

/* Sessions that the other side opened and no configured peer accounts for, the first of each node. Sorted, for there may be many. */
static void add_all_learned(struct collecting *c)
{
	for (size_t i = 0; i < c->s->peers_n; i++)
		if (c->s->peers[i].known)
			add_met(c, &c->s->peers[i].node_id, NULL);
	vx6_sessions_each(c->node->sessions, add_session, c);
	if (c->met_n > 1)
		qsort(c->met, c->met_n, sizeof *c->met, by_node);
	for (size_t i = 0; i < c->met_n; i++)
		if (c->met[i].session &&
		    (i == 0 || !vx6_node_id_eq(&c->met[i].node, &c->met[i - 1].node)))
			add_learned(c, c->met[i].session);
	free(c->met);
}

static int by_id(const void *a, const void *b)
{
	const struct vx6_peer_view *x = a, *y = b;

	return strcmp(x->meta.id, y->meta.id);
}

static void view_peers(struct vx6_node *node, struct vx6_snapshot *s)
{
	struct collecting c = {.node = node, .s = s};

	for (size_t i = 0; i < node->peer_rows.n; i++)
		view_configured(node, node->peer_rows.row[i], add_peer(&c));
	add_all_learned(&c);
	if (s->peers_n > 1)
		qsort(s->peers, s->peers_n, sizeof *s->peers, by_id);
}

/* ---- services, forwards ---- */

static void view_services(struct vx6_node *node, struct vx6_snapshot *s)
{
	s->services = vx6_zalloc(node->service_rows.n * sizeof *s->services);
	for (size_t i = 0; i < node->service_rows.n; i++) {
		const struct row *row = node->service_rows.row[i];
		const struct vx6_flow_stats *stats =
			vx6_services_stats(node->services, row->meta.id);
		struct vx6_service_view *v = &s->services[s->services_n++];

		vx6_meta_copy(&v->meta, &row->meta);
		vx6_service_spec_copy(&v->spec, &row->spec.service);
		if (stats)
			v->stats = *stats;
		v->hidden = hidden_row(node, row->meta.id);
	}
}

/* How well each service's record is kept. */
static void view_published(void *user, uint8_t rtype, const char *name, uint64_t issued_s,
			   const struct vx6_dht_kept *kept)
{
	struct vx6_snapshot *s = user;
	struct vx6_dht_kept_info info;

	if (rtype != VX6_RTYPE_SERVICE || !kept)
		return;
	for (size_t i = 0; i < s->services_n; i++) {
		struct vx6_service_view *v = &s->services[i];

		if (strcmp(v->spec.name, name) != 0)
			continue;
		vx6_dht_kept_info(kept, &info);
		v->published = true;
		v->wanted = info.wanted;
		v->stored = info.stored;
		v->proved = info.proved;
	}
}

static void view_forwards(struct vx6_node *node, struct vx6_snapshot *s)
{
	s->forwards = vx6_zalloc(node->forward_rows.n * sizeof *s->forwards);
	for (size_t i = 0; i < node->forward_rows.n; i++) {
		const struct row *row = node->forward_rows.row[i];
		struct vx6_forward_view *v = &s->forwards[s->forwards_n++];
		struct vx6_forward_status st;

		vx6_meta_copy(&v->meta, &row->meta);
		v->spec = row->spec.forward;
		if (!vx6_is_ok(vx6_forwards_status(node->forwards, row->meta.id, &st)))
			continue;
		v->phase = st.phase;
		v->bound = st.bound;
		v->stats = st.stats;
		if (st.phase == VX6_FORWARD_FAILED && !vx6_is_ok(st.error)) {
			v->stats.last_failure.err = st.error;
			vx6_strlcpy(v->stats.last_failure.detail, "cannot listen",
				    sizeof v->stats.last_failure.detail);
		}
		vx6_strlcpy(v->transport, st.transport, sizeof v->transport);
		v->remote = st.remote;
		v->rtt_us = st.rtt_us;
		vx6_strlcpy(v->circuit, st.circuit, sizeof v->circuit);
		v->hops = st.hops;
	}
}

static void view_tokens(struct vx6_node *node, struct vx6_snapshot *s)
{
	s->tokens_version = node->tokens_changes + 1;
	s->tokens = vx6_zalloc(node->token_rows.n * sizeof *s->tokens);
	for (size_t i = 0; i < node->token_rows.n; i++) {
		const struct row *row = node->token_rows.row[i];
		struct vx6_token_view *v = &s->tokens[s->tokens_n++];

		vx6_meta_copy(&v->meta, &row->meta);
		v->spec = row->spec.token;
	}
}

const struct vx6_snapshot *snapshot_get(struct vx6_node *node)
{
	uint64_t now = vx6_loop_now_ms(node->loop);
	struct counted *c;

	if (node->snapshot && !node->snapshot_dirty &&
	    now - node->snapshot_ms < SNAPSHOT_MAX_AGE_MS)
		return vx6_snapshot_ref(node->snapshot);
	snapshot_drop(node);
	c = vx6_zalloc(sizeof *c);
	atomic_init(&c->refs, 1);
	c->s.index = node->event_index;
	c->s.taken_ms = vx6_wall_ms();
	view_node(node, &c->s.node);
	view_peers(node, &c->s);
	view_services(node, &c->s);
	vx6_publisher_each(node->publisher, view_published, &c->s);
	view_forwards(node, &c->s);
	view_tokens(node, &c->s);
	c->s.node.streams_active = vx6_sessions_streams(node->sessions);
	node->snapshot = &c->s;
	node->snapshot_ms = now;
	node->snapshot_dirty = false;
	return vx6_snapshot_ref(node->snapshot);
}

void snapshot_drop(struct vx6_node *node)
{
	vx6_snapshot_unref(node->snapshot);
	node->snapshot = NULL;
}
