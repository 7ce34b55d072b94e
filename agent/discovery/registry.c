/*
 * Known nodes by id, each with its endpoint record and a short list of services; pins by name.
 * Names are looked up by a walk: it happens once a connection at most, over at most VX6_KNOWN_NODES_MAX entries.
 */
#include "discovery/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "crypto/table.h"

enum { PINS_MAX = 65536 };

struct known_service {
	char name[VX6_LABEL_TEXT];
	uint64_t expires_s;
};

struct known_node {
	struct vx6_node_id id;
	bool has_endpoint;
	struct vx6_endpoint endpoint;
	uint64_t endpoint_expires_s;
	struct known_service *services;
	size_t services_n;
	UT_hash_handle hh;
};

struct pin {
	char name[VX6_LABEL_TEXT]; /* zero-padded: the whole array is the key */
	struct vx6_node_id node;
	bool conflict_told;
	UT_hash_handle hh;
};

struct vx6_registry {
	const struct vx6_net *net;
	const struct vx6_hwm_store *store;
	const struct vx6_registry_events *ev;
	void *user;
	struct known_node *nodes;
	struct pin *pins;
};

struct vx6_registry *vx6_registry_new(const struct vx6_net *net, const struct vx6_hwm_store *store,
				      const struct vx6_registry_events *ev, void *user)
{
	struct vx6_registry *r = vx6_zalloc(sizeof *r);

	r->net = net;
	r->store = store;
	r->ev = ev;
	r->user = user;
	return r;
}

static void node_free(struct vx6_registry *r, struct known_node *k)
{
	HASH_DEL(r->nodes, k);
	free(k->services);
	free(k);
}

void vx6_registry_free(struct vx6_registry *r)
{
	struct known_node *k, *next_k;
	struct pin *p, *next_p;

	if (!r)
		return;
	HASH_ITER(hh, r->nodes, k, next_k) node_free(r, k);
	HASH_ITER(hh, r->pins, p, next_p)
	{
		HASH_DEL(r->pins, p);
		free(p);
	}
	free(r);
}

static bool is_configured(const struct vx6_registry *r, const struct vx6_node_id *node)
{
	return r->ev && r->ev->is_configured && r->ev->is_configured(r->user, node);
}

static struct known_node *node_find(const struct vx6_registry *r, const struct vx6_node_id *id)
{
	struct known_node *k;

	HASH_FIND(hh, r->nodes, id->b, sizeof id->b, k);
	return k;
}

static void drop_expired(struct vx6_registry *r, uint64_t now_s)
{
	struct known_node *k, *next;

	HASH_ITER(hh, r->nodes, k, next)
	{
		if (k->endpoint_expires_s <= now_s)
			node_free(r, k);
	}
}

/* Strangers may fill the table, but not keep others out: the one among them whose record ends first gives way. */
static void drop_stranger(struct vx6_registry *r)
{
	struct known_node *k, *next, *first = NULL;

	HASH_ITER(hh, r->nodes, k, next)
	{
		if ((!first || k->endpoint_expires_s < first->endpoint_expires_s) &&
		    !is_configured(r, &k->id))
			first = k;
	}
	if (first)
		node_free(r, first);
}

static struct known_node *node_make(struct vx6_registry *r, const struct vx6_node_id *id,
				    uint64_t now_s)
{
	struct known_node *k = node_find(r, id);

	if (k)
		return k;
	if (HASH_COUNT(r->nodes) >= VX6_KNOWN_NODES_MAX)
		drop_expired(r, now_s);
	if (HASH_COUNT(r->nodes) >= VX6_KNOWN_NODES_MAX)
		drop_stranger(r);
	if (HASH_COUNT(r->nodes) >= VX6_KNOWN_NODES_MAX)
		return NULL;
	k = vx6_zalloc(sizeof *k);
	k->id = *id;
	HASH_ADD(hh, r->nodes, id.b, sizeof k->id.b, k);
	return k;
}

/* ---- pins ---- */

static struct pin *pin_find(const struct vx6_registry *r, const char *name)
{
	char key[VX6_LABEL_TEXT] = "";
	struct pin *p;

	vx6_strlcpy(key, name, sizeof key);
	HASH_FIND(hh, r->pins, key, sizeof key, p);
	return p;
}

bool vx6_registry_pinned(const struct vx6_registry *r, const char *name, struct vx6_node_id *out)
{
	const struct pin *p = pin_find(r, name);

	if (p)
		*out = p->node;
	return p != NULL;
}

void vx6_registry_load_pin(struct vx6_registry *r, const char *name, const struct vx6_node_id *node)
{
	struct pin *p;

	if (pin_find(r, name) || HASH_COUNT(r->pins) >= PINS_MAX)
		return;
	p = vx6_zalloc(sizeof *p);
	vx6_strlcpy(p->name, name, sizeof p->name);
	p->node = *node;
	HASH_ADD(hh, r->pins, name, sizeof p->name, p);
}

void vx6_registry_pin(struct vx6_registry *r, const char *name, const struct vx6_node_id *node)
{
	if (pin_find(r, name))
		return;
	vx6_registry_load_pin(r, name, node);
	if (r->ev && r->ev->pinned)
		r->ev->pinned(r->user, name, node);
}

static void watch_name(struct vx6_registry *r, const struct known_node *k)
{
	struct pin *p = k->endpoint.name[0] ? pin_find(r, k->endpoint.name) : NULL;

	if (!p || p->conflict_told || vx6_node_id_eq(&p->node, &k->id))
		return;
	p->conflict_told = true;
	if (r->ev && r->ev->name_conflict)
		r->ev->name_conflict(r->user, p->name, &p->node, &k->id);
}

/* ---- records ---- */

static vx6_err take_endpoint(struct vx6_registry *r, const struct vx6_admission *a, uint64_t now_s)
{
	struct vx6_endpoint e;
	struct known_node *k;

	VX6_TRY(vx6_endpoint_read(&a->record, &e));
	k = node_make(r, &a->record.subject, now_s);
	if (!k)
		return VX6_ERR(FULL);
	k->has_endpoint = true;
	k->endpoint = e;
	k->endpoint_expires_s = vx6_record_expires_s(&a->record.view);
	watch_name(r, k);
	return VX6_OK;
}

static struct known_service *service_find(struct known_node *k, const char *name)
{
	for (size_t i = 0; i < k->services_n; i++)
		if (strcmp(k->services[i].name, name) == 0)
			return &k->services[i];
	return NULL;
}

static vx6_err take_service(struct vx6_registry *r, const struct vx6_admission *a, uint64_t now_s)
{
	struct vx6_service_record s;
	struct known_node *k;
	struct known_service *known;

	VX6_TRY(vx6_service_read(&a->record, &s));
	k = node_make(r, &a->record.subject, now_s);
	if (!k)
		return VX6_ERR(FULL);
	known = service_find(k, s.name);
	if (s.withdrawn) {
		if (known)
			*known = k->services[--k->services_n];
		return VX6_OK;
	}
	if (!known) {
		if (k->services_n >= VX6_KNOWN_SERVICES_MAX)
			return VX6_ERR(FULL);
		k->services =
			vx6_realloc_array(k->services, k->services_n + 1, sizeof *k->services);
		known = &k->services[k->services_n++];
		vx6_strlcpy(known->name, s.name, sizeof known->name);
	}
	known->expires_s = vx6_record_expires_s(&a->record.view);
	return VX6_OK;
}

static vx6_err take(struct vx6_registry *r, const struct vx6_admission *a, uint64_t now_s)
{
	switch (a->record.view.type) {
	case VX6_RTYPE_ENDPOINT:
		return take_endpoint(r, a, now_s);
	case VX6_RTYPE_SERVICE:
		return take_service(r, a, now_s);
	case VX6_RTYPE_REVOCATION:
		return VX6_OK; /* the mark that admission kept is what later records are held against */
	default:
		return VX6_ERR(UNSUPPORTED);
	}
}

static void tell_changed(struct vx6_registry *r, const struct vx6_admission *a,
			 const struct vx6_source *from)
{
	const struct vx6_record_view *v = &a->record.view;
	struct vx6_known_record rec = {
		.key = a->key,
		.tag = vx6_hwm_tag(&a->key),
		.seq = v->seq,
		.expires_s = vx6_record_expires_s(v),
		.source = from->kind,
		.flags = v->flags,
		.bytes = v->bytes,
		.n = v->n,
	};
	struct vx6_registry_change c = {.record = &rec,
					.source = from,
					.subject = a->record.subject};

	if (r->ev && r->ev->changed && from->kind != VX6_SOURCE_DISK)
		r->ev->changed(r->user, &c);
}

vx6_err vx6_registry_admit(struct vx6_registry *r, const uint8_t *record, size_t n,
			   const struct vx6_source *from, uint64_t now_s, struct vx6_admitted *out)
{
	struct vx6_admit ctx = {.net = r->net, .store = r->store, .now_s = now_s};
	struct vx6_admission a;
	vx6_err err;

	if (out)
		*out = (struct vx6_admitted){0};
	VX6_TRY(vx6_record_admit(&ctx, record, n, &a));
	if (out)
		*out = (struct vx6_admitted){a.result, a.newer, a.newer_n};
	if (a.result == VX6_ADMIT_STALE)
		return VX6_ERR(STALE);
	if (a.result == VX6_ADMIT_EQUIVOCATION)
		return VX6_ERR(EQUIVOCATION);
	/* the same record again still fills a registry that was empty after a restart: the marks are older than it */
	err = take(r, &a, now_s);
	if (vx6_is_ok(err) && a.result == VX6_ADMIT_NEW)
		tell_changed(r, &a, from);
	return err;
}

/* ---- questions ---- */

static const struct known_node *node_valid(const struct vx6_registry *r,
					   const struct vx6_node_id *node, uint64_t now_s)
{
	const struct known_node *k = node_find(r, node);

	return k && k->has_endpoint && k->endpoint_expires_s > now_s ? k : NULL;
}

bool vx6_registry_endpoint(const struct vx6_registry *r, const struct vx6_node_id *node,
			   uint64_t now_s, struct vx6_endpoint *out)
{
	const struct known_node *k = node_valid(r, node, now_s);

	if (k)
		*out = k->endpoint;
	return k != NULL;
}

char *vx6_registry_name(const struct vx6_registry *r, const struct vx6_node_id *node,
			char out[static VX6_LABEL_TEXT])
{
	const struct known_node *k = node_find(r, node);

	vx6_strlcpy(out, k && k->has_endpoint ? k->endpoint.name : "", VX6_LABEL_TEXT);
	return out;
}

size_t vx6_registry_services(const struct vx6_registry *r, const struct vx6_node_id *node,
			     uint64_t now_s, char (*out)[VX6_LABEL_TEXT], size_t max)
{
	const struct known_node *k = node_find(r, node);
	size_t n = 0;

	for (size_t i = 0; k && i < k->services_n && n < max; i++)
		if (k->services[i].expires_s > now_s)
			vx6_strlcpy(out[n++], k->services[i].name, VX6_LABEL_TEXT);
	return n;
}

static bool claims_name(const struct known_node *k, const char *name, uint64_t now_s)
{
	return k->has_endpoint && k->endpoint_expires_s > now_s &&
	       strcmp(k->endpoint.name, name) == 0;
}

/*
 * Anybody may connect and call itself what it likes. So a stranger's claim counts only where no configured peer has the same name:
 * else it could take the name of one that is away, or make it ambiguous.
 * @param found the last of those that count @return how many there are
 */
static size_t find_claims(const struct vx6_registry *r, const char *name, uint64_t now_s,
			  const struct known_node **found)
{
	size_t strangers = 0, configured = 0;
	struct known_node *k, *next;

	HASH_ITER(hh, r->nodes, k, next)
	{
		bool known_to_us;

		if (!claims_name(k, name, now_s))
			continue;
		known_to_us = is_configured(r, &k->id);
		if (known_to_us || configured == 0)
			*found = k;
		configured += known_to_us;
		strangers += !known_to_us;
	}
	return configured ? configured : strangers;
}

vx6_err vx6_registry_resolve(struct vx6_registry *r, const char *name, uint64_t now_s,
			     struct vx6_node_id *out, char *detail, size_t detail_n)
{
	const struct pin *pin = pin_find(r, name);
	const struct known_node *found = pin ? node_find(r, &pin->node) : NULL;
	char a[VX6_NODE_ID_SHORT], b[VX6_NODE_ID_SHORT];
	size_t claims;

	if (found && claims_name(found, name, now_s)) {
		*out = pin->node;
		return VX6_OK;
	}
	claims = find_claims(r, name, now_s, &found);
	if (pin && claims == 0) {
		*out = pin->node; /* not seen now; its address may still be known */
		return VX6_OK;
	}
	if (pin) {
		snprintf(detail, detail_n,
			 "%s stands for %s here, but the node that calls itself %s now is %s", name,
			 vx6_node_id_format_short(&pin->node, a), name,
			 vx6_node_id_format_short(&found->id, b));
		return VX6_ERR(MISMATCH);
	}
	if (claims == 0) {
		snprintf(detail, detail_n,
			 "no node called %s is known; add one with `vx6 peer add`", name);
		return VX6_ERR(PEER_UNKNOWN);
	}
	if (claims > 1) {
		snprintf(detail, detail_n,
			 "%zu nodes call themselves %s; say which by its id (`vx6 peer list`)",
			 claims, name);
		return VX6_ERR(AMBIGUOUS);
	}
	*out = found->id;
	return VX6_OK;
}
