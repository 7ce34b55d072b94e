#include "crypto/secret.h"
#include "tests/unit/dht/net_look.h"

/* Nobody knows more than a few: the way to the key has to be found. */
static void introduce_some(struct net *net, size_t each)
{
	for (size_t i = 0; i < net->n; i++)
		for (size_t j = 1; j <= each && net->node[i].dht; j++)
			vx6_dht_met(net->node[i].dht, &net->node[(i + j * j) % net->n].contact,
				    VX6_DHT_PROVED, &net->now);
}

static void nobody_known_is_unreachable(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_key key = {.b = {1}};
	struct outcome *o;

	net_add(net, "2a00::1", NULL, NULL);
	o = look(net, &key, VX6_DHT_WANT_ONE);
	assert_err(o->r.err, UNREACHABLE);
	assert_int_equal(net->sent, 0);
	free(o);
	net_free(net);
}

static void two_nodes_are_a_network(void **state)
{
	struct net *net = net_new();
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	net_add(net, "127.0.0.1", NULL, NULL);
	net_add(net, "127.0.0.1", NULL, NULL)->contact.port = 2;
	net_introduce_all(net);
	o = look(net, &s.key, VX6_DHT_WANT_ONE);
	assert_err(o->r.err, NOT_FOUND);
	free(o);
	put(net, &net->node[1], &s);
	for (int want = VX6_DHT_WANT_ONE; want <= VX6_DHT_WANT_ALL; want++) {
		o = look(net, &s.key, (enum vx6_dht_want)want);
		assert_ok(o->r.err);
		assert_int_equal(o->r.values_n, 1);
		assert_int_equal(o->value[0].holders, 1);
		free(o);
	}
	net_free(net);
}

static void what_we_hold_ourselves_is_found_without_asking(void **state)
{
	struct net *net = net_new();
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	net_add(net, "2a00::1", NULL, NULL);
	put(net, &net->node[0], &s);
	o = look(net, &s.key, VX6_DHT_WANT_ONE);
	assert_ok(o->r.err);
	assert_int_equal(o->value[0].holders, 1);
	assert_int_equal(o->value[0].paths, 0);
	assert_int_equal(o->r.queries, 0);
	free(o);
	net_free(net);
}

static void the_nearest_nodes_are_found(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_key key;
	struct outcome *o;

	net_add_many(net, 200);
	introduce_some(net, 14);
	net_run(net, 60000);
	for (unsigned round = 0; round < 5; round++) {
		net->node[0].dht->io->random(&net->node[0], key.b, sizeof key.b);
		o = look(net, &key, VX6_DHT_WANT_NODES);
		assert_ok(o->r.err);
		assert_int_equal(o->r.closest_n, VX6_DHT_K);
		for (size_t i = 0; i < VX6_DHT_K; i++) {
			size_t rank = rank_of(net, &key, net_find(net, &o->closest[i].node));

			/* ourselves excepted */
			assert_true(rank == i || rank == i + 1);
		}
		assert_int_equal(o->r.converged, o->r.paths);
		for (size_t i = 0; i < net->n; i++)
			assert_true(o->asked[i] <= 1); /* paths are disjoint */
		free(o);
	}
	net_free(net);
}

static void the_newest_record_wins(void **state)
{
	struct net *net = net_new();
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	net_add_many(net, 60);
	net_introduce_all(net);
	for (size_t i = 0, put_n = 0; put_n < 6; i++) {
		struct net_node *n = nth_nearest(net, &s.key, i);

		if (n == &net->node[0])
			continue;
		sign(&s, put_n == 3 ? 9 : 5);
		put(net, n, &s);
		put_n++;
	}
	o = look(net, &s.key, VX6_DHT_WANT_ALL);
	assert_ok(o->r.err);
	assert_int_equal(o->r.values_n, 1);
	assert_int_equal(o->seq[0], 9);
	assert_int_equal(o->value[0].holders, 1);
	assert_int_equal(o->value[0].prefixes, 1);
	free(o);
	/* the reader has told some of the others meanwhile */
	net_run(net, 1000);
	o = look(net, &s.key, VX6_DHT_WANT_ALL);
	assert_int_equal(o->seq[0], 9);
	assert_int_equal(o->value[0].holders, 5);
	free(o);
	o = look(net, &s.key, VX6_DHT_WANT_BEST);
	assert_ok(o->r.err);
	assert_int_equal(o->seq[0], 9);
	assert_true(o->value[0].paths >= 2);
	free(o);
	net_free(net);
}

static void a_withdrawn_record_is_an_answer(void **state)
{
	struct net *net = net_new();
	struct vx6_service_record gone = {.seq = 7,
					  .issued_s = NOW,
					  .lifetime_s = 3600,
					  .withdrawn = true,
					  .name = "web",
					  .kind = VX6_SERVICE_TCP};
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	net_add_many(net, 8);
	net_introduce_all(net);
	put(net, &net->node[3], &s);
	assert_ok(vx6_service_build(&gone, &s.id, s.record, &s.n));
	put(net, &net->node[4], &s);
	o = look(net, &s.key, VX6_DHT_WANT_ALL);
	assert_ok(o->r.err);
	assert_int_equal(o->r.values_n, 1);
	assert_int_equal(o->seq[0], 7);
	free(o);
	net_free(net);
}

static void the_dead_cost_a_soft_timeout_and_not_more(void **state)
{
	struct net *net = net_new();
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	net_add_many(net, 100);
	net_introduce_all(net);
	net_run(net, 120000); /* round trips get known */
	for (size_t i = 0; i < 8; i++) {
		struct net_node *n = nth_nearest(net, &s.key, i);

		if (n == &net->node[0])
			continue;
		put(net, n, &s);
		n->dead = i < 6;
	}
	o = look(net, &s.key, VX6_DHT_WANT_ONE);
	assert_ok(o->r.err);
	assert_true(o->r.ms < 500);
	assert_int_equal(o->r.timeouts, 0); /* nobody waited for the hard one */
	free(o);
	net_run(net, 3000); /* but the table heard of it */
	assert_true(vx6_dht_query_failures(net->node[0].dht) > 0);
	net_free(net);
}

/* ---- liars ---- */

static size_t garbage(void *user, const struct vx6_dht_req *req, uint8_t *out)
{
	memset(out, 0xff, 100);
	return 100;
}

struct lie {
	const struct someone *s; /* whose record it gives, whatever was asked for */
	struct vx6_dht_contact fake[VX6_DHT_NODES_MAX];
	uint32_t number;
};

static size_t wrong_record(void *user, const struct vx6_dht_req *req, uint8_t *out)
{
	const struct lie *l = user;

	return net_compose(req->op, NULL, 0, l->s->record, l->s->n, out);
}

static void liars_are_demoted_and_the_truth_is_found(void **state)
{
	struct net *net = net_new();
	struct lie lie = {0};
	struct someone s, other, twisted;
	struct outcome *o;
	unsigned asked = 0;

	someone(&s, 1);
	someone(&other, 2);
	twisted = s;
	twisted.record[twisted.n - 1] ^= 1; /* the right key, a signature that is not */
	net_add_many(net, 20);
	for (size_t i = 0; i < 12; i++) {
		char ip[64];

		snprintf(ip, sizeof ip, "2a01:%zx::1", i);
		lie.s = i % 2 ? &other : &twisted;
		net_add(net, ip, i < 4 ? garbage : wrong_record, &lie);
	}
	lie.s = &other;
	net_introduce_all(net);
	put_near(net, &s, 1);
	o = look(net, &s.key, VX6_DHT_WANT_ALL);
	assert_ok(o->r.err);
	assert_int_equal(o->r.values_n, 1);
	assert_int_equal(o->value[0].holders, 1);
	for (size_t i = 20; i < 32; i++) {
		struct dht_entry *e = vx6_dht_table_find(net->node[0].dht, &net->node[i].contact);

		if (o->asked[i] == 0)
			continue;
		asked++;
		assert_true(e == NULL || e->demoted_s > 0);
	}
	assert_true(asked >= 6);
	free(o);
	net_free(net);
}

/* Each answer names twenty nodes that do not exist, nearer to the key each time. */
static size_t endless(void *user, const struct vx6_dht_req *req, uint8_t *out)
{
	struct lie *l = user;

	for (size_t i = 0; i < VX6_DHT_NODES_MAX; i++) {
		struct vx6_dht_contact *c = &l->fake[i];

		l->number++;
		*c = (struct vx6_dht_contact){.ip = {0x2a, 2}, .port = 1, .via = VX6_DHT_VIA_TCP};
		memcpy(c->ip + 2, &l->number, sizeof l->number);
		memcpy(c->node.b, &l->number, sizeof l->number);
	}
	return net_compose(req->op, l->fake, VX6_DHT_NODES_MAX, NULL, 0, out);
}

static void invented_nodes_end_in_a_bounded_number_of_queries(void **state)
{
	struct net *net = net_new();
	struct lie lie = {0};
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	net_add_many(net, 60);
	for (size_t i = 0; i < 40; i++) {
		char ip[64];

		snprintf(ip, sizeof ip, "2a01:%zx::1", i);
		net_add(net, ip, endless, &lie);
	}
	net_introduce_all(net);
	put_near(net, &s, 8);
	o = look(net, &s.key, VX6_DHT_WANT_ONE);
	assert_ok(o->r.err);
	assert_true(o->r.queries < 100);
	free(o);
	o = look(net, &s.key, VX6_DHT_WANT_NODES);
	assert_true(o->r.queries <= VX6_DHT_PATHS_MAX * 40);
	assert_true(o->r.ms <= 17000);
	free(o);
	net_free(net);
}

static void one_of_a_prefix_is_asked(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_key key = {.b = {0x5a}};
	struct outcome *o;
	unsigned asked = 0;

	net_add_many(net, 30);
	for (size_t i = 0; i < 10; i++) {
		char ip[64];

		snprintf(ip, sizeof ip, "2a01::%zx", i + 1);
		net_add(net, ip, NULL, NULL);
	}
	net_introduce_all(net);
	o = look(net, &key, VX6_DHT_WANT_NODES);
	for (size_t i = 30; i < 40; i++)
		asked += o->asked[i];
	assert_int_equal(asked, 1);
	free(o);
	net_free(net);
}

static void not_found_is_said_after_widening(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_key key = {.b = {0x5a}};
	struct outcome *o;

	net_add_many(net, 300);
	introduce_some(net, 17);
	net_run(net, 120000);
	assert_true(vx6_dht_network_size(net->node[0].dht) > 150);
	assert_true(vx6_dht_network_size(net->node[0].dht) < 600);
	o = look(net, &key, VX6_DHT_WANT_ONE);
	assert_err(o->r.err, NOT_FOUND);
	assert_int_equal(o->kinds[VX6_DHT_STEP_WIDENED], 1);
	assert_int_equal(o->r.paths, VX6_DHT_PATHS_MAX);
	free(o);
	net_free(net);
}

/* ---- what may happen at any time ---- */

static void answers_that_nobody_asked_for_change_nothing(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_ask ask = {.key = {.b = {1}}, .want = VX6_DHT_WANT_ONE};
	struct outcome *o = vx6_zalloc(sizeof *o);
	struct vx6_dht *d;
	uint8_t out[VX6_DHT_RESPONSE_MAX];
	size_t n = net_compose(VX6_DHT_GET, NULL, 0, NULL, 0, out);
	struct vx6_dht_info info;

	net_add_many(net, 3);
	net_introduce_all(net);
	d = net->node[0].dht;
	assert_non_null(vx6_dht_look(d, &ask, on_done, o, &net->now));
	for (uint64_t id = 100; id < 200; id++) {
		vx6_dht_answered(d, id, out, n, &net->now);
		vx6_dht_failed(d, id, VX6_ERR(CLOSED), &net->now);
	}
	vx6_dht_info(d, &info);
	assert_int_equal(info.answered + info.failed, 0);
	for (int twice = 0; twice < 2; twice++)
		for (uint64_t id = 1; id <= info.asked; id++)
			vx6_dht_answered(d, id, out, n, &net->now);
	vx6_dht_info(d, &info);
	assert_int_equal(info.answered, info.asked);
	net_run(net, 10);
	assert_true(o->done);
	free(o);
	net_free(net);
}

static struct vx6_dht_lookup *to_cancel;
static unsigned ended;

static void cancel_other(void *user, const struct vx6_dht_result *r)
{
	ended++;
	if (to_cancel)
		vx6_dht_lookup_cancel(to_cancel);
	to_cancel = NULL;
}

static void one_lookup_may_cancel_another_that_has_just_ended(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_ask ask = {.key = {.b = {1}}, .want = VX6_DHT_WANT_ONE};

	ended = 0;
	net_add_many(net, 10);
	net_introduce_all(net);
	assert_non_null(vx6_dht_look(net->node[0].dht, &ask, cancel_other, NULL, &net->now));
	to_cancel = vx6_dht_look(net->node[0].dht, &ask, cancel_other, NULL, &net->now);
	assert_non_null(to_cancel);
	net_run(net, 5000);
	assert_int_equal(ended, 1);
	net_free(net);
}

static void who_serves_no_longer_is_forgotten(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_key key = {.b = {1}};

	net_add_many(net, 3);
	net_introduce_all(net);
	vx6_dht_set_self(net->node[1].dht, NULL, &net->now);
	free(look(net, &key, VX6_DHT_WANT_NODES));
	assert_null(vx6_dht_table_find(net->node[0].dht, &net->node[1].contact));
	assert_non_null(vx6_dht_table_find(net->node[0].dht, &net->node[2].contact));
	net_free(net);
}

static void lookups_under_way_end_quietly_with_the_dht(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_ask ask = {.want = VX6_DHT_WANT_NODES};
	unsigned under_way = 0;

	ended = 0;
	net_add_many(net, 30);
	net_introduce_all(net);
	for (uint8_t i = 0; i < 255; i++) {
		ask.key.b[0] = i;
		under_way +=
			vx6_dht_look(net->node[0].dht, &ask, cancel_other, NULL, &net->now) != NULL;
	}
	assert_in_range(under_way, 16, 64);
	net_free(net);
	assert_int_equal(ended, 0);
}

static void a_small_network_is_quiet(void **state)
{
	struct net *net = net_new();
	size_t before;

	for (size_t i = 0; i < 16; i++) {
		char ip[64];

		snprintf(ip, sizeof ip, "fd00::%zx", i + 1);
		net_add(net, ip, NULL, NULL);
	}
	net_introduce_all(net);
	net_run(net, 10 * 60000);
	before = net->sent;
	net_run(net, 60 * 60000);
	/* a ping each quarter of an hour of whom one has a session with; no lookups */
	assert_true(net->sent - before <= 16 * 15 * 5);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(net->node[i].dht->table->contacts, 15);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_known_is_unreachable),
		cmocka_unit_test(two_nodes_are_a_network),
		cmocka_unit_test(what_we_hold_ourselves_is_found_without_asking),
		cmocka_unit_test(the_nearest_nodes_are_found),
		cmocka_unit_test(the_newest_record_wins),
		cmocka_unit_test(a_withdrawn_record_is_an_answer),
		cmocka_unit_test(the_dead_cost_a_soft_timeout_and_not_more),
		cmocka_unit_test(liars_are_demoted_and_the_truth_is_found),
		cmocka_unit_test(invented_nodes_end_in_a_bounded_number_of_queries),
		cmocka_unit_test(one_of_a_prefix_is_asked),
		cmocka_unit_test(not_found_is_said_after_widening),
		cmocka_unit_test(answers_that_nobody_asked_for_change_nothing),
		cmocka_unit_test(one_lookup_may_cancel_another_that_has_just_ended),
		cmocka_unit_test(who_serves_no_longer_is_forgotten),
		cmocka_unit_test(lookups_under_way_end_quietly_with_the_dht),
		cmocka_unit_test(a_small_network_is_quiet),
	};

	assert_true(vx6_is_ok(vx6_crypto_init()));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
