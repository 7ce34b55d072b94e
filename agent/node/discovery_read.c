/* Pages of what registry, names and DHT know, copied for the API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/discovery_internal.h"

enum { BINDINGS_A_STEP = 128 };

struct vx6_page *page_new(enum vx6_page_kind kind, size_t rows)
{
	static const size_t sizes[] = {
		[VX6_PAGE_NODES] = sizeof(struct vx6_node_row),
		[VX6_PAGE_SERVICES] = sizeof(struct vx6_service_row),
		[VX6_PAGE_BINDINGS] = sizeof(struct vx6_name_binding),
		[VX6_PAGE_CONFLICTS] = sizeof(struct vx6_name_conflict),
		[VX6_PAGE_CONTACTS] = sizeof(struct vx6_contact_row),
		[VX6_PAGE_REPLICAS] = sizeof(struct vx6_replica_row),
		[VX6_PAGE_OPERATIONS] = sizeof(struct vx6_op_row),
		[VX6_PAGE_CATALOGS] = sizeof(struct vx6_catalog_row),
		[VX6_PAGE_RELAYS] = sizeof(struct vx6_relay_row),
		[VX6_PAGE_CIRCUITS] = sizeof(struct vx6_circuit_row),
		[VX6_PAGE_DECISIONS] = sizeof(struct vx6_decision_row),
		[VX6_PAGE_HIDDEN] = sizeof(struct vx6_hidden_row),
		[VX6_PAGE_HIDDEN_CLIENTS] = sizeof(struct vx6_hidden_client_row),
		[VX6_PAGE_HIDDEN_ALIASES] = sizeof(struct vx6_hidden_alias_row),
		[VX6_PAGE_HIDDEN_ATTEMPTS] = sizeof(struct vx6_hidden_attempt_row),
		[VX6_PAGE_HIDDEN_FOUND] = sizeof(struct vx6_hidden_found_row),
	};

	_Static_assert(VX6_ARRAY_N(sizes) == VX6_PAGES_N, "a size for each kind");
	struct vx6_page *p = vx6_zalloc(sizeof *p);

	p->kind = kind;
	p->u.rows = vx6_zalloc((rows ? rows : 1) * sizes[kind]);
	return p;
}

bool page_matches(const struct vx6_page_ask *ask, const char *text, const struct vx6_node_id *node)
{
	char id[VX6_NODE_ID_TEXT];

	return !ask->q[0] || strstr(text, ask->q) ||
	       (node && strncmp(vx6_node_id_format(node, id), ask->q, strlen(ask->q)) == 0);
}

void page_answer(struct request *rq, struct vx6_page *page)
{
	struct vx6_answer answer = {.err = VX6_OK, .page = page};

	request_answer(rq, &answer);
}

/* Cuts the one row off that was read to see whether there are more. */
static void page_close(struct vx6_page *p, size_t n, size_t limit)
{
	p->more = n > limit;
	p->n = VX6_MIN(n, limit);
}

static enum vx6_heard_from heard_from(enum vx6_source_kind kind)
{
	switch (kind) {
	case VX6_SOURCE_SUBJECT:
		return VX6_HEARD_SESSION;
	case VX6_SOURCE_PEER:
		return VX6_HEARD_EXCHANGE;
	case VX6_SOURCE_DHT:
		return VX6_HEARD_DHT;
	case VX6_SOURCE_LAN:
		return VX6_HEARD_LAN;
	case VX6_SOURCE_DISK:
		break;
	}
	return VX6_HEARD_DISK;
}

static bool in_conflict(const struct vx6_node *node, const char *name)
{
	struct vx6_name_conflict c;

	return name[0] && vx6_names_conflict(node->names, name, &c);
}

/* ---- nodes ---- */

static void copy_services(struct vx6_node *node, struct vx6_node_row *row, uint64_t now_s)
{
	char names[VX6_KNOWN_SERVICES_MAX][VX6_LABEL_TEXT];
	size_t n = vx6_registry_services(node->registry, &row->node, now_s, names,
					 VX6_KNOWN_SERVICES_MAX);

	if (n == 0)
		return;
	row->services = vx6_realloc_array(NULL, n, sizeof *row->services);
	memcpy(row->services, names, n * sizeof *names);
	row->services_n = n;
}

static void copy_revocation(struct vx6_node *node, struct vx6_node_row *row)
{
	struct vx6_revocation r;

	if (!vx6_registry_revocation(node->registry, &row->node, &r))
		return;
	row->reason = r.reason;
	row->has_successor = r.has_successor;
	row->successor = r.successor;
}

static void copy_node(struct vx6_node *node, const struct vx6_known_node *k,
		      struct vx6_node_row *row, uint64_t now_s)
{
	const struct vx6_endpoint *e = &k->endpoint;

	row->node = k->id;
	row->state = k->revoked        ? VX6_KNOWN_REVOKED
		     : k->has_endpoint ? VX6_KNOWN_VALID
				       : VX6_KNOWN_EXPIRED;
	row->source = heard_from(k->source);
	row->introduced = k->introduced;
	row->by = k->by;
	row->met_ms = k->contact.met_s * 1000;
	row->connected = vx6_sessions_find(node->sessions, &k->id, VX6_DIAL_ANY) != NULL;
	if (k->has_endpoint) {
		vx6_strlcpy(row->name, e->name, sizeof row->name);
		row->seq = e->seq;
		row->issued_ms = e->issued_s * 1000;
		row->expires_ms = (e->issued_s + e->lifetime_s) * 1000;
		row->features = e->features;
		memcpy(row->addrs, e->addrs, sizeof row->addrs);
		row->addrs_n = e->n_addrs;
	}
	row->conflict = in_conflict(node, row->name);
	if (k->revoked)
		copy_revocation(node, row);
	copy_services(node, row, now_s);
}

static void take_claim(void *user, const struct vx6_known_record *r)
{
	memcpy(((struct vx6_node_id *)user)->b, r->key.subject, VX6_NODE_ID_BYTES);
}

/* "vx1…", or "name:" and what a node calls itself; of several that do, one. */
static bool find_node(struct vx6_node *node, const char *text, uint64_t now_s,
		      struct vx6_known_node *out)
{
	struct vx6_node_id id = {0};

	if (strncmp(text, "name:", 5) == 0)
		vx6_registry_each_claim(node->registry, text + 5, now_s, take_claim, &id);
	else if (!vx6_is_ok(vx6_node_id_parse(text, &id)))
		return false;
	return vx6_registry_node(node->registry, &id, now_s, out);
}

static struct vx6_page *one_node(struct vx6_node *node, const char *text, uint64_t now_s)
{
	struct vx6_page *p = page_new(VX6_PAGE_NODES, 1);
	struct vx6_known_node k;

	if (find_node(node, text, now_s, &k)) {
		copy_node(node, &k, &p->u.nodes[0], now_s);
		p->n = 1;
	}
	return p;
}

static struct vx6_page *nodes_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	uint64_t now_s = vx6_wall_s();
	struct vx6_known_node *known;
	struct vx6_node_id after;
	char text[VX6_NODE_ID_TEXT];
	struct vx6_page *p;
	bool go_on = ask->after[0] && vx6_is_ok(vx6_node_id_parse(ask->after, &after));
	size_t n;

	if (ask->exact[0])
		return one_node(node, ask->exact, now_s);
	if (ask->has_node)
		return one_node(node, vx6_node_id_format(&ask->node, text), now_s);
	known = vx6_zalloc((ask->limit + 1) * sizeof *known);
	n = vx6_registry_page_nodes(node->registry, go_on ? &after : NULL, ask->q, now_s, known,
				    ask->limit + 1);
	p = page_new(VX6_PAGE_NODES, n);
	page_close(p, n, ask->limit);
	for (size_t i = 0; i < p->n; i++)
		copy_node(node, &known[i], &p->u.nodes[i], now_s);
	free(known);
	return p;
}

/* ---- services ---- */

static void copy_service(struct vx6_node *node, const struct vx6_service_record *s,
			 struct vx6_service_row *row, uint64_t now_s)
{
	struct vx6_hwm_key key = {.type = VX6_RTYPE_SERVICE, .slot = vx6_service_slot(s->name)};
	struct vx6_known_record record;
	struct vx6_revocation r;

	row->node = s->node;
	vx6_registry_name(node->registry, &s->node, row->node_name);
	vx6_strlcpy(row->name, s->name, sizeof row->name);
	row->seq = s->seq;
	row->issued_ms = s->issued_s * 1000;
	row->expires_ms = (s->issued_s + s->lifetime_s) * 1000;
	row->state = vx6_registry_revocation(node->registry, &s->node, &r) &&
				     r.reason != VX6_REVOKE_SUBKEY
			     ? VX6_KNOWN_REVOKED
			     : VX6_KNOWN_VALID;
	memcpy(key.subject, s->node.b, sizeof key.subject);
	row->source = vx6_registry_find(node->registry, &key, now_s, &record)
			      ? heard_from(record.source)
			      : VX6_HEARD_DISK;
	row->conflict = in_conflict(node, row->node_name);
}

/* "vx1….web" */
static bool split_service(const char *text, struct vx6_node_id *node, char name[VX6_LABEL_TEXT])
{
	const char *dot = strchr(text, '.');
	char id[VX6_NODE_ID_TEXT];

	if (!dot || (size_t)(dot - text) >= sizeof id)
		return false;
	memcpy(id, text, (size_t)(dot - text));
	id[dot - text] = 0;
	vx6_strlcpy(name, dot + 1, VX6_LABEL_TEXT);
	return vx6_is_ok(vx6_node_id_parse(id, node));
}

static struct vx6_page *services_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	struct vx6_service_record *known = vx6_zalloc((ask->limit + 1) * sizeof *known);
	struct vx6_node_id after = ask->node;
	char name[VX6_LABEL_TEXT] = "";
	bool go_on = (ask->after[0] && split_service(ask->after, &after, name)) || ask->has_node;
	uint64_t now_s = vx6_wall_s();
	struct vx6_page *p;
	size_t n = vx6_registry_page_services(node->registry, go_on ? &after : NULL,
					      go_on ? name : NULL, ask->q, now_s, known,
					      ask->limit + 1);

	/* those of one node stand together */
	for (size_t i = 0; ask->has_node && i < n; i++)
		if (!vx6_node_id_eq(&known[i].node, &ask->node))
			n = i;
	p = page_new(VX6_PAGE_SERVICES, n);
	page_close(p, n, ask->limit);
	for (size_t i = 0; i < p->n; i++)
		copy_service(node, &known[i], &p->u.services[i], now_s);
	free(known);
	return p;
}

/* ---- names ---- */

static bool split_binding(const char *text, struct vx6_name_binding *out)
{
	const char *colon = strchr(text, ':');

	*out = (struct vx6_name_binding){.kind = text[1] == 'i' ? VX6_BINDING_PIN
								: VX6_BINDING_PETNAME};
	if (!colon || !vx6_label_is_valid(colon + 1, strlen(colon + 1)))
		return false;
	vx6_strlcpy(out->name, colon + 1, sizeof out->name);
	return true;
}

static bool binding_wanted(const struct vx6_page_ask *ask, const struct vx6_name_binding *b)
{
	return (!ask->has_filter || (int)b->kind == ask->filter) &&
	       (!ask->has_node || vx6_node_id_eq(&b->node, &ask->node));
}

static struct vx6_page *bindings_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	struct vx6_page *p = page_new(VX6_PAGE_BINDINGS, ask->limit + 1);
	struct vx6_name_binding step[BINDINGS_A_STEP], after;
	size_t got = BINDINGS_A_STEP, n = 0;
	bool go_on;

	if (ask->exact[0]) {
		p->n = split_binding(ask->exact, &after) &&
		       vx6_names_find(node->names, after.kind, after.name, &p->u.bindings[0]);
		return p;
	}
	go_on = ask->after[0] && split_binding(ask->after, &after);
	while (n <= ask->limit && got == BINDINGS_A_STEP) {
		got = vx6_names_page(node->names, go_on ? &after : NULL, ask->q, step,
				     BINDINGS_A_STEP);
		for (size_t i = 0; i < got && n <= ask->limit; i++)
			if (binding_wanted(ask, &step[i]))
				p->u.bindings[n++] = step[i];
		if (got > 0)
			after = step[got - 1];
		go_on = true;
	}
	page_close(p, n, ask->limit);
	return p;
}

static struct vx6_page *conflicts_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	struct vx6_page *p = page_new(VX6_PAGE_CONFLICTS, ask->limit + 1);

	page_close(p,
		   vx6_names_page_conflicts(node->names, ask->after[0] ? ask->after : NULL, ask->q,
					    p->u.conflicts, ask->limit + 1),
		   ask->limit);
	return p;
}

/* ---- DHT ---- */

/* A row and its key, while they are brought into order. */
struct keyed {
	char key[VX6_PAGE_KEY];
	size_t at;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key);
}

/* Takes the page's part out of all rows @p from, whose size is @p size. */
static struct vx6_page *cut(struct vx6_page *from, size_t size, const struct vx6_page_ask *ask)
{
	struct keyed *order = vx6_zalloc((from->n + 1) * sizeof *order);
	struct vx6_page *p;
	size_t n = 0, first = 0;

	for (size_t i = 0; i < from->n; i++) {
		vx6_page_key(from, i, order[i].key);
		order[i].at = i;
	}
	if (from->n > 1)
		qsort(order, from->n, sizeof *order, by_key);
	while (first < from->n && ask->after[0] && strcmp(order[first].key, ask->after) <= 0)
		first++;
	n = VX6_MIN(from->n - first, (size_t)ask->limit);
	p = page_new(from->kind, n);
	for (size_t i = 0; i < n; i++)
		memcpy((char *)p->u.rows + i * size,
		       (const char *)from->u.rows + order[first + i].at * size, size);
	p->n = n;
	p->more = first + n < from->n;
	free(order);
	vx6_page_free(from);
	return p;
}

struct gathering {
	struct vx6_node *node;
	const struct vx6_page_ask *ask;
	struct vx6_page *page;
	size_t cap;
	struct vx6_dht_now now;
	uint64_t wall_ms;
};

/* The wall clock's time of a moment that the DHT counted. */
static uint64_t wall_of(const struct gathering *g, uint64_t ms)
{
	uint64_t ago = ms < g->now.ms ? g->now.ms - ms : 0;

	return ms == 0 || ago > g->wall_ms ? 0 : g->wall_ms - ago;
}

static void add_contact(void *user, const struct vx6_dht_row *row)
{
	struct gathering *g = user;
	struct vx6_page *p = g->page;
	char text[VX6_ADDR_TEXT];
	struct vx6_addr addr;

	vx6_dht_contact_addr(&row->contact, &addr);
	if (!page_matches(g->ask, vx6_addr_format(&addr, text), &row->contact.node))
		return;
	if (p->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 64;
		p->u.contacts = vx6_realloc_array(p->u.contacts, g->cap, sizeof *p->u.contacts);
	}
	p->u.contacts[p->n++] =
		(struct vx6_contact_row){.row = *row, .heard_ms = wall_of(g, row->heard_ms)};
}

static struct vx6_page *contacts_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	struct vx6_dht *dht = discovery_dht(node);
	struct gathering g = {.node = node, .ask = ask, .wall_ms = vx6_wall_ms()};

	g.page = page_new(VX6_PAGE_CONTACTS, 0);
	if (dht) {
		vx6_dht_link_now(node->dht_link, &g.now);
		vx6_dht_each(dht, add_contact, &g);
	}
	return cut(g.page, sizeof(struct vx6_contact_row), ask);
}

static void add_replica(void *user, uint8_t rtype, const char *name, uint64_t issued_s,
			const struct vx6_dht_kept *kept)
{
	struct gathering *g = user;
	struct vx6_replica_row *row;

	if (!kept || (g->ask->has_filter && rtype != g->ask->filter))
		return;
	if (g->page->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 16;
		g->page->u.replicas =
			vx6_realloc_array(g->page->u.replicas, g->cap, sizeof *g->page->u.replicas);
	}
	row = &g->page->u.replicas[g->page->n++];
	*row = (struct vx6_replica_row){.name = ""};
	vx6_strlcpy(row->name, name, sizeof row->name);
	vx6_dht_kept_info(kept, &row->info);
	row->proved_ms = wall_of(g, row->info.proved_ms);
}

static struct vx6_page *replicas_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	struct gathering g = {.node = node, .ask = ask, .wall_ms = vx6_wall_ms()};

	g.page = page_new(VX6_PAGE_REPLICAS, 0);
	if (discovery_dht(node)) {
		vx6_dht_link_now(node->dht_link, &g.now);
		vx6_publisher_each(node->publisher, add_replica, &g);
	}
	return cut(g.page, sizeof(struct vx6_replica_row), ask);
}

struct vx6_dht *discovery_dht(const struct vx6_node *node)
{
	return node->dht_link ? vx6_dht_link_dht(node->dht_link) : NULL;
}

struct vx6_page *discovery_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	switch (ask->kind) {
	case VX6_PAGE_NODES:
		return nodes_page(node, ask);
	case VX6_PAGE_SERVICES:
		return services_page(node, ask);
	case VX6_PAGE_BINDINGS:
		return bindings_page(node, ask);
	case VX6_PAGE_CONFLICTS:
		return conflicts_page(node, ask);
	case VX6_PAGE_CONTACTS:
		return contacts_page(node, ask);
	case VX6_PAGE_REPLICAS:
		return replicas_page(node, ask);
	default:
		return page_new(ask->kind, 0);
	}
}
