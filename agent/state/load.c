/*
 * Reading everything at the start. A row that cannot be understood (an interface of a link-local address is gone) is left out with a
 * line in the log and stays in the database.
 */
#include <string.h>

#include "base/util.h"
#include "state/state_internal.h"

/* ---- columns ---- */

static const char *text_at(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? text : "";
}

static uint64_t u64_at(sqlite3_stmt *stmt, int column)
{
	return (uint64_t)sqlite3_column_int64(stmt, column);
}

static bool copy_at(sqlite3_stmt *stmt, int column, char *out, size_t cap)
{
	return vx6_strlcpy(out, text_at(stmt, column), cap) < cap;
}

static bool addr_at(sqlite3_stmt *stmt, int column, struct vx6_addr *out)
{
	*out = (struct vx6_addr){.family = VX6_ADDR_NONE};
	if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
		return true;
	return vx6_is_ok(vx6_addr_parse(text_at(stmt, column), out));
}

static bool node_id_at(sqlite3_stmt *stmt, int column, bool *has, struct vx6_node_id *out)
{
	*has = sqlite3_column_type(stmt, column) != SQLITE_NULL;
	if (!*has)
		return true;
	if (sqlite3_column_bytes(stmt, column) != sizeof out->b)
		return false;
	memcpy(out->b, sqlite3_column_blob(stmt, column), sizeof out->b);
	return true;
}

static bool meta_at(sqlite3_stmt *stmt, struct vx6_meta *m)
{
	*m = (struct vx6_meta){
		.generation = u64_at(stmt, 1),
		.created_ms = u64_at(stmt, 2),
		.updated_ms = u64_at(stmt, 3),
		.labels = vx6_strdup(text_at(stmt, 5)),
	};
	return copy_at(stmt, 0, m->id, sizeof m->id) &&
	       copy_at(stmt, 4, m->managed_by, sizeof m->managed_by);
}

/* ---- rows: each reads the present one into *item ---- */

static bool hidden_at(sqlite3_stmt *stmt, int column, struct vx6_hidden_settings *h)
{
	uint64_t flags = u64_at(stmt, column + 1), rate = u64_at(stmt, column + 2),
		 burst = u64_at(stmt, column + 3);

	h->fast = flags & STATE_HIDDEN_FAST;
	h->open = flags & STATE_HIDDEN_OPEN;
	h->no_pow = flags & STATE_HIDDEN_NO_POW;
	h->force = flags & STATE_HIDDEN_FORCE;
	h->publish_alias = flags & STATE_HIDDEN_PUBLISH_ALIAS;
	h->rate = (uint32_t)rate;
	h->burst = (uint32_t)burst;
	return rate <= UINT32_MAX && burst <= UINT32_MAX &&
	       copy_at(stmt, column, h->alias, sizeof h->alias);
}

static bool service_row(sqlite3_stmt *stmt, void *item)
{
	struct vx6_stored_service *s = item;
	size_t n = (size_t)sqlite3_column_bytes(stmt, 10);
	uint64_t visibility = u64_at(stmt, 11);

	if (visibility > VX6_VISIBILITY_HIDDEN || !meta_at(stmt, &s->meta) ||
	    !copy_at(stmt, 6, s->spec.name, sizeof s->spec.name) ||
	    !addr_at(stmt, 7, &s->spec.target) || n % sizeof *s->spec.allow != 0 ||
	    n / sizeof *s->spec.allow > VX6_ALLOW_MAX || !hidden_at(stmt, 12, &s->spec.hidden))
		return false;
	s->spec.enabled = u64_at(stmt, 8) != 0;
	s->spec.access = u64_at(stmt, 9) ? VX6_ACCESS_LIST : VX6_ACCESS_ANY;
	s->spec.visibility = (enum vx6_visibility)visibility;
	s->spec.allow_n = n / sizeof *s->spec.allow;
	if (n) {
		s->spec.allow = vx6_realloc_array(NULL, s->spec.allow_n, sizeof *s->spec.allow);
		memcpy(s->spec.allow, sqlite3_column_blob(stmt, 10), n);
	}
	return true;
}

static void service_fini(void *item)
{
	struct vx6_stored_service *s = item;

	vx6_meta_fini(&s->meta);
	vx6_service_spec_fini(&s->spec);
}

/* A node's name, or '@' and that of a catalog. */
static bool to_node_at(sqlite3_stmt *stmt, int column, struct vx6_target *to)
{
	char text[VX6_LABEL_TEXT + 1];

	if (!copy_at(stmt, column, text, sizeof text))
		return false;
	to->is_hidden = text[0] == '~';
	if (to->is_hidden)
		return vx6_strlcpy(to->node, text + 1, sizeof to->node) < sizeof to->node;
	if (text[0] == '@')
		return vx6_strlcpy(to->catalog, text + 1, sizeof to->catalog) < sizeof to->catalog;
	return vx6_strlcpy(to->node, text, sizeof to->node) < sizeof to->node;
}

static bool route_at(sqlite3_stmt *stmt, int column, struct vx6_routing *out)
{
	size_t n = (size_t)sqlite3_column_bytes(stmt, column + 2);
	uint64_t hops = u64_at(stmt, column + 1);
	const char *why;

	if (n % sizeof out->nodes[0] != 0 || n > sizeof out->nodes || hops > VX6_ROUTE_HOPS_MAX)
		return false;
	out->hops = (uint8_t)hops;
	out->nodes_n = (uint8_t)(n / sizeof out->nodes[0]);
	if (n)
		memcpy(out->nodes, sqlite3_column_blob(stmt, column + 2), n);
	out->anonymous = u64_at(stmt, column + 3) != 0;
	return vx6_routing_via_parse(text_at(stmt, column), &out->via) &&
	       vx6_routing_is_valid(out, &why);
}

static bool forward_row(sqlite3_stmt *stmt, void *item)
{
	struct vx6_stored_forward *f = item;
	struct vx6_target *to = &f->spec.to;

	f->spec.enabled = u64_at(stmt, 13) != 0;
	return meta_at(stmt, &f->meta) && copy_at(stmt, 6, f->spec.name, sizeof f->spec.name) &&
	       addr_at(stmt, 7, &f->spec.listen) && to_node_at(stmt, 8, to) &&
	       copy_at(stmt, 9, to->service, sizeof to->service) &&
	       node_id_at(stmt, 10, &to->has_node_id, &to->node_id) &&
	       addr_at(stmt, 11, &to->address) &&
	       vx6_transport_choice_parse(text_at(stmt, 12), &to->transport) &&
	       route_at(stmt, 14, &to->route);
}

static void forward_fini(void *item)
{
	vx6_meta_fini(&((struct vx6_stored_forward *)item)->meta);
}

/* Addresses that cannot be read are left out; the peer may be known by its id alone. */
static void addrs_at(sqlite3_stmt *stmt, int column, struct vx6_peer_spec *spec)
{
	const char *at = text_at(stmt, column);

	while (*at && spec->addrs_n < VX6_PEER_ADDRS_MAX) {
		size_t n = strcspn(at, "\n");
		char one[VX6_ADDR_TEXT];

		if (n < sizeof one) {
			memcpy(one, at, n);
			one[n] = '\0';
			if (vx6_is_ok(vx6_addr_parse(one, &spec->addrs[spec->addrs_n])))
				spec->addrs_n++;
		}
		at += n + (at[n] == '\n');
	}
}

static bool peer_row(sqlite3_stmt *stmt, void *item)
{
	struct vx6_stored_peer *p = item;

	p->spec.enabled = u64_at(stmt, 9) != 0;
	addrs_at(stmt, 7, &p->spec);
	return meta_at(stmt, &p->meta) && copy_at(stmt, 6, p->spec.name, sizeof p->spec.name) &&
	       node_id_at(stmt, 8, &p->spec.has_node_id, &p->spec.node_id);
}

static void peer_fini(void *item)
{
	vx6_meta_fini(&((struct vx6_stored_peer *)item)->meta);
}

static bool name_row(sqlite3_stmt *stmt, void *item)
{
	struct vx6_name_binding *b = item;
	bool has;

	b->kind = u64_at(stmt, 0) ? VX6_BINDING_PIN : VX6_BINDING_PETNAME;
	b->since_ms = u64_at(stmt, 3);
	return copy_at(stmt, 1, b->name, sizeof b->name) && node_id_at(stmt, 2, &has, &b->node) &&
	       has;
}

static void name_fini(void *item)
{
}

static bool value_row(sqlite3_stmt *stmt, void *item)
{
	struct vx6_stored_value *v = item;

	v->n = (size_t)sqlite3_column_bytes(stmt, 1);
	v->value = vx6_realloc_array(NULL, v->n + 1, 1);
	if (v->n)
		memcpy(v->value, sqlite3_column_blob(stmt, 1), v->n);
	return copy_at(stmt, 0, v->key, sizeof v->key);
}

static void value_fini(void *item)
{
	free(((struct vx6_stored_value *)item)->value);
}

static bool mark_row(sqlite3_stmt *stmt, void *item)
{
	struct vx6_stored_mark *m = item;
	size_t n = (size_t)sqlite3_column_bytes(stmt, 6);

	if (sqlite3_column_bytes(stmt, 1) != sizeof m->key.subject ||
	    sqlite3_column_bytes(stmt, 4) != sizeof m->mark.hash.b || n > VX6_RECORD_MAX)
		return false;
	m->key.type = u64_at(stmt, 0);
	m->key.slot = u64_at(stmt, 2);
	memcpy(m->key.subject, sqlite3_column_blob(stmt, 1), sizeof m->key.subject);
	m->mark.seq = u64_at(stmt, 3);
	m->mark.expires_s = u64_at(stmt, 5);
	memcpy(m->mark.hash.b, sqlite3_column_blob(stmt, 4), sizeof m->mark.hash.b);
	if (n) {
		m->record = vx6_realloc_array(NULL, n, 1);
		memcpy(m->record, sqlite3_column_blob(stmt, 6), n);
		m->mark.record = m->record;
		m->mark.n = n;
	}
	return true;
}

static void mark_fini(void *item)
{
	free(((struct vx6_stored_mark *)item)->record);
}

static bool token_row(sqlite3_stmt *stmt, void *item)
{
	struct vx6_stored_token *t = item;
	uint64_t role = u64_at(stmt, 9);

	if (!meta_at(stmt, &t->meta) || !copy_at(stmt, 6, t->spec.name, sizeof t->spec.name) ||
	    !copy_at(stmt, 7, t->spec.public_id, sizeof t->spec.public_id) ||
	    sqlite3_column_bytes(stmt, 8) != sizeof t->spec.hash || role == 0 || role > 3 ||
	    !copy_at(stmt, 11, t->spec.scopes, sizeof t->spec.scopes) ||
	    !copy_at(stmt, 12, t->spec.allow_from, sizeof t->spec.allow_from))
		return false;
	memcpy(t->spec.hash, sqlite3_column_blob(stmt, 8), sizeof t->spec.hash);
	t->spec.role = (uint8_t)role;
	t->spec.expires_ms = u64_at(stmt, 10);
	return true;
}

static void token_fini(void *item)
{
	vx6_meta_fini(&((struct vx6_stored_token *)item)->meta);
}

/* ---- tables ---- */

struct table {
	const char *name, *sql;
	size_t size;
	bool (*row)(sqlite3_stmt *stmt, void *item);
	void (*fini)(void *item);
};

static const struct table services = {
	.name = "services",
	.sql = "SELECT * FROM services ORDER BY id",
	.size = sizeof(struct vx6_stored_service),
	.row = service_row,
	.fini = service_fini,
};
static const struct table forwards = {
	.name = "forwards",
	.sql = "SELECT * FROM forwards ORDER BY id",
	.size = sizeof(struct vx6_stored_forward),
	.row = forward_row,
	.fini = forward_fini,
};
static const struct table peers = {
	.name = "peers",
	.sql = "SELECT * FROM peers ORDER BY id",
	.size = sizeof(struct vx6_stored_peer),
	.row = peer_row,
	.fini = peer_fini,
};
static const struct table tokens = {
	.name = "tokens",
	.sql = "SELECT * FROM tokens ORDER BY id LIMIT 256",
	.size = sizeof(struct vx6_stored_token),
	.row = token_row,
	.fini = token_fini,
};
static const struct table names = {
	.name = "names",
	.sql = "SELECT * FROM names ORDER BY kind, name LIMIT 65536",
	.size = sizeof(struct vx6_name_binding),
	.row = name_row,
	.fini = name_fini,
};
static const struct table values = {
	.name = "kv",
	.sql = "SELECT * FROM kv ORDER BY key",
	.size = sizeof(struct vx6_stored_value),
	.row = value_row,
	.fini = value_fini,
};

static const struct table marks = {
	.name = "high_water",
	.sql = "SELECT * FROM high_water ORDER BY type <> 5, expires_s DESC LIMIT 16384",
	.size = sizeof(struct vx6_stored_mark),
	.row = mark_row,
	.fini = mark_fini,
};

/* @param out grows from NULL, @p n items */
static vx6_err load_table(sqlite3 *db, const struct table *t, void **out, size_t *n)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, t->sql, -1, &stmt, NULL);
	size_t cap = 0;

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		char *item;

		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		if (*n == cap) {
			cap = cap ? 2 * cap : 8;
			*out = vx6_realloc_array(*out, cap, t->size);
		}
		item = (char *)*out + *n * t->size;
		memset(item, 0, t->size);
		if (t->row(stmt, item)) {
			++*n;
		} else {
			VX6_WARN("state", "a row of %s cannot be read and is left out: %s", t->name,
				 text_at(stmt, 0));
			t->fini(item);
		}
	}
	sqlite3_finalize(stmt);
	return state_err(db, rc);
}

/* What cannot be understood is as built in. */
static void relay_at(sqlite3_stmt *stmt, int column, struct vx6_relaying_budget *out)
{
	if (!vx6_relaying_parse(text_at(stmt, column), &out->mode))
		VX6_WARN("state", "relay mode %s is not known", text_at(stmt, column));
	out->circuits =
		(uint32_t)VX6_MIN(u64_at(stmt, column + 1), (uint64_t)VX6_RELAYING_CIRCUITS_MAX);
	out->memory_mb =
		(uint32_t)VX6_MIN(u64_at(stmt, column + 2), (uint64_t)VX6_RELAYING_MEMORY_MB_MAX);
	out->rate_mbit =
		(uint32_t)VX6_MIN(u64_at(stmt, column + 3), (uint64_t)VX6_RELAYING_RATE_MBIT_MAX);
}

static vx6_err load_node(sqlite3 *db, struct vx6_stored_node *node)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db,
				    "SELECT name, generation, created_ms, updated_ms, relay_mode,"
				    " relay_circuits, relay_memory_mb, relay_rate_mbit FROM node",
				    -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		node->exists = true;
		copy_at(stmt, 0, node->name, sizeof node->name);
		node->generation = u64_at(stmt, 1);
		node->created_ms = u64_at(stmt, 2);
		node->updated_ms = u64_at(stmt, 3);
		relay_at(stmt, 4, &node->relay);
	}
	sqlite3_finalize(stmt);
	return state_err(db, rc);
}

static vx6_err load_all(sqlite3 *db, struct vx6_state_image *img)
{
	static const struct table *const tables[] = {&services, &forwards, &peers, &names,
						     &values,   &marks,    &tokens};
	void *items[VX6_ARRAY_N(tables)] = {0};
	size_t n[VX6_ARRAY_N(tables)] = {0};
	vx6_err err = load_node(db, &img->node);

	for (size_t i = 0; i < VX6_ARRAY_N(tables) && vx6_is_ok(err); i++)
		err = load_table(db, tables[i], &items[i], &n[i]);
	img->services = items[0];
	img->services_n = n[0];
	img->forwards = items[1];
	img->forwards_n = n[1];
	img->peers = items[2];
	img->peers_n = n[2];
	img->names = items[3];
	img->names_n = n[3];
	img->values = items[4];
	img->values_n = n[4];
	img->marks = items[5];
	img->marks_n = n[5];
	img->tokens = items[6];
	img->tokens_n = n[6];
	return err;
}

vx6_err vx6_state_load(struct vx6_state *st, struct vx6_state_image *out)
{
	vx6_err err;

	*out = (struct vx6_state_image){.last_seq = st->last_seq};
	err = load_all(st->db, out);
	if (!vx6_is_ok(err))
		vx6_state_image_fini(out);
	return err;
}

void vx6_state_image_fini(struct vx6_state_image *img)
{
	for (size_t i = 0; i < img->services_n; i++)
		service_fini(&img->services[i]);
	for (size_t i = 0; i < img->forwards_n; i++)
		forward_fini(&img->forwards[i]);
	for (size_t i = 0; i < img->peers_n; i++)
		peer_fini(&img->peers[i]);
	for (size_t i = 0; i < img->tokens_n; i++)
		token_fini(&img->tokens[i]);
	for (size_t i = 0; i < img->values_n; i++)
		value_fini(&img->values[i]);
	for (size_t i = 0; i < img->marks_n; i++)
		mark_fini(&img->marks[i]);
	free(img->services);
	free(img->tokens);
	free(img->forwards);
	free(img->peers);
	free(img->names);
	free(img->values);
	free(img->marks);
	*img = (struct vx6_state_image){0};
}

const struct vx6_stored_value *vx6_state_image_value(const struct vx6_state_image *img,
						     const char *key)
{
	for (size_t i = 0; i < img->values_n; i++)
		if (!strcmp(img->values[i].key, key))
			return &img->values[i];
	return NULL;
}

uint64_t vx6_state_image_u64(const struct vx6_state_image *img, const char *key, uint64_t otherwise)
{
	const struct vx6_stored_value *v = vx6_state_image_value(img, key);
	uint64_t u = 0;

	if (!v || v->n != sizeof u)
		return otherwise;
	for (size_t i = 0; i < sizeof u; i++)
		u = u << 8 | v->value[i];
	return u;
}
