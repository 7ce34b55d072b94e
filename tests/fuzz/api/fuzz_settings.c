/* The configuration file: any text is taken, or refused with a reason. */
#include "api/agent/settings.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_settings s = {0};
	char detail[VX6_SETTINGS_DETAIL] = "";
	vx6_err err = vx6_settings_read_text(&s, (const char *)data, n, detail);

	FUZZ_CHECK(vx6_is_ok(err) == (detail[0] == 0));
	for (int i = 0; i < VX6_SETTINGS_N; i++)
		FUZZ_CHECK(s.of[i].n <= VX6_SETTINGS_LIST_MAX);
	vx6_settings_fini(&s);
	return 0;
}
