/*
 * The DHT over sessions: its life, and who hears of what. The parts: dht_link_internal.h.
 */
#include "discovery/dht_link.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/secret.h"
#include "discovery/asn.h"
#include "discovery/dht_link_internal.h"

struct vx6_dht_link {
	struct vx6_dht_link_config cfg;
	struct vx6_dht_io io;
	struct vx6_dht *dht; /* NULL: mode OFF, like all below */
	struct vx6_asn *asn;
	struct vx6_timer wake;
	struct vx6_task tell;
	bool told_serving;
	struct link_pool pool;
	struct link_queries queries;
	struct link_dialbacks dialbacks;
	struct link_server server;
	struct link_proxy proxy;
	struct link_presence presence;
};

static struct vx6_dht_now now_of(const struct vx6_dht_link *l)
{
	return (struct vx6_dht_now){.ms = vx6_loop_now_ms(l->cfg.loop), .wall_s = vx6_wall_s()};
}

/* ---- what the DHT asks of the world ---- */

static void io_query(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	link_query_send(&((struct vx6_dht_link *)user)->queries, query, to, req, n);
}

static void io_cancel(void *user, uint64_t query)
{
	link_query_cancel(&((struct vx6_dht_link *)user)->queries, query);
}

static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	return link_pool_find(&((struct vx6_dht_link *)user)->pool, to) != NULL;
}

static void io_random(void *user, void *out, size_t n)
{
	vx6_random_bytes(out, n);
}

static void io_wake_at(void *user, uint64_t ms)
{
	struct vx6_dht_link *l = user;

	if (ms >= UINT64_MAX / VX6_NS_PER_MS)
		vx6_timer_stop(&l->wake);
	else
		vx6_timer_at(&l->wake, ms * VX6_NS_PER_MS);
}

static uint32_t io_asn(void *user, const uint8_t ip[static 16])
{
	const struct vx6_dht_link *l = user;
	struct vx6_addr a = {.family = VX6_ADDR_IP};

	memcpy(a.ip, ip, sizeof a.ip);
	return vx6_asn_lookup(l->asn, &a);
}

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = io_query,
	.cancel = io_cancel,
	.is_warm = io_is_warm,
	.random = io_random,
	.wake_at = io_wake_at,
	.asn = io_asn,
};

/* ---- what the parts report ---- */

static void on_wake(struct vx6_timer *timer)
{
	struct vx6_dht_link *l = timer->user;
	struct vx6_dht_now now = now_of(l);

	vx6_dht_step(l->dht, &now);
}

static void on_answered(void *user, uint64_t query, const uint8_t *resp, size_t n)
{
	struct vx6_dht_link *l = user;
	struct vx6_dht_now now = now_of(l);

	vx6_dht_answered(l->dht, query, resp, n, &now);
}

static void on_failed(void *user, uint64_t query, vx6_err why)
{
	struct vx6_dht_link *l = user;
	struct vx6_dht_now now = now_of(l);

	vx6_dht_failed(l->dht, query, why, &now);
}

static size_t on_request(void *user, const struct vx6_dht_requester *from, const uint8_t *req,
			 size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	struct vx6_dht_link *l = user;
	struct vx6_dht_now now = now_of(l);

	return vx6_dht_serve(l->dht, from, req, n, out, &now);
}

static size_t on_known(void *user)
{
	const struct vx6_dht_link *l = user;
	struct vx6_dht_info info;

	vx6_dht_info(l->dht, &info);
	return (size_t)info.contacts + info.candidates;
}

static void see_global(void *user, const struct vx6_dht_row *row)
{
	bool *is_global = user;

	*is_global |= row->proved && !vx6_dht_contact_is_private(&row->contact);
}

static bool on_is_global(void *user)
{
	const struct vx6_dht_link *l = user;
	bool is_global = false;

	vx6_dht_each(l->dht, see_global, &is_global);
	return is_global;
}

static void on_serving(void *user, const struct vx6_dht_contact *own)
{
	struct vx6_dht_link *l = user;
	struct vx6_dht_now now = now_of(l);

	vx6_dht_set_self(l->dht, own, &now);
	vx6_loop_defer(l->cfg.loop, &l->tell);
}

static void on_tell(struct vx6_task *task)
{
	struct vx6_dht_link *l = task->user;
	bool serving = l->presence.serving;

	if (serving == l->told_serving)
		return;
	l->told_serving = serving;
	if (l->cfg.serving_changed)
		l->cfg.serving_changed(l->cfg.user, serving);
}

/* ---- life ---- */

static void make_parts(struct vx6_dht_link *l)
{
	const struct vx6_dht_link_config *cfg = &l->cfg;

	link_pool_init(&l->pool, &(struct link_pool_config){
					 .loop = cfg->loop,
					 .sessions = cfg->sessions,
					 .strict = cfg->diversity == VX6_DIVERSITY_PREFIX ||
						   cfg->diversity == VX6_DIVERSITY_ASN,
					 .is_needed = cfg->is_needed,
					 .needed_user = cfg->user,
					 .known = on_known,
					 .known_user = l,
				 });
	link_queries_init(&l->queries, &(struct link_queries_config){
					       .loop = cfg->loop,
					       .sessions = cfg->sessions,
					       .pool = &l->pool,
					       .endpoint = cfg->endpoint,
					       .endpoint_user = cfg->user,
					       .answered = on_answered,
					       .failed = on_failed,
					       .user = l,
				       });
	link_dialbacks_init(&l->dialbacks, cfg->loop, cfg->sessions);
	link_server_init(&l->server, &(struct link_server_config){
					     .loop = cfg->loop,
					     .dialbacks = &l->dialbacks,
					     .serve = on_request,
					     .user = l,
				     });
	link_proxy_init(&l->proxy, &(struct link_proxy_config){
					   .loop = cfg->loop,
					   .sessions = cfg->sessions,
					   .self = cfg->self,
					   .pool = &l->pool,
					   .endpoint = cfg->endpoint,
					   .endpoint_user = cfg->user,
					   .serve = on_request,
					   .user = l,
				   });
	link_presence_init(&l->presence, &(struct link_presence_config){
						 .loop = cfg->loop,
						 .sessions = cfg->sessions,
						 .pool = &l->pool,
						 .mode = cfg->mode,
						 .is_global = on_is_global,
						 .changed = on_serving,
						 .user = l,
					 });
}

vx6_err vx6_dht_link_new(const struct vx6_dht_link_config *cfg, struct vx6_dht_link **out,
			 char *detail, size_t detail_n)
{
	struct vx6_dht_link *l = vx6_zalloc(sizeof *l);
	vx6_err err = VX6_OK;

	l->cfg = *cfg;
	l->cfg.asn_map = NULL;
	if (cfg->asn_map)
		err = vx6_asn_open(cfg->asn_map, &l->asn, detail, detail_n);
	if (!vx6_is_ok(err)) {
		free(l);
		return err;
	}
	if (cfg->mode != VX6_DHT_MODE_OFF) {
		vx6_timer_init(cfg->loop, &l->wake, on_wake, l);
		vx6_task_init(&l->tell, on_tell, l);
		make_parts(l);
		l->io = io;
		if (!l->asn)
			l->io.asn = NULL; /* no map: there is nothing to tell by */
		l->dht = vx6_dht_new(&(struct vx6_dht_config){
			.net = cfg->net,
			.self = cfg->self,
			.io = &l->io,
			.user = l,
			.diversity = cfg->diversity,
		});
	}
	*out = l;
	return VX6_OK;
}

void vx6_dht_link_free(struct vx6_dht_link *l)
{
	if (!l)
		return;
	if (l->dht) {
		vx6_dht_free(l->dht);
		vx6_timer_stop(&l->wake);
		vx6_task_cancel(&l->tell);
		link_presence_fini(&l->presence);
		link_proxy_fini(&l->proxy);
		link_queries_fini(&l->queries);
		link_pool_fini(&l->pool); /* ends the requests of others, and their dial-backs */
		link_dialbacks_fini(&l->dialbacks);
	}
	vx6_asn_free(l->asn);
	free(l);
}

void vx6_dht_link_hold_back(struct vx6_dht_link *l)
{
	if (l->dht)
		link_presence_hold_back(&l->presence);
}

struct vx6_dht *vx6_dht_link_dht(struct vx6_dht_link *l)
{
	return l->dht;
}

void vx6_dht_link_now(const struct vx6_dht_link *l, struct vx6_dht_now *out)
{
	*out = now_of(l);
}

/* ---- who is there ---- */

void vx6_dht_link_session_up(struct vx6_dht_link *l, struct vx6_session *s)
{
	const struct vx6_node_id *node = vx6_session_node(s);
	struct vx6_endpoint e;

	if (!l->dht || vx6_session_is_anonymous(s))
		return;
	link_presence_session_up(&l->presence, link_pool_up(&l->pool, s));
	if (node && l->cfg.endpoint && l->cfg.endpoint(l->cfg.user, node, &e))
		vx6_dht_link_endpoint(l, &e);
}

void vx6_dht_link_session_down(struct vx6_dht_link *l, struct vx6_session *s, vx6_err why)
{
	struct link_session *ds = l->dht ? link_pool_by_id(&l->pool, vx6_session_id(s)) : NULL;

	if (ds)
		link_pool_down(&l->pool, ds);
}

static bool contact_of(const struct vx6_node_id *node, const struct vx6_endpoint_addr *addrs,
		       size_t n, struct vx6_dht_contact *out)
{
	const struct vx6_endpoint_addr *best = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < n; i++) {
		const struct vx6_addr *a = &addrs[i].addr;
		int rank = !vx6_addr_is_private(a)                                  ? 3
			   : !vx6_addr_is_loopback(a) && !vx6_addr_is_link_local(a) ? 2
										    : 1;

		if (a->family == VX6_ADDR_IP && rank > best_rank) {
			best = &addrs[i];
			best_rank = rank;
		}
	}
	if (!best)
		return false;
	*out = (struct vx6_dht_contact){.node = *node,
					.port = best->addr.port,
					.via = best->via & VX6_DIAL_ANY};
	memcpy(out->ip, best->addr.ip, sizeof out->ip);
	return vx6_dht_contact_is_sane(out);
}

bool vx6_dht_contact_of(const struct vx6_endpoint *e, struct vx6_dht_contact *out)
{
	return contact_of(&e->node, e->addrs, e->n_addrs, out);
}

void vx6_dht_link_endpoint(struct vx6_dht_link *l, const struct vx6_endpoint *e)
{
	struct vx6_dht_now now = now_of(l);
	struct vx6_dht_contact c;
	bool is_proved;

	if (!l->dht || vx6_node_id_eq(&e->node, &l->cfg.self))
		return;
	if (!vx6_dht_contact_of(e, &c)) {
		vx6_dht_remove(l->dht, &e->node, &now);
		return;
	}
	is_proved = link_pool_learn(&l->pool, &c);
	if (!(e->features & VX6_FEAT_DHT)) {
		vx6_dht_remove(l->dht, &e->node, &now);
		return;
	}
	vx6_dht_met(l->dht, &c, is_proved ? VX6_DHT_PROVED : VX6_DHT_HEARD, &now);
	if (is_proved)
		link_presence_judge(&l->presence);
}

void vx6_dht_link_revoked(struct vx6_dht_link *l, const struct vx6_node_id *node)
{
	struct vx6_dht_now now = now_of(l);

	if (l->dht)
		vx6_dht_remove(l->dht, node, &now);
}

void vx6_dht_link_own(struct vx6_dht_link *l, const struct vx6_endpoint_addr *addrs, size_t n)
{
	struct vx6_dht_contact c;
	bool has_own = contact_of(&l->cfg.self, addrs, n, &c);
	struct vx6_addr a;

	if (!l->dht)
		return;
	if (has_own)
		vx6_dht_contact_addr(&c, &a);
	link_proxy_own(&l->proxy, addrs, n);
	l->queries.allow_loopback = has_own && vx6_addr_is_loopback(&a);
	link_dialbacks_own(&l->dialbacks, has_own ? &a : NULL);
	link_presence_own(&l->presence, has_own ? &c : NULL);
}

void vx6_dht_link_incoming(struct vx6_dht_link *l, struct vx6_session *s, struct vx6_stream *stream,
			   const struct iovec *rest, int rest_n, bool fin)
{
	struct link_session *ds = l->dht ? link_pool_by_id(&l->pool, vx6_session_id(s)) : NULL;

	if (ds)
		link_server_incoming(&l->server, ds, stream, rest, rest_n, fin);
	else /* a refusal is never AGAIN: it is a reset */
		(void)!vx6_is_ok(vx6_session_answer(stream, VX6_ERR(UNSUPPORTED)));
}

void vx6_dht_link_via(struct vx6_dht_link *l, struct vx6_session *s, struct vx6_stream *stream,
		      const struct vx6_open_via *whom, const struct iovec *rest, int rest_n,
		      bool fin)
{
	if (l->dht && vx6_session_is_circuit(s))
		link_proxy_incoming(&l->proxy, s, stream, whom, rest, rest_n, fin);
	else
		(void)!vx6_is_ok(vx6_session_answer(stream, VX6_ERR(UNSUPPORTED)));
}

uint32_t vx6_dht_link_asn(const struct vx6_dht_link *l, const struct vx6_addr *a)
{
	return l->asn ? vx6_asn_lookup(l->asn, a) : 0;
}
