/* What names stand for: bindings, the table of verdicts, and conflicts that stay bounded whatever strangers claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "discovery/names.h"
#include "record/name_claim.h"

enum { T0 = 1000000 };

static struct vx6_names *names;
static struct vx6_node_id self = {{0xee}};
static int pinned, conflicts, clashes, mismatches;
static struct vx6_name_conflict last;

static void on_pinned(void *user, const struct vx6_name_binding *pin)
{
	pinned++;
}

static void on_conflict(void *user, const struct vx6_name_conflict *c,
			const struct vx6_name_claim_seen *newcomer)
{
	conflicts++;
	last = *c;
}

static void on_clash(void *user, const struct vx6_name_conflict *c,
		     const struct vx6_name_claim_seen *other)
{
	clashes++;
	last = *c;
}

static void on_mismatch(void *user, const struct vx6_name_conflict *c)
{
	mismatches++;
	last = *c;
}

static const struct vx6_names_events events = {.pinned = on_pinned,
					       .conflict = on_conflict,
					       .clash = on_clash,
					       .mismatch = on_mismatch};

static int setup(void **state)
{
	if (!vx6_is_ok(vx6_crypto_init()))
		return -1;
	names = vx6_names_new(&self, &events, NULL);
	pinned = conflicts = clashes = mismatches = 0;
	memset(&last, 0, sizeof last);
	return 0;
}

static int teardown(void **state)
{
	vx6_names_free(names);
	return 0;
}

static struct vx6_node_id node_of(unsigned i)
{
	struct vx6_node_id id = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};

	return id;
}

static struct vx6_name_binding binding(enum vx6_binding_kind kind, const char *name, unsigned node)
{
	struct vx6_name_binding b = {.kind = kind, .node = node_of(node), .since_ms = T0};

	snprintf(b.name, sizeof b.name, "%s", name);
	return b;
}

static void bind_to(enum vx6_binding_kind kind, const char *name, unsigned node)
{
	struct vx6_name_binding b = binding(kind, name, node);

	assert_true(vx6_is_ok(vx6_names_bind(names, &b)));
}

/* ---- bindings ---- */

static void names__pin_and_petname__are_two_things(void **state)
{
	struct vx6_name_binding b;

	bind_to(VX6_BINDING_PIN, "alice", 1);
	bind_to(VX6_BINDING_PETNAME, "alice", 2);
	assert_true(vx6_names_find(names, VX6_BINDING_PIN, "alice", &b));
	assert_int_equal(b.node.b[0], 1);
	assert_true(vx6_names_find(names, VX6_BINDING_PETNAME, "alice", &b));
	assert_int_equal(b.node.b[0], 2);
	bind_to(VX6_BINDING_PIN, "alice", 3); /* the user's word replaces it */
	assert_true(vx6_names_find(names, VX6_BINDING_PIN, "alice", &b));
	assert_int_equal(b.node.b[0], 3);
	assert_true(vx6_is_ok(vx6_names_unbind(names, VX6_BINDING_PIN, "alice")));
	assert_false(vx6_names_find(names, VX6_BINDING_PIN, "alice", NULL));
	assert_true(vx6_names_find(names, VX6_BINDING_PETNAME, "alice", NULL));
	assert_int_equal(vx6_names_unbind(names, VX6_BINDING_PIN, "alice").code, VX6_E_NOT_FOUND);
	assert_int_equal(pinned, 0);
}

static void names__used_for_the_first_time__pinned_once(void **state)
{
	struct vx6_node_id a = node_of(1), b = node_of(2);
	struct vx6_name_binding got;

	vx6_names_used(names, "alice", &a, T0);
	vx6_names_used(names, "alice", &b, T0 + 1);
	assert_int_equal(pinned, 1);
	assert_true(vx6_names_find(names, VX6_BINDING_PIN, "alice", &got));
	assert_true(vx6_node_id_eq(&got.node, &a));
	assert_true(got.since_ms == T0);
	assert_true(vx6_names_has_node(names, &a));
	assert_false(vx6_names_has_node(names, &b));
}

static void names__what_is_no_label__is_not_bound(void **state)
{
	struct vx6_name_binding b = binding(VX6_BINDING_PIN, "Alice", 1);

	assert_int_equal(vx6_names_bind(names, &b).code, VX6_E_INVALID);
	b.name[0] = '\0';
	assert_int_equal(vx6_names_bind(names, &b).code, VX6_E_INVALID);
	memset(b.name, 'a', sizeof b.name);
	assert_int_equal(vx6_names_bind(names, &b).code, VX6_E_INVALID);
}

static void names__pages__in_order_and_filtered(void **state)
{
	struct vx6_name_binding page[3];
	char name[VX6_LABEL_TEXT], id[VX6_NODE_ID_TEXT];
	struct vx6_node_id seven = node_of(7);
	size_t n;

	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "n%u", 9 - i);
		bind_to(i % 2 ? VX6_BINDING_PIN : VX6_BINDING_PETNAME, name, 9 - i);
	}
	bind_to(VX6_BINDING_PIN, "n1", 1);
	n = vx6_names_page(names, NULL, NULL, page, 3);
	assert_int_equal(n, 3);
	assert_string_equal(page[0].name, "n0");
	assert_string_equal(page[1].name, "n1");
	assert_string_equal(page[2].name, "n1");
	assert_int_equal(page[1].kind, VX6_BINDING_PETNAME);
	n = vx6_names_page(names, &page[1], "", page, 3); /* between the two of one name */
	assert_int_equal(n, 3);
	assert_string_equal(page[0].name, "n1");
	assert_string_equal(page[2].name, "n3");
	vx6_node_id_format(&seven, id);
	id[20] = '\0';
	n = vx6_names_page(names, NULL, id, page, 3);
	assert_int_equal(n, 1);
	assert_string_equal(page[0].name, "n7");
	assert_int_equal(vx6_names_page(names, NULL, "n8", page, 3), 1);
	page[0] = binding(VX6_BINDING_PIN, "n9", 0);
	assert_int_equal(vx6_names_page(names, &page[0], NULL, page, 3), 0);
}

static void names__full__refuses_and_stays_sorted(void **state)
{
	struct vx6_name_binding b;
	char name[VX6_LABEL_TEXT];

	for (unsigned i = 0; i < VX6_PINS_MAX; i++) {
		snprintf(name, sizeof name, "n%u", i * 40503 % 65536);
		bind_to(VX6_BINDING_PIN, name, i);
	}
	assert_true(vx6_names_is_full(names));
	b = binding(VX6_BINDING_PIN, "other", 1);
	assert_int_equal(vx6_names_bind(names, &b).code, VX6_E_FULL);
	vx6_names_used(names, "other", &b.node, T0);
	assert_int_equal(pinned, 0);
	for (unsigned i = 0; i < VX6_PINS_MAX; i++) {
		snprintf(name, sizeof name, "n%u", i);
		assert_true(vx6_names_find(names, VX6_BINDING_PIN, name, NULL));
	}
}

/* ---- verdicts ---- */

/* A claim with work, as @p holders of as many prefixes give it. */
static struct vx6_name_claim_seen claim(unsigned node, unsigned holders)
{
	return (struct vx6_name_claim_seen){.node = node_of(node),
					    .work_bits = VX6_NAME_WORK_BITS,
					    .holders = holders,
					    .prefixes = holders,
					    .record_hash = "ab"};
}

/* What an endpoint record of a stranger says. */
static struct vx6_name_claim_seen word(unsigned node)
{
	return (struct vx6_name_claim_seen){.node = node_of(node)};
}

static const struct vx6_claims_asked nobody, eight = {true, 8, 8}, one = {true, 1, 1};

static enum vx6_verdict judge(const struct vx6_name_claim_seen *seen, size_t n, unsigned pin,
			      const struct vx6_claims_asked *asked, unsigned *out)
{
	struct vx6_node_id pin_id = node_of(pin), node = {{0}};
	struct vx6_claims c = {.n = 0};
	enum vx6_verdict v;

	for (size_t i = 0; i < n; i++)
		vx6_claims_add(&c, &seen[i]);
	v = vx6_claims_judge(&c, pin ? &pin_id : NULL, asked, &node);
	*out = node.b[0];
	return v;
}

static void judge__no_pin__one_needs_two_sources_several_are_never_picked(void **state)
{
	struct vx6_name_claim_seen two[] = {claim(1, 8), claim(2, 1)};
	struct vx6_name_claim_seen a = claim(1, 2), weak = claim(1, 1);
	unsigned who;

	assert_int_equal(judge(NULL, 0, 0, &eight, &who), VX6_VERDICT_NONE);
	assert_int_equal(judge(&a, 1, 0, &eight, &who), VX6_VERDICT_ONE);
	assert_int_equal(who, 1);
	assert_int_equal(judge(&weak, 1, 0, &eight, &who), VX6_VERDICT_WEAK);
	assert_int_equal(judge(&weak, 1, 0, &one, &who), VX6_VERDICT_ONE); /* there are no more */
	assert_int_equal(judge(&weak, 1, 0, &nobody, &who), VX6_VERDICT_ONE);
	a.prefixes = 1; /* two holders side by side are one source */
	assert_int_equal(judge(&a, 1, 0, &eight, &who), VX6_VERDICT_WEAK);
	a.introduced = true; /* and a peer that passed it on is another */
	assert_int_equal(judge(&a, 1, 0, &eight, &who), VX6_VERDICT_ONE);
	a = claim(1, 0);
	a.direct = true;
	assert_int_equal(judge(&a, 1, 0, &eight, &who), VX6_VERDICT_ONE);
	/* eight holders against one: still no pick */
	assert_int_equal(judge(two, 2, 0, &eight, &who), VX6_VERDICT_SEVERAL);
}

static void judge__mere_words__count_only_where_there_is_nothing_else(void **state)
{
	struct vx6_name_claim_seen words[] = {word(1), word(2)};
	struct vx6_name_claim_seen mixed[] = {word(1), claim(2, 8), word(3)};
	unsigned who;

	assert_int_equal(judge(words, 1, 0, &nobody, &who), VX6_VERDICT_ONE);
	assert_int_equal(judge(words, 1, 0, &eight, &who), VX6_VERDICT_WEAK);
	assert_int_equal(judge(words, 2, 0, &nobody, &who), VX6_VERDICT_SEVERAL);
	assert_int_equal(judge(mixed, 3, 0, &eight, &who), VX6_VERDICT_ONE);
	assert_int_equal(who, 2);
}

static void judge__configured_peer__goes_before_strangers(void **state)
{
	struct vx6_name_claim_seen seen[] = {claim(1, 8), word(2), claim(3, 8)};
	unsigned who;

	seen[1].configured = true;
	assert_int_equal(judge(seen, 3, 0, &eight, &who), VX6_VERDICT_ONE);
	assert_int_equal(who, 2);
	seen[2].configured = true;
	assert_int_equal(judge(seen, 3, 0, &eight, &who), VX6_VERDICT_SEVERAL);
}

static void judge__pin__holds_against_all_and_stops_at_the_only_other(void **state)
{
	struct vx6_name_claim_seen both[] = {claim(1, 1), claim(2, 8)};
	struct vx6_name_claim_seen others[] = {word(2), word(3)};
	unsigned who;

	assert_int_equal(judge(both, 2, 1, &eight, &who), VX6_VERDICT_PIN);
	assert_int_equal(who, 1);
	assert_int_equal(judge(NULL, 0, 1, &eight, &who), VX6_VERDICT_PIN); /* not seen now */
	assert_int_equal(judge(&both[1], 1, 1, &eight, &who), VX6_VERDICT_MISMATCH);
	assert_int_equal(who, 2);
	/* strangers cannot take a pinned name away by saying so: it costs them nothing */
	assert_int_equal(judge(others, 2, 1, &eight, &who), VX6_VERDICT_PIN);
	assert_int_equal(who, 1);
	others[0].direct = true;
	assert_int_equal(judge(others, 2, 1, &eight, &who), VX6_VERDICT_MISMATCH);
}

/* ---- claims ---- */

static void claims__one_node_by_several_sources__is_one_claim(void **state)
{
	struct vx6_name_claim_seen a = word(1), b = claim(1, 3);
	struct vx6_claims c = {.n = 0};

	a.direct = true;
	assert_true(vx6_claims_add(&c, &a));
	assert_false(vx6_claims_add(&c, &b));
	assert_int_equal(c.n, 1);
	assert_true(c.claim[0].direct);
	assert_int_equal(c.claim[0].holders, 3);
	assert_int_equal(c.claim[0].work_bits, VX6_NAME_WORK_BITS);
	assert_string_equal(c.claim[0].record_hash, "ab");
}

static void claims__the_seventeenth__takes_the_place_of_what_weighs_less_or_none(void **state)
{
	struct vx6_name_claim_seen configured = word(200), met = word(201), held = claim(202, 8),
				   stranger = word(203);
	struct vx6_claims c = {.n = 0};

	for (unsigned i = 1; i <= VX6_CLAIMS_MAX; i++) {
		struct vx6_name_claim_seen s = claim(i, i == 5 ? 1 : 2);

		assert_true(vx6_claims_add(&c, &s));
	}
	assert_false(vx6_claims_add(&c, &stranger));
	assert_true(vx6_claims_add(&c, &held)); /* instead of the one that one holder gave */
	assert_null(vx6_claims_find(&c, &(struct vx6_node_id){{5, 0, 1}}));
	configured.configured = met.direct = true;
	assert_true(vx6_claims_add(&c, &met));
	assert_true(vx6_claims_add(&c, &configured));
	assert_int_equal(c.n, VX6_CLAIMS_MAX);
	assert_int_equal(c.more, 4);
	assert_non_null(vx6_claims_find(&c, &held.node));
	assert_non_null(vx6_claims_find(&c, &met.node));
	assert_non_null(vx6_claims_find(&c, &configured.node));
}

/* ---- conflicts ---- */

static void watch__names_of_no_concern__leave_no_trace(void **state)
{
	struct vx6_name_claim_seen a = claim(1, 1), mine = claim(9, 1);
	struct vx6_name_conflict c;

	vx6_names_set_own(names, "me");
	bind_to(VX6_BINDING_PIN, "alice", 1);
	mine.node = self;
	vx6_names_claimed(names, "alice", &a, T0); /* the pinned one itself */
	vx6_names_claimed(names, "bob", &a, T0);
	vx6_names_claimed(names, "", &a, T0);
	vx6_names_claimed(names, "me", &mine, T0); /* our own record, come back */
	assert_int_equal(conflicts + clashes, 0);
	assert_false(vx6_names_conflict(names, "alice", &c));
	assert_int_equal(vx6_names_page_conflicts(names, NULL, NULL, &c, 1), 0);
}

static void watch__pinned_name_claimed_by_another__noticed_once(void **state)
{
	struct vx6_name_claim_seen b = claim(2, 1);
	struct vx6_name_conflict c;

	bind_to(VX6_BINDING_PIN, "alice", 1);
	vx6_names_claimed(names, "alice", &b, T0);
	vx6_names_claimed(names, "alice", &b, T0 + 5);
	assert_int_equal(conflicts, 1);
	assert_true(vx6_names_conflict(names, "alice", &c));
	assert_true(c.pinned && !c.ours);
	assert_int_equal(c.pin.b[0], 1);
	assert_int_equal(c.claims_n, 1);
	assert_true(c.first_ms == T0 && c.last_ms == T0 + 5);
	assert_true(vx6_is_ok(vx6_names_conflict_forget(names, "alice")));
	assert_int_equal(vx6_names_conflict_forget(names, "alice").code, VX6_E_NOT_FOUND);
}

static void watch__our_own_name__clash_with_each_other_once(void **state)
{
	struct vx6_name_claim_seen b = claim(2, 1), d = claim(3, 1);

	vx6_names_set_own(names, "me");
	vx6_names_claimed(names, "me", &b, T0);
	vx6_names_claimed(names, "me", &b, T0);
	vx6_names_claimed(names, "me", &d, T0);
	assert_int_equal(clashes, 2);
	assert_int_equal(conflicts, 0);
	assert_true(last.ours);
	assert_int_equal(last.claims_n, 2);
	assert_string_equal(last.claim[0].record_hash, "ab");
}

static void watch__flood_of_claims__bounded_memory_and_few_events(void **state)
{
	static struct vx6_name_conflict page[2];
	char name[VX6_LABEL_TEXT];

	vx6_names_set_own(names, "me");
	for (unsigned i = 1; i < 5000; i++) {
		struct vx6_name_claim_seen s = claim(i, i);

		vx6_names_claimed(names, "me", &s, T0 + i);
	}
	assert_in_range(clashes, VX6_CLAIMS_MAX, VX6_CLAIMS_MAX + 1);
	assert_true(vx6_names_conflict(names, "me", &page[0]));
	assert_int_equal(page[0].claims_n, VX6_CLAIMS_MAX);
	assert_int_equal(page[0].more, 4999 - VX6_CLAIMS_MAX);
	for (unsigned i = 0; i < 2 * VX6_CONFLICTS_MAX; i++) {
		struct vx6_name_claim_seen s = claim(2, 1);

		snprintf(name, sizeof name, "n%03u", i);
		bind_to(VX6_BINDING_PIN, name, 1);
		vx6_names_claimed(names, name, &s, T0 + 10000 + i);
	}
	/* the quiet ones gave way, our own name did not */
	assert_true(vx6_names_conflict(names, "me", &page[0]));
	assert_false(vx6_names_conflict(names, "n000", &page[0]));
	assert_true(vx6_names_conflict(names, "n511", &page[0]));
	assert_int_equal(vx6_names_page_conflicts(names, "n511", NULL, page, 2), 0);
	assert_int_equal(vx6_names_page_conflicts(names, "n509", NULL, page, 2), 2);
	assert_int_equal(vx6_names_page_conflicts(names, NULL, "n51", page, 2), 2);
	assert_string_equal(page[0].name, "n510");
}

static void watch__our_name_changed_often__former_ones_give_way(void **state)
{
	struct vx6_name_claim_seen s = claim(2, 1);
	static struct vx6_name_conflict c;
	char name[VX6_LABEL_TEXT];

	for (unsigned i = 0; i < 2 * VX6_CONFLICTS_MAX; i++) {
		snprintf(name, sizeof name, "n%03u", i);
		vx6_names_set_own(names, name);
		vx6_names_claimed(names, name, &s, T0 + i);
	}
	assert_true(vx6_names_conflict(names, "n511", &c));
	assert_false(vx6_names_conflict(names, "n000", &c));
}

static void disputed__resolution_with_two_claims__kept_and_told(void **state)
{
	struct vx6_name_claim_seen a = claim(1, 3), b = claim(2, 1);
	struct vx6_name_conflict c;
	struct vx6_claims found = {.n = 0};

	vx6_claims_add(&found, &a);
	vx6_claims_add(&found, &b);
	vx6_names_disputed(names, "alice", &found, false, T0, &c);
	vx6_names_disputed(names, "alice", &found, false, T0 + 1, &c);
	assert_int_equal(conflicts, 1);
	assert_int_equal(c.claims_n, 2);
	assert_false(c.pinned);
	bind_to(VX6_BINDING_PIN, "bob", 7);
	found.n = 1;
	vx6_names_disputed(names, "bob", &found, true, T0, &c);
	assert_int_equal(mismatches, 1);
	assert_true(c.pinned);
	assert_int_equal(c.pin.b[0], 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names__pin_and_petname__are_two_things),
		TEST(names__used_for_the_first_time__pinned_once),
		TEST(names__what_is_no_label__is_not_bound),
		TEST(names__pages__in_order_and_filtered),
		TEST(names__full__refuses_and_stays_sorted),
		TEST(judge__no_pin__one_needs_two_sources_several_are_never_picked),
		TEST(judge__mere_words__count_only_where_there_is_nothing_else),
		TEST(judge__configured_peer__goes_before_strangers),
		TEST(judge__pin__holds_against_all_and_stops_at_the_only_other),
		TEST(claims__one_node_by_several_sources__is_one_claim),
		TEST(claims__the_seventeenth__takes_the_place_of_what_weighs_less_or_none),
		TEST(watch__names_of_no_concern__leave_no_trace),
		TEST(watch__pinned_name_claimed_by_another__noticed_once),
		TEST(watch__our_own_name__clash_with_each_other_once),
		TEST(watch__flood_of_claims__bounded_memory_and_few_events),
		TEST(watch__our_name_changed_often__former_ones_give_way),
		TEST(disputed__resolution_with_two_claims__kept_and_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
