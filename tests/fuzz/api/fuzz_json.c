/* Whatever the scanner passes, the parser must take, print and take again; printing settles after one round. */
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
	char *text, *second;
	vx6_err err = vx6_value_parse((const char *)data, n, &v, &fault);

	if (!vx6_is_ok(err)) {
		VX6_ASSERT(err.code == VX6_E_FORMAT || err.code == VX6_E_LIMIT);
		VX6_ASSERT(fault.offset <= n);
		return 0;
	}
	text = vx6_value_text(v);
	VX6_ASSERT(text);
	VX6_ASSERT(vx6_is_ok(vx6_value_parse(text, strlen(text), &again, &fault)));
	second = vx6_value_text(again);
	VX6_ASSERT(second && strcmp(text, second) == 0);
	VX6_ASSERT(vx6_value_equal(again, again));
	merged = vx6_value_merge(again, v);
	VX6_ASSERT(merged);
	vx6_value_free(merged);
	vx6_value_free(v);
	free(second);
	free(text);
	return 0;
}
