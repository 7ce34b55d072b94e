/* Any text, with an address and a key in it that must not come out again. */
#include "api/server/redact.h"
#include "base/util.h"
#include "tests/fuzz/fuzz.h"

#define KEY "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char inside[] = " 192.0.2.77 [2001:db8::77]:4242 " KEY " ";
	struct api_redact *r = api_redact_new();
	size_t size = n + sizeof inside - 1, made_n;
	char *text = vx6_zalloc(size + n + 1), *made;

	if (n) {
		memcpy(text, data, n);
		memcpy(text + size, data, n);
	}
	memcpy(text + n, inside, sizeof inside - 1);
	made = api_redact(r, text, size + n, &made_n);
	FUZZ_CHECK(made[made_n] == 0);
	if (!n || !memmem(data, n, "192.0.2.77", 10))
		FUZZ_CHECK(!memmem(made, made_n, "192.0.2.77", 10));
	if (!n || !memmem(data, n, "2001:db8::77", 12))
		FUZZ_CHECK(!memmem(made, made_n, "2001:db8::77", 12));
	if (!n || !memmem(data, n, KEY, strlen(KEY)))
		FUZZ_CHECK(!memmem(made, made_n, KEY, strlen(KEY)));
	free(made);
	free(text);
	api_redact_free(r);
	return 0;
}
