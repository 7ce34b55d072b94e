/* Lookups whose paths are led by others: what one of those does costs its own path. */
#include "tests/unit/dht/net_look.h"

enum { NODES = 60, LIARS_NODES = 20 };

static struct guides {
	uint8_t count;
	uint64_t guide[VX6_DHT_PATHS];
	const struct vx6_dht_contact *node[VX6_DHT_PATHS]; /* who they are, if the net has them */
	/* how they are */
	bool lies[VX6_DHT_PATHS], is_silent[VX6_DHT_PATHS];
	uint64_t silent_guide; /* only this one of those */
	const struct someone *old;
	struct vx6_dht_contact invented[LIARS_NODES];
	unsigned asked[VX6_DHT_PATHS], put[VX6_DHT_PATHS];
	bool swallows[VX6_DHT_PATHS]; /* takes a PUT for stored */
} g;

static uint8_t on_count(void *user)
{
	return g.count;
}

static uint64_t on_guide(void *user, uint8_t path)
{
	return g.guide[path];
}

static bool on_may_ask(void *user, uint8_t path, const struct vx6_dht_contact *to)
{
	for (size_t i = 0; i < VX6_DHT_PATHS; i++)
		if (i != path && g.node[i] && vx6_node_id_eq(&g.node[i]->node, &to->node))
			return false;
	return true;
}

static const struct vx6_dht_guides guides = {
	.count = on_count,
	.guide = on_guide,
	.may_ask = on_may_ask,
};

static size_t on_lead(void *user, uint8_t path, const struct vx6_dht_req *req, uint8_t *out)
{
	assert_true(path < VX6_DHT_PATHS && g.guide[path] >= VX6_DHT_GUIDE_FIRST);
	g.asked[path]++;
	g.put[path] += req->op == VX6_DHT_PUT;
	if (g.swallows[path] && req->op == VX6_DHT_PUT)
		return net_compose((uint8_t)(req->op | 0x80), NULL, 0, NULL, 0, out);
	if (g.is_silent[path] && (!g.silent_guide || g.guide[path] == g.silent_guide))
		return 0;
	if (!g.lies[path])
		return SIZE_MAX;
	return net_compose((uint8_t)(req->op | 0x80), g.invented, LIARS_NODES,
			   g.old ? g.old->record : NULL, g.old ? g.old->n : 0, out);
}

/* Nodes that are not there, as near to the key as can be. */
static void invent(const struct vx6_dht_key *key)
{
	struct vx6_dht_contact best;
	struct vx6_dht_key pos, best_pos;

	for (size_t i = 0; i < LIARS_NODES; i++) {
		for (unsigned try = 0; try < 64; try++) {
			struct vx6_dht_contact c = {.port = 4242, .via = VX6_DHT_VIA_QUIC};

			c.node.b[0] = (uint8_t)i;
			c.node.b[1] = (uint8_t)try;
			c.ip[0] = 0x2b;
			c.ip[4] = (uint8_t)i;
			c.ip[5] = (uint8_t)try;
			vx6_dht_contact_pos(&vx6_net_default, &c, &pos);
			if (try > 0 && vx6_dht_closer(key, &pos, &best_pos) >= 0)
				continue;
			best = c;
			best_pos = pos;
		}
		g.invented[i] = best;
	}
}

static struct net *led_net(uint8_t count)
{
	struct net *net = net_new();

	memset(&g, 0, sizeof g);
	g.count = count;
	for (size_t i = 0; i < count; i++)
		g.guide[i] = VX6_DHT_GUIDE_FIRST + i;
	net_add_many(net, NODES);
	net_introduce_all(net);
	net_lead(&net->node[0], &guides, on_lead, NULL);
	for (size_t i = 1; i <= 40; i++)
		vx6_dht_met(net->node[0].dht, &net->node[i].contact, VX6_DHT_PROVED, &net->now);
	return net;
}

static struct vx6_dht_info info_of(const struct net *net)
{
	struct vx6_dht_info info;

	vx6_dht_info(net->node[0].dht, &info);
	return info;
}

static void each_path_has_its_guide_and_all_find_the_same(void **state)
{
	struct net *net = led_net(4);
	struct someone s;
	struct outcome *o;
	unsigned several = 0;

	someone(&s, 1);
	put_near(net, &s, 8);
	o = look(net, &s.key, VX6_DHT_WANT_ALL);
	assert_ok(o->r.err);
	assert_int_equal(o->r.paths, 4);
	assert_int_equal(o->r.converged, 4);
	/* each of them saw the whole neighbourhood; a holder is one however many of them asked it */
	assert_int_equal(o->value[0].paths, 4);
	assert_int_equal(o->value[0].holders, 8);
	assert_in_range(o->r.holders_asked, 8, VX6_DHT_K);
	for (size_t i = 0; i < 4; i++)
		assert_true(g.asked[i] >= 8);
	for (size_t i = 0; i < net->n; i++) {
		assert_true(o->asked[i] <= 4);
		several += o->asked[i] > 1;
	}
	assert_true(several >= 8);
	free(o);
	net_free(net);
}

static void a_guide_who_lies_costs_its_path(void **state)
{
	struct net *net = led_net(4);
	struct vx6_dht_info before = info_of(net), after;
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	put_near(net, &s, 8);
	invent(&s.key);
	g.lies[2] = true;
	for (unsigned round = 0; round < 3; round++) {
		o = look(net, &s.key, VX6_DHT_WANT_ALL);
		assert_ok(o->r.err);
		assert_int_equal(o->r.values_n, 1);
		assert_int_equal(o->value[0].paths, 3);
		assert_int_equal(o->value[0].holders, 8);
		free(o);
		o = look(net, &s.key, VX6_DHT_WANT_ONE);
		assert_ok(o->r.err);
		assert_int_equal(o->r.values_n, 1);
		free(o);
	}
	/* nothing that it said is left */
	after = info_of(net);
	assert_int_equal(after.contacts, before.contacts);
	assert_int_equal(after.candidates, before.candidates);
	assert_int_equal(after.paths, before.paths);
	assert_false(after.alarm);
	net_free(net);
}

static void an_old_record_needs_a_second_voice(void **state)
{
	struct net *net = led_net(4);
	struct someone old, s;
	struct outcome *o;

	someone(&old, 1);
	someone(&s, 1);
	sign(&s, 2);
	put_near(net, &s, 8);
	invent(&s.key);
	g.lies[0] = true;
	g.old = &old;
	o = look(net, &s.key, VX6_DHT_WANT_ONE);
	assert_ok(o->r.err);
	assert_int_equal(o->r.values_n, 1);
	assert_int_equal(o->seq[0], 2);
	free(o);
	net_free(net);
}

static void three_who_are_silent_leave_the_fourth(void **state)
{
	struct net *net = led_net(4);
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	put_near(net, &s, 8);
	for (size_t i = 0; i < 3; i++)
		g.is_silent[i] = true;
	o = look(net, &s.key, VX6_DHT_WANT_ALL);
	assert_ok(o->r.err);
	assert_int_equal(o->value[0].paths, 1);
	assert_int_equal(o->value[0].holders, 8);
	assert_int_equal(info_of(net).contacts, 40); /* whose fault it was nobody knows */
	free(o);
	net_free(net);
}

static void on_late(void *user, const struct vx6_dht_result *r)
{
	*(vx6_err *)user = r->err;
}

static void another_guide_asks_those_again_who_did_not_answer(void **state)
{
	struct net *net = led_net(1);
	vx6_err err = VX6_ERR(AGAIN);
	struct vx6_dht_ask ask = {.want = VX6_DHT_WANT_ONE, .type = VX6_RTYPE_SERVICE};
	struct someone s;
	unsigned before;

	someone(&s, 1);
	put_near(net, &s, 3);
	ask.key = s.key;
	g.is_silent[0] = true;
	g.silent_guide = g.guide[0];
	assert_non_null(vx6_dht_look(net->node[0].dht, &ask, on_late, &err, &net->now));
	net_run(net, 700);
	before = g.asked[0];
	assert_true(before >= 2);
	assert_err(err, AGAIN);
	g.guide[0] = VX6_DHT_GUIDE_SOON; /* meanwhile nobody is asked */
	net_run(net, 1000);
	assert_int_equal(g.asked[0], before);
	assert_err(err, AGAIN);
	g.guide[0] = 77;
	net_run(net, 1500);
	assert_ok(err);
	net_free(net);
}

static void without_guides_nobody_is_asked(void **state)
{
	struct net *net = led_net(0);
	struct someone s;
	struct outcome *o;
	size_t before;

	someone(&s, 1);
	before = net->sent;
	o = look(net, &s.key, VX6_DHT_WANT_ONE);
	assert_err(o->r.err, UNREACHABLE);
	assert_int_equal(o->r.paths, 1);
	assert_int_equal(o->r.queries, 0);
	assert_int_equal(g.asked[0], 0);
	assert_true(net->sent >= before);
	free(o);
	net_free(net);
}

static void who_leads_a_path_is_asked_on_no_other(void **state)
{
	struct net *net = led_net(4);
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	put_near(net, &s, 8);
	for (size_t i = 0; i < 4; i++)
		g.node[i] = &nth_nearest(net, &s.key, i + 1)->contact;
	o = look(net, &s.key, VX6_DHT_WANT_ALL);
	assert_ok(o->r.err);
	for (size_t i = 0; i < net->n; i++)
		for (size_t k = 0; k < 4; k++)
			if (vx6_node_id_eq(&net->node[i].contact.node, &g.node[k]->node))
				assert_true(o->asked[i] <= 1);
	free(o);
	net_free(net);
}

static void nothing_is_asked_that_nobody_wants_to_know(void **state)
{
	struct net *net = led_net(4);
	struct someone s;
	struct outcome *o;
	unsigned asked = 0;

	net_run(net, 20 * 60 * 1000);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(g.asked[i], 0);
	/* nor is anything left behind: net.c would see a PUT */
	someone(&s, 1);
	put_near(net, &s, 8);
	for (unsigned round = 0; round < 10; round++) {
		o = look(net, &s.key, VX6_DHT_WANT_ONE);
		assert_ok(o->r.err);
		free(o);
	}
	net_run(net, 5000);
	for (size_t i = 0; i < 4; i++)
		asked += g.asked[i];
	net_run(net, 20 * 60 * 1000);
	for (size_t i = 0; i < 4; i++)
		asked -= g.asked[i];
	assert_int_equal(asked, 0);
	net_free(net);
}

/* ---- the newest ---- */

/* Half of those that should hold it have an older one. */
static void put_both(struct net *net, const struct someone *old, const struct someone *s)
{
	for (size_t i = 0, n = 0; n < 8; i++) {
		struct net_node *at = nth_nearest(net, &s->key, i);

		if (at == &net->node[0])
			continue;
		put(net, at, n % 2 ? s : old);
		n++;
	}
}

static void the_newest_is_found_among_as_many_old_ones(void **state)
{
	for (uint8_t who = 1; who < 12; who++) {
		struct net *net = led_net(2);
		struct someone old, s;
		struct outcome *o;

		someone(&old, who);
		someone(&s, who);
		sign(&s, 2);
		put_both(net, &old, &s);
		o = look(net, &s.key, VX6_DHT_WANT_NEWEST);
		assert_ok(o->r.err);
		assert_int_equal(o->r.values_n, 1);
		assert_int_equal(o->seq[0], 2);
		assert_int_equal(o->value[0].paths, 2);
		assert_int_equal(o->value[0].holders, 4);
		assert_int_equal(o->r.heard, 2);
		assert_int_equal(o->r.whole, 2);
		/* nobody is asked who is farther than need be */
		assert_in_range(o->r.queries, 16, 40);
		free(o);
		net_free(net);
	}
}

static void a_path_that_is_silent_is_not_waited_for_long(void **state)
{
	struct net *net = led_net(2);
	struct someone s;
	struct outcome *o;

	someone(&s, 1);
	put_near(net, &s, 8);
	g.is_silent[1] = true;
	o = look(net, &s.key, VX6_DHT_WANT_NEWEST);
	assert_ok(o->r.err);
	assert_int_equal(o->value[0].paths, 1);
	assert_int_equal(o->r.heard, 1);
	assert_int_equal(o->r.whole, 1);
	assert_in_range(o->r.ms, 0, 1500);
	free(o);
	net_free(net);
}

static void a_guide_with_an_old_one_is_alone_with_it(void **state)
{
	struct net *net = led_net(2);
	struct someone old, s;
	struct outcome *o;

	someone(&old, 1);
	someone(&s, 1);
	sign(&s, 2);
	put_near(net, &s, 8);
	invent(&s.key);
	g.lies[0] = true;
	g.old = &old;
	o = look(net, &s.key, VX6_DHT_WANT_NEWEST);
	assert_ok(o->r.err);
	assert_int_equal(o->seq[0], 2);
	assert_int_equal(o->value[0].paths, 1);
	free(o);
	net_free(net);
}

/* ---- a record of our own ---- */

static struct vx6_dht_kept_info kept_info(const struct vx6_dht_kept *k)
{
	struct vx6_dht_kept_info i;

	vx6_dht_kept_info(k, &i);
	return i;
}

static struct vx6_dht_kept *keep(struct net *net, const struct someone *s)
{
	struct vx6_dht_kept *k;

	net->node[0].may_put = true;
	k = vx6_dht_keep(net->node[0].dht, s->record, s->n, NULL, NULL, NULL, &net->now);
	assert_non_null(k);
	assert_true(kept_info(k).busy || kept_info(k).wanted == 0);
	return k;
}

static unsigned held_near(struct net *net, const struct someone *s, size_t n)
{
	struct outcome *o = look(net, &s->key, VX6_DHT_WANT_ALL);
	unsigned holders = o->r.values_n > 0 ? o->value[0].holders : 0;

	assert_in_range(holders, 0, n);
	free(o);
	return holders;
}

static void what_is_kept_goes_by_all_paths(void **state)
{
	struct net *net = led_net(4);
	struct vx6_dht_kept *k;
	struct someone s;

	someone(&s, 1);
	k = keep(net, &s);
	net_run(net, 3000);
	assert_false(kept_info(k).busy);
	assert_ok(kept_info(k).last_err);
	assert_int_equal(kept_info(k).proved, 8);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(g.put[i], 2);
	assert_int_equal(held_near(net, &s, 8), 8);
	vx6_dht_forget(k);
	net_free(net);
}

static void a_guide_who_swallows_it_is_found_out_by_another(void **state)
{
	struct net *net = led_net(4);
	struct vx6_dht_kept *k;
	struct someone s;

	someone(&s, 1);
	g.swallows[1] = true;
	k = keep(net, &s);
	net_run(net, 5000);
	assert_false(kept_info(k).busy);
	assert_true(g.put[1] > 0);
	assert_int_equal(kept_info(k).proved, 8); /* others took the places */
	assert_true(held_near(net, &s, 16) >= 8);
	vx6_dht_forget(k);
	net_free(net);
}

static void a_guide_who_makes_up_holders_makes_none(void **state)
{
	struct net *net = led_net(4);
	struct vx6_dht_kept *k;
	struct someone s;

	someone(&s, 1);
	invent(&s.key);
	g.lies[2] = true;
	k = keep(net, &s);
	net_run(net, 5000);
	assert_int_equal(kept_info(k).proved, 8);
	for (size_t i = 0; i < kept_info(k).holders_n; i++)
		assert_ptr_not_equal(net_find(net, &kept_info(k).holder[i].node), NULL);
	vx6_dht_forget(k);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_path_has_its_guide_and_all_find_the_same),
		cmocka_unit_test(a_guide_who_lies_costs_its_path),
		cmocka_unit_test(an_old_record_needs_a_second_voice),
		cmocka_unit_test(three_who_are_silent_leave_the_fourth),
		cmocka_unit_test(another_guide_asks_those_again_who_did_not_answer),
		cmocka_unit_test(without_guides_nobody_is_asked),
		cmocka_unit_test(who_leads_a_path_is_asked_on_no_other),
		cmocka_unit_test(nothing_is_asked_that_nobody_wants_to_know),
		cmocka_unit_test(the_newest_is_found_among_as_many_old_ones),
		cmocka_unit_test(a_path_that_is_silent_is_not_waited_for_long),
		cmocka_unit_test(a_guide_with_an_old_one_is_alone_with_it),
		cmocka_unit_test(what_is_kept_goes_by_all_paths),
		cmocka_unit_test(a_guide_who_swallows_it_is_found_out_by_another),
		cmocka_unit_test(a_guide_who_makes_up_holders_makes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
