#include "tests/fuzz/fuzz.h"
#include "crypto/secret.h"
#include "record/catalog_list.h"

/* The list that whoever holds a catalog's key may have sealed: read, written again, and sealed for real. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct vx6_sign_seed seed = {{1}};
	static const uint8_t secret[VX6_CATALOG_SECRET_BYTES] = {2};
	static struct vx6_catalog c, again;
	uint8_t list[VX6_CATALOG_MAX];
	struct vx6_wr w;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (!vx6_is_ok(vx6_catalog_list_decode(data, n, &c))) {
		FUZZ_CHECK(c.entries_n == 0);
		return 0;
	}
	FUZZ_CHECK(c.entries_n <= VX6_CATALOG_ENTRIES_MAX);
	vx6_wr_init(&w, list, sizeof list);
	vx6_catalog_list_encode(&w, &c);
	if (w.err.code == VX6_E_LIMIT)
		return 0; /* longer than any record could be */
	FUZZ_CHECK(vx6_is_ok(w.err) && w.len <= n && memcmp(list, data, w.len) == 0);
	FUZZ_CHECK(vx6_is_ok(vx6_catalog_list_decode(list, w.len, &again)));
	fuzz_same((const uint8_t *)&c, sizeof c, (const uint8_t *)&again, sizeof again);
	if (n % 16 == 0) { /* the keys take time */
		struct vx6_sign_keypair owner;
		uint8_t out[VX6_CATALOG_MAX];
		struct vx6_catalog_key key;
		struct vx6_record rec;
		size_t out_n;

		vx6_sign_keypair_from_seed(&seed, &owner);
		key.pk = owner.pk;
		memcpy(key.secret, secret, sizeof key.secret);
		c.issued_s = 1790000000;
		c.lifetime_s = 60;
		c.period = vx6_catalog_period(c.issued_s);
		if (vx6_is_ok(vx6_catalog_build(&c, &owner, secret, &vx6_net_default, out, &out_n)))
			FUZZ_CHECK(
				vx6_is_ok(vx6_record_parse(out, out_n, &rec)) &&
				vx6_is_ok(vx6_catalog_open(&rec, &key, &vx6_net_default, &again)) &&
				again.entries_n == c.entries_n);
	}
	return 0;
}
