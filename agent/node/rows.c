#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "node/node_internal.h"

struct row *rows_find(const struct row_table *t, const char *id)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(t->row[mid]->meta.id, id);

		if (order == 0)
			return t->row[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void rows_add(struct row_table *t, struct row *row)
{
	size_t at = t->n;

	t->row = vx6_realloc_array(t->row, t->n + 1, sizeof *t->row);
	while (at > 0 && strcmp(t->row[at - 1]->meta.id, row->meta.id) > 0) {
		t->row[at] = t->row[at - 1];
		at--;
	}
	t->row[at] = row;
	t->n++;
}

static void row_free(struct row *row, enum vx6_resource_kind kind)
{
	if (kind == VX6_RESOURCE_SERVICE)
		vx6_service_spec_fini(&row->spec.service);
	vx6_meta_fini(&row->meta);
	free(row);
}

void rows_remove(struct row_table *t, const char *id, enum vx6_resource_kind kind)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->row[i]->meta.id, id) != 0)
			continue;
		row_free(t->row[i], kind);
		memmove(t->row + i, t->row + i + 1, (t->n - i - 1) * sizeof *t->row);
		t->n--;
		return;
	}
}

void rows_fini(struct row_table *t, enum vx6_resource_kind kind)
{
	for (size_t i = 0; i < t->n; i++)
		row_free(t->row[i], kind);
	free(t->row);
	*t = (struct row_table){0};
}

struct row_table *rows_of(struct vx6_node *node, enum vx6_resource_kind kind)
{
	switch (kind) {
	case VX6_RESOURCE_SERVICE:
		return &node->service_rows;
	case VX6_RESOURCE_FORWARD:
		return &node->forward_rows;
	case VX6_RESOURCE_TOKEN:
		return &node->token_rows;
	default:
		return &node->peer_rows;
	}
}

const char *kind_name(enum vx6_resource_kind kind)
{
	static const char *const names[] = {
		[VX6_RESOURCE_SERVICE] = "service",
		[VX6_RESOURCE_FORWARD] = "forward",
		[VX6_RESOURCE_PEER] = "peer",
		[VX6_RESOURCE_TOKEN] = "token",
	};

	return names[kind];
}

const char *row_name(enum vx6_resource_kind kind, const struct row *row)
{
	switch (kind) {
	case VX6_RESOURCE_SERVICE:
		return row->spec.service.name;
	case VX6_RESOURCE_FORWARD:
		return row->spec.forward.name;
	case VX6_RESOURCE_TOKEN:
		return row->spec.token.name;
	default:
		return row->spec.peer.name;
	}
}

/* ULID: 48 bits of time, 80 of chance, Crockford's base 32. Within one millisecond the chance part counts up, so ids ascend. */
void new_id(struct id_source *src, const char *prefix, uint64_t wall_ms,
	    char out[static VX6_RESOURCE_ID_MAX])
{
	static const char digit[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	size_t n = strlen(prefix);
	unsigned __int128 bits;

	if (wall_ms > src->last_ms) {
		src->last_ms = wall_ms;
		src->low = vx6_random_u64();
		src->high = (uint16_t)(vx6_random_u32() >>
				       17); /* the top bit stays free to count into */
	} else if (++src->low == 0) {
		src->high++;
	}
	bits = (unsigned __int128)src->last_ms << 80 | (unsigned __int128)src->high << 64 |
	       src->low;
	memcpy(out, prefix, n);
	out[n++] = '_';
	for (int i = 25; i >= 0; i--) {
		out[n + (size_t)i] = digit[(unsigned)bits & 31];
		bits >>= 5;
	}
	out[n + 26] = 0;
}
