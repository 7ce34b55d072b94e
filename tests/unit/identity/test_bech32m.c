#include "tests/unit/vectors.h"
#include "identity/bech32m.h"

static void bech32m_check__bip350_vectors__as_published(void **state)
{
	cJSON *vectors = vec_load("bip350");

	VEC_EACH(v, vectors)
	{
		if (vec_num(v, "valid"))
			assert_ok(vx6_bech32m_check(vec_text(v, "text")));
		else
			assert_fails(vx6_bech32m_check(vec_text(v, "text")));
	}
	vec_free(vectors);
	assert_err(vx6_bech32m_check("\x80"
				     "1vctc34"),
		   FORMAT);
	assert_err(vx6_bech32m_check(""), FORMAT);
}

static void bech32m__any_length__round_trips(void **state)
{
	uint8_t data[VX6_BECH32M_DATA_MAX], back[VX6_BECH32M_DATA_MAX];
	char text[VX6_BECH32M_TEXT], hrp[VX6_BECH32M_HRP_MAX + 1];
	size_t n;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 37 + 5);
	for (size_t len = 0; len <= 50; len++) {
		assert_ok(vx6_bech32m_encode("vx", data, len, text));
		assert_ok(vx6_bech32m_decode(text, hrp, back, &n));
		assert_string_equal(hrp, "vx");
		assert_int_equal(n, len);
		assert_memory_equal(back, data, len);
	}
	assert_err(vx6_bech32m_encode("vx", data, 51, text),
		   LIMIT); /* 82 symbols and 9 more characters: 91 */
	assert_ok(vx6_bech32m_encode("v", data, 51, text));
	assert_int_equal(strlen(text), 90);
	assert_ok(vx6_bech32m_decode(text, hrp, back, &n));
	assert_int_equal(n, 51);
}

static void bech32m_encode__bad_hrp__is_invalid(void **state)
{
	char text[VX6_BECH32M_TEXT];

	assert_err(vx6_bech32m_encode("", NULL, 0, text), INVALID);
	assert_err(vx6_bech32m_encode("VX", NULL, 0, text), INVALID);
	assert_err(vx6_bech32m_encode("v x", NULL, 0, text), INVALID);
}

/* Two characters of data are ten bits: one byte and two bits of padding, which must be zero; three leave seven. */
static void bech32m_decode__padding__is_short_and_zero(void **state)
{
	char hrp[VX6_BECH32M_HRP_MAX + 1];
	uint8_t data[VX6_BECH32M_DATA_MAX];
	size_t n;
	cJSON *vectors = vec_load("padding");

	VEC_EACH(v, vectors)
	{
		vx6_err err = vx6_bech32m_decode(vec_text(v, "text"), hrp, data, &n);

		assert_ok(vx6_bech32m_check(vec_text(v, "text")));
		if (vec_num(v, "valid"))
			assert_ok(err);
		else
			assert_err(err, FORMAT);
	}
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bech32m_check__bip350_vectors__as_published),
		cmocka_unit_test(bech32m__any_length__round_trips),
		cmocka_unit_test(bech32m_encode__bad_hrp__is_invalid),
		cmocka_unit_test(bech32m_decode__padding__is_short_and_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
