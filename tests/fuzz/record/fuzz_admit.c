#include "tests/fuzz/fuzz.h"
#include "crypto/secret.h"
#include "identity/revocation.h"
#include "record/admit.h"
#include "record/catalog.h"
#include "record/endpoint.h"
#include "record/hwm_mem.h"
#include "record/name_claim.h"
#include "record/relay_info.h"
#include "record/service.h"

/* Contents are read whatever the signature says, so that the readers see more than refusals. */
static void contents(const struct vx6_record *rec)
{
	static const struct vx6_catalog_key key = {.pk = {{9}}};
	static struct vx6_catalog catalog;
	struct vx6_service_record s;
	struct vx6_name_claim c;
	struct vx6_relay_info i;
	struct vx6_revocation r;
	struct vx6_endpoint e;

	if (vx6_is_ok(vx6_endpoint_read(rec, &e)))
		FUZZ_CHECK(e.n_addrs <= VX6_ENDPOINT_ADDRS_MAX && memchr(e.name, 0, sizeof e.name));
	if (vx6_is_ok(vx6_service_read(rec, &s)))
		FUZZ_CHECK(s.name[0] && memchr(s.name, 0, sizeof s.name) &&
			   memchr(s.alpn, 0, sizeof s.alpn));
	if (vx6_is_ok(vx6_name_claim_read(rec, &vx6_net_default, &c)))
		FUZZ_CHECK(c.name[0] && memchr(c.name, 0, sizeof c.name) &&
			   c.work_bits >= VX6_NAME_WORK_BITS);
	if (vx6_is_ok(vx6_relay_info_read(rec, &i)))
		FUZZ_CHECK(i.keys_n <= VX6_ONION_KEYS_MAX && i.withdrawn == (i.keys_n == 0));
	FUZZ_CHECK(!vx6_is_ok(vx6_catalog_open(rec, &key, &vx6_net_default, &catalog)));
	(void)vx6_is_ok(vx6_revocation_read(&rec->view, &vx6_net_default, &r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_hwm_mem *mem;
	struct vx6_hwm_store store;
	struct vx6_admit ctx = {.net = &vx6_net_default, .now_s = 1790000000};
	struct vx6_admission a;
	struct vx6_record rec;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (!vx6_is_ok(vx6_record_parse(data, n, &rec)))
		return 0;
	contents(&rec);
	mem = vx6_hwm_mem_new(4);
	store = vx6_hwm_mem_store(mem);
	ctx.store = &store;
	if (vx6_is_ok(vx6_record_admit(&ctx, data, n, &a))) {
		FUZZ_CHECK(a.result == VX6_ADMIT_NEW && vx6_hwm_mem_count(mem) > 0);
		FUZZ_CHECK(vx6_is_ok(vx6_record_admit(&ctx, data, n, &a)) &&
			   a.result == VX6_ADMIT_REFRESH);
	} else {
		FUZZ_CHECK(vx6_hwm_mem_count(mem) == 0);
	}
	vx6_hwm_mem_free(mem);
	return 0;
}
