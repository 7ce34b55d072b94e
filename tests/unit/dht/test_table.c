#include "crypto/secret.h"
#include "tests/unit/dht/net.h"

/* A node that shares exactly `bits` leading bits with @p me, at an address of its own. */
static struct vx6_dht_contact contact_in(const struct vx6_dht *d, unsigned bits, unsigned *number)
{
	struct vx6_dht_contact c = {.ip = {0x2a, 1}, .port = 1, .via = VX6_DHT_VIA_TCP};
	struct vx6_dht_key pos;

	do {
		unsigned n = ++*number;

		for (unsigned i = 0; i < 4; i++)
			c.ip[2 + i] = c.node.b[i] = (uint8_t)(n >> 8 * i);
		vx6_dht_contact_pos(&d->net, &c, &pos);
	} while (vx6_dht_bucket_of(d, &pos) != bits);
	return c;
}

static struct net *alone(void **state)
{
	struct net *net = net_new();

	net_add(net, "2a00::1", NULL, NULL);
	*state = net;
	return net;
}

static void forward_s(struct net *net, uint64_t s)
{
	net->now.ms += s * 1000;
	vx6_dht_enter(net->node[0].dht, &net->now);
	vx6_dht_leave(net->node[0].dht);
}

static void the_far_half_has_the_most_room(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned number = 0;

	for (unsigned bits = 0; bits < 5; bits++)
		for (unsigned i = 0; i < 200; i++) {
			struct vx6_dht_contact c = contact_in(d, bits, &number);

			vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
		}
	assert_int_equal(d->table->bucket[0].n, 128);
	assert_int_equal(d->table->bucket[1].n, 64);
	assert_int_equal(d->table->bucket[2].n, 32);
	assert_int_equal(d->table->bucket[3].n, VX6_DHT_K);
	assert_int_equal(d->table->bucket[4].n, VX6_DHT_K);
	assert_int_equal(d->table->contacts, 128 + 64 + 32 + 20 + 20);
	assert_int_equal(d->table->candidates, 5 * REPLACEMENTS_MAX);
	net_free(net);
}

static void nobody_alive_is_evicted_and_the_dead_are_replaced(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_contact c[VX6_DHT_K + 1];
	struct dht_entry *e;
	unsigned number = 0;

	for (size_t i = 0; i <= VX6_DHT_K; i++) {
		c[i] = contact_in(d, 4, &number);
		vx6_dht_met(d, &c[i], VX6_DHT_PROVED, &net->now);
	}
	for (size_t i = 0; i < VX6_DHT_K; i++)
		assert_non_null(vx6_dht_table_find(d, &c[i]));
	assert_int_equal(d->table->bucket[4].spare_n, 1);
	vx6_dht_table_failed(d, &c[3], BLAME_SILENT);
	e = vx6_dht_table_find(d, &c[3]);
	assert_non_null(e);
	assert_int_equal(e->failures, 1);
	vx6_dht_table_failed(d, &c[3], BLAME_SILENT);
	assert_null(vx6_dht_table_find(d, &c[3]));
	assert_int_equal(d->table->bucket[4].n, VX6_DHT_K);
	assert_int_equal(d->table->bucket[4].spare_n, 0);
	net_free(net);
}

static void our_own_outage_costs_no_contact(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_contact c[VX6_DHT_K + 1];
	unsigned number = 0;

	for (size_t i = 0; i <= VX6_DHT_K; i++) {
		c[i] = contact_in(d, 4, &number);
		vx6_dht_met(d, &c[i], VX6_DHT_PROVED, &net->now);
	}
	for (size_t round = 0; round < 10; round++)
		for (size_t i = 0; i <= VX6_DHT_K; i++)
			vx6_dht_table_failed(d, &c[i], BLAME_DOUBT);
	for (size_t i = 0; i < VX6_DHT_K; i++)
		assert_non_null(vx6_dht_table_find(d, &c[i]));
	net_free(net);
}

static void hearsay_is_a_candidate_until_it_answers(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned number = 0;
	struct vx6_dht_contact c = contact_in(d, 2, &number);
	struct dht_entry out[4];

	vx6_dht_met(d, &c, VX6_DHT_HEARD, &net->now);
	assert_int_equal(d->table->contacts, 0);
	assert_int_equal(d->table->candidates, 1);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 4), 0);
	assert_int_equal(vx6_dht_closest(d, &d->pos, 0, NULL, out, 4), 1);
	vx6_dht_table_alive(d, &c, 40);
	assert_int_equal(d->table->contacts, 1);
	assert_int_equal(d->table->candidates, 0);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 4), 1);
	assert_int_equal(out[0].rtt_ms, 40);
	/* hearing of it again changes nothing */
	vx6_dht_met(d, &c, VX6_DHT_HEARD, &net->now);
	assert_int_equal(d->table->contacts, 1);
	net_free(net);
}

static void hearsay_of_another_address_is_tried_before_it_is_told(void **state)
{
	struct net *net = net_new();
	struct vx6_dht *d = net_add(net, "fd00::1", NULL, NULL)->dht;
	struct vx6_dht_contact c = {.node = {.b = {7}},
				    .ip = {0xfd, [15] = 2},
				    .port = 1,
				    .via = VX6_DHT_VIA_TCP};
	struct dht_entry out[1];

	vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
	c.ip[15] = 3;
	vx6_dht_met(d, &c, VX6_DHT_HEARD, &net->now);
	assert_int_equal(d->table->contacts, 1);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 1), 0);
	assert_int_equal(vx6_dht_closest(d, &d->pos, 0, NULL, out, 1), 1);
	assert_int_equal(out[0].contact.ip[15], 3);
	vx6_dht_table_alive(d, &c, 1);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 1), 1);
	net_free(net);
}

static void a_place_that_is_free_goes_to_who_waited_for_it(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_contact c[VX6_DHT_K + 1];
	unsigned number = 0;

	for (size_t i = 0; i <= VX6_DHT_K; i++) {
		c[i] = contact_in(d, 4, &number);
		vx6_dht_met(d, &c[i], VX6_DHT_PROVED, &net->now);
	}
	vx6_dht_remove(d, &c[0].node, &net->now);
	assert_int_equal(d->table->bucket[4].n, VX6_DHT_K);
	assert_int_equal(d->table->bucket[4].spare_n, 0);
	net_free(net);
}

static void hearsay_survives_our_own_outage(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned number = 0;
	struct vx6_dht_contact c = contact_in(d, 0, &number);

	vx6_dht_met(d, &c, VX6_DHT_HEARD, &net->now);
	vx6_dht_table_failed(d, &c, BLAME_DOUBT);
	assert_non_null(vx6_dht_table_find(d, &c));
	vx6_dht_table_failed(d, &c, BLAME_SILENT);
	assert_null(vx6_dht_table_find(d, &c));
	net_free(net);
}

static void a_request_is_a_sign_of_life(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned number = 0;
	struct vx6_dht_contact c = contact_in(d, 0, &number);
	struct dht_entry *e;

	vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
	forward_s(net, 100);
	e = vx6_dht_table_find(d, &c);
	assert_int_equal(vx6_dht_table_s(d) - e->heard_s, 100);
	vx6_dht_table_heard(d, &c.node, c.ip);
	assert_int_equal(vx6_dht_table_s(d) - e->heard_s, 0);
	c.node.b[0] ^= 1;
	vx6_dht_table_heard(d, &c.node, c.ip);
	assert_int_equal(d->table->contacts, 1);
	net_free(net);
}

static void a_prefix_has_one_place_in_a_small_bucket(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned bits[] = {0, 4}, most[] = {2, 1};

	for (size_t k = 0; k < 2; k++) {
		unsigned number = (unsigned)k << 20;
		struct vx6_dht_contact first = contact_in(d, bits[k], &number), c = first;
		unsigned met = 0;

		/* others in its /48 that fall into the same bucket */
		for (unsigned i = 0; i < 4096 && met < 10; i++) {
			struct vx6_dht_key pos;

			c.node.b[8] = (uint8_t)i;
			c.node.b[9] = (uint8_t)(i >> 8);
			c.ip[15] = (uint8_t)i;
			vx6_dht_contact_pos(&d->net, &c, &pos);
			if (vx6_dht_bucket_of(d, &pos) != bits[k])
				continue;
			vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
			met++;
		}
		assert_true(met >= 3);
		assert_int_equal(d->table->bucket[bits[k]].n, most[k]);
	}
	net_free(net);
}

static void a_node_has_one_address(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned number = 0;
	struct vx6_dht_contact c = contact_in(d, 1, &number), moved = c;

	vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
	moved.ip[1] = 0x77;
	vx6_dht_met(d, &moved, VX6_DHT_PROVED, &net->now);
	assert_int_equal(d->table->contacts, 1);
	assert_null(vx6_dht_table_find(d, &c));
	assert_non_null(vx6_dht_table_find(d, &moved));
	vx6_dht_remove(d, &c.node, &net->now);
	assert_int_equal(d->table->contacts + d->table->candidates, 0);
	net_free(net);
}

static void the_closest_are_what_a_full_sort_gives(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_contact all[600];
	struct dht_entry out[VX6_DHT_K];
	unsigned number = 0;
	size_t n = 0;

	for (unsigned bits = 0; bits < 9; bits++)
		for (unsigned i = 0; i < vx6_dht_bucket_capacity(bits); i++) {
			all[n] = contact_in(d, bits, &number);
			vx6_dht_met(d, &all[n++], VX6_DHT_PROVED, &net->now);
		}
	for (unsigned round = 0; round < 50; round++) {
		struct vx6_dht_key key;

		d->io->random(d->user, key.b, sizeof key.b);
		for (unsigned i = 0; i < round / 8; i++)
			key.b[i / 8] = d->pos.b[i / 8]; /* some of them near to us */
		assert_int_equal(vx6_dht_closest(d, &key, CHOOSE_PROVED, NULL, out, VX6_DHT_K),
				 VX6_DHT_K);
		for (size_t i = 0; i < n; i++) {
			struct vx6_dht_key pos;
			size_t closer = 0;

			vx6_dht_contact_pos(&d->net, &all[i], &pos);
			for (size_t j = 0; j < VX6_DHT_K; j++)
				closer += vx6_dht_closer(&key, &out[j].pos, &pos) < 0;
			/* whoever is not among them is farther than all of them */
			if (closer < VX6_DHT_K)
				assert_memory_equal(out[closer].pos.b, pos.b, sizeof pos.b);
		}
		for (size_t i = 1; i < VX6_DHT_K; i++)
			assert_true(vx6_dht_closer(&key, &out[i - 1].pos, &out[i].pos) < 0);
	}
	net_free(net);
}

static void answers_name_one_of_a_prefix_and_not_who_asks(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned number = 0;
	struct vx6_dht_contact a = contact_in(d, 0, &number), b = a,
			       other = contact_in(d, 1, &number);
	struct dht_entry out[4];

	b.node.b[9] = 1;
	vx6_dht_met(d, &a, VX6_DHT_PROVED, &net->now);
	vx6_dht_met(d, &b, VX6_DHT_PROVED, &net->now);
	vx6_dht_met(d, &other, VX6_DHT_PROVED, &net->now);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 4), 3);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED | CHOOSE_CAPPED, NULL, out, 4),
			 2);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, &other.node, out, 4), 2);
	assert_int_equal(vx6_dht_eligible(d, 8), 2);
	net_free(net);
}

static void private_addresses_count_only_among_themselves(void **state)
{
	struct net *net = net_new();
	struct net_node *me = net_add(net, "fd00::1", NULL, NULL);
	struct vx6_dht *d = me->dht;
	struct vx6_dht_contact lan = {.node = {.b = {7}},
				      .ip = {0xfd, [15] = 2},
				      .port = 1,
				      .via = VX6_DHT_VIA_TCP};
	struct vx6_dht_contact world = lan;
	struct dht_entry out[4];

	world.node.b[0] = 8;
	world.ip[0] = 0x2a;
	assert_int_equal(vx6_dht_diversity(d), VX6_DIVERSITY_OFF);
	vx6_dht_met(d, &lan, VX6_DHT_PROVED, &net->now);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 4), 1);
	/* hearsay of a global address does not end it, a proof does */
	vx6_dht_met(d, &world, VX6_DHT_HEARD, &net->now);
	assert_int_equal(vx6_dht_diversity(d), VX6_DIVERSITY_OFF);
	vx6_dht_met(d, &world, VX6_DHT_PROVED, &net->now);
	assert_int_equal(vx6_dht_diversity(d), VX6_DIVERSITY_PREFIX);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 4), 1);
	assert_memory_equal(out[0].contact.node.b, world.node.b, sizeof world.node.b);
	vx6_dht_remove(d, &world.node, &net->now);
	assert_int_equal(vx6_dht_diversity(d), VX6_DIVERSITY_OFF);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 4), 1);
	net_free(net);
}

static void what_nobody_can_have_is_dropped_unseen(void **state)
{
	static const char *const bad[] = {"[::]:1",      "[ff02::1]:1",    "0.0.0.1:1",
					  "240.0.0.1:1", "[64:ff9b::1]:1", "[fe80::1]:1",
					  "[2a00::2]:0"};
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_contact c = {.node = {.b = {7}}, .port = 1, .via = VX6_DHT_VIA_TCP};

	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++) {
		struct vx6_addr a;

		assert_ok(vx6_addr_parse(bad[i], &a));
		memcpy(c.ip, a.ip, sizeof c.ip);
		c.port = a.port;
		vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
		assert_int_equal(d->table->contacts + d->table->candidates, 0);
	}
	/* ourselves, and an address without a transport */
	vx6_dht_met(d, &net->node[0].contact, VX6_DHT_PROVED, &net->now);
	c = net->node[0].contact;
	c.node.b[0] ^= 1;
	c.via = 0;
	vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
	assert_int_equal(d->table->contacts + d->table->candidates, 0);
	net_free(net);
}

static void liars_are_left_alone_for_a_while(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	unsigned number = 0;
	struct vx6_dht_contact c = contact_in(d, 0, &number);
	struct dht_entry out[1];

	vx6_dht_met(d, &c, VX6_DHT_PROVED, &net->now);
	vx6_dht_table_failed(d, &c, BLAME_LIED);
	assert_int_equal(vx6_dht_closest(d, &d->pos, 0, NULL, out, 1), 0);
	forward_s(net, DEMOTED_MS / 1000 - 1);
	vx6_dht_table_alive(d, &c, 1); /* that it lives does not help */
	assert_int_equal(vx6_dht_closest(d, &d->pos, 0, NULL, out, 1), 0);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 1), 0);
	forward_s(net, 2);
	vx6_dht_table_alive(d, &c, 1);
	assert_int_equal(vx6_dht_closest(d, &d->pos, CHOOSE_PROVED, NULL, out, 1), 1);
	net_free(net);
}

static void a_million_names_leave_a_bounded_table(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_contact c = {.ip = {0x2a}, .port = 1, .via = VX6_DHT_VIA_TCP};

	for (uint32_t i = 0; i < 1000000; i++) {
		memcpy(c.node.b, &i, sizeof i);
		memcpy(c.ip + 2, &i, sizeof i);
		vx6_dht_met(d, &c, VX6_DHT_HEARD, &net->now);
	}
	assert_int_equal(d->table->contacts, 0);
	assert_true(d->table->buckets_n < 40);
	assert_true(d->table->candidates <= d->table->buckets_n * REPLACEMENTS_MAX);
	net_free(net);
}

static void contacts_find_their_buckets_when_we_move(void **state)
{
	struct net *net = alone(state);
	struct vx6_dht *d = net->node[0].dht;
	struct vx6_dht_contact moved = net->node[0].contact, c[50];
	unsigned number = 0;

	for (size_t i = 0; i < 50; i++) {
		c[i] = contact_in(d, (unsigned)i % 5, &number);
		vx6_dht_met(d, &c[i], VX6_DHT_PROVED, &net->now);
	}
	moved.ip[1] = 0x99;
	vx6_dht_set_self(d, &moved, &net->now);
	assert_int_equal(d->table->contacts + d->table->candidates, 50);
	for (size_t i = 0; i < 50; i++)
		assert_non_null(vx6_dht_table_find(d, &c[i]));
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_far_half_has_the_most_room),
		cmocka_unit_test(nobody_alive_is_evicted_and_the_dead_are_replaced),
		cmocka_unit_test(our_own_outage_costs_no_contact),
		cmocka_unit_test(hearsay_is_a_candidate_until_it_answers),
		cmocka_unit_test(hearsay_of_another_address_is_tried_before_it_is_told),
		cmocka_unit_test(a_place_that_is_free_goes_to_who_waited_for_it),
		cmocka_unit_test(hearsay_survives_our_own_outage),
		cmocka_unit_test(a_request_is_a_sign_of_life),
		cmocka_unit_test(a_prefix_has_one_place_in_a_small_bucket),
		cmocka_unit_test(a_node_has_one_address),
		cmocka_unit_test(the_closest_are_what_a_full_sort_gives),
		cmocka_unit_test(answers_name_one_of_a_prefix_and_not_who_asks),
		cmocka_unit_test(private_addresses_count_only_among_themselves),
		cmocka_unit_test(what_nobody_can_have_is_dropped_unseen),
		cmocka_unit_test(liars_are_left_alone_for_a_while),
		cmocka_unit_test(a_million_names_leave_a_bounded_table),
		cmocka_unit_test(contacts_find_their_buckets_when_we_move),
	};

	assert_true(vx6_is_ok(vx6_crypto_init()));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
