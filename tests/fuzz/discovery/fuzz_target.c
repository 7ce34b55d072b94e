#include "tests/fuzz/fuzz.h"
#include "base/util.h"
#include "discovery/target.h"

static void check(const struct vx6_target *t)
{
	bool named = t->node[0] != 0;

	FUZZ_CHECK(t->address.family == VX6_ADDR_NONE);
	FUZZ_CHECK(!named || vx6_label_is_valid(t->node, strlen(t->node)));
	if (t->is_hidden) {
		FUZZ_CHECK(!t->service[0] && !t->catalog[0] && named != t->has_node_id);
		return;
	}
	FUZZ_CHECK(vx6_label_is_valid(t->service, strlen(t->service)));
	FUZZ_CHECK(named + t->has_node_id + (t->catalog[0] != 0) == 1);
}

/* Where a connection is to lead, as people name it; and what is written reads as the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_target t = {.service = "left"}, again = {.node = "over"};
	char *text = calloc(1, n + 1), written[VX6_TARGET_TEXT];

	FUZZ_CHECK(text);
	if (n)
		memcpy(text, data, n);
	if (vx6_is_ok(vx6_target_parse(text, &t))) {
		FUZZ_CHECK(!vx6_target_fault(text));
		check(&t);
		vx6_target_format(&t, written);
		FUZZ_CHECK(vx6_is_ok(vx6_target_parse(written, &again)));
		FUZZ_CHECK(memcmp(t.node, again.node, sizeof t.node) == 0);
		FUZZ_CHECK(memcmp(t.service, again.service, sizeof t.service) == 0);
		FUZZ_CHECK(memcmp(t.catalog, again.catalog, sizeof t.catalog) == 0);
		FUZZ_CHECK(t.is_hidden == again.is_hidden && t.has_node_id == again.has_node_id);
		FUZZ_CHECK(vx6_node_id_eq(&t.node_id, &again.node_id));
	} else {
		FUZZ_CHECK(strcmp(t.service, "left") == 0);
	}
	free(text);
	return 0;
}
