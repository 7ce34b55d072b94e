/* Maps of autonomous systems: files that this test writes itself, whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "discovery/asn.h"

/* ---- a writer of the format: a tree of 24-bit records over 128 bits, 16 zero bytes, data, metadata ---- */

enum { NODES = 2048, DATA = 1024, NONE = 0, SEPARATOR = 16 };

struct map {
	uint32_t left[NODES], right[NODES]; /* a node, NONE, or (data offset + 1) | LEAF */
	uint32_t nodes;
	uint8_t data[DATA];
	size_t data_n;
	uint8_t file[NODES * 6 + DATA + 1024];
	size_t n;
};
#define LEAF 0x80000000u

static struct map map;
static char path[64], detail[256];

static void put(uint8_t *p, size_t *n, const void *from, size_t count)
{
	memcpy(p + *n, from, count);
	*n += count;
}

static void put_byte(uint8_t *p, size_t *n, unsigned b)
{
	p[(*n)++] = (uint8_t)b;
}

static void put_text(uint8_t *p, size_t *n, const char *text)
{
	put_byte(p, n, 2u << 5 | strlen(text));
	put(p, n, text, strlen(text));
}

static void put_u32(uint8_t *p, size_t *n, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	put_byte(p, n, 6u << 5 | 4);
	put(p, n, b, 4);
}

static void put_u16(uint8_t *p, size_t *n, uint16_t v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put_byte(p, n, 5u << 5 | 2);
	put(p, n, b, 2);
}

static void map_begin(void)
{
	memset(&map, 0, sizeof map);
	map.nodes = 1;
}

/* Everything below @p text/@p bits leads to @p leaf. IPv4 lies at ::/96 in this format. */
static void map_put(const char *text, unsigned bits, uint32_t leaf)
{
	struct vx6_addr a;
	uint32_t at = 0;

	assert_true(vx6_is_ok(vx6_addr_parse(text, &a)));
	if (vx6_addr_is_v4(&a))
		memset(a.ip, 0, 12);
	for (unsigned i = 0; i < bits; i++) {
		uint32_t *next = a.ip[i / 8] >> (7 - i % 8) & 1 ? &map.right[at] : &map.left[at];

		if (i + 1 == bits) {
			*next = leaf | LEAF;
			return;
		}
		if (*next == NONE)
			*next = map.nodes++;
		assert_in_range(map.nodes, 1, NODES - 1);
		at = *next;
	}
}

static uint32_t data_number(uint32_t asn)
{
	uint32_t at = (uint32_t)map.data_n;

	put_byte(map.data, &map.data_n, 7u << 5 | 1);
	put_text(map.data, &map.data_n, "autonomous_system_number");
	put_u32(map.data, &map.data_n, asn);
	return at;
}

static uint32_t data_text(const char *asn)
{
	uint32_t at = (uint32_t)map.data_n;

	put_byte(map.data, &map.data_n, 7u << 5 | 1);
	put_text(map.data, &map.data_n, "asn");
	put_text(map.data, &map.data_n, asn);
	return at;
}

static void put_record(uint32_t to)
{
	uint32_t v = to == NONE ? map.nodes : to & LEAF ? map.nodes + SEPARATOR + (to & ~LEAF) : to;

	for (int shift = 16; shift >= 0; shift -= 8)
		put_byte(map.file, &map.n, v >> shift & 0xff);
}

static void map_write(const char *type)
{
	FILE *f = fopen(path, "wb");

	for (uint32_t i = 0; i < map.nodes; i++) {
		put_record(map.left[i]);
		put_record(map.right[i]);
	}
	map.n += SEPARATOR;
	put(map.file, &map.n, map.data, map.data_n);
	put(map.file, &map.n, "\xab\xcd\xefMaxMind.com", 14);
	put_byte(map.file, &map.n, 7u << 5 | 9);
	put_text(map.file, &map.n, "node_count");
	put_u32(map.file, &map.n, map.nodes);
	put_text(map.file, &map.n, "record_size");
	put_u16(map.file, &map.n, 24);
	put_text(map.file, &map.n, "ip_version");
	put_u16(map.file, &map.n, 6);
	put_text(map.file, &map.n, "database_type");
	put_text(map.file, &map.n, type);
	put_text(map.file, &map.n, "binary_format_major_version");
	put_u16(map.file, &map.n, 2);
	put_text(map.file, &map.n, "binary_format_minor_version");
	put_u16(map.file, &map.n, 0);
	put_text(map.file, &map.n, "build_epoch");
	put(map.file, &map.n, "\x01\x02\x01", 3); /* u64 of one byte */
	put_text(map.file, &map.n, "languages");
	put(map.file, &map.n, "\x00\x04", 2); /* an empty array */
	put_text(map.file, &map.n, "description");
	put_byte(map.file, &map.n, 7u << 5); /* an empty map */
	assert_non_null(f);
	assert_int_equal(fwrite(map.file, 1, map.n, f), map.n);
	assert_int_equal(fclose(f), 0);
}

/* ---- tests ---- */

static int setup(void **state)
{
	int fd;

	strcpy(path, "/tmp/vx6-asn-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	map_begin();
	detail[0] = 0;
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return 0;
}

static int open_code(struct vx6_asn **out)
{
	*out = NULL;
	return vx6_asn_open(path, out, detail, sizeof detail).code;
}

static uint32_t asn_of(const struct vx6_asn *a, const char *text)
{
	struct vx6_addr addr;

	assert_true(vx6_is_ok(vx6_addr_parse(text, &addr)));
	return vx6_asn_lookup(a, &addr);
}

static void asn__map_of_both_families__numbers_of_each_prefix(void **state)
{
	struct vx6_asn *a;

	map_put("192.0.2.0:0", 120, data_number(64500));
	map_put("[2001:db8::]:0", 32, data_number(4200000000));
	map_put("[2a00::]:0", 16, data_text("AS64501"));
	map_write("GeoLite2-ASN");
	assert_int_equal(open_code(&a), VX6_E_OK);
	assert_int_equal(asn_of(a, "192.0.2.7:80"), 64500);
	assert_int_equal(asn_of(a, "192.0.3.7:80"), 0);
	assert_int_equal(asn_of(a, "[2001:db8:1::1]:80"), 4200000000);
	assert_int_equal(asn_of(a, "[2a00:1::1]:80"), 64501);
	assert_int_equal(asn_of(a, "[2a01::1]:80"), 0);
	assert_int_equal(asn_of(a, "unix:/tmp/x"), 0);
	vx6_asn_free(a);
}

static void asn__texts_that_are_no_number__not_known(void **state)
{
	static const char *const bad[] = {"",       "A", "AS", "ASx", "64500", "AS99999999999",
					  "AS6450 "};
	struct vx6_asn *a;
	char text[32];

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "[%x00::]:0", 0x20 + i);
		map_put(text, 8, data_text(bad[i]));
	}
	map_write("ipinfo generic_asn_free.mmdb");
	assert_int_equal(open_code(&a), VX6_E_OK);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "[%x00::1]:0", 0x20 + i);
		assert_int_equal(asn_of(a, text), 0);
	}
	vx6_asn_free(a);
}

static void asn__files_that_are_none__refused_with_the_reason(void **state)
{
	struct vx6_asn *a;

	assert_int_equal(open_code(&a), VX6_E_IO); /* empty */
	assert_non_null(strstr(detail, path));
	map_put("192.0.2.0:0", 120, data_number(64500));
	map_write("GeoLite2-City");
	assert_int_equal(open_code(&a), VX6_E_MISMATCH);
	assert_non_null(strstr(detail, "GeoLite2-City"));
	unlink(path);
	assert_int_equal(open_code(&a), VX6_E_NOT_FOUND);
	assert_null(a);
}

static void asn__tree_is_overwritten__refused(void **state)
{
	struct vx6_asn *a;
	FILE *f;

	map_put("192.0.2.0:0", 120, data_number(64500));
	map_write("GeoLite2-ASN");
	f = fopen(path, "r+b");
	assert_non_null(f);
	assert_int_equal(fwrite("\xff\xff\xff\xff\xff\xff", 1, 6, f), 6);
	fclose(f);
	assert_int_equal(open_code(&a), VX6_E_CORRUPT);
	assert_non_null(strstr(detail, "damaged"));
}

static void asn__any_beginning_of_a_map__never_harms(void **state)
{
	struct vx6_asn *a;
	size_t n;

	map_put("192.0.2.0:0", 120, data_number(64500));
	map_write("GeoLite2-ASN");
	n = map.n;
	for (size_t cut = 1; cut < n; cut += 7) {
		assert_int_equal(truncate(path, (off_t)(n - cut)), 0);
		if (open_code(&a) == VX6_E_OK) {
			asn_of(a, "192.0.2.7:80");
			vx6_asn_free(a);
		} else {
			assert_true(detail[0]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asn__map_of_both_families__numbers_of_each_prefix,
						setup, teardown),
		cmocka_unit_test_setup_teardown(asn__texts_that_are_no_number__not_known, setup,
						teardown),
		cmocka_unit_test_setup_teardown(asn__files_that_are_none__refused_with_the_reason,
						setup, teardown),
		cmocka_unit_test_setup_teardown(asn__tree_is_overwritten__refused, setup, teardown),
		cmocka_unit_test_setup_teardown(asn__any_beginning_of_a_map__never_harms, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
