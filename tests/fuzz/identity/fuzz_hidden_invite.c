#include "tests/fuzz/fuzz.h"
#include "crypto/secret.h"
#include "identity/hidden_key.h"

/* What somebody pasted: what is read can be written, and then says the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct vx6_hidden_invite none;
	char *text = calloc(1, n + 1), again[VX6_HIDDEN_INVITE_TEXT];
	struct vx6_hidden_invite a, b;

	FUZZ_CHECK(text && vx6_is_ok(vx6_crypto_init()));
	if (n)
		memcpy(text, data, n);
	(void)vx6_hidden_looks_like(text);
	if (vx6_is_ok(vx6_hidden_invite_parse(text, &a))) {
		FUZZ_CHECK(memchr(a.alias, 0, sizeof a.alias));
		FUZZ_CHECK(vx6_is_ok(
			vx6_hidden_invite_parse(vx6_hidden_invite_format(&a, again), &b)));
		fuzz_same((const uint8_t *)&a, sizeof a, (const uint8_t *)&b, sizeof b);
		FUZZ_CHECK(vx6_is_ok(
			vx6_hidden_invite_parse(vx6_hidden_invite_format_uri(&a, again), &b)));
		fuzz_same((const uint8_t *)&a, sizeof a, (const uint8_t *)&b, sizeof b);
	} else {
		fuzz_same((const uint8_t *)&a, sizeof a, (const uint8_t *)&none, sizeof none);
	}
	free(text);
	return 0;
}
