#include "discovery/clash.h"

#include "base/util.h"
#include "discovery/known.h"
#include "loop/loop.h"

/* One node on the way to be told. */
struct telling {
	struct vx6_clash *c;
	struct vx6_node_id node;
	struct vx6_resolving *resolving;
	struct vx6_dialing *dialing;
};

struct told {
	struct vx6_node_id node;
	uint64_t at_ms;
	bool used;
};

struct vx6_clash {
	struct vx6_clash_config cfg;
	struct telling telling[VX6_CLASH_DIALS];
	struct told told[VX6_CLASH_TOLD_MAX]; /* the oldest gives way */
};

struct vx6_clash *vx6_clash_new(const struct vx6_clash_config *cfg)
{
	struct vx6_clash *c = vx6_zalloc(sizeof *c);

	c->cfg = *cfg;
	for (size_t i = 0; i < VX6_CLASH_DIALS; i++)
		c->telling[i].c = c;
	return c;
}

void vx6_clash_free(struct vx6_clash *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < VX6_CLASH_DIALS; i++) {
		if (c->telling[i].resolving)
			vx6_resolve_cancel(c->telling[i].resolving);
		if (c->telling[i].dialing)
			vx6_dialing_cancel(c->telling[i].dialing);
	}
	free(c);
}

static void send_own(const struct vx6_clash *c, struct vx6_session *s)
{
	uint8_t record[VX6_RECORD_MAX];
	size_t n = c->cfg.own(c->cfg.user, record, sizeof record);

	if (n > 0) /* a session that is too full hears of it another time */
		(void)vx6_is_ok(vx6_session_send_record(s, record, n));
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct telling *t = user;

	t->dialing = NULL;
	if (s)
		send_own(t->c, s);
}

static void on_resolved(void *user, const struct vx6_resolution *r)
{
	struct telling *t = user;
	const struct vx6_clash_config *cfg = &t->c->cfg;
	struct vx6_dial_request req = {.expect_node = true, .node = t->node};
	unsigned via = vx6_via_of(cfg->transport);

	t->resolving = NULL;
	if (!vx6_is_ok(r->err) || !r->has_endpoint)
		return;
	for (size_t i = 0; i < r->endpoint.n_addrs && req.addrs_n < VX6_DIAL_ADDRS_MAX; i++) {
		if (!vx6_known_may_dial(cfg->sessions, &r->endpoint.addrs[i].addr))
			continue;
		req.addrs[req.addrs_n] = r->endpoint.addrs[i].addr;
		req.via[req.addrs_n++] = (uint8_t)(r->endpoint.addrs[i].via & via);
	}
	vx6_known_tidy(&req);
	t->dialing = vx6_sessions_dial(cfg->sessions, &req, on_dialed, t);
}

/* @return false: it was dialled not long ago */
static bool may_dial(struct vx6_clash *c, const struct vx6_node_id *node)
{
	uint64_t now_ms = vx6_loop_now_ms(c->cfg.loop);
	struct told *oldest = &c->told[0];

	for (size_t i = 0; i < VX6_CLASH_TOLD_MAX; i++) {
		struct told *t = &c->told[i];

		if (t->used && vx6_node_id_eq(&t->node, node) &&
		    now_ms - t->at_ms < VX6_CLASH_AGAIN_MS)
			return false;
		if (!t->used || (oldest->used && t->at_ms < oldest->at_ms))
			oldest = t;
	}
	*oldest = (struct told){.node = *node, .at_ms = now_ms, .used = true};
	return true;
}

static struct telling *free_slot(struct vx6_clash *c)
{
	for (size_t i = 0; i < VX6_CLASH_DIALS; i++)
		if (!c->telling[i].resolving && !c->telling[i].dialing)
			return &c->telling[i];
	return NULL;
}

void vx6_clash_tell(struct vx6_clash *c, const struct vx6_node_id *node)
{
	struct vx6_session *s = vx6_sessions_find(c->cfg.sessions, node, VX6_DIAL_ANY);
	struct vx6_resolve_ask ask = {.local_only = false};
	struct telling *t = free_slot(c);

	if (s) {
		send_own(c, s);
		return;
	}
	if (!t || !may_dial(c, node))
		return;
	t->node = *node;
	ask.target.has_node_id = true;
	ask.target.node_id = *node;
	t->resolving = vx6_resolve(c->cfg.resolver, &ask, on_resolved, t);
}
