#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/server/server_internal.h"
#include "api/server/token.h"
#include "crypto/secret.h"

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : -1;
}

static void token_make__shape__is_as_documented(void **state)
{
	char a[VX6_TOKEN_TEXT], b[VX6_TOKEN_TEXT];

	vx6_token_make(a);
	vx6_token_make(b);
	assert_int_equal(strlen(a), 76);
	assert_memory_equal(a, "vx6_", 4);
	assert_int_equal(strspn(a + 4, "abcdefghijklmnopqrstuvwxyz234567"), 12);
	assert_int_equal(strspn(a + 17, "abcdefghijklmnopqrstuvwxyz234567"), 52);
	assert_int_equal(strspn(a + 70, "abcdefghijklmnopqrstuvwxyz234567"), 6);
	assert_string_not_equal(a, b);
	assert_true(vx6_token_is_valid(a));
}

static void token_is_valid__any_changed_character__is_noticed(void **state)
{
	char token[VX6_TOKEN_TEXT], other[VX6_TOKEN_TEXT];

	vx6_token_make(token);
	for (size_t i = 0; i < VX6_TOKEN_TEXT - 1; i++) {
		memcpy(other, token, sizeof other);
		other[i] = other[i] == 'a' ? 'b' : 'a';
		assert_false(vx6_token_is_valid(other));
		other[i] = 0;
		assert_false(vx6_token_is_valid(other));
	}
	assert_false(vx6_token_is_valid(""));
}

/* CRC-32 of the 69 bytes before it, its upper 30 bits in base32: computed by Python's zlib. */
static void token_is_valid__known_token__passes(void **state)
{
	assert_true(vx6_token_is_valid(
		"vx6_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_h55fc5"));
}

static void token_hash__depends_on_key_and_token(void **state)
{
	uint8_t k1[32] = {1}, k2[32] = {2};
	struct vx6_hash a, b, c;

	vx6_token_hash(k1, "x", &a);
	vx6_token_hash(k2, "x", &b);
	vx6_token_hash(k1, "y", &c);
	assert_memory_not_equal(a.b, b.b, 32);
	assert_memory_not_equal(a.b, c.b, 32);
}

static char token_dir[32], token_path[64];

static int remove_token_file(void **state)
{
	unlink(token_path);
	rmdir(token_dir);
	return 0;
}

static void token_file__made_once__then_read(void **state)
{
	const char *path = token_path;
	char a[VX6_TOKEN_TEXT], b[VX6_TOKEN_TEXT];
	struct stat st;
	FILE *f;

	strcpy(token_dir, "/tmp/vx6-token-XXXXXX");
	assert_non_null(mkdtemp(token_dir));
	snprintf(token_path, sizeof token_path, "%s/admin.token", token_dir);
	assert_true(vx6_is_ok(vx6_token_file(path, a)));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(vx6_is_ok(vx6_token_file(path, b)));
	assert_string_equal(a, b);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(vx6_token_file(path, b).code, VX6_E_LOOSE_MODE);
	assert_int_equal(chmod(path, 0600), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("not a token\n", f);
	fclose(f);
	assert_int_equal(vx6_token_file(path, b).code, VX6_E_FORMAT);
}

static void cursor_read__only_own_cursors__pass(void **state)
{
	static struct vx6_api_server s = {.key = {7}}, other = {.key = {8}};
	char cursor[API_CURSOR], id[VX6_PAGE_KEY];

	api_cursor_make(&s, "service", "svc_01J9Z3K4M5N6P7Q8R9S0T1V2W3", cursor);
	assert_true(api_cursor_read(&s, "service", cursor, id));
	assert_string_equal(id, "svc_01J9Z3K4M5N6P7Q8R9S0T1V2W3");
	assert_false(api_cursor_read(&s, "peer", cursor, id));
	assert_false(api_cursor_read(&other, "service", cursor, id));
	cursor[5]++;
	assert_false(api_cursor_read(&s, "service", cursor, id));
	assert_false(api_cursor_read(&s, "service", "", id));
	assert_false(api_cursor_read(&s, "service", ".", id));
}

static void fields_pick__members__are_cut_out(void **state)
{
	static const char object[] =
		"{\"id\":\"a,\\\"}\",\"n\":1,\"o\":{\"id\":[1,{\"x\":2}]},\"l\":[],\"z\":null}";
	char unknown[64], *text;

	text = api_fields_pick(object, "o,id", unknown);
	assert_string_equal(text, "{\"o\":{\"id\":[1,{\"x\":2}]},\"id\":\"a,\\\"}\"}");
	free(text);
	text = api_fields_pick(object, "z,l,n", unknown);
	assert_string_equal(text, "{\"z\":null,\"l\":[],\"n\":1}");
	free(text);
	assert_null(api_fields_pick(object, "n,x", unknown));
	assert_string_equal(unknown, "x");
	text = api_fields_pick(object, "o,o,o,o,o,o,o,o",
			       unknown); /* never longer than the object */
	assert_true(text && strlen(text) <= sizeof object);
	free(text);
	text = api_fields_pick(object, NULL, unknown);
	assert_string_equal(text, object);
	free(text);
}

static void bucket_take__burst_then_refill(void **state)
{
	struct api_bucket b = {0};

	for (int i = 0; i < 5; i++)
		assert_true(api_bucket_take(&b, 1000, 5, 2));
	assert_false(api_bucket_take(&b, 1000, 5, 2));
	assert_false(api_bucket_take(&b, 1400, 5, 2));
	assert_true(api_bucket_take(&b, 1500, 5, 2));
	assert_false(api_bucket_take(&b, 1500, 5, 2));
	for (int i = 0; i < 5; i++)
		assert_true(api_bucket_take(&b, 1000000, 5, 2));
	assert_false(api_bucket_take(&b, 1000000, 5, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_make__shape__is_as_documented),
		cmocka_unit_test(token_is_valid__any_changed_character__is_noticed),
		cmocka_unit_test(token_is_valid__known_token__passes),
		cmocka_unit_test(token_hash__depends_on_key_and_token),
		cmocka_unit_test_teardown(token_file__made_once__then_read, remove_token_file),
		cmocka_unit_test(cursor_read__only_own_cursors__pass),
		cmocka_unit_test(fields_pick__members__are_cut_out),
		cmocka_unit_test(bucket_take__burst_then_refill),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
