/* The hidden DHT: who it is, whom it begins with, and what becomes of proxies that are no good. */
#include "tests/unit/discovery/proxy_net.h"

#include <string.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "record/service.h"

enum { STRANGERS = 300, IDLE_MS = 400, RUN_MS = 10000 };

static struct vx6_dht_circuit *circuit;
static struct vx6_dht *hidden;
static unsigned changes;

static void changed(void *user, struct vx6_dht *dht)
{
	hidden = dht;
	changes++;
}

/* ---- life ---- */

static int setup(void **state)
{
	proxy_net_start();
	changes = 0;
	circuit = vx6_dht_circuit_new(&(struct vx6_dht_circuit_config){.loop = test_loop,
								       .sessions = us->node.m,
								       .ways = &proxy_ways,
								       .net = vx6_net_default,
								       .idle_ms = IDLE_MS,
								       .pick = proxy_pick,
								       .other = proxy_other,
								       .changed = changed});
	return 0;
}

static int teardown(void **state)
{
	vx6_dht_circuit_free(circuit);
	assert_null(hidden);
	proxy_net_end();
	return 0;
}

/* ---- a record, and looking for it ---- */

struct found {
	bool done;
	struct vx6_dht_result r;
	uint32_t voices; /* paths that gave it */
};

static void on_found(void *user, const struct vx6_dht_result *r)
{
	struct found *f = user;

	f->done = true;
	f->r = *r;
	f->voices = r->values_n ? r->value[0].paths : 0;
}

static struct vx6_dht_key key_of_us(void)
{
	struct vx6_dht_key key;

	vx6_dht_key_service(&vx6_net_default, &host[1].node.id.id, "web", &key);
	return key;
}

/* At all of them. */
static void publish(void)
{
	struct vx6_service_record svc = {.seq = 1,
					 .issued_s = vx6_wall_s(),
					 .lifetime_s = 3600,
					 .name = "web",
					 .kind = VX6_SERVICE_TCP};
	static uint8_t record[VX6_SERVICE_MAX], bytes[VX6_DHT_REQ_MAX], out[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_requester who = {.ip = {0xfd, [15] = 9}};
	struct vx6_dht_key key = key_of_us();
	size_t n;

	assert_true(vx6_is_ok(vx6_service_build(&svc, &host[1].node.id, record, &n)));
	for (int i = 1; i < HOSTS; i++) {
		struct vx6_dht_req req = {.op = VX6_DHT_GET};
		struct vx6_dht_resp resp;
		struct vx6_wr w;

		memcpy(req.key, key.b, sizeof req.key);
		for (int step = 0; step < 2; step++) {
			struct vx6_dht_now now = now_is();

			vx6_wr_init(&w, bytes, sizeof bytes);
			vx6_dht_req_encode(&w, &req);
			assert_true(vx6_is_ok(vx6_dht_resp_decode(
				out, vx6_dht_serve(host[i].dht, &who, bytes, w.len, out, &now),
				&resp)));
			assert_int_equal(resp.status, 0);
			req.op = VX6_DHT_PUT;
			memcpy(req.token, resp.token, sizeof req.token);
			req.record = record;
			req.record_n = n;
		}
	}
}

static void run_until(bool *done)
{
	uint64_t end = vx6_now_ms() + RUN_MS;

	while (!*done && vx6_now_ms() < end)
		test_run_ms(5);
	assert_true(*done);
}

static void look(struct found *f, enum vx6_dht_want want)
{
	struct vx6_dht_ask ask = {.key = key_of_us(), .want = want, .type = VX6_RTYPE_SERVICE};
	struct vx6_dht_now now = now_is();

	memset(f, 0, sizeof *f);
	vx6_dht_circuit_want(circuit);
	assert_non_null(hidden);
	assert_non_null(vx6_dht_look(hidden, &ask, on_found, f, &now));
	run_until(&f->done);
}

/* ---- tests ---- */

static struct vx6_dht_key pos_of(const struct vx6_dht *d)
{
	struct vx6_dht_info info;

	vx6_dht_info(d, &info);
	return info.pos;
}

static void each_life__another_id_and_other_proxies_and_never_ours(void **state)
{
	struct vx6_dht_contact alone = {.node = us->node.id.id, .ip = {[15] = 1}};
	struct vx6_dht_key ours, first, second;

	vx6_dht_contact_pos(&vx6_net_default, &alone, &ours);
	vx6_dht_circuit_want(circuit);
	first = pos_of(hidden);
	assert_memory_not_equal(first.b, ours.b, sizeof ours.b);
	assert_memory_not_equal(first.b, pos_of(us->dht).b, sizeof ours.b);
	/* wanted again while it is there: the same one */
	vx6_dht_circuit_want(circuit);
	second = pos_of(hidden);
	assert_memory_equal(first.b, second.b, sizeof first.b);
	for (unsigned i = 0; i < 400 && hidden; i++)
		test_run_ms(10);
	assert_null(hidden); /* idle */
	for (uint8_t i = 0; i < VX6_DHT_CIRCUIT_PROXIES; i++)
		assert_false(vx6_dht_circuit_proxy(circuit, i, &(struct vx6_node_id){0}));
	vx6_dht_circuit_want(circuit);
	second = pos_of(hidden);
	assert_memory_not_equal(first.b, second.b, sizeof first.b);
	assert_memory_not_equal(second.b, ours.b, sizeof ours.b);
	assert_int_equal(changes, 3);
}

static void each_path__a_proxy_of_its_own(void **state)
{
	struct vx6_node_id proxy[VX6_DHT_CIRCUIT_PROXIES];
	unsigned asked = 0;
	struct found f;

	publish();
	look(&f, VX6_DHT_WANT_ALL);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.paths, VX6_DHT_CIRCUIT_PROXIES);
	assert_int_equal(f.voices, VX6_DHT_CIRCUIT_PROXIES);
	for (uint8_t i = 0; i < VX6_DHT_CIRCUIT_PROXIES; i++) {
		assert_true(vx6_dht_circuit_proxy(circuit, i, &proxy[i]));
		assert_true(host_of(&proxy[i])->vias > 0);
		for (uint8_t k = 0; k < i; k++)
			assert_false(vx6_node_id_eq(&proxy[i], &proxy[k]));
	}
	/* nobody else has seen us, and those under no name: on_via() */
	for (int i = 1; i < HOSTS; i++)
		asked += host[i].vias > 0;
	assert_int_equal(asked, VX6_DHT_CIRCUIT_PROXIES);
	/* and when nobody looks anything up any more, their circuits are not kept */
	for (unsigned i = 0; i < 400 && hidden; i++)
		test_run_ms(10);
	for (int i = 1; i < HOSTS; i++)
		assert_int_equal(host[i].leaves, host[i].vias > 0);
}

static void few_proxies__fewer_paths(void **state)
{
	struct found f;

	publish();
	only = 2;
	look(&f, VX6_DHT_WANT_ALL);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.paths, 2);
	assert_int_equal(f.voices, 2);
}

static void no_proxy__nothing_is_asked(void **state)
{
	struct found f;

	publish();
	only = 1;
	host[1].dies = true;
	look(&f, VX6_DHT_WANT_ALL);
	assert_int_equal(f.r.err.code, VX6_E_UNREACHABLE);
	for (int i = 2; i < HOSTS; i++)
		assert_int_equal(host[i].vias, 0);
}

static void who_lies__costs_one_path(void **state)
{
	struct found f;

	publish();
	only = 4;
	host[2].lies = true;
	look(&f, VX6_DHT_WANT_ALL);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.paths, 4);
	assert_int_equal(f.voices, 3);
	assert_true(host[2].vias > 0);
	look(&f, VX6_DHT_WANT_ONE);
	assert_true(vx6_is_ok(f.r.err));
	assert_int_equal(f.r.values_n, 1);
}

static void replaced(bool *how)
{
	struct vx6_node_id proxy;
	struct found f;

	publish();
	only = 5;
	*how = true;
	/* drawn by chance: until it was among them */
	for (unsigned i = 0; i < 50 && host[2].vias == 0; i++) {
		look(&f, VX6_DHT_WANT_ALL);
		assert_true(vx6_is_ok(f.r.err));
		if (host[2].vias > 0)
			break;
		for (unsigned k = 0; k < 400 && hidden; k++)
			test_run_ms(10);
	}
	assert_true(host[2].vias > 0);
	assert_int_equal(f.voices, 4); /* the fifth has its path, and asked again */
	for (uint8_t i = 0; i < VX6_DHT_CIRCUIT_PROXIES; i++) {
		assert_true(vx6_dht_circuit_proxy(circuit, i, &proxy));
		assert_false(vx6_node_id_eq(&proxy, &host[2].node.id.id));
	}
}

static void who_dies__is_replaced_under_way(void **state)
{
	replaced(&host[2].dies);
	assert_int_equal(host[2].vias, 1);
}

static void who_fails_again_and_again__is_replaced_under_way(void **state)
{
	replaced(&host[2].refuses);
	assert_true(host[2].vias >= VX6_DHT_CIRCUIT_FAILURES);
	assert_true(host[2].vias < 3 * VX6_DHT_CIRCUIT_FAILURES);
}

/* ---- whom it begins with ---- */

struct known {
	struct vx6_node_id node[STRANGERS];
	size_t n, near; /* near: to whom the ordinary table belongs */
	struct vx6_dht_key pos;
	bool has_private;
};

static void note(void *user, const struct vx6_dht_row *row)
{
	struct known *k = user;

	k->node[k->n++] = row->contact.node;
	k->near += vx6_dht_common_bits(&row->pos, &k->pos) >= 3;
	k->has_private |= vx6_dht_contact_is_private(&row->contact);
}

static void contacts__few_of_many_and_from_everywhere(void **state)
{
	struct vx6_dht_config cfg = {.net = vx6_net_default, .io = &no_io};
	struct vx6_dht_now now = now_is();
	struct known known = {0}, all = {0};
	struct vx6_dht *table;
	size_t near = 0, same = 0, lives = 20;

	vx6_random_bytes(cfg.self.b, sizeof cfg.self.b);
	table = vx6_dht_new(&cfg);
	vx6_dht_met(table, &host[3].at, VX6_DHT_PROVED, &now); /* private, met before any other */
	for (unsigned i = 0; i < STRANGERS - 1; i++) {
		struct vx6_dht_contact c = {.port = 4242, .via = VX6_DHT_VIA_QUIC};

		vx6_random_bytes(c.node.b, sizeof c.node.b);
		c.ip[0] = 0x2a;
		c.ip[3] = (uint8_t)(i >> 8);
		c.ip[4] = (uint8_t)i;
		vx6_dht_met(table, &c, VX6_DHT_PROVED, &now);
	}
	all.pos = known.pos = pos_of(table);
	vx6_dht_each(table, note, &all);
	assert_true(all.n > 100 && all.has_private);
	ordinary = table;
	for (unsigned life = 0; life < lives; life++) {
		struct known before = known;

		known = (struct known){.pos = all.pos};
		vx6_dht_circuit_want(circuit);
		vx6_dht_each(hidden, note, &known);
		assert_in_range(known.n, VX6_DHT_CIRCUIT_CONTACTS / 2, VX6_DHT_CIRCUIT_CONTACTS);
		assert_false(known.has_private);
		near += known.near;
		for (size_t i = 0; i < known.n; i++)
			for (size_t k = 0; k < before.n; k++)
				same += vx6_node_id_eq(&known.node[i], &before.node[k]);
		vx6_dht_circuit_free(circuit);
		circuit =
			vx6_dht_circuit_new(&(struct vx6_dht_circuit_config){.loop = test_loop,
									     .sessions = us->node.m,
									     .ways = &proxy_ways,
									     .net = vx6_net_default,
									     .pick = proxy_pick,
									     .other = proxy_other,
									     .changed = changed});
	}
	/* not the same ones each time; and an eighth is within an eighth of the space, not most as in the table */
	assert_true(same < lives * VX6_DHT_CIRCUIT_CONTACTS / 2);
	assert_true(near < lives * VX6_DHT_CIRCUIT_CONTACTS / 4);
	vx6_dht_free(table);
	ordinary = NULL;
}

static void tell_of_hosts(void *user, vx6_dht_circuit_met *met, void *met_user)
{
	(void)user;
	for (int i = 1; i < HOSTS; i++)
		met(met_user, &host[i].at);
}

static void no_table_of_its_own__begins_with_those_that_it_heard_of(void **state)
{
	struct found f;

	(void)state;
	vx6_dht_circuit_free(circuit);
	ordinary = NULL;
	circuit = vx6_dht_circuit_new(&(struct vx6_dht_circuit_config){.loop = test_loop,
								       .sessions = us->node.m,
								       .ways = &proxy_ways,
								       .net = vx6_net_default,
								       .pick = proxy_pick,
								       .other = proxy_other,
								       .heard = tell_of_hosts,
								       .changed = changed});
	publish();
	look(&f, VX6_DHT_WANT_ALL);
	assert_int_equal(f.r.values_n, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_life__another_id_and_other_proxies_and_never_ours),
		TEST(each_path__a_proxy_of_its_own),
		TEST(few_proxies__fewer_paths),
		TEST(no_proxy__nothing_is_asked),
		TEST(who_lies__costs_one_path),
		TEST(who_dies__is_replaced_under_way),
		TEST(who_fails_again_and_again__is_replaced_under_way),
		TEST(contacts__few_of_many_and_from_everywhere),
		TEST(no_table_of_its_own__begins_with_those_that_it_heard_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
