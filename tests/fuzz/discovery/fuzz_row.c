#include "tests/fuzz/fuzz.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "discovery/registry_row.h"
#include "discovery/registry.h"

enum { NOW = 1790000000 };

static void on_dirty(void *user, bool soon)
{
}

/* Gives the row the checksum that it should have, so that what is behind it is reached. */
static vx6_err load(struct vx6_registry *r, const uint8_t *key, const uint8_t *value, size_t n)
{
	uint8_t row[VX6_ROW_VALUE_MAX];
	struct vx6_hash_state st;
	struct vx6_hash sum;

	memcpy(row, value, n);
	vx6_hash_init(&st, "VX6-registry-row");
	vx6_hash_update(&st, key, VX6_ROW_KEY);
	vx6_hash_update(&st, row, n);
	vx6_hash_final(&st, &sum);
	memcpy(row + n, sum.b, VX6_ROW_SUM);
	return vx6_registry_load_row(r, key, VX6_ROW_KEY, row, n + VX6_ROW_SUM, NOW);
}

/* All questions that read a record, whatever it says. */
static void ask(const struct vx6_registry *r)
{
	struct vx6_service_record services[4];
	struct vx6_known_record rec[4];
	struct vx6_known_node nodes[4];
	struct vx6_candidate c[4];
	size_t n = vx6_registry_page_nodes(r, NULL, NULL, NOW, nodes, 4);

	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(nodes[i].endpoint.n_addrs <= VX6_ENDPOINT_ADDRS_MAX);
	n = vx6_registry_page_services(r, NULL, NULL, NULL, NOW, services, 4);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(vx6_registry_service(r, &services[i].node, services[i].name, NOW,
						&services[0]));
	n = vx6_registry_latest(r, NOW, rec, 4);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(rec[i].n > 0 && rec[i].bytes && rec[i].expires_s > NOW);
	(void)vx6_registry_candidates(r, NOW, c, 4);
}

/* What was taken is written as the very rows that would be taken again. */
static void again(struct vx6_registry *r)
{
	struct vx6_registry *other = vx6_registry_new(&vx6_net_default, NULL, NULL);
	struct vx6_registry_info a, b;
	struct vx6_row_batch batch = {0};
	struct vx6_row row;
	size_t at = 0;

	vx6_registry_dirty_all(r);
	vx6_registry_take_rows(r, true, &batch);
	while (vx6_row_next(&batch, &at, &row))
		FUZZ_CHECK(vx6_is_ok(
			vx6_registry_load_row(other, row.key, VX6_ROW_KEY, row.value, row.n, NOW)));
	vx6_registry_info(r, &a);
	vx6_registry_info(other, &b);
	FUZZ_CHECK(at == batch.n && a.nodes == b.nodes && a.records == b.records &&
		   a.marks == b.marks && a.bytes == b.bytes && a.met == b.met);
	vx6_row_batch_fini(&batch);
	vx6_registry_free(other);
}

/* The input is a list of rows: key(41) | length u16 | value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_registry *r;
	size_t at = 0;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	r = vx6_registry_new(&vx6_net_default, NULL, NULL);
	vx6_registry_on_dirty(r, on_dirty, NULL);
	while (n - at >= VX6_ROW_KEY + 2) {
		const uint8_t *key = data + at;
		size_t len = (size_t)key[VX6_ROW_KEY] << 8 | key[VX6_ROW_KEY + 1];

		at += VX6_ROW_KEY + 2;
		if (len > n - at || len > VX6_ROW_VALUE_MAX - VX6_ROW_SUM)
			break;
		FUZZ_CHECK(!vx6_is_ok(vx6_registry_load_row(r, key, VX6_ROW_KEY, data + at, len,
							    NOW)) ||
			   len > VX6_ROW_SUM);
		(void)vx6_is_ok(load(r, key, data + at, len));
		at += len;
	}
	ask(r);
	again(r);
	vx6_registry_tick(r, NOW + 10000);
	vx6_registry_free(r);
	return 0;
}
