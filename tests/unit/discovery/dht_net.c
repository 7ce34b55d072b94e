#include "tests/unit/discovery/dht_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/list.h"
#include "crypto/secret.h"

/* A request on its way, or its answer on the way back. */
struct packet {
	struct vx6_list node;
	unsigned from, to;
	uint64_t query;
	bool cancelled;
	size_t n;
	uint8_t bytes[];
};

static struct member {
	struct vx6_dht *d;
	struct vx6_dht_contact at;
	struct vx6_list sent;
	uint64_t wake_ms;
	bool silent;
} member[DHT_NET_MAX];
static unsigned members;
static struct vx6_dht_kept *kept[64];
static unsigned kept_n;
static struct vx6_timer pump_timer;
static struct vx6_loop *pump_loop;

void dht_net_now(void *user, struct vx6_dht_now *out)
{
	*out = (struct vx6_dht_now){.ms = vx6_now_ms(), .wall_s = vx6_wall_s()};
}

static unsigned index_of(const struct vx6_node_id *node)
{
	for (unsigned i = 0; i < members; i++)
		if (vx6_node_id_eq(&member[i].at.node, node))
			return i;
	return 0;
}

static void on_query(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct member *m = user;
	struct packet *p = vx6_zalloc(sizeof *p + n);

	p->from = (unsigned)(m - member);
	p->to = index_of(&to->node);
	p->query = query;
	p->n = n;
	memcpy(p->bytes, req, n);
	vx6_list_push(&m->sent, &p->node);
}

static void on_cancel(void *user, uint64_t query)
{
	struct member *m = user;

	VX6_LIST_EACH(node, &m->sent)
	{
		struct packet *p = VX6_CONTAINER_OF(node, struct packet, node);

		p->cancelled |= p->query == query;
	}
}

static bool on_is_warm(void *user, const struct vx6_dht_contact *to)
{
	return true;
}

static void on_random(void *user, void *out, size_t n)
{
	vx6_random_bytes(out, n);
}

static void on_wake_at(void *user, uint64_t ms)
{
	((struct member *)user)->wake_ms = ms;
}

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = on_query,
	.cancel = on_cancel,
	.is_warm = on_is_warm,
	.random = on_random,
	.wake_at = on_wake_at,
};

static void deliver(struct packet *p)
{
	static uint8_t answer[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_requester from = {.has_node = p->from != 0, .node = member[p->from].at.node};
	struct vx6_dht_now now;
	size_t n;

	dht_net_now(NULL, &now);
	memcpy(from.ip, member[p->from].at.ip, sizeof from.ip);
	if (p->cancelled)
		return;
	if (p->to == 0 || member[p->to].silent) {
		vx6_dht_failed(member[p->from].d, p->query, VX6_ERR(UNREACHABLE), &now);
		return;
	}
	n = vx6_dht_serve(member[p->to].d, &from, p->bytes, p->n, answer, &now);
	vx6_dht_answered(member[p->from].d, p->query, answer, n, &now);
}

static void pump(struct vx6_timer *timer)
{
	struct vx6_dht_now now;

	for (unsigned i = 0; i < members; i++) {
		struct vx6_list batch;
		struct vx6_list *node;

		vx6_list_init(&batch);
		vx6_list_splice(&batch, &member[i].sent);
		while ((node = vx6_list_pop(&batch)) != NULL) {
			struct packet *p = VX6_CONTAINER_OF(node, struct packet, node);

			deliver(p);
			free(p);
		}
		dht_net_now(NULL, &now);
		if (member[i].wake_ms <= now.ms)
			vx6_dht_step(member[i].d, &now);
	}
	vx6_timer_in_ms(timer, 1);
}

void dht_net_start(struct vx6_loop *loop, unsigned n)
{
	struct vx6_dht_now now;

	dht_net_now(NULL, &now);
	members = n;
	kept_n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct member *m = &member[i];
		struct vx6_dht_config cfg = {.net = vx6_net_default, .io = &io, .user = m};
		struct vx6_sign_keypair kp;

		memset(m, 0, sizeof *m);
		vx6_sign_keypair_random(&kp);
		vx6_node_id_from_pk(&kp.pk, &m->at.node);
		m->at.ip[0] = 0xfd;
		m->at.ip[5] = (uint8_t)i; /* each in a /48 of its own */
		m->at.ip[15] = 1;
		m->at.port = 4242;
		m->at.via = VX6_DHT_VIA_QUIC;
		vx6_list_init(&m->sent);
		m->wake_ms = UINT64_MAX;
		cfg.self = m->at.node;
		m->d = vx6_dht_new(&cfg);
	}
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			vx6_dht_set_self(member[i].d, &member[i].at, &now);
		for (unsigned k = 1; k < n; k++)
			if (k != i)
				vx6_dht_met(member[i].d, &member[k].at, VX6_DHT_PROVED, &now);
	}
	vx6_timer_init(loop, &pump_timer, pump, NULL);
	vx6_timer_in_ms(&pump_timer, 0);
	pump_loop = loop;
}

void dht_net_stop(void)
{
	if (!members)
		return;
	vx6_timer_stop(&pump_timer);
	for (unsigned i = 0; i < kept_n; i++)
		vx6_dht_forget(kept[i]);
	for (unsigned i = 0; i < members; i++) {
		struct vx6_list *node;

		vx6_dht_free(member[i].d);
		while ((node = vx6_list_pop(&member[i].sent)) != NULL)
			free(VX6_CONTAINER_OF(node, struct packet, node));
	}
	members = kept_n = 0;
}

struct vx6_dht *dht_net_node(unsigned i)
{
	return member[i].d;
}

void dht_net_silence(unsigned i, bool silent)
{
	member[i].silent = silent;
}

static bool is_proved(void *user)
{
	struct vx6_dht_kept_info info;

	vx6_dht_kept_info(user, &info);
	return info.proved_ms != 0;
}

void dht_net_publish(struct vx6_loop *loop, unsigned i, const uint8_t *record, size_t n)
{
	struct vx6_dht_now now;

	assert_true(kept_n < sizeof kept / sizeof *kept);
	dht_net_now(NULL, &now);
	kept[kept_n] = vx6_dht_keep(member[i].d, record, n, NULL, NULL, NULL, &now);
	assert_non_null(kept[kept_n]);
	dht_net_run(loop, is_proved, kept[kept_n++]);
}

/* ---- running ---- */

struct wait {
	struct vx6_timer timer;
	struct vx6_loop *loop;
	bool (*done)(void *user);
	void *user;
	uint64_t until_ms;
};

static void look(struct vx6_timer *timer)
{
	struct wait *w = timer->user;

	if (w->done(w->user) || vx6_now_ms() > w->until_ms)
		vx6_loop_stop(w->loop);
	else
		vx6_timer_in_ms(timer, 1);
}

void dht_net_run(struct vx6_loop *loop, bool (*done)(void *user), void *user)
{
	struct wait w = {.loop = loop, .done = done, .user = user, .until_ms = vx6_now_ms() + 5000};

	vx6_timer_init(loop, &w.timer, look, &w);
	vx6_timer_in_ms(&w.timer, 0);
	vx6_loop_run(loop);
	vx6_timer_stop(&w.timer);
	assert_true(done(user));
}
