/*
 * Records are rebuilt when they change and in any case after a quarter of their life (endpoint 30 min, service 90 min; relay info after a
 * third, 60 min; claims after 12 h), with
 * 10 % of jitter so that a fleet started together does not publish together.
 *
 * What is taken back stays for GONE_S as a withdrawn record, so that the DHT's holders hear of it, and is then forgotten.
 */
#include "discovery/publisher.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "record/name_claim.h"
#include "record/service.h"

enum {
	ENDPOINT_REFRESH_S = 30 * 60,
	SERVICE_REFRESH_S = 90 * 60,
	RELAY_REFRESH_S = 60 * 60,
	CLAIM_REFRESH_S = 12 * 3600,
	GONE_S = 10 * 60,
	TICK_MS = 60 * 1000,
	RECORD_ROOM = VX6_SERVICE_MAX, /* the largest of the types below */
};

struct published {
	struct vx6_list node;
	uint8_t type; /* enum vx6_rtype */
	char name[VX6_LABEL_TEXT];
	bool gone;
	bool was_public; /* a service: not only those who may see it have heard of it */
	uint64_t claimed_at_s, nonce; /* of a claim */
	uint64_t issued_s, due_s;     /* when to build it again, or to forget it */
	struct vx6_dht_kept *kept;
	bool told; /* that it is published */
	size_t n;
	uint8_t record[RECORD_ROOM];
};

struct vx6_publisher {
	struct vx6_publisher_config cfg;
	struct vx6_sessions *sessions;
	struct vx6_dht *dht;
	void (*dht_now)(void *user, struct vx6_dht_now *out);
	void *dht_user;
	struct vx6_endpoint endpoint;
	struct vx6_relay_info relay; /* what the record of that type says, while there is one */
	struct published *own;       /* the endpoint record, NULL: none yet; also in `all` */
	struct published *revocation;
	struct vx6_list all;
	size_t services_n;
	uint64_t last_seq;
	struct vx6_timer tick;
};

/* ---- building ---- */

static uint64_t next_seq(struct vx6_publisher *p)
{
	uint64_t now = vx6_wall_ms();

	p->last_seq = now > p->last_seq ? now : p->last_seq + 1;
	if (p->cfg.seq_used)
		p->cfg.seq_used(p->cfg.user, p->last_seq);
	return p->last_seq;
}

static bool is_public(const struct vx6_publisher *p, const struct published *r)
{
	return r->type != VX6_RTYPE_SERVICE || !p->cfg.is_public ||
	       p->cfg.is_public(p->cfg.user, r->name);
}

static vx6_err build_endpoint(struct vx6_publisher *p, struct published *r)
{
	p->endpoint.seq = next_seq(p);
	p->endpoint.issued_s = r->issued_s;
	p->endpoint.lifetime_s = VX6_ENDPOINT_LIFETIME_S;
	return vx6_endpoint_build(&p->endpoint, p->cfg.identity, r->record, &r->n);
}

static vx6_err build_service(struct vx6_publisher *p, struct published *r)
{
	struct vx6_service_record s = {
		.seq = next_seq(p),
		.issued_s = r->issued_s,
		.lifetime_s = VX6_SERVICE_LIFETIME_S,
		.withdrawn = r->gone,
		.unlisted = r->gone ? !r->kept && !r->was_public : !is_public(p, r),
		.kind = VX6_SERVICE_TCP,
	};

	r->was_public = r->was_public || !s.unlisted;
	vx6_strlcpy(s.name, r->name, sizeof s.name);
	return vx6_service_build(&s, p->cfg.identity, r->record, &r->n);
}

static vx6_err build_claim(struct vx6_publisher *p, struct published *r)
{
	struct vx6_name_claim c = {
		.seq = next_seq(p),
		.issued_s = r->issued_s,
		.lifetime_s = VX6_NAME_CLAIM_LIFETIME_S,
		.withdrawn = r->gone,
		.claimed_at_s = r->claimed_at_s,
		.nonce = r->nonce,
	};

	vx6_strlcpy(c.name, r->name, sizeof c.name);
	return vx6_name_claim_build(&c, p->cfg.identity, r->record, &r->n);
}

static vx6_err build_relay(struct vx6_publisher *p, struct published *r)
{
	struct vx6_relay_info info = p->relay;

	info.seq = next_seq(p);
	info.issued_s = r->issued_s;
	info.lifetime_s = VX6_RELAY_INFO_LIFETIME_S;
	info.withdrawn = r->gone;
	return vx6_relay_info_build(&info, p->cfg.identity, r->record, &r->n);
}

static uint32_t refresh_s(const struct published *r)
{
	switch (r->type) {
	case VX6_RTYPE_ENDPOINT:
		return ENDPOINT_REFRESH_S;
	case VX6_RTYPE_SERVICE:
		return SERVICE_REFRESH_S;
	case VX6_RTYPE_RELAY:
		return RELAY_REFRESH_S;
	default:
		return CLAIM_REFRESH_S;
	}
}

static bool build(struct vx6_publisher *p, struct published *r)
{
	uint32_t every = refresh_s(r);
	vx6_err err = VX6_OK;

	r->issued_s = vx6_wall_s();
	if (r->type == VX6_RTYPE_ENDPOINT)
		err = build_endpoint(p, r);
	else if (r->type == VX6_RTYPE_SERVICE)
		err = build_service(p, r);
	else if (r->type == VX6_RTYPE_NAME)
		err = build_claim(p, r);
	else if (r->type == VX6_RTYPE_RELAY)
		err = build_relay(p, r);
	if (!vx6_is_ok(err)) {
		r->n = 0;
		VX6_ERROR("discovery", "cannot build the %s record%s%s: %s",
			  vx6_rtype_name(r->type), r->name[0] ? " of " : "", r->name,
			  vx6_err_text(err));
		return false;
	}
	if (r->n > 0 && p->cfg.made)
		p->cfg.made(p->cfg.user, r->record, r->n);
	r->due_s = r->gone ? r->issued_s + GONE_S
			   : r->issued_s + every - every / 10 + vx6_random_below(every / 5);
	return true;
}

/* ---- to the DHT ---- */

static struct published *of_kept(const struct vx6_publisher *p, const struct vx6_dht_kept *k)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&p->all)
	{
		struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		if (r->kept == k)
			return r;
	}
	return NULL;
}

static void on_kept_changed(void *user, const struct vx6_dht_kept *k)
{
	struct vx6_publisher *p = user;
	struct vx6_dht_kept_info info;
	struct published *r = of_kept(p, k);
	bool before;

	if (!r || r->gone || !p->cfg.kept)
		return;
	before = r->told;
	vx6_dht_kept_info(k, &info);
	/* a new version begins from nothing; that is no loss */
	if (info.wanted > 0 && info.proved >= info.wanted)
		r->told = true;
	else if (!vx6_is_ok(info.last_err) && info.stored * 8 < info.wanted * 5)
		r->told = false;
	if (r->told != before)
		p->cfg.kept(p->cfg.user, r->type, r->name, &info, r->told);
}

static void on_clash(void *user, const uint8_t *record, size_t n)
{
	struct vx6_publisher *p = user;
	struct vx6_record_view v;

	if (!vx6_is_ok(vx6_record_decode(record, n, &v)))
		return;
	if (memcmp(v.subject, p->cfg.identity->id.b, sizeof v.subject) == 0) {
		if (p->cfg.foreign)
			p->cfg.foreign(p->cfg.user, record, n);
	} else if (v.type == VX6_RTYPE_NAME && p->cfg.clash) {
		p->cfg.clash(p->cfg.user, record, n);
	}
}

static void keep(struct vx6_publisher *p, struct published *r)
{
	struct vx6_dht_now now;

	if (!p->dht || r->n == 0 || (p->revocation && r != p->revocation))
		return;
	p->dht_now(p->dht_user, &now);
	if (r->kept && !r->gone && !is_public(p, r)) {
		/* it was public: the unlisted record does not replace it there, so its end is left to its lifetime */
		vx6_dht_forget(r->kept);
		r->kept = NULL;
	} else if (r->kept) {
		vx6_dht_keep_update(r->kept, r->record, r->n, &now);
	} else if (is_public(p, r) && !r->gone) {
		r->kept = vx6_dht_keep(p->dht, r->record, r->n, on_kept_changed, on_clash, p, &now);
	}
}

/* ---- to sessions ---- */

static void send_record(struct vx6_session *s, const struct published *r)
{
	/* a session that takes no more is about to be closed by its own limits */
	if (r->n > 0 && !vx6_is_ok(vx6_session_send_record(s, r->record, r->n)))
		VX6_DEBUG("discovery", "a session did not take a record");
}

static bool may_send(const struct vx6_publisher *p, const struct published *r,
		     const struct vx6_session *to)
{
	const struct vx6_node_id *node = vx6_session_node(to);

	if (!node || !(vx6_session_features(to) & VX6_FEAT_RECORDS))
		return false;
	/* what everybody could see is taken back from everybody, whoever may see the service now */
	if (r->gone && r->was_public)
		return true;
	return r->type != VX6_RTYPE_SERVICE || !p->cfg.may_see ||
	       p->cfg.may_see(p->cfg.user, r->name, node);
}

struct sending {
	struct vx6_publisher *p;
	struct published *what;
};

static void send_one(struct vx6_session *s, void *user)
{
	const struct sending *sending = user;

	if (may_send(sending->p, sending->what, s))
		send_record(s, sending->what);
}

static void publish(struct vx6_publisher *p, struct published *r)
{
	struct sending what = {p, r};

	if (p->revocation && r != p->revocation)
		return;
	if (p->sessions)
		vx6_sessions_each(p->sessions, send_one, &what);
	keep(p, r);
}

/* ---- what is published ---- */

static struct published *find(const struct vx6_publisher *p, uint8_t type, const char *name)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&p->all)
	{
		struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		if (r->type == type && strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

static struct published *add(struct vx6_publisher *p, uint8_t type, const char *name)
{
	struct published *r = vx6_zalloc(sizeof *r);

	r->type = type;
	vx6_strlcpy(r->name, name, sizeof r->name);
	vx6_list_push(&p->all, &r->node);
	p->services_n += type == VX6_RTYPE_SERVICE;
	return r;
}

static void forget(struct vx6_publisher *p, struct published *r)
{
	if (r->kept)
		vx6_dht_forget(r->kept);
	vx6_list_remove(&r->node);
	p->services_n -= r->type == VX6_RTYPE_SERVICE;
	free(r);
}

static void withdraw(struct vx6_publisher *p, struct published *r)
{
	bool kept = r->kept != NULL;

	r->gone = true;
	if (build(p, r))
		publish(p, r);
	if (!kept)
		forget(p, r);
}

static void on_tick(struct vx6_timer *timer)
{
	struct vx6_publisher *p = timer->user;
	uint64_t now = vx6_wall_s();

	VX6_LIST_EACH(node, &p->all)
	{
		struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		if (now < r->due_s)
			continue;
		if (r->gone)
			forget(p, r);
		else if (build(p, r))
			publish(p, r);
	}
	vx6_timer_in_ms(&p->tick, TICK_MS);
}

/* ---- life ---- */

struct vx6_publisher *vx6_publisher_new(const struct vx6_publisher_config *cfg)
{
	struct vx6_publisher *p = vx6_zalloc(sizeof *p);

	p->cfg = *cfg;
	p->last_seq = cfg->last_seq;
	vx6_list_init(&p->all);
	vx6_timer_init(cfg->loop, &p->tick, on_tick, p);
	vx6_timer_in_ms(&p->tick, TICK_MS);
	return p;
}

void vx6_publisher_free(struct vx6_publisher *p)
{
	if (!p)
		return;
	while (!vx6_list_is_empty(&p->all))
		forget(p, VX6_CONTAINER_OF(p->all.next, struct published, node));
	vx6_timer_stop(&p->tick);
	free(p);
}

void vx6_publisher_attach(struct vx6_publisher *p, struct vx6_sessions *m)
{
	p->sessions = m;
}

void vx6_publisher_attach_dht(struct vx6_publisher *p, struct vx6_dht *dht,
			      void (*now)(void *user, struct vx6_dht_now *out), void *user)
{
	if (!dht) {
		VX6_LIST_EACH(node, &p->all)
		{
			struct published *r = VX6_CONTAINER_OF(node, struct published, node);

			if (r->kept)
				vx6_dht_forget(r->kept);
			r->kept = NULL;
		}
	}
	p->dht = dht;
	p->dht_now = now;
	p->dht_user = user;
	VX6_LIST_EACH(node, &p->all)
	keep(p, VX6_CONTAINER_OF(node, struct published, node));
}

/* ---- what to publish ---- */

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
				const struct vx6_endpoint_addr *addrs, size_t n, uint64_t features)
{
	n = VX6_MIN(n, (size_t)VX6_ENDPOINT_ADDRS_MAX);
	if (p->own && strcmp(p->endpoint.name, name) == 0 && p->endpoint.features == features &&
	    same_addrs(&p->endpoint, addrs, n))
		return;
	if (!p->own)
		p->own = add(p, VX6_RTYPE_ENDPOINT, "");
	p->endpoint.features = features;
	vx6_strlcpy(p->endpoint.name, name, sizeof p->endpoint.name);
	p->endpoint.n_addrs = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		p->endpoint.addrs[i] = addrs[i];
	if (build(p, p->own))
		publish(p, p->own);
}

void vx6_publisher_set_claim(struct vx6_publisher *p, const char *name, uint64_t nonce,
			     uint64_t claimed_at_s)
{
	struct published *r = NULL;

	VX6_LIST_EACH(node, &p->all)
	{
		struct published *old = VX6_CONTAINER_OF(node, struct published, node);

		if (old->type != VX6_RTYPE_NAME)
			continue;
		if (strcmp(old->name, name) == 0)
			r = old;
		else if (!old->gone)
			withdraw(p, old);
	}
	if (!r)
		r = add(p, VX6_RTYPE_NAME, name);
	r->gone = false;
	r->nonce = nonce;
	r->claimed_at_s = claimed_at_s;
	if (build(p, r))
		publish(p, r);
}

void vx6_publisher_set_relay(struct vx6_publisher *p, const struct vx6_relay_info *info)
{
	struct published *r = find(p, VX6_RTYPE_RELAY, "");

	if (!info) {
		if (r && !r->gone)
			withdraw(p, r);
		return;
	}
	if (r && !r->gone && r->n > 0 && vx6_relay_info_same(&p->relay, info))
		return;
	if (!r)
		r = add(p, VX6_RTYPE_RELAY, "");
	r->gone = false;
	p->relay = *info;
	p->relay.withdrawn = false;
	if (build(p, r))
		publish(p, r);
}

/* What is signed by a key that has ended is of no use to anybody. */
static void let_others_go(struct vx6_publisher *p)
{
	VX6_LIST_EACH(node, &p->all)
	{
		struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		if (r == p->revocation || !r->kept)
			continue;
		vx6_dht_forget(r->kept);
		r->kept = NULL;
	}
}

void vx6_publisher_set_revocation(struct vx6_publisher *p, const uint8_t *record, size_t n)
{
	struct published *r = p->revocation;

	if (n > RECORD_ROOM)
		return;
	if (!r)
		r = p->revocation = add(p, VX6_RTYPE_REVOCATION, "");
	memcpy(r->record, record, n);
	r->n = n;
	let_others_go(p);
	if (build(p, r))
		publish(p, r);
}

void vx6_publisher_put_service(struct vx6_publisher *p, const char *name)
{
	struct published *r = find(p, VX6_RTYPE_SERVICE, name);

	if (!r && p->services_n >= VX6_PUBLISHED_MAX)
		return;
	if (!r)
		r = add(p, VX6_RTYPE_SERVICE, name);
	r->gone = false;
	if (build(p, r))
		publish(p, r);
}

void vx6_publisher_drop_service(struct vx6_publisher *p, const char *name)
{
	struct published *r = find(p, VX6_RTYPE_SERVICE, name);

	if (r && !r->gone)
		withdraw(p, r);
}

static size_t copy_out(const struct published *r, uint8_t *out, size_t cap)
{
	if (!r || r->n == 0 || r->n > cap)
		return 0;
	memcpy(out, r->record, r->n);
	return r->n;
}

size_t vx6_publisher_endpoint(struct vx6_publisher *p, uint8_t *out, size_t cap)
{
	return copy_out(p->own, out, cap);
}

size_t vx6_publisher_claim(struct vx6_publisher *p, uint8_t *out, size_t cap)
{
	VX6_LIST_EACH(node, &p->all)
	{
		const struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		if (r->type == VX6_RTYPE_NAME && !r->gone)
			return copy_out(r, out, cap);
	}
	return 0;
}

uint64_t vx6_publisher_last_seq(const struct vx6_publisher *p)
{
	return p->last_seq;
}

void vx6_publisher_greet(struct vx6_publisher *p, struct vx6_session *s)
{
	VX6_LIST_EACH(node, &p->all)
	{
		struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		/* the endpoint record was in HELLO */
		if (p->revocation ? r == p->revocation : r != p->own && !r->gone)
			if (may_send(p, r, s))
				send_record(s, r);
	}
}

void vx6_publisher_refresh(struct vx6_publisher *p)
{
	VX6_LIST_EACH(node, &p->all)
	{
		struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		if (!r->gone && build(p, r))
			publish(p, r);
	}
}

void vx6_publisher_each(const struct vx6_publisher *p,
			void (*fn)(void *user, uint8_t rtype, const char *name, uint64_t issued_s,
				   const struct vx6_dht_kept *kept),
			void *user)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&p->all)
	{
		const struct published *r = VX6_CONTAINER_OF(node, struct published, node);

		if (!r->gone)
			fn(user, r->type, r->name, r->issued_s, r->kept);
	}
}
