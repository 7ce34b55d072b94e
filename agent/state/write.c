/* Building a write: each part becomes a statement with copies of its values, so that the worker needs to know nothing else. */
#include <string.h>

#include "base/util.h"
#include "state/state_internal.h"

struct vx6_write *vx6_write_new(void)
{
	return vx6_zalloc(sizeof(struct vx6_write));
}

void vx6_write_free(struct vx6_write *w)
{
	struct state_op *op;

	if (!w)
		return;
	while ((op = w->first) != NULL) {
		w->first = op->next;
		for (int i = 0; i < op->n; i++)
			free(op->v[i].bytes);
		free(op);
	}
	free(w);
}

static struct state_op *add(struct vx6_write *w, const char *sql, bool durable)
{
	struct state_op *op = vx6_zalloc(sizeof *op);

	op->sql = sql;
	if (w->last)
		w->last->next = op;
	else
		w->first = op;
	w->last = op;
	w->bytes += sizeof *op;
	w->durable |= durable;
	return op;
}

static struct state_value *next(struct state_op *op, enum state_bind kind)
{
	VX6_ASSERT(op->n < STATE_BINDS_MAX);
	op->v[op->n].kind = kind;
	return &op->v[op->n++];
}

static void put_int(struct state_op *op, uint64_t i)
{
	next(op, STATE_INT)->i = (int64_t)i;
}

static void put_bytes(struct vx6_write *w, struct state_op *op, enum state_bind kind,
		      const void *bytes, size_t n)
{
	struct state_value *v = next(op, kind);

	v->n = n;
	v->bytes = vx6_realloc_array(NULL, n + 1, 1);
	if (n)
		memcpy(v->bytes, bytes, n);
	v->bytes[n] = '\0';
	w->bytes += n;
}

static void put_text(struct vx6_write *w, struct state_op *op, const char *text)
{
	put_bytes(w, op, STATE_TEXT, text, strlen(text));
}

static void put_node_id(struct vx6_write *w, struct state_op *op, const struct vx6_node_id *id)
{
	if (id)
		put_bytes(w, op, STATE_BLOB, id->b, sizeof id->b);
	else
		next(op, STATE_NULL);
}

static void put_addr(struct vx6_write *w, struct state_op *op, const struct vx6_addr *a)
{
	char text[VX6_ADDR_TEXT];

	if (a->family == VX6_ADDR_NONE)
		next(op, STATE_NULL);
	else
		put_text(w, op, vx6_addr_format(a, text));
}

static void put_meta(struct vx6_write *w, struct state_op *op, const struct vx6_meta *m)
{
	put_text(w, op, m->id);
	put_int(op, m->generation);
	put_int(op, m->created_ms);
	put_int(op, m->updated_ms);
	put_text(w, op, m->managed_by);
	put_text(w, op, m->labels ? m->labels : "{}");
}

void vx6_write_put_node(struct vx6_write *w, const struct vx6_stored_node *node)
{
	struct state_op *op =
		add(w,
		    "INSERT INTO node VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (one) DO "
		    "UPDATE SET name = excluded.name,"
		    " generation = excluded.generation, created_ms = excluded.created_ms,"
		    " updated_ms = excluded.updated_ms, relay_mode = excluded.relay_mode,"
		    " relay_circuits = excluded.relay_circuits,"
		    " relay_memory_mb = excluded.relay_memory_mb,"
		    " relay_rate_mbit = excluded.relay_rate_mbit",
		    true);

	put_text(w, op, node->name);
	put_int(op, node->generation);
	put_int(op, node->created_ms);
	put_int(op, node->updated_ms);
	put_text(w, op, vx6_relaying_text(node->relay.mode));
	put_int(op, node->relay.circuits);
	put_int(op, node->relay.memory_mb);
	put_int(op, node->relay.rate_mbit);
}

/* An upsert on the id alone: a name that another row has must fail, where INSERT OR REPLACE would delete that row. */
#define META_SET                                                                                   \
	" ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, created_ms = "          \
	"excluded.created_ms,"                                                                     \
	" updated_ms = excluded.updated_ms, managed_by = excluded.managed_by, labels = "           \
	"excluded.labels,"

void vx6_write_put_service(struct vx6_write *w, const struct vx6_meta *meta,
			   const struct vx6_service_spec *spec)
{
	struct state_op *op =
		add(w,
		    "INSERT INTO services VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		    "?)" META_SET
		    " name = excluded.name, target = excluded.target, enabled = excluded.enabled,"
		    " access = excluded.access, allow = excluded.allow, visibility = "
		    "excluded.visibility, hidden_alias = excluded.hidden_alias, hidden_flags = "
		    "excluded.hidden_flags, hidden_rate = excluded.hidden_rate, hidden_burst = "
		    "excluded.hidden_burst",
		    true);
	const struct vx6_hidden_settings *h = &spec->hidden;

	put_meta(w, op, meta);
	put_text(w, op, spec->name);
	put_addr(w, op, &spec->target);
	put_int(op, spec->enabled);
	put_int(op, spec->access == VX6_ACCESS_LIST);
	put_bytes(w, op, STATE_BLOB, spec->allow, spec->allow_n * sizeof *spec->allow);
	put_int(op, spec->visibility);
	put_text(w, op, h->alias);
	put_int(op, (h->fast ? STATE_HIDDEN_FAST : 0) | (h->open ? STATE_HIDDEN_OPEN : 0) |
			    (h->no_pow ? STATE_HIDDEN_NO_POW : 0) |
			    (h->force ? STATE_HIDDEN_FORCE : 0) |
			    (h->publish_alias ? STATE_HIDDEN_PUBLISH_ALIAS : 0));
	put_int(op, h->rate);
	put_int(op, h->burst);
}

/* A node's name, or '@' and that of a catalog, or '~' and the alias of a hidden service, which may be empty. */
static void put_to_node(struct vx6_write *w, struct state_op *op, const struct vx6_target *to)
{
	char text[VX6_LABEL_TEXT + 1] = "";
	bool marked = to->is_hidden || to->catalog[0];

	if (marked)
		text[0] = to->is_hidden ? '~' : '@';
	vx6_strlcpy(text + marked, to->catalog[0] ? to->catalog : to->node, sizeof text - marked);
	put_text(w, op, text);
}

void vx6_write_put_forward(struct vx6_write *w, const struct vx6_meta *meta,
			   const struct vx6_forward_spec *spec)
{
	const struct vx6_routing *route = &spec->to.route;
	struct state_op *op = add(
		w,
		"INSERT INTO forwards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		"?)" META_SET
		" name = excluded.name, listen = excluded.listen, to_node = excluded.to_node,"
		" to_service = excluded.to_service, to_node_id = excluded.to_node_id,"
		" to_address = excluded.to_address, transport = excluded.transport,"
		" enabled = excluded.enabled, via = excluded.via, hops = excluded.hops,"
		" through = excluded.through, anonymous = excluded.anonymous",
		true);

	put_meta(w, op, meta);
	put_text(w, op, spec->name);
	put_addr(w, op, &spec->listen);
	put_to_node(w, op, &spec->to);
	put_text(w, op, spec->to.service);
	put_node_id(w, op, spec->to.has_node_id ? &spec->to.node_id : NULL);
	put_addr(w, op, &spec->to.address);
	put_text(w, op, vx6_transport_choice_text(spec->to.transport));
	put_int(op, spec->enabled);
	put_text(w, op, vx6_routing_via_text(route->via));
	put_int(op, route->hops);
	put_bytes(w, op, STATE_BLOB, route->nodes, route->nodes_n * sizeof route->nodes[0]);
	put_int(op, route->anonymous);
}

void vx6_write_put_peer(struct vx6_write *w, const struct vx6_meta *meta,
			const struct vx6_peer_spec *spec)
{
	struct state_op *op =
		add(w,
		    "INSERT INTO peers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" META_SET
		    " name = excluded.name, addrs = excluded.addrs, node_id = excluded.node_id,"
		    " enabled = excluded.enabled",
		    true);
	char addrs[VX6_PEER_ADDRS_MAX * VX6_ADDR_TEXT];
	size_t n = 0;

	addrs[0] = '\0';
	for (size_t i = 0; i < spec->addrs_n && i < VX6_PEER_ADDRS_MAX; i++) {
		if (i)
			addrs[n++] = '\n';
		vx6_addr_format(&spec->addrs[i], addrs + n);
		n += strlen(addrs + n);
	}
	put_meta(w, op, meta);
	put_text(w, op, spec->name);
	put_text(w, op, addrs);
	put_node_id(w, op, spec->has_node_id ? &spec->node_id : NULL);
	put_int(op, spec->enabled);
}

void vx6_write_put_token(struct vx6_write *w, const struct vx6_meta *meta,
			 const struct vx6_token_spec *spec)
{
	struct state_op *op =
		add(w,
		    "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" META_SET
		    " name = excluded.name, public_id = excluded.public_id, hash = excluded.hash,"
		    " role = excluded.role, expires_ms = excluded.expires_ms,"
		    " scopes = excluded.scopes, allow_from = excluded.allow_from",
		    true);

	put_meta(w, op, meta);
	put_text(w, op, spec->name);
	put_text(w, op, spec->public_id);
	put_bytes(w, op, STATE_BLOB, spec->hash, sizeof spec->hash);
	put_int(op, spec->role);
	put_int(op, spec->expires_ms);
	put_text(w, op, spec->scopes);
	put_text(w, op, spec->allow_from);
}

void vx6_write_audit(struct vx6_write *w, const struct vx6_audit_entry *e)
{
	struct state_op *op =
		add(w, "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", true);

	next(op, STATE_AUDIT_SEQ);
	put_int(op, e->wall_ms);
	put_text(w, op, e->actor);
	put_text(w, op, e->origin);
	put_text(w, op, e->operation);
	put_text(w, op, e->target);
	put_text(w, op, e->outcome);
	put_text(w, op, e->request_id);
	next(op, STATE_AUDIT_PREV);
	next(op, STATE_AUDIT_HASH);
}

void vx6_write_delete(struct vx6_write *w, enum vx6_resource_kind kind, const char *id)
{
	static const char *const sql[] = {
		[VX6_RESOURCE_SERVICE] = "DELETE FROM services WHERE id = ?",
		[VX6_RESOURCE_FORWARD] = "DELETE FROM forwards WHERE id = ?",
		[VX6_RESOURCE_PEER] = "DELETE FROM peers WHERE id = ?",
		[VX6_RESOURCE_TOKEN] = "DELETE FROM tokens WHERE id = ?",
	};

	put_text(w, add(w, sql[kind], true), id);
}

void vx6_write_put_value(struct vx6_write *w, const char *key, const void *value, size_t n)
{
	struct state_op *op = add(w,
				  "INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET "
				  "value = excluded.value",
				  true);

	VX6_ASSERT(strlen(key) < VX6_STATE_KEY_MAX && n <= VX6_STATE_VALUE_MAX);
	put_text(w, op, key);
	put_bytes(w, op, STATE_BLOB, value, n);
}

void vx6_write_put_u64(struct vx6_write *w, const char *key, uint64_t value)
{
	uint8_t be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (uint8_t)(value >> (56 - 8 * i));
	vx6_write_put_value(w, key, be, sizeof be);
}

void vx6_write_delete_value(struct vx6_write *w, const char *key)
{
	struct state_op *op = add(w, "DELETE FROM kv WHERE key = ?", true);

	put_text(w, op, key);
}

void vx6_write_put_name(struct vx6_write *w, const struct vx6_name_binding *b)
{
	struct state_op *op = add(w,
				  "INSERT INTO names VALUES (?, ?, ?, ?) ON CONFLICT (kind, name) "
				  "DO UPDATE SET node_id = excluded.node_id,"
				  " since_ms = excluded.since_ms",
				  true);

	put_int(op, b->kind == VX6_BINDING_PIN);
	put_text(w, op, b->name);
	put_node_id(w, op, &b->node);
	put_int(op, b->since_ms);
}

void vx6_write_delete_name(struct vx6_write *w, enum vx6_binding_kind kind, const char *name)
{
	struct state_op *op = add(w, "DELETE FROM names WHERE kind = ? AND name = ?", true);

	put_int(op, kind == VX6_BINDING_PIN);
	put_text(w, op, name);
}

void vx6_write_event(struct vx6_write *w, const struct vx6_event *ev)
{
	struct state_op *op = add(w, "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", false);

	next(op, STATE_SEQ);
	put_int(op, ev->wall_ms);
	put_text(w, op, ev->type);
	put_text(w, op, ev->subject_kind);
	put_text(w, op, ev->subject_id);
	put_text(w, op, ev->data ? ev->data : "{}");
	put_text(w, op, ev->request_id);
}

void vx6_write_put_revocation(struct vx6_write *w, const struct vx6_hwm_key *key,
			      const uint8_t *record, size_t n)
{
	struct state_op *op = add(w,
				  "INSERT INTO high_water VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT "
				  "(type, subject, slot)"
				  " DO UPDATE SET seq = excluded.seq, hash = excluded.hash, "
				  "expires_s = excluded.expires_s,"
				  " record = excluded.record",
				  true);
	struct vx6_record_view view;
	struct vx6_hash hash;

	/* bytes that cannot be read still say that there was a revocation */
	(void)vx6_is_ok(vx6_record_decode(record, n, &view));
	vx6_hash_personal("VX6-record", record, n, &hash);
	put_int(op, key->type);
	put_bytes(w, op, STATE_BLOB, key->subject, sizeof key->subject);
	put_int(op, key->slot);
	put_int(op, view.seq);
	put_bytes(w, op, STATE_BLOB, hash.b, sizeof hash.b);
	put_int(op, 0); /* never ends */
	put_bytes(w, op, STATE_BLOB, record, n);
}

void vx6_write_drop_old_marks(struct vx6_write *w)
{
	put_int(add(w, "DELETE FROM high_water WHERE type <> ?", true), VX6_RTYPE_REVOCATION);
}
