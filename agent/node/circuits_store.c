/*
 * Guards, vanguards, and what was measured of relays: rows of the database. Those that are kept are stored soon, for they are to be the same after a
 * restart; what was measured is stored a few rows at a time.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/circuits_internal.h"

enum { RELAYS_AT_ONCE = 256, KEY_HEX = 24 };

static const char relay_prefix[] = "relay.", guard_prefix[] = "guard.",
		  vanguard_prefix[] = "vanguard.";

/* ---- out ---- */

struct saving {
	struct vx6_write *w;
	const char *prefix;
};

/* The key has a part of the node id; the value begins with all of it. */
static void put_row(void *user, const struct vx6_node_id *node, const uint8_t *value, size_t n)
{
	struct saving *s = user;
	char key[VX6_STATE_KEY_MAX];
	uint8_t row[sizeof node->b + VX6_CIRCUIT_ROW_MAX];
	size_t at = strlen(s->prefix);

	memcpy(key, s->prefix, at);
	for (size_t i = 0; i < KEY_HEX; i++)
		snprintf(key + at + 2 * i, 3, "%02x", node->b[i]);
	if (!value || n > VX6_CIRCUIT_ROW_MAX) {
		vx6_write_delete_value(s->w, key);
		return;
	}
	memcpy(row, node->b, sizeof node->b);
	memcpy(row + sizeof node->b, value, n);
	vx6_write_put_value(s->w, key, row, sizeof node->b + n);
}

static void on_saved(void *user, const struct vx6_write_result *r)
{
	struct vx6_node *node = user;

	if (vx6_is_ok(r->err) || !node->guards)
		return;
	/* the disk may be full for now */
	vx6_guards_dirty_all(node->guards);
	vx6_vanguards_dirty_all(node->vanguards);
	vx6_relays_dirty_all(node->relays);
}

void circuits_save(struct vx6_node *node)
{
	struct saving guards = {.prefix = guard_prefix}, relays = {.prefix = relay_prefix},
		      vanguards = {.prefix = vanguard_prefix};
	struct vx6_circuit_store to_guards = {.row = put_row, .user = &guards},
				 to_vanguards = {.row = put_row, .user = &vanguards},
				 to_relays = {.row = put_row, .user = &relays};

	if (vx6_guards_dirty(node->guards) == 0 && vx6_vanguards_dirty(node->vanguards) == 0 &&
	    vx6_relays_dirty(node->relays) == 0)
		return;
	guards.w = vanguards.w = relays.w = vx6_write_new();
	vx6_guards_save(node->guards, &to_guards);
	vx6_vanguards_save(node->vanguards, &to_vanguards);
	vx6_relays_save(node->relays, &to_relays, RELAYS_AT_ONCE);
	if (!vx6_is_ok(vx6_state_submit(node->state, guards.w, on_saved, node)))
		on_saved(node, &(struct vx6_write_result){.err = VX6_ERR(FULL)});
}

/* ---- in ---- */

static vx6_err load_row(struct vx6_node *node, const struct vx6_stored_value *v)
{
	const size_t id = VX6_NODE_ID_BYTES;

	if (v->n < id)
		return VX6_ERR(FORMAT);
	if (strncmp(v->key, guard_prefix, sizeof guard_prefix - 1) == 0)
		return vx6_guards_load(node->guards, v->value, id, v->value + id, v->n - id);
	if (strncmp(v->key, vanguard_prefix, sizeof vanguard_prefix - 1) == 0)
		return vx6_vanguards_load(node->vanguards, v->value, id, v->value + id, v->n - id);
	return vx6_relays_load(node->relays, v->value, id, v->value + id, v->n - id, vx6_wall_s());
}

void circuits_load(struct vx6_node *node, const struct vx6_state_image *img)
{
	size_t dropped = 0;

	for (size_t i = 0; i < img->values_n; i++) {
		const struct vx6_stored_value *v = &img->values[i];

		if (strncmp(v->key, guard_prefix, sizeof guard_prefix - 1) != 0 &&
		    strncmp(v->key, vanguard_prefix, sizeof vanguard_prefix - 1) != 0 &&
		    strncmp(v->key, relay_prefix, sizeof relay_prefix - 1) != 0)
			continue;
		switch (load_row(node, v).code) {
		case VX6_E_OK:
		case VX6_E_EXPIRED:
		case VX6_E_EXISTS:
		case VX6_E_FULL:
			break;
		default:
			dropped++;
		}
	}
	if (dropped > 0)
		VX6_WARN("node", "%zu damaged rows of relays and guards were left out", dropped);
}
