/*
 * Our claim to our own name: its proof of work is found once, by a worker in slices, and kept. Nobody is told a name before somebody is there
 * to hear it, so an agent that never meets anybody never does the work.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "node/node_internal.h"
#include "record/name_claim.h"
#include "wire/rd.h"
#include "wire/wr.h"

static const char work_key[] = "name_work";

enum { SLICE = 65536, STORED_MAX = 1 + VX6_LABEL_MAX + 8 + 8 };

struct claim_work {
	struct vx6_job job;
	struct vx6_node *node;
	char name[VX6_LABEL_TEXT];
	struct vx6_net net;
	struct vx6_node_id id;
	uint64_t first, nonce;
	bool found;
};

/* ---- what is stored ---- */

static void store(struct vx6_node *node)
{
	const struct name_claim *c = &node->claim;
	uint8_t value[STORED_MAX];
	struct vx6_write *w;
	struct vx6_wr wr;
	size_t n = strlen(c->name);

	vx6_wr_init(&wr, value, sizeof value);
	vx6_wr_u8(&wr, (uint8_t)n);
	vx6_wr_bytes(&wr, c->name, n);
	vx6_wr_u64(&wr, c->nonce);
	vx6_wr_u64(&wr, c->claimed_at_s);
	if (!vx6_is_ok(vx6_wr_done(&wr, &n)))
		return;
	w = vx6_write_new();
	vx6_write_put_value(w, work_key, value, n);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("node", "the proof of work for our name could not be stored");
}

void claim_load(struct vx6_node *node, const struct vx6_state_image *img)
{
	const struct vx6_stored_value *v = vx6_state_image_value(img, work_key);
	struct name_claim c = {0};
	struct vx6_rd r, name;

	if (!v)
		return;
	vx6_rd_init(&r, v->value, v->n);
	name = vx6_rd_sub8(&r, VX6_LABEL_MAX);
	vx6_rd_label(&name, c.name);
	c.nonce = vx6_rd_u64(&r);
	c.claimed_at_s = vx6_rd_u64(&r);
	if (vx6_is_ok(name.err) && vx6_is_ok(vx6_rd_done(&r)) &&
	    vx6_name_work(&node->identity.net, c.name, &node->identity.id, c.nonce) >=
		    VX6_NAME_WORK_BITS)
		node->claim = c;
}

/* ---- the work ---- */

static void publish(struct vx6_node *node)
{
	node->claim.published = true;
	vx6_publisher_set_claim(node->publisher, node->claim.name, node->claim.nonce,
				node->claim.claimed_at_s);
}

static void work(struct vx6_job *job)
{
	struct claim_work *w = VX6_CONTAINER_OF(job, struct claim_work, job);

	w->found = vx6_name_work_solve(&w->net, w->name, &w->id, VX6_NAME_WORK_BITS, w->first,
				       SLICE, &w->nonce);
}

static void on_worked(struct vx6_job *job)
{
	struct claim_work *w = VX6_CONTAINER_OF(job, struct claim_work, job);
	struct vx6_node *node = w->node;
	bool stale = strcmp(w->name, node->name) != 0;

	w->first += SLICE;
	if (!w->found && !stale && !node->stopping && vx6_is_ok(vx6_loop_work(node->loop, &w->job)))
		return;
	node->claim.working = false;
	if (w->found && !stale && !node->stopping) {
		vx6_strlcpy(node->claim.name, w->name, sizeof node->claim.name);
		node->claim.nonce = w->nonce;
		node->claim.claimed_at_s = vx6_wall_s();
		store(node);
		publish(node);
	} else if (stale && !node->stopping) {
		claim_want(node);
	}
	free(w);
}

void claim_want(struct vx6_node *node)
{
	struct claim_work *w;

	if (node->claim.working || node->stopping || !node->name[0])
		return;
	if (strcmp(node->claim.name, node->name) == 0) {
		if (!node->claim.published)
			publish(node);
		return;
	}
	w = vx6_zalloc(sizeof *w);
	w->job = (struct vx6_job){.work = work, .done = on_worked};
	w->node = node;
	w->net = node->identity.net;
	w->id = node->identity.id;
	vx6_strlcpy(w->name, node->name, sizeof w->name);
	w->first = vx6_random_u64();
	node->claim.working = vx6_is_ok(vx6_loop_work(node->loop, &w->job));
	if (!node->claim.working)
		free(w);
}
