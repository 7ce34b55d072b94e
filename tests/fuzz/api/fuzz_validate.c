/* Any JSON against every request body: no crash, bounded output, and a verdict that agrees with the list of faults. */
#include <stdint.h>
#include <string.h>

#include "api/contract/validate.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct vx6_faults faults;
	struct vx6_scan_fault fault;
	struct vx6_value *v;

	if (!vx6_is_ok(vx6_value_parse((const char *)data, n, &v, &fault)))
		return 0;
	for (size_t i = 0; i < VX6_OP_N; i++) {
		if (!vx6_routes[i].body)
			continue;
		faults.n = 0;
		VX6_ASSERT(vx6_validate(vx6_routes[i].body, v, &faults) == (faults.n == 0));
		for (size_t j = 0; j < faults.n && j < VX6_FAULTS_MAX; j++) {
			VX6_ASSERT(strlen(faults.items[j].pointer) < VX6_FAULT_POINTER);
			VX6_ASSERT(faults.items[j].code && faults.items[j].detail[0]);
		}
	}
	vx6_value_free(v);
	return 0;
}
