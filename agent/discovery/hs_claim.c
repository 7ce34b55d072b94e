/* A claim that is kept in the DHT: put there, read back, and put there again every now and then. */
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "discovery/hs_alias.h"
#include "discovery/hs_dht_internal.h"

enum { HEARD_MAX = VX6_CLAIMS_MAX }; /* of holders, before they are told */

struct vx6_hs_claim {
	struct vx6_hs_dht *h;
	const struct vx6_hs_claim_events *ev;
	void *user;
	char alias[VX6_LABEL_TEXT];
	struct vx6_node_id service;
	uint8_t record[VX6_ALIAS_CLAIM_MAX];
	struct hs_upload upload;
	struct vx6_timer again;
	struct vx6_task tell;
	struct vx6_name_claim heard[HEARD_MAX];
	size_t heard_n;
};

static void tell(struct vx6_hs_claim *c)
{
	vx6_loop_defer(c->h->cfg.loop, &c->tell);
}

/* One thing at a time: whoever is told may free us. */
static void on_tell(struct vx6_task *task)
{
	struct vx6_hs_claim *c = task->user;
	struct vx6_name_claim heard;

	if (c->heard_n == 0) {
		c->ev->changed(c->user);
		return;
	}
	heard = c->heard[--c->heard_n];
	tell(c);
	if (vx6_node_id_eq(&heard.node, &c->service))
		c->ev->newer(c->user, heard.seq);
	else
		c->ev->other(c->user, &heard);
}

static void on_changed(void *user)
{
	tell(user);
}

static void on_clash(void *user, const uint8_t *record, size_t n)
{
	struct vx6_hs_claim *c = user;
	struct vx6_record rec;

	if (c->heard_n < HEARD_MAX && vx6_is_ok(vx6_record_parse(record, n, &rec)) &&
	    vx6_is_ok(vx6_alias_claim_read(&rec, &c->h->cfg.net, &c->heard[c->heard_n]))) {
		c->heard_n++;
		tell(c);
	}
}

static const struct hs_upload_events upload_events = {.changed = on_changed, .clash = on_clash};

static void plan(struct vx6_hs_claim *c)
{
	vx6_timer_in_ms(&c->again, VX6_HS_PUBLISH_MIN_MS + vx6_random_below(VX6_HS_PUBLISH_MAX_MS -
									    VX6_HS_PUBLISH_MIN_MS));
}

static void on_again(struct vx6_timer *timer)
{
	struct vx6_hs_claim *c = timer->user;

	hs_upload_begin(&c->upload, c->record, c->upload.n, 0);
	plan(c);
}

vx6_err vx6_hs_claim_publish(struct vx6_hs_claim *c, const uint8_t *record, size_t n)
{
	struct vx6_name_claim claim;
	struct vx6_record rec;

	if (n > sizeof c->record)
		return VX6_ERR(LIMIT);
	VX6_TRY(vx6_record_parse(record, n, &rec));
	VX6_TRY(vx6_alias_claim_read(&rec, &c->h->cfg.net, &claim));
	if (strcmp(claim.name, c->alias) != 0)
		return VX6_ERR(MISMATCH);
	c->service = claim.node;
	memcpy(c->record, record, n);
	hs_upload_begin(&c->upload, c->record, n, 0);
	plan(c);
	return VX6_OK;
}

void vx6_hs_claim_info(const struct vx6_hs_claim *c, struct vx6_hs_publish_index *out)
{
	*out = c->upload.info;
}

struct vx6_hs_claim *vx6_hs_claim_new(struct vx6_hs_dht *h, const char *alias,
				      const struct vx6_hs_claim_events *ev, void *user)
{
	struct vx6_hs_claim *c = vx6_zalloc(sizeof *c);
	struct vx6_dht_key key;

	c->h = h;
	c->ev = ev;
	c->user = user;
	vx6_strlcpy(c->alias, alias, sizeof c->alias);
	vx6_dht_key_alias(&h->cfg.net, alias, &key);
	hs_upload_init(&c->upload, h, &key, NULL, &upload_events, c);
	vx6_timer_init(h->cfg.loop, &c->again, on_again, c);
	vx6_task_init(&c->tell, on_tell, c);
	h->publishers++;
	return c;
}

void vx6_hs_claim_free(struct vx6_hs_claim *c)
{
	if (!c)
		return;
	hs_upload_end(&c->upload);
	vx6_timer_stop(&c->again);
	vx6_task_cancel(&c->tell);
	c->h->publishers--;
	free(c);
}
