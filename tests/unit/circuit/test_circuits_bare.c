/* Circuits on which somebody speaks with the last relay himself: what they lead through, what they tell of nobody, and their ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "circuit/bare.h"
#include "circuit/circuits_internal.h"
#include "far_end.h"
#include "pool.h"
#include "tests/unit/circuit/tnode.h"
#include "transport/mem/mem.h"
#include "wire/code.h"

struct mine {
	struct vx6_bare *b;
	int open, said, leaving, down;
	uint8_t type;
	vx6_err err;
	char detail[VX6_CIRCUIT_WHY];
	void (*when_open)(struct mine *m);
};

static char why[VX6_CIRCUIT_WHY];
static struct mine mine, other;

static int setup(void **state)
{
	rig_setup(state);
	far_start();
	mine = other = (struct mine){0};
	return 0;
}

static int teardown(void **state)
{
	rig_free_circuits();
	far_stop();
	return rig_teardown(state);
}

static void on_open(void *user, struct vx6_bare *b)
{
	struct mine *m = user;

	assert_ptr_equal(m->b, b);
	m->open++;
	if (m->when_open)
		m->when_open(m);
}

static void on_said(void *user, struct vx6_bare *b, uint8_t type, const uint8_t *data, size_t n)
{
	struct mine *m = user;

	m->said++;
	m->type = type;
}

static void on_leaving(void *user, struct vx6_bare *b)
{
	((struct mine *)user)->leaving++;
}

static void on_down(void *user, struct vx6_bare *b, vx6_err err, const char *detail)
{
	struct mine *m = user;

	assert_ptr_equal(m->b, b);
	m->b = NULL;
	m->down++;
	m->err = err;
	vx6_strlcpy(m->detail, detail, sizeof m->detail);
}

static const struct vx6_bare_events events = {.open = on_open,
					      .said = on_said,
					      .leaving = on_leaving,
					      .down = on_down};

static bool is_open(void *arg)
{
	return ((struct mine *)arg)->open > 0;
}

static bool is_down(void *arg)
{
	return ((struct mine *)arg)->down > 0;
}

static struct vx6_bare_want want_of(enum vx6_circuit_purpose purpose,
				    const struct vx6_node_id *last)
{
	return (struct vx6_bare_want){.purpose = purpose,
				      .relays = 3,
				      .last = last,
				      .why = "the test wants it"};
}

static vx6_err begin(struct mine *m, const struct vx6_bare_want *w)
{
	vx6_err err = vx6_bare_begin(rig.circuits, w, &events, m, &m->b, why);

	assert_int_equal(m->open + m->down, 0); /* never from inside */
	return err;
}

static void open_one(struct mine *m, const struct vx6_bare_want *w)
{
	assert_true(vx6_is_ok(begin(m, w)));
	rig_until(is_open, m, 15000);
}

static const struct vx6_circuit_show *row_of(const struct mine *m)
{
	const struct vx6_circuit_show *row = rig_find(vx6_bare_id(m->b));

	assert_non_null(row);
	return row;
}

/* The node that is the guard from now on. */
static struct vx6_node_id first_guard(void)
{
	(void)rig_session(rig_route(3, true));
	return vx6_guards_at(rig.guards, 0)->node;
}

static const struct vx6_node_id *id_of(int i)
{
	return &rig.node[i].n.id.id;
}

/* ---- what they lead through ---- */

static void bare__named_last__guard_vanguard_and_it(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRODUCE, id_of(2));
	const struct vx6_circuit_show *row;

	open_one(&mine, &w);
	row = row_of(&mine);
	assert_int_equal(row->purpose, VX6_PURPOSE_INTRODUCE);
	assert_true(row->is_open && row->anonymous && row->is_hidden && !row->has_target);
	assert_string_equal(row->reason, "the test wants it");
	assert_int_equal(row->hops_n, 4);
	assert_true(row->hop[0].is_guard);
	assert_true(vx6_node_id_eq(&row->hop[3].node, id_of(2)));
	assert_true(vx6_node_id_eq(vx6_bare_last(mine.b), id_of(2)));
	assert_true(vx6_node_id_eq(vx6_bare_guard(mine.b), &row->hop[0].node));
	assert_false(row->hop[3].is_rendezvous);
	assert_non_null(vx6_bare_circuit(mine.b));
	vx6_bare_close(mine.b, "done");
	assert_int_equal(rig_live(VX6_PURPOSE_INTRODUCE, true), 0);
	rig_pass(1000);
	assert_int_equal(mine.down, 0);
}

static void bare__drawn_last__none_of_those_that_are_kept_nor_to_be_avoided(void **state)
{
	struct vx6_node_id guard = first_guard(), avoid;

	avoid = *id_of(5);
	for (int i = 0; i < 8; i++) {
		struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, NULL);
		struct mine m = {0};

		w.avoid = &avoid;
		w.avoid_n = 1;
		open_one(&m, &w);
		assert_false(vx6_node_id_eq(vx6_bare_last(m.b), &guard));
		assert_false(vx6_node_id_eq(vx6_bare_last(m.b), &avoid));
		assert_false(vx6_vanguards_has(rig.vanguards, vx6_bare_last(m.b)));
		assert_true(row_of(&m)->hop[1].is_vanguard);
		vx6_bare_close(m.b, "done");
	}
}

static void bare__two_guards__two_different_ones(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, NULL);
	struct vx6_node_id last;

	w.guard = 1;
	open_one(&mine, &w);
	last = *vx6_bare_last(mine.b);
	w = want_of(VX6_PURPOSE_INTRO, &last);
	w.guard = 2;
	open_one(&other, &w);
	assert_true(vx6_node_id_eq(vx6_bare_last(other.b), &last));
	assert_false(vx6_node_id_eq(vx6_bare_guard(mine.b), vx6_bare_guard(other.b)));
	vx6_bare_close(mine.b, "done");
	vx6_bare_close(other.b, "done");
}

static void bare__beside_another__neither_its_guard_nor_its_vanguard(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, NULL);
	struct vx6_node_id last;

	rig_all_proved();
	w.guard = 1;
	open_one(&mine, &w);
	last = *vx6_bare_last(mine.b);
	for (int i = 0; i < 8; i++) {
		struct mine m = {0};

		w = want_of(i < 4 ? VX6_PURPOSE_INTRO : VX6_PURPOSE_RENDEZVOUS, &last);
		w.guard = i < 4 ? 2 : 0;
		w.beside = mine.b;
		open_one(&m, &w);
		assert_true(row_of(&m)->hop[0].is_guard);
		assert_false(vx6_node_id_eq(vx6_bare_guard(m.b), vx6_bare_guard(mine.b)));
		assert_true(row_of(&m)->hop[1].is_vanguard);
		assert_false(vx6_node_id_eq(&rig_find(vx6_bare_id(m.b))->hop[1].node,
					    &rig_find(vx6_bare_id(mine.b))->hop[1].node));
		vx6_bare_close(m.b, "done");
		rig_pass(3000); /* what the pool has by now begins at the guard */
	}
	vx6_bare_close(mine.b, "done");
}

/* Whoever names relay after relay finds out about none of them by which of these works, or through whom. */
static void bare__any_last__works_through_the_same_guard(void **state)
{
	struct vx6_node_id guard = first_guard();

	for (int i = 0; i < RIG_RELAYS; i++) {
		for (uint8_t relays = 2; relays <= 3; relays++) {
			struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(i));
			struct mine m = {0};

			w.relays = relays;
			open_one(&m, &w);
			assert_true(vx6_node_id_eq(vx6_bare_guard(m.b), &guard));
			assert_true(vx6_node_id_eq(vx6_bare_last(m.b), id_of(i)));
			assert_true(row_of(&m)->hop[1].is_vanguard);
			assert_int_equal(row_of(&m)->hops_n,
					 relays == 2 && vx6_node_id_eq(&guard, id_of(i))
						 ? 4
						 : relays + 1);
			vx6_bare_close(m.b, "done");
		}
	}
}

static void bare__from_the_pool__led_on_to_the_last(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(6));
	int began = 0;

	open_one(&mine, &w);
	rig_pass(8000);
	began = rig_live(VX6_PURPOSE_POOL, true);
	assert_true(began >= 1);
	for (int i = 0; i < RIG_RELAYS && rig_decided("build", "from the pool") == 0; i++) {
		struct mine m = {0};

		w.last = id_of(i);
		open_one(&m, &w);
		assert_true(vx6_node_id_eq(&row_of(&m)->hop[3].node, id_of(i)));
		vx6_bare_close(m.b, "done");
	}
	assert_int_equal(rig_decided("build", "from the pool"), 1);
	vx6_bare_close(mine.b, "done");
}

static void bare__no_sense__refused(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_ROUTE, id_of(1));

	assert_int_equal(begin(&mine, &w).code, VX6_E_INVALID);
	w = want_of(VX6_PURPOSE_INTRO, id_of(1));
	w.relays = 1;
	assert_int_equal(begin(&mine, &w).code, VX6_E_INVALID);
	w.relays = 7;
	assert_int_equal(begin(&mine, &w).code, VX6_E_INVALID);
	w.relays = 3;
	w.guard = 3;
	assert_int_equal(begin(&mine, &w).code, VX6_E_INVALID);
	w.guard = 0;
	w.last_may = 1U << 30;
	assert_int_equal(begin(&mine, &w).code, VX6_E_UNSUPPORTED);
	assert_null(mine.b);
}

/* ---- what is not known ---- */

static void bare__last_not_known__asked_for_and_built(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(RIG_END));

	rig.unknown[RIG_END] = true;
	assert_true(vx6_is_ok(begin(&mine, &w)));
	assert_string_equal(vx6_bare_id(mine.b), "");
	assert_null(vx6_bare_circuit(mine.b));
	assert_int_equal(vx6_bare_say(mine.b, VX6_PAYLOAD_RENDEZVOUS1, "", 0).code, VX6_E_CLOSED);
	rig_pass(100);
	assert_int_equal(rig.asks_n, 1);
	assert_true(rig.ask[0].anonymous);
	assert_true(vx6_node_id_eq(&rig.ask[0].who, id_of(RIG_END)));
	rig.unknown[RIG_END] = false;
	vx6_circuits_learned(rig.circuits, id_of(RIG_END));
	rig_until(is_open, &mine, 5000);
	assert_true(vx6_node_id_eq(vx6_bare_last(mine.b), id_of(RIG_END)));
	vx6_bare_close(mine.b, "done");
}

static void bare__last_not_to_be_known__down(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRODUCE, id_of(RIG_END));

	rig.unknown[RIG_END] = true;
	assert_true(vx6_is_ok(begin(&mine, &w)));
	assert_true(vx6_is_ok(begin(&other, &w)));
	rig_pass(100);
	vx6_circuits_unknown(rig.circuits, id_of(RIG_END), false, VX6_ERR(NOT_FOUND));
	rig_pass(100);
	assert_int_equal(mine.down, 0); /* that was asked in the open */
	vx6_bare_close(other.b, "not waited for");
	vx6_circuits_unknown(rig.circuits, id_of(RIG_END), true, VX6_ERR(NOT_FOUND));
	assert_int_equal(mine.down, 0); /* never inside the call */
	rig_pass(10);
	assert_int_equal(mine.down, 1);
	assert_int_equal(mine.err.code, VX6_E_NOT_FOUND);
	assert_int_equal(other.down, 0);
}

static void bare__nothing_is_answered__down_after_ten_seconds(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(RIG_END));

	rig.unknown[RIG_END] = true;
	assert_true(vx6_is_ok(begin(&mine, &w)));
	rig_pass(9000);
	assert_int_equal(mine.down, 0);
	rig_pass(3000);
	assert_int_equal(mine.down, 1);
	assert_int_equal(mine.err.code, VX6_E_TIMEOUT);
}

static int asks_for(const struct vx6_node_id *node)
{
	int n = 0;

	for (int i = 0; i < rig.asks_n; i++)
		n += vx6_node_id_eq(&rig.ask[i].who, node);
	return n;
}

/* As if it did not answer, until it is given up. */
static void assert_held(const struct vx6_bare_want *w)
{
	struct mine m = {0};

	assert_true(vx6_is_ok(begin(&m, w)));
	rig_pass(9000);
	assert_int_equal(m.open + m.down, 0);
	assert_string_equal(vx6_bare_id(m.b), "");
	assert_int_equal(asks_for(w->last), 0);
	rig_pass(3000);
	assert_int_equal(m.down, 1);
	assert_int_equal(m.err.code, VX6_E_TIMEOUT);
}

static void bare__stranger_names_one_that_does_not__as_if_it_were_silent(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(4));

	w.last_may = 1U << 30;
	assert_held(&w);
	w.last = id_of(RIG_END);
	rig.unknown[RIG_END] = true;
	w.last_may = 0;
	assert_true(vx6_is_ok(begin(&mine, &w)));
	rig_pass(100);
	assert_int_equal(rig.asks_n, 1);
	vx6_circuits_unknown(rig.circuits, id_of(RIG_END), true, VX6_ERR(NOT_FOUND));
	rig_pass(9000);
	assert_int_equal(mine.down, 0); /* nor does he see that nothing was found */
	vx6_bare_close(mine.b, "given up");
}

/* However many come: they have their own part of what is asked for. */
static void bare__strangers_name_many__three_are_asked_for_at_a_time(void **state)
{
	struct vx6_node_id id[5];
	struct mine m[5] = {0};

	for (uint32_t i = 0; i < 5; i++) {
		struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, &id[i]);

		id[i] = pool_id(500 + i);
		if (i == 4) /* one is done */
			vx6_circuits_unknown(rig.circuits, &id[1], true, VX6_ERR(NOT_FOUND));
		assert_true(vx6_is_ok(begin(&m[i], &w)));
		rig_pass(2000);
		assert_int_equal(m[i].down, 0);
		vx6_bare_close(m[i].b, "too slow");
		assert_int_equal(asks_for(&id[i]), i != 3);
	}
}

/* One that he has shown to us alone would tell him that it is us. */
static void bare__stranger_names_one_not_known_well__neither_asked_for_nor_gone_to(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(RIG_END));

	pool_add(rig.relays, 100, 100 + VX6_PATH_SETTLED, vx6_wall_s() - 3 * VX6_PATH_AGE_S);
	rig.unknown[RIG_END] = true;
	assert_held(&w);
	w.last = id_of(4); /* known since now */
	assert_held(&w);
}

static struct vx6_relay_entry as_own;

static bool own(void *user, struct vx6_relay_entry *out)
{
	*out = as_own;
	return !vx6_ct_is_zero(as_own.node.b, sizeof as_own.node.b);
}

/* One that no circuit of the pool leads through, and that is not kept. */
static int not_in_the_pool(void)
{
	bool in[RIG_NODES] = {false};
	int n = rig_rows(), i = 0;

	for (int k = 0; k < n; k++)
		for (uint32_t h = 0; rig_row[k].purpose == VX6_PURPOSE_POOL &&
				     !rig_row[k].is_closed && h < rig_row[k].hops_n;
		     h++)
			in[rig_index(&rig_row[k].hop[h].node)] = true;
	while (in[i] || vx6_vanguards_has(rig.vanguards, id_of(i)))
		i++;
	assert_true(i < RIG_RELAYS);
	return i;
}

/* The relay is this node itself from now on; the network is an old one, and nobody is in his own pool. */
static void become(int i)
{
	as_own = *rig_entry(i);
	as_own.first_seen_s = vx6_wall_s() - VX6_PATH_AGE_S;
	rig.circuits->cfg.self = *id_of(i);
	rig.circuits->cfg.own = own;
	vx6_relays_forget(rig.relays, id_of(i));
	pool_add(rig.relays, 100, 100 + VX6_PATH_SETTLED, vx6_wall_s() - 3 * VX6_PATH_AGE_S);
}

/*
 * Whoever names relays one after the other finds nothing in how the owner is met at his own: from the age on from which any owner would come he does,
 * over a circuit of the pool as elsewhere, and before that he does not.
 */
static void bare__stranger_names_our_own_node__as_any_other(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(6));
	struct mine next = {0};
	int i, asked;

	open_one(&mine, &w);
	rig_pass(8000);
	assert_true(rig_live(VX6_PURPOSE_POOL, true) >= 1);
	vx6_bare_close(mine.b, "done");
	i = not_in_the_pool();
	become(i);
	w.last = id_of(i);
	mine = (struct mine){0};
	open_one(&mine, &w);
	assert_int_equal(rig_decided("build", "from the pool"), 1);
	assert_true(vx6_node_id_eq(&row_of(&mine)->hop[3].node, id_of(i)));
	vx6_bare_close(mine.b, "done");
	/* nor is it held where there is none in the pool: what is not known of the relays before it is asked for */
	w.relays = 2;
	asked = rig.asks_n;
	assert_true(vx6_is_ok(begin(&next, &w)));
	rig_pass(100);
	assert_true(vx6_bare_id(next.b)[0] || rig.asks_n > asked);
	vx6_bare_close(next.b, "done");
	as_own.first_seen_s = vx6_wall_s() - VX6_PATH_YOUNG_AGE_S;
	assert_held(&w);
	as_own = (struct vx6_relay_entry){0}; /* it is none */
	assert_held(&w);
}

static void bare__former_key__asked_anew_and_built(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(4));

	(void)first_guard();
	rig_forget_keys(4);
	assert_true(vx6_is_ok(begin(&mine, &w)));
	rig_pass(1000);
	assert_true(rig.asks_n >= 1);
	assert_int_equal(mine.open + mine.down, 0);
	rig_learn(4);
	vx6_circuits_learned(rig.circuits, id_of(4));
	rig_until(is_open, &mine, 5000);
	vx6_bare_close(mine.b, "done");
}

/* Or whoever names his own relays would make them ones that we know well. */
static void bare__named_last__nothing_is_learned_of_it(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(0));
	int i = 1;

	open_one(&mine, &w);
	while (vx6_vanguards_has(rig.vanguards, id_of(i)) ||
	       vx6_node_id_eq(vx6_bare_guard(mine.b), id_of(i)))
		i++;
	vx6_bare_close(mine.b, "done");
	w.last = id_of(i);
	for (uint32_t uses = rig_entry(i)->uses, k = 0; k < 4; k++) {
		struct mine m = {0};

		open_one(&m, &w);
		rig_pass(1000);
		vx6_bare_close(m.b, "done");
		assert_int_equal(rig_entry(i)->uses, uses);
	}
}

/* ---- their ends ---- */

static void bare__a_relay_dies__down_at_once(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3));

	open_one(&mine, &w);
	rig_cut(3);
	rig_until(is_down, &mine, 1000);
	assert_false(vx6_is_ok(mine.err));
	assert_int_equal(rig_live(VX6_PURPOSE_INTRO, true), 0);
}

static void bare__silence__found_within_two_looks(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3));
	uint64_t began_ms;

	open_one(&mine, &w);
	rig_pass(60000);
	assert_int_equal(mine.down, 0);
	began_ms = vx6_now_ms();
	rig_silence(3);
	rig_until(is_down, &mine, 60000);
	assert_true(vx6_now_ms() - began_ms <= 32000);
}

static bool is_asked(void *cells)
{
	return row_of(&mine)->tx_cells > *(uint64_t *)cells;
}

/* Another circuit has found out about one of its relays: it need not wait for its turn. */
static void bare__a_relay_is_suspect__asked_and_found_soon(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3));
	uint64_t cells, began_ms;

	open_one(&mine, &w);
	rig_pass(30000);
	cells = row_of(&mine)->tx_cells;
	rig_until(is_asked, &cells, 16000);
	cells = row_of(&mine)->tx_cells;
	circuits_suspect(rig.circuits, id_of(3));
	rig_until(is_asked, &cells, 2 * BARE_SUSPECT_MS + 1500);
	rig_pass(20000);
	assert_int_equal(mine.down, 0); /* it answers */
	began_ms = vx6_now_ms();
	rig_silence(3);
	circuits_suspect(rig.circuits, id_of(3));
	rig_until(is_down, &mine, 60000);
	assert_true(vx6_now_ms() - began_ms < 3 * BARE_SUSPECT_MS + 1500);
}

static void bare__last_is_dead__tried_twice_then_down_and_no_guard_is_blamed(void **state)
{
	struct vx6_node_id guard = first_guard();
	int dead = vx6_node_id_eq(&guard, id_of(3)) ? 4 : 3;
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(dead));

	vx6_mem_set_dead(rig.node[dead].n.t, true);
	for (int i = 0; i < 12; i++) {
		struct mine m = {0};

		assert_true(vx6_is_ok(begin(&m, &w)));
		rig_until(is_down, &m, 60000);
		assert_int_equal(m.open, 0);
	}
	assert_int_equal(vx6_guards_at(rig.guards, 0)->state, VX6_GUARD_UP);
	assert_true(vx6_node_id_eq(&vx6_guards_at(rig.guards, 0)->node, &guard));
	assert_int_equal(rig_decided("guard", "set aside"), 0);
}

static void bare__relay_fails__drawn_last_stays(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, NULL);
	struct vx6_node_id last;
	int dead;

	assert_true(vx6_is_ok(begin(&mine, &w)));
	last = *vx6_bare_last(mine.b);
	dead = rig_index(&row_of(&mine)->hop[2].node);
	rig_silence(dead);
	rig_until(is_open, &mine, 20000);
	assert_true(vx6_node_id_eq(vx6_bare_last(mine.b), &last));
	assert_true(vx6_node_id_eq(&row_of(&mine)->hop[3].node, &last));
	assert_int_not_equal(rig_index(&row_of(&mine)->hop[2].node), dead);
	vx6_bare_close(mine.b, "done");
}

static void bare__relay_drains__told_once(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3));

	open_one(&mine, &w);
	vx6_relay_drain(rig.node[3].relay, 20000);
	rig_pass(1000);
	assert_int_equal(mine.leaving, 1);
	assert_int_equal(mine.down, 0);
	vx6_bare_close(mine.b, "left");
}

static void bare__closed_by_hand__down_from_a_task(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3));
	char id[VX6_CIRCUIT_ID_TEXT];

	open_one(&mine, &w);
	memcpy(id, vx6_bare_id(mine.b), sizeof id);
	assert_int_equal(vx6_circuits_rebuild(rig.circuits, id, why, why).code, VX6_E_CONFLICT);
	assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, id)));
	assert_int_equal(mine.down, 0);
	assert_null(vx6_bare_circuit(mine.b));
	rig_pass(10);
	assert_int_equal(mine.down, 1);
	assert_true(rig_find(id)->is_closed);
}

static void bare__closed_between_end_and_telling__nothing_is_told(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3));

	open_one(&mine, &w);
	assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, vx6_bare_id(mine.b))));
	vx6_bare_close(mine.b, "gone anyway");
	rig_pass(100);
	assert_int_equal(mine.down, 0);
}

static void close_it(struct mine *m)
{
	vx6_bare_close(m->b, "not needed any more");
	m->b = NULL;
}

static void bare__closed_when_it_opens__nothing_follows(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRODUCE, id_of(3));

	mine.when_open = close_it;
	open_one(&mine, &w);
	rig_pass(1000);
	assert_int_equal(mine.down, 0);
	assert_int_equal(rig_live(VX6_PURPOSE_INTRODUCE, true), 0);
}

static void bare__drained__told_and_nothing_begins(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3)),
			     unknown = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(RIG_END));
	struct mine late = {0};

	rig.unknown[RIG_END] = true;
	open_one(&mine, &w);
	assert_true(vx6_is_ok(begin(&other, &unknown)));
	vx6_circuits_drain(rig.circuits);
	assert_int_equal(begin(&late, &w).code, VX6_E_DRAINING);
	rig_pass(2000);
	assert_int_equal(mine.down, 1);
	assert_int_equal(other.down, 1);
	assert_int_equal(mine.err.code, VX6_E_DRAINING);
	assert_int_equal(other.err.code, VX6_E_DRAINING);
}

static void bare__freed__told_before_it_returns(void **state)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_INTRO, id_of(3)),
			     unknown = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(RIG_END));

	rig.unknown[RIG_END] = true;
	open_one(&mine, &w);
	assert_true(vx6_is_ok(begin(&other, &unknown)));
	rig_free_circuits();
	assert_int_equal(mine.down, 1);
	assert_int_equal(other.down, 1);
}

/* ---- an owner's, to where a client waits ---- */

static void come(struct mine *m)
{
	struct far_circuit *f = &far_end.circuit[0];
	uint8_t data[VX6_RENDEZVOUS1_BYTES] = {0};
	const struct vx6_circuit_join j = {.keys = f->keys,
					   .kh = f->kh,
					   .far = &far_end.n.id.id,
					   .acceptor = true};
	const struct vx6_adopt how = {.as = &rig.me.id, .scope = 3};
	struct vx6_session *s;

	memcpy(data, f->cookie, sizeof f->cookie);
	assert_true(vx6_is_ok(vx6_bare_say(m->b, VX6_PAYLOAD_RENDEZVOUS1, data, sizeof data)));
	assert_true(vx6_is_ok(vx6_circuit_join(vx6_bare_circuit(m->b), &j)));
	assert_true(vx6_is_ok(
		vx6_sessions_adopt(rig.me.m, vx6_circuit_link(vx6_bare_circuit(m->b)), &how, &s)));
}

static struct tnode echoes;

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	assert_int_equal(vx6_session_scope(s), 3);
	tnode_echo(&echoes, stream, rest, rest_n, fin);
}

static const struct test_hooks owner_hooks = {.incoming = on_incoming};

static bool is_joined(void *arg)
{
	return ((struct far_circuit *)arg)->is_joined;
}

static bool is_answered(void *arg)
{
	struct talk *t = arg;

	return t->answered || t->closed || !t->opening;
}

/* A client waits at the sixth relay; we come there, and it opens a stream. */
static struct far_circuit *meets_a_client(struct talk *talk)
{
	struct vx6_bare_want w = want_of(VX6_PURPOSE_RENDEZVOUS, id_of(6));
	struct far_circuit *f;

	far_end.peer = rig.me.id.id;
	rig.me.hooks = &owner_hooks;
	f = far_waits_at(id_of(6));
	mine.when_open = come;
	open_one(&mine, &w);
	rig_until(is_joined, f, 2000);
	talk_open(talk, f->s);
	rig_until(is_answered, talk, 2000);
	return f;
}

static void bare__rendezvous__joined_with_a_client(void **state)
{
	char id[VX6_CIRCUIT_ID_TEXT];
	struct far_circuit *f;
	struct talk talk;
	uint32_t relays;

	f = meets_a_client(&talk);
	assert_true(talk.answered);
	rig_pass(1500);
	assert_int_equal(row_of(&mine)->hops_n, 5);
	assert_true(row_of(&mine)->hop[3].is_rendezvous);
	assert_false(row_of(&mine)->hop[4].is_target);
	assert_int_equal(row_of(&mine)->streams, 1);
	vx6_circuits_of_link(rig.circuits, vx6_circuit_link(vx6_bare_circuit(mine.b)), id, &relays);
	assert_string_equal(id, vx6_bare_id(mine.b));
	rig_pass(60000);
	assert_int_equal(mine.down, 0);
	assert_talks(&talk, 500);
	talk_end(&talk);
	vx6_circuit_close(f->c, VX6_ERR(CLOSED));
	rig_until(is_down, &mine, 2000);
}

static void on_flow(struct vx6_timer *timer)
{
	struct talk *t = timer->user;
	size_t cap = 0, n;
	uint8_t *room = vx6_stream_reserve(t->s, &cap);

	n = VX6_MIN(cap, (size_t)2048);
	for (size_t i = 0; i < n; i++)
		room[i] = (uint8_t)t->tx++;
	if (room)
		vx6_stream_commit(t->s, n, false);
	vx6_timer_in_ms(timer, 10);
}

/* The client goes another way; the owner's next circuit is not to go the same. */
static void bare__rendezvous_falls_silent_while_something_flows__its_relays_are_suspect(
	void **state)
{
	struct far_circuit *f;
	struct vx6_node_id second;
	static struct vx6_timer flow;
	static struct talk talk;

	f = meets_a_client(&talk);
	vx6_timer_init(test_loop, &flow, on_flow, &talk);
	vx6_timer_in_ms(&flow, 1);
	rig_pass(3000);
	second = row_of(&mine)->hop[1].node;
	assert_false(rig_suspects(&second));
	rig_swallow(rig_index(&second));
	rig_pass(1500);
	assert_true(rig_suspects(&second));
	assert_int_equal(mine.down, 0);
	vx6_timer_stop(&flow);
	talk_end(&talk);
	vx6_circuit_close(f->c, VX6_ERR(CLOSED));
	vx6_bare_close(mine.b, "done");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bare__named_last__guard_vanguard_and_it),
		TEST(bare__drawn_last__none_of_those_that_are_kept_nor_to_be_avoided),
		TEST(bare__two_guards__two_different_ones),
		TEST(bare__beside_another__neither_its_guard_nor_its_vanguard),
		TEST(bare__any_last__works_through_the_same_guard),
		TEST(bare__from_the_pool__led_on_to_the_last),
		TEST(bare__no_sense__refused),
		TEST(bare__last_not_known__asked_for_and_built),
		TEST(bare__last_not_to_be_known__down),
		TEST(bare__nothing_is_answered__down_after_ten_seconds),
		TEST(bare__stranger_names_one_that_does_not__as_if_it_were_silent),
		TEST(bare__strangers_name_many__three_are_asked_for_at_a_time),
		TEST(bare__stranger_names_one_not_known_well__neither_asked_for_nor_gone_to),
		TEST(bare__stranger_names_our_own_node__as_any_other),
		TEST(bare__former_key__asked_anew_and_built),
		TEST(bare__named_last__nothing_is_learned_of_it),
		TEST(bare__relay_fails__drawn_last_stays),
		TEST(bare__a_relay_dies__down_at_once),
		TEST(bare__silence__found_within_two_looks),
		TEST(bare__a_relay_is_suspect__asked_and_found_soon),
		TEST(bare__last_is_dead__tried_twice_then_down_and_no_guard_is_blamed),
		TEST(bare__relay_drains__told_once),
		TEST(bare__closed_by_hand__down_from_a_task),
		TEST(bare__closed_between_end_and_telling__nothing_is_told),
		TEST(bare__closed_when_it_opens__nothing_follows),
		TEST(bare__drained__told_and_nothing_begins),
		TEST(bare__freed__told_before_it_returns),
		TEST(bare__rendezvous__joined_with_a_client),
		TEST(bare__rendezvous_falls_silent_while_something_flows__its_relays_are_suspect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
