/*
 * Pins and petnames in one sorted array: looked up at every connection, changed rarely, shown in order.
 */
#include "discovery/names_internal.h"

#include <string.h>

#include "base/util.h"

struct vx6_names *vx6_names_new(const struct vx6_node_id *self, const struct vx6_names_events *ev,
				void *user)
{
	struct vx6_names *n = vx6_zalloc(sizeof *n);

	n->self = *self;
	n->ev = ev;
	n->user = user;
	return n;
}

static struct bound_node *bound_find(const struct vx6_names *n, const struct vx6_node_id *id)
{
	struct bound_node *b;

	HASH_FIND(hh, n->nodes, id->b, sizeof id->b, b);
	return b;
}

static void bound_add(struct vx6_names *n, const struct vx6_node_id *id)
{
	struct bound_node *b = bound_find(n, id);

	if (!b) {
		b = vx6_zalloc(sizeof *b);
		b->id = *id;
		HASH_ADD(hh, n->nodes, id.b, sizeof b->id.b, b);
	}
	b->n++;
}

static void bound_remove(struct vx6_names *n, const struct vx6_node_id *id)
{
	struct bound_node *b = bound_find(n, id);

	if (--b->n > 0)
		return;
	HASH_DEL(n->nodes, b);
	free(b);
}

void vx6_names_free(struct vx6_names *n)
{
	struct bound_node *b, *next;

	if (!n)
		return;
	conflicts_fini(n);
	HASH_ITER(hh, n->nodes, b, next)
	{
		HASH_DEL(n->nodes, b);
		free(b);
	}
	for (size_t i = 0; i < n->rows_n; i++)
		free(n->row[i]);
	free(n->row);
	free(n);
}

void vx6_names_set_own(struct vx6_names *n, const char *name)
{
	vx6_strlcpy(n->own, name, sizeof n->own);
}

const char *vx6_names_own(const struct vx6_names *n)
{
	return n->own;
}

static int row_cmp(const struct vx6_name_binding *b, const char *name, enum vx6_binding_kind kind)
{
	int c = strcmp(b->name, name);

	return c ? c : (int)b->kind - (int)kind;
}

/* @return the place of the first row that is not before (name, kind) */
static size_t row_place(const struct vx6_names *n, const char *name, enum vx6_binding_kind kind)
{
	size_t lo = 0, hi = n->rows_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (row_cmp(n->row[mid], name, kind) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct vx6_name_binding *row_find(const struct vx6_names *n, enum vx6_binding_kind kind,
					 const char *name)
{
	size_t at = row_place(n, name, kind);

	return at < n->rows_n && row_cmp(n->row[at], name, kind) == 0 ? n->row[at] : NULL;
}

bool vx6_names_is_full(const struct vx6_names *n)
{
	return n->rows_n >= VX6_PINS_MAX;
}

vx6_err vx6_names_bind(struct vx6_names *n, const struct vx6_name_binding *b)
{
	struct vx6_name_binding *known = row_find(n, b->kind, b->name);
	size_t at;

	if (known) {
		bound_add(n, &b->node);
		bound_remove(n, &known->node);
		*known = *b;
		return VX6_OK;
	}
	if (!vx6_label_is_valid(b->name, strnlen(b->name, sizeof b->name)))
		return VX6_ERR(INVALID);
	if (vx6_names_is_full(n))
		return VX6_ERR(FULL);
	if (n->rows_n == n->rows_cap) {
		n->rows_cap = n->rows_cap ? 2 * n->rows_cap : 16;
		n->row = vx6_realloc_array(n->row, n->rows_cap, sizeof *n->row);
	}
	at = row_place(n, b->name, b->kind);
	memmove(n->row + at + 1, n->row + at, (n->rows_n - at) * sizeof *n->row);
	n->row[at] = vx6_zalloc(sizeof **n->row);
	*n->row[at] = *b;
	bound_add(n, &b->node);
	n->rows_n++;
	return VX6_OK;
}

vx6_err vx6_names_unbind(struct vx6_names *n, enum vx6_binding_kind kind, const char *name)
{
	size_t at = row_place(n, name, kind);

	if (at >= n->rows_n || row_cmp(n->row[at], name, kind) != 0)
		return VX6_ERR(NOT_FOUND);
	bound_remove(n, &n->row[at]->node);
	free(n->row[at]);
	n->rows_n--;
	memmove(n->row + at, n->row + at + 1, (n->rows_n - at) * sizeof *n->row);
	return VX6_OK;
}

bool vx6_names_find(const struct vx6_names *n, enum vx6_binding_kind kind, const char *name,
		    struct vx6_name_binding *out)
{
	const struct vx6_name_binding *b = row_find(n, kind, name);

	if (b && out)
		*out = *b;
	return b != NULL;
}

void vx6_names_used(struct vx6_names *n, const char *name, const struct vx6_node_id *node,
		    uint64_t now_ms)
{
	struct vx6_name_binding pin = {.kind = VX6_BINDING_PIN, .node = *node, .since_ms = now_ms};

	vx6_strlcpy(pin.name, name, sizeof pin.name);
	if (row_find(n, VX6_BINDING_PIN, name) || !vx6_is_ok(vx6_names_bind(n, &pin)))
		return;
	if (n->ev && n->ev->pinned)
		n->ev->pinned(n->user, &pin);
}

bool vx6_names_has_node(const struct vx6_names *n, const struct vx6_node_id *node)
{
	return bound_find(n, node) != NULL;
}

bool name_matches(const char *q, const char *name, const struct vx6_node_id *node)
{
	char text[VX6_NODE_ID_TEXT];

	if (!q || !q[0] || strstr(name, q))
		return true;
	return node && strncmp(vx6_node_id_format(node, text), q, strlen(q)) == 0;
}

size_t vx6_names_page(const struct vx6_names *n, const struct vx6_name_binding *after,
		      const char *q, struct vx6_name_binding *out, size_t max)
{
	size_t at = after ? row_place(n, after->name, after->kind) : 0, found = 0;

	if (after && at < n->rows_n && row_cmp(n->row[at], after->name, after->kind) == 0)
		at++;
	for (; at < n->rows_n && found < max; at++)
		if (name_matches(q, n->row[at]->name, &n->row[at]->node))
			out[found++] = *n->row[at];
	return found;
}
