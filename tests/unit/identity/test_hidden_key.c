#include "tests/unit/vectors.h"

#include "crypto/secret.h"
#include "identity/hidden_key.h"

enum { NOW = 1790000000, DAY = 86400 };

static int setup(void **state)
{
	(void)state;
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

static struct vx6_hidden_invite sample(const char *alias, bool secret, uint64_t expires_s)
{
	struct vx6_hidden_invite invite = {.has_secret = secret, .expires_s = expires_s};
	struct vx6_sign_keypair kp;

	vx6_sign_keypair_random(&kp);
	vx6_node_id_from_pk(&kp.pk, &invite.service);
	if (secret)
		vx6_random_bytes(invite.secret, sizeof invite.secret);
	snprintf(invite.alias, sizeof invite.alias, "%s", alias);
	return invite;
}

static void assert_same(const struct vx6_hidden_invite *a, const struct vx6_hidden_invite *b)
{
	assert_string_equal(a->alias, b->alias);
	assert_true(vx6_node_id_eq(&a->service, &b->service));
	assert_int_equal(a->has_secret, b->has_secret);
	assert_memory_equal(a->secret, b->secret, sizeof a->secret);
	assert_true(a->expires_s == b->expires_s);
}

/* ---- keys and invites ---- */

static void invite__golden_texts__read_and_written(void **state)
{
	cJSON *vectors = vec_load("hidden_invites");

	(void)state;
	VEC_EACH(v, vectors)
	{
		struct vx6_hidden_invite want = {.expires_s = vec_num(v, "expires")}, got;
		char text[VX6_HIDDEN_INVITE_TEXT];

		vec_hex(v, "key", want.service.b, sizeof want.service.b);
		want.has_secret = vec_hex(v, "secret", want.secret, sizeof want.secret) > 0;
		snprintf(want.alias, sizeof want.alias, "%s", vec_text(v, "alias"));
		assert_ok(vx6_hidden_invite_parse(vec_text(v, "text"), &got));
		assert_same(&got, &want);
		assert_ok(vx6_hidden_invite_parse(vec_text(v, "uri"), &got));
		assert_same(&got, &want);
		assert_string_equal(vx6_hidden_invite_format(&want, text), vec_text(v, "text"));
		assert_string_equal(vx6_hidden_invite_format_uri(&want, text), vec_text(v, "uri"));
	}
	vec_free(vectors);
}

static void invite__any__comes_back(void **state)
{
	static const char *const aliases[] = {"", "a", "ghost-7",
					      "abcdefghijklmnopqrstuvwxyz012345"};
	static const uint64_t ends[] = {0, 1, NOW, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < 4 * 4 * 2; i++) {
		struct vx6_hidden_invite a = sample(aliases[i % 4], i / 16, ends[i / 4 % 4]), b;
		char text[VX6_HIDDEN_INVITE_TEXT];

		assert_ok(vx6_hidden_invite_parse(vx6_hidden_invite_format(&a, text), &b));
		assert_same(&a, &b);
		assert_ok(vx6_hidden_invite_parse(vx6_hidden_invite_format_uri(&a, text), &b));
		assert_same(&a, &b);
		assert_true(vx6_hidden_looks_like(text));
		if (i == 4 * 4 * 2 - 1)
			assert_int_equal(strlen(text), VX6_HIDDEN_INVITE_TEXT - 1);
	}
}

static void invite__two_keys__space_or_plus(void **state)
{
	struct vx6_hidden_invite a = sample("", true, 0), b;
	char text[VX6_HIDDEN_INVITE_TEXT], *plus;

	(void)state;
	plus = strchr(vx6_hidden_invite_format(&a, text), '+');
	assert_non_null(plus);
	*plus = ' ';
	assert_ok(vx6_hidden_invite_parse(text, &b));
	assert_same(&a, &b);
	*plus = '.';
	assert_fails(vx6_hidden_invite_parse(text, &b));
	*plus = '\0';
	assert_ok(vx6_hidden_invite_parse(text, &b));
	assert_false(b.has_secret);
}

static void invite__parts_in_any_order__each_once(void **state)
{
	struct vx6_hidden_invite a = sample("ghost", true, 77), b;
	char key[VX6_NODE_ID_TEXT], secret[VX6_NODE_ID_TEXT], text[3 * VX6_HIDDEN_INVITE_TEXT];

	(void)state;
	vx6_hidden_key_format(&a.service, key);
	vx6_key_format(VX6_KEY_CLIENT, a.secret, secret);
	snprintf(text, sizeof text, "vx6://hidden/ghost?expires=77&secret=%s&key=%s", secret, key);
	assert_ok(vx6_hidden_invite_parse(text, &b));
	assert_same(&a, &b);
	snprintf(text, sizeof text, "vx6://hidden/ghost?key=%s&key=%s", key, key);
	assert_err(vx6_hidden_invite_parse(text, &b), FORMAT);
	snprintf(text, sizeof text, "vx6://hidden/ghost?key=%s&expires=7&expires=7", key);
	assert_err(vx6_hidden_invite_parse(text, &b), FORMAT);
	snprintf(text, sizeof text, "vx6://hidden/ghost?key=%s&uses=7", key);
	assert_err(vx6_hidden_invite_parse(text, &b), UNSUPPORTED);
}

static void refused(const char *before, const char *key, const char *after, vx6_err want)
{
	static const struct vx6_hidden_invite none;
	struct vx6_hidden_invite got;
	char text[512], *exact;

	snprintf(text, sizeof text, "%s%s%s", before, key, after);
	exact = (char *)exact_copy(text, strlen(text) + 1);
	assert_string_equal(vx6_err_name(vx6_hidden_invite_parse(exact, &got)), vx6_err_name(want));
	assert_memory_equal(&got, &none, sizeof none);
	free(exact);
}

static void invite__what_is_none__refused(void **state)
{
	struct vx6_hidden_invite a = sample("", false, 0);
	char key[VX6_NODE_ID_TEXT], node[VX6_NODE_ID_TEXT], upper[VX6_NODE_ID_TEXT];

	(void)state;
	vx6_hidden_key_format(&a.service, key);
	refused("", "", "", VX6_ERR(FORMAT));
	refused("", key, " ", VX6_ERR(FORMAT));
	refused("", key, "+", VX6_ERR(FORMAT));
	refused(" ", key, "", VX6_ERR(FORMAT));
	refused("", key, "\n", VX6_ERR(LIMIT));
	refused("", key, "+vxs1", VX6_ERR(FORMAT));
	refused("", vx6_node_id_format(&a.service, node), "", VX6_ERR(MISMATCH));
	refused("vx6://hidden/", "", "", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost", "", "", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?", "", "", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key", "", "", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", "", "", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?expires=7", "", "", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", key, "&", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", key, "&&expires=1", VX6_ERR(FORMAT));
	refused("vx6://hidden/Ghost?key=", key, "", VX6_ERR(FORMAT));
	refused("vx6://hidden/gh%6fst?key=", key, "", VX6_ERR(FORMAT));
	refused("vx6://hidden/a/b?key=", key, "", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", key, "#x", VX6_ERR(LIMIT));
	refused("vx6://hidden/ghost?key=", key, "&expires=", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", key, "&expires=0", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", key, "&expires=07", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", key, "&expires=-1", VX6_ERR(FORMAT));
	refused("vx6://hidden/ghost?key=", key, "&expires=18446744073709551616", VX6_ERR(LIMIT));
	refused("vx6://hidden/abcdefghijklmnopqrstuvwxyz0123456?key=", key, "", VX6_ERR(LIMIT));
	refused("vx6://hidden/vxh1ghost?key=", key, "", VX6_ERR(FORMAT));
	refused("vx6://node/ghost?key=", key, "", VX6_ERR(LIMIT));
	for (size_t i = 0; i < sizeof upper; i++)
		upper[i] = key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 'a' + 'A') : key[i];
	assert_ok(vx6_hidden_key_parse(upper, &a.service));
}

static void invite__each_wrong_character__noticed(void **state)
{
	struct vx6_hidden_invite a = sample("", true, 0), b;
	char text[VX6_HIDDEN_INVITE_TEXT];

	(void)state;
	vx6_hidden_invite_format(&a, text);
	for (size_t i = 0; text[i]; i++) {
		char kept = text[i];

		if (kept == '+')
			continue;
		text[i] = kept == 'q' ? 'p' : 'q';
		assert_fails(vx6_hidden_invite_parse(text, &b));
		text[i] = kept;
	}
	assert_ok(vx6_hidden_invite_parse(text, &b));
}

static void hidden_key__not_a_point__refused(void **state)
{
	struct vx6_node_id none = {{1}}, got;
	char text[VX6_NODE_ID_TEXT];

	(void)state;
	vx6_hidden_key_format(&none, text); /* the neutral element */
	assert_err(vx6_hidden_key_parse(text, &got), KEY);
	assert_true(vx6_ct_is_zero(&got, sizeof got));
	assert_true(vx6_hidden_looks_like(text));
	assert_true(vx6_hidden_looks_like("VX6://hidden/"));
	assert_false(vx6_hidden_looks_like("vxh1"));
	assert_false(vx6_hidden_looks_like("ghost"));
	assert_false(vx6_hidden_looks_like(vx6_node_id_format(&none, text)));
}

/* ---- the identity ---- */

static void identity_hidden__golden_days__same(void **state)
{
	cJSON *vectors = vec_load("hidden_identities");

	(void)state;
	VEC_EACH(v, vectors)
	{
		uint8_t seed[32], want[VX6_SUBKEY_CERT_BYTES];
		struct vx6_identity id;

		vec_hex(v, "seed", seed, sizeof seed);
		assert_ok(vx6_identity_hidden(seed, &vx6_net_default, vec_num(v, "now"), &id));
		vec_hex(v, "id", want, 32);
		assert_memory_equal(id.id.b, want, 32);
		vec_hex(v, "subkey_seed", want, 32);
		assert_memory_equal(id.subkey.key.seed.b, want, 32);
		assert_int_equal(vec_hex(v, "cert", want, sizeof want), sizeof want);
		assert_memory_equal(id.subkey.cert_bytes, want, sizeof want);
		vx6_identity_wipe(&id);
	}
	vec_free(vectors);
}

static vx6_err check_cert(const struct vx6_identity *id, uint64_t now_s, uint16_t purpose)
{
	struct vx6_subkey_check check = {.net = &vx6_net_default,
					 .now_s = now_s,
					 .purpose = purpose};
	struct vx6_subkey_cert cert;

	assert_ok(
		vx6_subkey_cert_decode(id->subkey.cert_bytes, sizeof id->subkey.cert_bytes, &cert));
	return vx6_subkey_cert_verify(&cert, &id->id, &check);
}

/* What a client sees says the day, and the number rises with it. */
static void identity_hidden__same_day__same_bytes(void **state)
{
	static const uint64_t begin = (uint64_t)NOW / DAY * DAY;
	struct vx6_identity a, b, next;
	uint8_t seed[32];

	(void)state;
	vx6_random_bytes(seed, sizeof seed);
	assert_ok(vx6_identity_hidden(seed, &vx6_net_default, begin, &a));
	assert_ok(vx6_identity_hidden(seed, &vx6_net_default, begin + DAY - 1, &b));
	assert_ok(vx6_identity_hidden(seed, &vx6_net_default, begin + DAY, &next));
	assert_memory_equal(&a, &b, sizeof a);
	assert_memory_not_equal(a.subkey.key.pk.b, next.subkey.key.pk.b, 32);
	assert_int_equal(next.subkey.cert.cert_seq, a.subkey.cert.cert_seq + 1);
	assert_true(vx6_node_id_eq(&a.id, &next.id));
	assert_ok(check_cert(&a, begin - DAY, VX6_PURPOSE_TLS)); /* for whose clock is late */
	assert_ok(check_cert(&a, begin + 28 * DAY, VX6_PURPOSE_TLS));
	assert_err(check_cert(&a, begin + 29 * DAY, VX6_PURPOSE_TLS), EXPIRED);
	assert_err(check_cert(&a, begin, VX6_PURPOSE_RECORD), REFUSED);
}

static void identity_hidden__other_seed_or_network__other_subkey(void **state)
{
	struct vx6_net other = vx6_net_default;
	struct vx6_identity a, b, c;
	uint8_t seed[32] = {1};

	(void)state;
	other.b[0] ^= 1;
	assert_ok(vx6_identity_hidden(seed, &vx6_net_default, NOW, &a));
	assert_ok(vx6_identity_hidden(seed, &other, NOW, &b));
	seed[0] ^= 3;
	assert_ok(vx6_identity_hidden(seed, &vx6_net_default, NOW, &c));
	assert_memory_not_equal(a.subkey.key.pk.b, b.subkey.key.pk.b, 32);
	assert_memory_not_equal(a.subkey.key.pk.b, c.subkey.key.pk.b, 32);
	assert_err(vx6_identity_hidden(seed, &vx6_net_default, DAY - 1, &c), RANGE);
	assert_true(vx6_ct_is_zero(&c, sizeof c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invite__golden_texts__read_and_written),
		cmocka_unit_test(invite__any__comes_back),
		cmocka_unit_test(invite__two_keys__space_or_plus),
		cmocka_unit_test(invite__parts_in_any_order__each_once),
		cmocka_unit_test(invite__what_is_none__refused),
		cmocka_unit_test(invite__each_wrong_character__noticed),
		cmocka_unit_test(hidden_key__not_a_point__refused),
		cmocka_unit_test(identity_hidden__golden_days__same),
		cmocka_unit_test(identity_hidden__same_day__same_bytes),
		cmocka_unit_test(identity_hidden__other_seed_or_network__other_subkey),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
