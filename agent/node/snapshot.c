/*
 * Snapshots: built on the loop of what somebody asks for, shared with the API's thread by reference count. One without rows is kept for a moment.
 */
#include <stdatomic.h>
#include <stdio.h>
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

static size_t count_peers(struct vx6_node *node, size_t *up);

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
	v->streams_active = vx6_sessions_streams(node->sessions);
	v->services = node->service_rows.n;
	v->forwards = node->forward_rows.n;
	v->peers = count_peers(node, &v->peers_up);
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

/* Nodes, and sessions that lead to some. */
struct meeting {
	struct met *met;
	size_t n, cap;
};

struct collecting {
	struct vx6_node *node;
	struct vx6_snapshot *s;
	size_t cap;
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

static void add_met(struct meeting *m, const struct vx6_node_id *node, struct vx6_session *session)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 16;
		m->met = vx6_realloc_array(m->met, m->cap, sizeof *m->met);
	}
	m->met[m->n] = (struct met){.node = *node, .session = session, .nth = m->n};
	m->n++;
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

/*
 * Sessions that the other side opened and no configured peer accounts for, the first of each node. Sorted, for there may be many.
 * @param m the nodes of configured peers @param each called with each
 */
static void each_learned(struct vx6_node *node, struct meeting *m,
			 void (*each)(void *user, struct vx6_session *session), void *user)
{
	vx6_sessions_each(node->sessions, add_session, m);
	if (m->n > 1)
		qsort(m->met, m->n, sizeof *m->met, by_node);
	for (size_t i = 0; i < m->n; i++)
		if (m->met[i].session &&
		    (i == 0 || !vx6_node_id_eq(&m->met[i].node, &m->met[i - 1].node)))
			each(user, m->met[i].session);
	free(m->met);
}

static void add_learned_view(void *user, struct vx6_session *session)
{
	add_learned(user, session);
}

static void add_all_learned(struct collecting *c)
{
	struct meeting m = {0};

	for (size_t i = 0; i < c->s->peers_n; i++)
		if (c->s->peers[i].known)
			add_met(&m, &c->s->peers[i].node_id, NULL);
	each_learned(c->node, &m, add_learned_view, c);
}

static void count_one(void *user, struct vx6_session *session)
{
	(void)session;
	++*(size_t *)user;
}

/* Without a view of each. @return all of them */
static size_t count_peers(struct vx6_node *node, size_t *up)
{
	struct meeting m = {0};
	size_t learned = 0;

	*up = 0;
	for (size_t i = 0; i < node->peer_rows.n; i++) {
		struct vx6_peer_status st;

		if (!vx6_peers_status(node->peers, node->peer_rows.row[i]->meta.id, &st))
			continue;
		*up += st.state == VX6_PEER_UP;
		if (st.known)
			add_met(&m, &st.node, NULL);
	}
	each_learned(node, &m, count_one, &learned);
	*up += learned;
	return node->peer_rows.n + learned;
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

/* ---- services, forwards, tokens ---- */

static void view_service(struct vx6_node *node, const struct row *row, struct vx6_service_view *v)
{
	const struct vx6_flow_stats *stats = vx6_services_stats(node->services, row->meta.id);

	vx6_meta_copy(&v->meta, &row->meta);
	vx6_service_spec_copy(&v->spec, &row->spec.service);
	if (stats)
		v->stats = *stats;
	v->hidden = hidden_row(node, row->meta.id);
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

static void view_forward(struct vx6_node *node, const struct row *row, struct vx6_forward_view *v)
{
	struct vx6_forward_status st;

	vx6_meta_copy(&v->meta, &row->meta);
	v->spec = row->spec.forward;
	if (!vx6_is_ok(vx6_forwards_status(node->forwards, row->meta.id, &st)))
		return;
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

/* ---- which rows ---- */

static bool is_chosen(const struct vx6_select *sel, enum vx6_resource_kind kind,
		      const struct row *row)
{
	char key[VX6_SELECT_TEXT + 4];

	if (sel->what != VX6_SELECT_PAGE)
		return true;
	if (sel->text[0] && !strstr(row_name(kind, row), sel->text))
		return false;
	if (!sel->label[0])
		return true;
	/* in JSON text a quote inside a string has a backslash before it: this is a key, or nothing */
	snprintf(key, sizeof key, "\"%s\":", sel->label);
	return row->meta.labels && strstr(row->meta.labels, key);
}

static size_t first_behind(const struct row_table *t, const char *id)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(t->row[mid]->meta.id, id) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct row *find_one(struct vx6_node *node, const struct vx6_select *sel)
{
	const struct row_table *t = rows_of(node, sel->kind);

	if (strncmp(sel->key, "name:", 5) != 0)
		return rows_find(t, sel->key);
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(row_name(sel->kind, t->row[i]), sel->key + 5) == 0)
			return t->row[i];
	return NULL;
}

/* @param out room for all that may be @return how many */
static size_t choose(struct vx6_node *node, const struct vx6_select *sel,
		     enum vx6_resource_kind kind, const struct row **out, bool *more)
{
	const struct row_table *t = rows_of(node, kind);
	bool paged = sel->what == VX6_SELECT_PAGE;
	size_t n = 0;

	if (sel->what == VX6_SELECT_ONE) {
		out[0] = find_one(node, sel);
		return out[0] != NULL;
	}
	for (size_t i = paged ? first_behind(t, sel->key) : 0; i < t->n && !*more; i++) {
		if (!is_chosen(sel, kind, t->row[i]))
			continue;
		*more = paged && n == sel->limit;
		if (!*more)
			out[n++] = t->row[i];
	}
	return n;
}

static bool holds(const struct vx6_select *sel, enum vx6_resource_kind kind)
{
	return sel->what == VX6_SELECT_ALL || (sel->what > VX6_SELECT_ALL && sel->kind == kind);
}

static void view_rows(struct vx6_node *node, const struct vx6_select *sel, struct vx6_snapshot *s)
{
	size_t most = VX6_MAX(node->service_rows.n, node->forward_rows.n);
	const struct row **chosen = vx6_zalloc((most + 1) * sizeof *chosen);
	size_t n;

	if (holds(sel, VX6_RESOURCE_SERVICE)) {
		n = choose(node, sel, VX6_RESOURCE_SERVICE, chosen, &s->more);
		s->services = vx6_zalloc(n * sizeof *s->services);
		for (size_t i = 0; i < n; i++)
			view_service(node, chosen[i], &s->services[s->services_n++]);
		if (n > 0)
			vx6_publisher_each(node->publisher, view_published, s);
	}
	if (holds(sel, VX6_RESOURCE_FORWARD)) {
		n = choose(node, sel, VX6_RESOURCE_FORWARD, chosen, &s->more);
		s->forwards = vx6_zalloc(n * sizeof *s->forwards);
		for (size_t i = 0; i < n; i++)
			view_forward(node, chosen[i], &s->forwards[s->forwards_n++]);
	}
	free(chosen);
	/* with those that came by themselves, which are in no table */
	if (holds(sel, VX6_RESOURCE_PEER))
		view_peers(node, s);
}

/* ---- snapshots ---- */

/* Without rows: one for all who ask within a moment, as long as nothing changes. */
static const struct vx6_snapshot *brief(struct vx6_node *node)
{
	uint64_t now = vx6_loop_now_ms(node->loop);
	struct counted *c;

	if (node->snapshot && !node->snapshot_dirty &&
	    now - node->snapshot_ms < SNAPSHOT_MAX_AGE_MS)
		return node->snapshot;
	snapshot_drop(node);
	c = vx6_zalloc(sizeof *c);
	atomic_init(&c->refs, 1);
	c->s.index = node->event_index;
	c->s.taken_ms = vx6_wall_ms();
	view_node(node, &c->s.node);
	view_tokens(node, &c->s);
	node->snapshot = &c->s;
	node->snapshot_ms = now;
	node->snapshot_dirty = false;
	return node->snapshot;
}

const struct vx6_snapshot *snapshot_get(struct vx6_node *node, const struct vx6_select *sel)
{
	const struct vx6_snapshot *now = brief(node);
	struct counted *c;

	if (sel->what < VX6_SELECT_ALL)
		return vx6_snapshot_ref(now);
	c = vx6_zalloc(sizeof *c);
	atomic_init(&c->refs, 1);
	c->s.index = now->index;
	c->s.taken_ms = now->taken_ms;
	c->s.node = now->node;
	view_tokens(node, &c->s);
	view_rows(node, sel, &c->s);
	return &c->s;
}

void snapshot_drop(struct vx6_node *node)
{
	vx6_snapshot_unref(node->snapshot);
	node->snapshot = NULL;
}
