#include "tests/fuzz/fuzz.h"
#include "identity/bech32m.h"
#include "identity/node_id.h"
#include "wire/label.h"

/* Texts that people type: node ids, bech32m in general, `user.service`. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = calloc(1, n + 1), hrp[VX6_BECH32M_HRP_MAX + 1], again[VX6_BECH32M_TEXT];
	char user[VX6_USER_TEXT], service[VX6_LABEL_TEXT];
	uint8_t bytes[VX6_BECH32M_DATA_MAX];
	struct vx6_node_id id;
	size_t bytes_n;

	FUZZ_CHECK(text);
	if (n)
		memcpy(text, data, n);
	if (vx6_is_ok(vx6_bech32m_decode(text, hrp, bytes, &bytes_n))) {
		FUZZ_CHECK(vx6_is_ok(vx6_bech32m_encode(hrp, bytes, bytes_n, again)));
		FUZZ_CHECK(strcasecmp(text, again) == 0);
	}
	if (vx6_is_ok(vx6_node_id_parse(text, &id)))
		FUZZ_CHECK(strcasecmp(vx6_node_id_format(&id, again), text) == 0);
	if (vx6_is_ok(vx6_label_split(text, user, service)))
		FUZZ_CHECK(strlen(user) + 1 + strlen(service) == strlen(text));
	(void)vx6_node_id_looks_like(text);
	free(text);
	return 0;
}
