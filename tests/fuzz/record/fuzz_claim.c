#include "tests/fuzz/fuzz.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "record/name_claim.h"

static void check(const struct vx6_name_claim *c, const struct vx6_record *rec)
{
	FUZZ_CHECK(c->name[0] && memchr(c->name, 0, sizeof c->name));
	FUZZ_CHECK(c->work_bits >= VX6_NAME_WORK_BITS && c->claimed_at_s <= c->issued_s);
	FUZZ_CHECK(vx6_node_id_eq(&c->node, &rec->subject));
	FUZZ_CHECK(rec->has_cert == (rec->view.type == VX6_RTYPE_NAME));
}

/* Claims of nodes and of hidden services: what is read is sound, is never both, and lies under the key of its own kind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_name_claim name, alias;
	struct vx6_dht_key key, want;
	struct vx6_record rec;
	bool is_name, is_alias;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (!vx6_is_ok(vx6_record_parse(data, n, &rec)))
		return 0;
	is_name = vx6_is_ok(vx6_name_claim_read(&rec, &vx6_net_default, &name));
	is_alias = vx6_is_ok(vx6_alias_claim_read(&rec, &vx6_net_default, &alias));
	FUZZ_CHECK(!is_name || !is_alias);
	FUZZ_CHECK(is_name || vx6_ct_is_zero(&name, sizeof name));
	FUZZ_CHECK(is_alias || vx6_ct_is_zero(&alias, sizeof alias));
	if (!is_name && !is_alias)
		return 0;
	check(is_name ? &name : &alias, &rec);
	if (is_name)
		vx6_dht_key_name(&vx6_net_default, name.name, &want);
	else
		vx6_dht_key_alias(&vx6_net_default, alias.name, &want);
	FUZZ_CHECK(vx6_is_ok(vx6_dht_key_of(&vx6_net_default, &rec, &key)));
	FUZZ_CHECK(memcmp(&key, &want, sizeof key) == 0);
	return 0;
}
