/* The header Accept of /v1/metrics: any text is understood or not, and any text survives being rewritten. */
#include <string.h>

#include "api/server/openmetrics.h"
#include "base/util.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = vx6_zalloc(n + 1), *open;
	size_t after;

	for (size_t i = 0; i < n; i++)
		text[i] = data[i] ? (char)data[i] : ' ';
	(void)vx6_openmetrics_wanted(text);
	open = vx6_openmetrics_from(text, &after);
	FUZZ_CHECK(open && strlen(open) == after && strcmp(open + after - 6, "# EOF\n") == 0);
	free(open);
	free(text);
	return 0;
}
