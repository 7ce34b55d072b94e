/* Whatever the scanner passes, the parser must take, print and take again as the same value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json/tree.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v, *again, *merged;
	char *text;
	vx6_err err = vx6_value_parse((const char *)data, n, &v, &fault);

	if (!vx6_is_ok(err)) {
		VX6_ASSERT(err.code == VX6_E_FORMAT || err.code == VX6_E_LIMIT);
		VX6_ASSERT(fault.offset <= n);
		return 0;
	}
	text = vx6_value_text(v);
	VX6_ASSERT(text);
	VX6_ASSERT(vx6_is_ok(vx6_value_parse(text, strlen(text), &again, &fault)));
	VX6_ASSERT(vx6_value_equal(v, again));
	merged = vx6_value_merge(again, v);
	VX6_ASSERT(merged);
	vx6_value_free(merged);
	vx6_value_free(v);
	free(text);
	return 0;
}
