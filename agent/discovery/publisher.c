/*
 * Records are rebuilt when they change and in any case after a quarter of their life (endpoint 30 min, service 90 min), with 10 % of jitter
 * so that a fleet started together does not publish together.
 */
#include "discovery/publisher.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "record/service.h"

enum { ENDPOINT_REFRESH_S = 30 * 60, SERVICE_REFRESH_S = 90 * 60, TICK_MS = 60 * 1000 };

struct published {
	struct vx6_list node;
	char name[VX6_LABEL_TEXT];
	uint8_t record[VX6_SERVICE_MAX];
	size_t n;
	uint64_t due_s; /* when to build it again */
};

struct vx6_publisher {
	struct vx6_publisher_config cfg;
	struct vx6_sessions *sessions;
	struct vx6_endpoint endpoint;
	bool has_endpoint;
	uint8_t record[VX6_ENDPOINT_MAX];
	size_t record_n;
	uint64_t due_s;
	struct vx6_list services;
	size_t services_n;
	uint64_t last_seq;
	struct vx6_timer tick;
};

static uint64_t next_seq(struct vx6_publisher *p)
{
	uint64_t now = vx6_wall_ms();

	p->last_seq = now > p->last_seq ? now : p->last_seq + 1;
	if (p->cfg.seq_used)
		p->cfg.seq_used(p->cfg.user, p->last_seq);
	return p->last_seq;
}

static uint64_t due_in(uint32_t seconds)
{
	return vx6_wall_s() + seconds - seconds / 10 + vx6_random_below(seconds / 5);
}

static bool build_endpoint(struct vx6_publisher *p)
{
	vx6_err err;

	p->endpoint.seq = next_seq(p);
	p->endpoint.issued_s = vx6_wall_s();
	p->endpoint.lifetime_s = VX6_ENDPOINT_LIFETIME_S;
	p->endpoint.features = VX6_FEAT_SERVICE | VX6_FEAT_RECORDS;
	err = vx6_endpoint_build(&p->endpoint, p->cfg.identity, p->record, &p->record_n);
	if (!vx6_is_ok(err)) {
		p->record_n = 0;
		VX6_ERROR("discovery", "cannot build the endpoint record: %s", vx6_err_text(err));
		return false;
	}
	p->due_s = due_in(ENDPOINT_REFRESH_S);
	return true;
}

static bool build_service(struct vx6_publisher *p, struct published *s, bool withdrawn)
{
	struct vx6_service_record r = {
		.seq = next_seq(p),
		.issued_s = vx6_wall_s(),
		.lifetime_s = VX6_SERVICE_LIFETIME_S,
		.withdrawn = withdrawn,
		.kind = VX6_SERVICE_TCP,
	};
	vx6_err err;

	vx6_strlcpy(r.name, s->name, sizeof r.name);
	err = vx6_service_build(&r, p->cfg.identity, s->record, &s->n);
	if (!vx6_is_ok(err)) {
		s->n = 0;
		VX6_ERROR("discovery", "cannot build the record of service %s: %s", s->name,
			  vx6_err_text(err));
		return false;
	}
	s->due_s = due_in(SERVICE_REFRESH_S);
	return true;
}

/* ---- sending ---- */

static void send_record(struct vx6_session *s, const uint8_t *record, size_t n)
{
	/* a session that takes no more is about to be closed by its own limits */
	if (n > 0 && !vx6_is_ok(vx6_session_send_record(s, record, n)))
		VX6_DEBUG("discovery", "a session did not take a record");
}

struct sending {
	struct vx6_publisher *p;
	struct published *service; /* NULL: the endpoint record */
};

static bool may_send(const struct vx6_publisher *p, const struct published *s,
		     const struct vx6_session *to)
{
	const struct vx6_node_id *node = vx6_session_node(to);

	return node && (vx6_session_features(to) & VX6_FEAT_RECORDS) &&
	       (!p->cfg.may_see || p->cfg.may_see(p->cfg.user, s->name, node));
}

static void send_one(struct vx6_session *s, void *user)
{
	const struct sending *what = user;

	if (what->service) {
		if (may_send(what->p, what->service, s))
			send_record(s, what->service->record, what->service->n);
	} else if (vx6_session_node(s) && (vx6_session_features(s) & VX6_FEAT_RECORDS)) {
		send_record(s, what->p->record, what->p->record_n);
	}
}

static void send_all(struct vx6_publisher *p, struct published *service)
{
	struct sending what = {p, service};

	if (p->sessions)
		vx6_sessions_each(p->sessions, send_one, &what);
}

/* ---- life ---- */

static void on_tick(struct vx6_timer *timer)
{
	struct vx6_publisher *p = timer->user;
	uint64_t now = vx6_wall_s();

	if (p->has_endpoint && now >= p->due_s && build_endpoint(p))
		send_all(p, NULL);
	VX6_LIST_EACH(node, &p->services)
	{
		struct published *s = VX6_CONTAINER_OF(node, struct published, node);

		if (now >= s->due_s && build_service(p, s, false))
			send_all(p, s);
	}
	vx6_timer_in_ms(&p->tick, TICK_MS);
}

struct vx6_publisher *vx6_publisher_new(const struct vx6_publisher_config *cfg)
{
	struct vx6_publisher *p = vx6_zalloc(sizeof *p);

	p->cfg = *cfg;
	p->last_seq = cfg->last_seq;
	vx6_list_init(&p->services);
	vx6_timer_init(cfg->loop, &p->tick, on_tick, p);
	vx6_timer_in_ms(&p->tick, TICK_MS);
	return p;
}

void vx6_publisher_free(struct vx6_publisher *p)
{
	struct vx6_list *node;

	if (!p)
		return;
	while ((node = vx6_list_pop(&p->services)) != NULL)
		free(VX6_CONTAINER_OF(node, struct published, node));
	vx6_timer_stop(&p->tick);
	free(p);
}

void vx6_publisher_attach(struct vx6_publisher *p, struct vx6_sessions *m)
{
	p->sessions = m;
}

static bool same_addrs(const struct vx6_endpoint *e, const struct vx6_endpoint_addr *addrs,
		       size_t n)
{
	if (e->n_addrs != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!vx6_addr_eq(&e->addrs[i].addr, &addrs[i].addr) ||
		    e->addrs[i].via != addrs[i].via)
			return false;
	return true;
}

void vx6_publisher_set_endpoint(struct vx6_publisher *p, const char *name,
				const struct vx6_endpoint_addr *addrs, size_t n)
{
	n = VX6_MIN(n, (size_t)VX6_ENDPOINT_ADDRS_MAX);
	if (p->has_endpoint && strcmp(p->endpoint.name, name) == 0 &&
	    same_addrs(&p->endpoint, addrs, n))
		return;
	p->has_endpoint = true;
	vx6_strlcpy(p->endpoint.name, name, sizeof p->endpoint.name);
	p->endpoint.n_addrs = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		p->endpoint.addrs[i] = addrs[i];
	if (build_endpoint(p))
		send_all(p, NULL);
}

static struct published *find(struct vx6_publisher *p, const char *name)
{
	VX6_LIST_EACH(node, &p->services)
	{
		struct published *s = VX6_CONTAINER_OF(node, struct published, node);

		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

void vx6_publisher_put_service(struct vx6_publisher *p, const char *name)
{
	struct published *s = find(p, name);

	if (!s) {
		if (p->services_n >= VX6_PUBLISHED_MAX)
			return;
		s = vx6_zalloc(sizeof *s);
		vx6_strlcpy(s->name, name, sizeof s->name);
		vx6_list_push(&p->services, &s->node);
		p->services_n++;
	}
	if (build_service(p, s, false))
		send_all(p, s);
}

void vx6_publisher_drop_service(struct vx6_publisher *p, const char *name)
{
	struct published *s = find(p, name);

	if (!s)
		return;
	if (build_service(p, s, true))
		send_all(p, s);
	vx6_list_remove(&s->node);
	p->services_n--;
	free(s);
}

size_t vx6_publisher_endpoint(struct vx6_publisher *p, uint8_t *out, size_t cap)
{
	if (p->record_n == 0 || p->record_n > cap)
		return 0;
	memcpy(out, p->record, p->record_n);
	return p->record_n;
}

void vx6_publisher_greet(struct vx6_publisher *p, struct vx6_session *s)
{
	VX6_LIST_EACH(node, &p->services)
	{
		struct published *pub = VX6_CONTAINER_OF(node, struct published, node);

		if (may_send(p, pub, s))
			send_record(s, pub->record, pub->n);
	}
}

void vx6_publisher_refresh(struct vx6_publisher *p)
{
	if (p->has_endpoint && build_endpoint(p))
		send_all(p, NULL);
	VX6_LIST_EACH(node, &p->services)
	{
		struct published *s = VX6_CONTAINER_OF(node, struct published, node);

		if (build_service(p, s, false))
			send_all(p, s);
	}
}
