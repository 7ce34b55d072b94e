#include "crypto/secret.h"
#include "tests/unit/dht/net.h"

enum { NODES = 4000 };

static struct vx6_dht_key *nodes;
static uint64_t seed;

static uint64_t draw(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void draw_key(struct vx6_dht_key *out)
{
	for (size_t i = 0; i < sizeof out->b; i += 8) {
		uint64_t v = draw();

		memcpy(out->b + i, &v, 8);
	}
}

static const struct vx6_dht_key *sort_key;

static int by_distance(const void *a, const void *b)
{
	return vx6_dht_closer(sort_key, a, b);
}

/* What a lookup that found everybody around @p key tells, with @p sybils more right beside it. */
static void sense(struct vx6_dht *d, const struct vx6_dht_key *key, size_t sybils)
{
	static struct vx6_dht_key near[NODES];
	size_t n = 0, take = sybils < VX6_DHT_K ? VX6_DHT_K - sybils : 0;

	for (size_t i = 0; i < NODES; i++)
		if (vx6_dht_common_bits(&nodes[i], key) >= 5) /* 125 of them */
			near[n++] = nodes[i];
	sort_key = key;
	qsort(near, n, sizeof *near, by_distance);
	memmove(near + sybils, near, take * sizeof *near);
	for (size_t i = 0; i < sybils; i++) {
		near[i] = *key;
		near[i].b[3] ^= (uint8_t)(i + 1); /* 24 bits shared: 12 come by chance */
	}
	qsort(near, VX6_DHT_K, sizeof *near, by_distance);
	vx6_dht_sense_region(d, key, near, VX6_DHT_K);
}

static struct net *begin(void)
{
	struct net *net = net_new();

	seed = 1;
	nodes = vx6_zalloc(NODES * sizeof *nodes);
	for (size_t i = 0; i < NODES; i++)
		draw_key(&nodes[i]);
	net_add(net, "2a00::1", NULL, NULL);
	return net;
}

static void end(struct net *net)
{
	net_free(net);
	free(nodes);
}

static void the_size_is_told_by_density(void **state)
{
	struct net *net = begin();
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_key key;

	assert_true(vx6_dht_network_size(d) <= 0);
	for (size_t i = 0; i < 16; i++) {
		draw_key(&key);
		sense(d, &key, 0);
	}
	assert_in_range((uint64_t)vx6_dht_network_size(d), NODES * 8 / 10, NODES * 12 / 10);
	/* a few points under attack do not change it */
	for (size_t i = 0; i < 5; i++) {
		draw_key(&key);
		sense(d, &key, 20);
	}
	assert_in_range((uint64_t)vx6_dht_network_size(d), NODES * 8 / 10, NODES * 13 / 10);
	end(net);
}

static void alarms_without_cause_are_rarer_than_one_in_a_thousand(void **state)
{
	struct net *net = begin();
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_key key;
	unsigned alarms = 0;

	for (size_t i = 0; i < 4000; i++) {
		draw_key(&key);
		sense(d, &key, 0);
		alarms += vx6_dht_alarm_at(d, &key);
		net->now.ms += 11 * 60 * 1000; /* each for itself */
		vx6_dht_enter(d, &net->now);
		vx6_dht_leave(d);
	}
	assert_true(alarms <= 4);
	end(net);
}

static void a_crowd_around_a_key_is_noticed_and_forgotten(void **state)
{
	struct net *net = begin();
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_key key, far;

	for (size_t i = 0; i < 16; i++) {
		draw_key(&key);
		sense(d, &key, 0);
	}
	assert_false(vx6_dht_alarm(d));
	sense(d, &key, 10);
	far = key;
	far.b[0] ^= 0x80;
	assert_true(vx6_dht_alarm(d));
	assert_true(vx6_dht_alarm_at(d, &key));
	assert_false(vx6_dht_alarm_at(d, &far));
	net->now.ms += 10 * 60 * 1000;
	vx6_dht_enter(d, &net->now);
	vx6_dht_leave(d);
	assert_false(vx6_dht_alarm(d));
	end(net);
}

static void paths_double_when_lookups_fail_and_in_small_networks_there_are_few(void **state)
{
	struct net *net = net_new();
	struct vx6_dht *d;

	net_add_many(net, 60);
	d = net->node[0].dht;
	assert_int_equal(vx6_dht_paths(d), 1);
	vx6_dht_met(d, &net->node[1].contact, VX6_DHT_PROVED, &net->now);
	assert_int_equal(vx6_dht_paths(d), 1);
	net_introduce_all(net);
	assert_int_equal(vx6_dht_paths(d), VX6_DHT_PATHS);
	vx6_dht_sense_lookup(d, true);
	assert_int_equal(vx6_dht_paths(d), VX6_DHT_PATHS_MAX);
	vx6_dht_sense_lookup(d, false);
	vx6_dht_sense_lookup(d, false);
	assert_int_equal(vx6_dht_paths(d), VX6_DHT_PATHS);
	net_free(net);
}

static void holders_wanted_are_as_many_as_there_are(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_key key = {.b = {1}};

	net_add_many(net, 30);
	assert_int_equal(vx6_dht_holders_wanted(net->node[0].dht, &key), 0);
	for (size_t i = 1; i < 6; i++)
		vx6_dht_met(net->node[0].dht, &net->node[i].contact, VX6_DHT_PROVED, &net->now);
	assert_int_equal(vx6_dht_holders_wanted(net->node[0].dht, &key), 5);
	net_introduce_all(net);
	assert_int_equal(vx6_dht_holders_wanted(net->node[0].dht, &key), VX6_DHT_HOLDERS);
	net_free(net);
}

/* ---- upkeep ---- */

static void a_newcomer_comes_to_know_those_near_it(void **state)
{
	struct net *net = net_new();
	struct vx6_dht *d;

	net_add_many(net, 120);
	for (size_t i = 1; i < net->n; i++)
		for (size_t j = 1; j < net->n; j++)
			if (i != j)
				vx6_dht_met(net->node[i].dht, &net->node[j].contact, VX6_DHT_PROVED,
					    &net->now);
	d = net->node[0].dht;
	vx6_dht_met(d, &net->node[77].contact, VX6_DHT_HEARD, &net->now);
	net_run(net, 10000);
	assert_true(d->table->contacts >= VX6_DHT_K);
	for (size_t i = 1; i < net->n; i++) {
		size_t closer = 0;

		for (size_t j = 1; j < net->n; j++)
			closer += vx6_dht_closer(&d->pos, &net->node[j].pos, &net->node[i].pos) < 0;
		if (closer < 8)
			assert_non_null(vx6_dht_table_find(d, &net->node[i].contact));
	}
	net_free(net);
}

static void a_node_whose_contacts_are_all_down_finds_them_again(void **state)
{
	struct net *net = net_new();
	struct vx6_dht_info info;

	net_add_many(net, 6);
	for (size_t i = 1; i < net->n; i++) {
		vx6_dht_met(net->node[0].dht, &net->node[i].contact, VX6_DHT_HEARD, &net->now);
		net->node[i].dead = true;
	}
	net_run(net, 20 * 60000);
	vx6_dht_info(net->node[0].dht, &info);
	assert_int_equal(info.contacts, 0);
	assert_int_equal(info.candidates, 5);
	assert_true(info.asked <= 5 * 14); /* it tries ever less often */
	for (size_t i = 1; i < net->n; i++)
		net->node[i].dead = false;
	net_run(net, 6 * 60000);
	vx6_dht_info(net->node[0].dht, &info);
	assert_int_equal(info.contacts, 5);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_size_is_told_by_density),
		cmocka_unit_test(alarms_without_cause_are_rarer_than_one_in_a_thousand),
		cmocka_unit_test(a_crowd_around_a_key_is_noticed_and_forgotten),
		cmocka_unit_test(
			paths_double_when_lookups_fail_and_in_small_networks_there_are_few),
		cmocka_unit_test(holders_wanted_are_as_many_as_there_are),
		cmocka_unit_test(a_newcomer_comes_to_know_those_near_it),
		cmocka_unit_test(a_node_whose_contacts_are_all_down_finds_them_again),
	};

	assert_true(vx6_is_ok(vx6_crypto_init()));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
