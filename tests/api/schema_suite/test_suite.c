/* The validator against the public JSON Schema test suite: every case within the profile must get the suite's verdict. */
#include <stdio.h>
#include <string.h>

#include "api/contract/validate.h"
#include "suite.h"

static bool verdict(const struct suite_case *c)
{
	struct vx6_scan_fault fault;
	struct vx6_faults faults = {0};
	struct vx6_value *v;
	bool valid;

	if (!vx6_is_ok(vx6_value_parse(c->text, strlen(c->text), &v, &fault))) {
		printf("not read: %s: %s (%s)\n", c->what, c->text, fault.text);
		return !c->valid;
	}
	valid = vx6_validate(c->schema, v, &faults);
	vx6_value_free(v);
	return valid;
}

int main(void)
{
	size_t wrong = 0;

	for (size_t i = 0; i < suite_cases_n; i++)
		if (verdict(&suite_cases[i]) != suite_cases[i].valid) {
			printf("wrong: %s: %s\n", suite_cases[i].what, suite_cases[i].text);
			wrong++;
		}
	printf("%zu cases, %zu wrong; %zu groups are outside the profile\n", suite_cases_n, wrong,
	       suite_left_out);
	return wrong > 0 || suite_cases_n < 150;
}
