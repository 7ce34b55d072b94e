/*
 * Services that are hosted: a row of the database says that there is one, a file holds its key and its clients, the host does the rest.
 * The key is made when the row is first in force, and a value in the database remembers which one it was: a file that is lost later is not made
 * up for by another key, which nobody who was invited would know.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "circuit/path.h"
#include "crypto/secret.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"

static const char key_prefix[] = HIDDEN_KEY_PREFIX;

/* ---- the table ---- */

struct hidden_service *hidden_service_find(const struct vx6_node *node, const char *id)
{
	VX6_LIST_EACH(at, &node->hidden->services)
	{
		struct hidden_service *s = VX6_CONTAINER_OF(at, struct hidden_service, node);

		if (!s->leaving && strcmp(s->data.id, id) == 0)
			return s;
	}
	return NULL;
}

struct hidden_service *hidden_service_of_scope(const struct vx6_node *node, uint64_t scope)
{
	VX6_LIST_EACH(at, &node->hidden->services)
	{
		struct hidden_service *s = VX6_CONTAINER_OF(at, struct hidden_service, node);

		if (s->scope == scope)
			return s;
	}
	return NULL;
}

static void tell_service(struct hidden_service *s, const char *type, const char *text)
{
	hidden_tell(s->owner, type, "service", s->data.id, s->spec.alias, text);
}

/* ---- descriptors ---- */

/* Their numbers are on the disk: after a restart none is used twice. Those of which that is not so go nowhere; others are made later. */
static void publish_due(struct hidden_service *s)
{
	if (s->due_n > 0 && s->unwritten) {
		s->due_n = 0;
		VX6_WARN("hidden", "a descriptor was not published: its number was not stored");
		vx6_host_unpublished(s->owner->hidden->host, s->scope);
	}
	for (size_t i = 0; i < s->due_n; i++) {
		vx6_err err = s->publisher
				      ? vx6_hs_publish(s->publisher, s->due[i].bytes, s->due[i].n)
				      : VX6_ERR(UNSUPPORTED);

		if (!vx6_is_ok(err))
			VX6_WARN("hidden", "a descriptor was not published: %s", vx6_err_text(err));
	}
	s->due_n = 0;
}

static void on_publish(void *user, uint64_t scope, const struct vx6_host_record *rec, size_t n)
{
	struct hidden_service *s = hidden_service_of_scope(user, scope);

	if (!s)
		return;
	s->due_n = 0;
	if (n == 0) { /* nothing of it goes out any more */
		vx6_hs_publisher_free(s->publisher);
		s->publisher = NULL;
		return;
	}
	for (size_t i = 0; i < n && i < VX6_ARRAY_N(s->due); i++) {
		if (rec[i].n > sizeof s->due[0].bytes)
			continue;
		memcpy(s->due[s->due_n].bytes, rec[i].bytes, rec[i].n);
		s->due[s->due_n++].n = rec[i].n;
	}
	if (!s->file.job && !s->file.again)
		publish_due(s);
}

static void on_newer(void *user, const uint8_t *record, size_t n)
{
	struct hidden_service *s = user;
	struct vx6_record rec;
	uint64_t period;

	if (!vx6_is_ok(vx6_record_parse(record, n, &rec)) ||
	    !vx6_is_ok(vx6_hs_desc_check(&rec, &period)))
		return;
	vx6_host_own_seq(s->owner->hidden->host, s->scope, period, rec.view.seq);
}

static const struct vx6_hs_publisher_events publisher_events = {.newer = on_newer};

static void on_own_seq(void *user, const struct vx6_hs_fetched *f)
{
	struct hidden_service *s = user;

	s->seq_fetch = NULL;
	vx6_host_own_seq(s->owner->hidden->host, s->scope, s->seq_period,
			 vx6_is_ok(f->err) && f->period == s->seq_period ? f->seq : 0);
}

static bool own_seq(void *user, uint64_t scope, const struct vx6_node_id *service, uint64_t period)
{
	struct vx6_node *node = user;
	struct hidden_service *s = hidden_service_of_scope(node, scope);
	struct vx6_hs_fetch_ask ask = {.strict = false};

	if (!s || !node->hidden->dht || s->seq_fetch)
		return false;
	memcpy(ask.service.b, service->b, sizeof ask.service.b);
	s->seq_period = period;
	s->seq_fetch = vx6_hs_fetch(node->hidden->dht, &ask, on_own_seq, s);
	return s->seq_fetch != NULL;
}

/* ---- what else the host wants ---- */

size_t hidden_relays(const struct vx6_node *node)
{
	uint64_t now_s = vx6_wall_s();
	size_t n = 0;

	for (size_t i = 0; i < vx6_relays_count(node->relays); i++)
		n += vx6_path_standing(vx6_relays_at(node->relays, i), now_s) <= VX6_PATH_YOUNG;
	return n;
}

static size_t count_relays(void *user)
{
	return hidden_relays(user);
}

static size_t first_relays(void *user, struct vx6_node_id out[static VX6_HOST_GUARDS])
{
	const struct vx6_node *node = user;
	size_t n = 0;

	for (size_t i = 0; i < vx6_guards_count(node->guards) && n < VX6_GUARDS_PRIMARY; i++)
		out[n++] = vx6_guards_at(node->guards, i)->node;
	for (size_t i = 0; i < vx6_vanguards_count(node->vanguards) && n < VX6_HOST_GUARDS; i++)
		out[n++] = vx6_vanguards_at(node->vanguards, i)->node;
	return n;
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *session, const char *detail)
{
	struct hidden_service *s = user;

	(void)session;
	s->dial = NULL;
	vx6_host_dialed(s->owner->hidden->host, s->scope, err, detail);
}

/* As any client does, with a key that is nobody else's; of a service that has an alias here, too, as that alias does. */
static void on_dial(void *user, uint64_t scope, const struct vx6_node_id *service,
		    const uint8_t *key)
{
	struct vx6_node *node = user;
	struct hidden_service *s = hidden_service_of_scope(node, scope);
	struct vx6_routing how = {.via = VX6_ROUTE_RELAY, .anonymous = true, .hidden = true};
	uint64_t route;

	if (!s || s->dial)
		return;
	vx6_guests_own(node->hidden->guests, service, key);
	how.hops = s->spec.fast ? 2 : 3;
	how.apart = ++node->hidden->next_apart;
	route = vx6_circuits_route(node->circuits, service, &how);
	if (route)
		s->dial = vx6_circuits_want(node->circuits, route, on_dialed, s);
	if (!s->dial)
		vx6_host_dialed(node->hidden->host, scope, VX6_ERR(UNREACHABLE), NULL);
}

static void on_changed(void *user, const struct vx6_host_change *what)
{
	struct hidden_service *s = hidden_service_of_scope(user, what->scope);

	if (!s)
		return;
	if (what->seq)
		memcpy(s->data.seq, what->seq, sizeof s->data.seq);
	else
		hidden_service_sync(s);
	hidden_file_save(&s->file, NULL);
}

static bool copy_client(void *user, const struct vx6_host_client *c)
{
	struct hidden_service *s = user;

	if (s->data.clients_n < VX6_HIDDEN_HOSTED_CLIENTS)
		s->data.client[s->data.clients_n++] = *c;
	return true;
}

void hidden_service_sync(struct hidden_service *s)
{
	s->data.clients_n = 0;
	vx6_host_clients_each(s->owner->hidden->host, s->scope, copy_client, s);
}

static const char *event_type(enum vx6_host_news what)
{
	switch (what) {
	case VX6_HOST_READY:
		return "hidden.ready";
	case VX6_HOST_NOT_READY:
		return "hidden.degraded";
	case VX6_HOST_INTRO_UP:
	case VX6_HOST_INTRO_DOWN:
	case VX6_HOST_INTRO_PROMOTED:
	case VX6_HOST_INTRO_ROTATED:
		return "hidden.introduction";
	case VX6_HOST_PUBLISHED:
		return "hidden.published";
	case VX6_HOST_REFUSED:
		return "hidden.refused";
	case VX6_HOST_ENROLLED:
		return "hidden.enrolled";
	case VX6_HOST_EFFORT:
		return "hidden.effort";
	default:
		return NULL; /* in the rows */
	}
}

static void on_event(void *user, uint64_t scope, enum vx6_host_news what, const char *text)
{
	struct hidden_service *s = hidden_service_of_scope(user, scope);
	const char *type = event_type(what);

	if (!s)
		return;
	s->owner->snapshot_dirty = true;
	if (type)
		tell_service(s, type, text);
}

struct vx6_host *hidden_host_make(struct vx6_node *node)
{
	return vx6_host_new(&(struct vx6_host_config){
		.loop = node->loop,
		.circuits = node->circuits,
		.sessions = node->sessions,
		.net = &node->identity.net,
		.relays = count_relays,
		.guards = first_relays,
		.publish = on_publish,
		.own_seq = own_seq,
		.dial = on_dial,
		.changed = on_changed,
		.event = on_event,
		.user = node,
	});
}

/* ---- from a row and a file to the host ---- */

static void key_of(const struct hidden_service *s, char out[static VX6_STATE_KEY_MAX])
{
	vx6_strlcpy(out, key_prefix, VX6_STATE_KEY_MAX);
	vx6_strlcpy(out + sizeof key_prefix - 1, s->data.id,
		    VX6_STATE_KEY_MAX - sizeof key_prefix + 1);
}

static void remember_key(struct hidden_service *s)
{
	struct vx6_sign_keypair kp;
	struct vx6_write *w = vx6_write_new();
	char key[VX6_STATE_KEY_MAX];
	struct vx6_sign_seed seed;

	memcpy(seed.b, s->data.seed, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &kp);
	key_of(s, key);
	vx6_write_put_value(w, key, kp.pk.b, sizeof kp.pk.b);
	vx6_sign_keypair_wipe(&kp);
	vx6_wipe(&seed, sizeof seed);
	if (!vx6_is_ok(vx6_state_submit(s->owner->state, w, NULL, NULL)))
		VX6_WARN("hidden", "that a service has a key could not be stored");
}

static void host_it(struct hidden_service *s)
{
	struct vx6_node *node = s->owner;

	s->scope = vx6_services_scope(node->services, s->data.id);
	s->spec.scope = s->scope;
	memcpy(s->spec.seed, s->data.seed, sizeof s->spec.seed);
	memcpy(s->spec.seq, s->data.seq, sizeof s->spec.seq);
	s->err = s->scope ? vx6_host_add(node->hidden->host, &s->spec) : VX6_ERR(NOT_FOUND);
	vx6_wipe(s->spec.seed, sizeof s->spec.seed);
	if (!vx6_is_ok(s->err)) {
		s->scope = 0;
		VX6_ERROR("hidden", "%s is not hosted: %s", s->spec.alias, vx6_err_text(s->err));
		return;
	}
	for (size_t i = 0; i < s->data.clients_n; i++)
		if (!vx6_is_ok(
			    vx6_host_client_load(node->hidden->host, s->scope, &s->data.client[i])))
			VX6_WARN("hidden", "a client of %s was left out", s->spec.alias);
	if (node->hidden->dht && !s->publisher)
		s->publisher = vx6_hs_publisher_new(node->hidden->dht, &publisher_events, s);
	hidden_claim_see(s);
}

static void on_written(struct hidden_file *f, vx6_err err)
{
	struct hidden_service *s = VX6_CONTAINER_OF(f, struct hidden_service, file);

	s->owner->snapshot_dirty = true;
	if (s->leaving) {
		hidden_service_free(s);
		return;
	}
	s->unwritten = !vx6_is_ok(err);
	if (s->scope) {
		publish_due(s);
		return;
	}
	s->err = err;
	if (!vx6_is_ok(err))
		return;
	remember_key(s);
	if (s->enabled)
		host_it(s);
}

static void take_spec(struct hidden_service *s, const struct vx6_service_spec *spec)
{
	vx6_strlcpy(s->name, spec->name, sizeof s->name);
	vx6_strlcpy(s->spec.alias, spec->hidden.alias[0] ? spec->hidden.alias : spec->name,
		    sizeof s->spec.alias);
	s->enabled = spec->enabled;
	s->spec.fast = spec->hidden.fast;
	s->spec.closed = !spec->hidden.open;
	s->spec.no_pow = spec->hidden.no_pow;
	s->spec.rate = spec->hidden.rate;
	s->spec.burst = spec->hidden.burst;
	s->publish_alias = spec->hidden.publish_alias;
}

static void make_key(struct hidden_service *s)
{
	vx6_random_bytes(s->data.seed, sizeof s->data.seed);
	memset(s->data.seq, 0, sizeof s->data.seq);
	s->data.clients_n = 0;
	s->data.created_ms = vx6_wall_ms();
	s->err = VX6_ERR(AGAIN); /* hosted once the key is on the disk */
	hidden_file_save(&s->file, NULL);
}

static struct hidden_service *service_new(struct vx6_node *node, const struct row *row)
{
	struct hidden_service *s = vx6_zalloc(sizeof *s);
	char id[VX6_HIDDEN_ID];

	s->owner = node;
	take_spec(s, &row->spec.service);
	vx6_strlcpy(id, row->meta.id, sizeof id);
	hidden_file_init(&s->file, node);
	s->file.hosted = &s->data;
	s->file.written = on_written;
	vx6_list_push(&node->hidden->services, &s->node);
	s->err = vx6_hidden_hosted_read(node->hidden->dir, id, &s->data);
	vx6_strlcpy(s->data.id, id, sizeof s->data.id);
	return s;
}

/* @return true: a key was made for it in an earlier life */
static bool had_key(struct vx6_node *node, const struct hidden_service *s)
{
	for (size_t i = 0; i < node->hidden->keys_n; i++)
		if (strcmp(node->hidden->keys[i], s->data.id) == 0)
			return true;
	return false;
}

/* Its key is no way in for us any more. */
static void disown(struct hidden_service *s)
{
	struct hidden *h = s->owner->hidden;
	struct vx6_host_info info;

	if (vx6_is_ok(vx6_host_info(h->host, s->scope, &info)))
		vx6_guests_own(h->guests, &info.service, NULL);
	(void)vx6_is_ok(vx6_host_remove(h->host, s->scope));
}

static void service_stop(struct hidden_service *s)
{
	if (s->scope)
		disown(s);
	s->scope = s->spec.scope = 0;
	s->due_n = 0;
	vx6_hs_fetch_cancel(s->seq_fetch);
	s->seq_fetch = NULL;
	if (s->dial)
		vx6_circuits_wait_cancel(s->dial);
	s->dial = NULL;
	vx6_hs_publisher_free(s->publisher);
	s->publisher = NULL;
	hidden_claim_see(s);
}

/* What it is to be has changed. */
static void service_set(struct hidden_service *s, const struct vx6_service_spec *spec)
{
	take_spec(s, spec);
	if (s->scope && !s->enabled) {
		service_stop(s);
	} else if (s->scope) {
		memcpy(s->spec.seed, s->data.seed, sizeof s->spec.seed);
		s->err = vx6_host_set(s->owner->hidden->host, &s->spec);
		vx6_wipe(s->spec.seed, sizeof s->spec.seed);
		hidden_claim_see(s);
	} else if (s->enabled && vx6_is_ok(s->err)) {
		host_it(s);
	}
}

void hidden_service_put(struct vx6_node *node, const struct row *row)
{
	struct hidden_service *s;

	if (!node->hidden || row->spec.service.visibility != VX6_VISIBILITY_HIDDEN)
		return;
	s = hidden_service_find(node, row->meta.id);
	if (s) {
		service_set(s, &row->spec.service);
		return;
	}
	s = service_new(node, row);
	if (vx6_is_ok(s->err) && !had_key(node, s))
		remember_key(s); /* the process ended between the file and that */
	if (s->err.code == VX6_E_NOT_FOUND && !had_key(node, s))
		make_key(s);
	else if (vx6_is_ok(s->err) && s->enabled)
		host_it(s);
	else if (!vx6_is_ok(s->err))
		VX6_ERROR("hidden", "the key of %s cannot be read: %s", s->spec.alias,
			  vx6_err_text(s->err));
}

void hidden_service_drop(struct vx6_node *node, const char *id)
{
	struct hidden_service *s = node->hidden ? hidden_service_find(node, id) : NULL;
	struct vx6_write *w;
	char key[VX6_STATE_KEY_MAX];

	if (!s)
		return;
	service_stop(s);
	s->leaving = true;
	key_of(s, key);
	w = vx6_write_new();
	vx6_write_delete_value(w, key);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("hidden", "that a service had a key is still stored");
	hidden_file_remove(&s->file, NULL);
}

void hidden_service_rekey(struct hidden_service *s)
{
	service_stop(s);
	make_key(s);
}

void hidden_service_free(struct hidden_service *s)
{
	service_stop(s);
	hidden_file_fini(&s->file);
	vx6_list_remove(&s->node);
	vx6_wipe_free(s, sizeof *s);
}
