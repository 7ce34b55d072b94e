#include "record/hwm_mem.h"

#include <string.h>

#include "base/util.h"
#include "crypto/table.h"

struct entry {
	struct vx6_hwm_key key;
	struct vx6_hwm mark; /* mark.record is owned */
	UT_hash_handle hh;
};

struct vx6_hwm_mem {
	struct entry *table;
	size_t max, equivocations;
};

struct vx6_hwm_mem *vx6_hwm_mem_new(size_t max)
{
	struct vx6_hwm_mem *m = vx6_zalloc(sizeof *m);

	m->max = max;
	return m;
}

static void entry_free(struct entry *e)
{
	free((void *)e->mark.record);
	free(e);
}

void vx6_hwm_mem_free(struct vx6_hwm_mem *m)
{
	struct entry *e, *next;

	if (!m)
		return;
	HASH_ITER(hh, m->table, e, next)
	{
		HASH_DEL(m->table, e);
		entry_free(e);
	}
	free(m);
}

static struct entry *find(const struct vx6_hwm_mem *m, const struct vx6_hwm_key *key)
{
	struct entry *e;

	HASH_FIND(hh, m->table, key, sizeof *key, e);
	return e;
}

static vx6_err mem_get(void *user, const struct vx6_hwm_key *key, struct vx6_hwm *out)
{
	const struct entry *e = find(user, key);

	if (!e)
		return VX6_ERR(NOT_FOUND);
	*out = e->mark;
	return VX6_OK;
}

static vx6_err mem_put(void *user, const struct vx6_hwm_key *key, const struct vx6_hwm *mark)
{
	struct vx6_hwm_mem *m = user;
	struct entry *e = find(m, key);
	uint8_t *copy = NULL;

	if (!e && HASH_COUNT(m->table) >= m->max)
		return VX6_ERR(FULL);
	if (mark->record && mark->n <= VX6_RECORD_MAX) {
		copy = vx6_zalloc(mark->n);
		memcpy(copy, mark->record, mark->n);
	}
	if (!e) {
		e = vx6_zalloc(sizeof *e);
		e->key = *key;
		HASH_ADD(hh, m->table, key, sizeof e->key, e);
	}
	free((void *)e->mark.record);
	e->mark = *mark;
	e->mark.record = copy;
	e->mark.n = copy ? mark->n : 0;
	return VX6_OK;
}

static void mem_equivocation(void *user, const struct vx6_hwm_key *key, uint64_t seq,
			     const struct vx6_hash *first, const struct vx6_hash *second)
{
	struct vx6_hwm_mem *m = user;

	m->equivocations++;
}

struct vx6_hwm_store vx6_hwm_mem_store(struct vx6_hwm_mem *m)
{
	return (struct vx6_hwm_store){.get = mem_get,
				      .put = mem_put,
				      .equivocation = mem_equivocation,
				      .user = m};
}

size_t vx6_hwm_mem_count(const struct vx6_hwm_mem *m)
{
	return HASH_COUNT(m->table);
}

size_t vx6_hwm_mem_equivocations(const struct vx6_hwm_mem *m)
{
	return m->equivocations;
}
