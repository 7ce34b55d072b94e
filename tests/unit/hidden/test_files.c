/* Files of hidden services: what is written is read again, and what is damaged is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "hidden/files.h"

static char dir[64];

static int setup(void **state)
{
	char root[32] = "/tmp/vx6-hidden-XXXXXX";

	assert_true(vx6_is_ok(vx6_crypto_init()));
	if (!mkdtemp(root))
		return 1;
	snprintf(dir, sizeof dir, "%s/hidden", root);
	return 0;
}

static int teardown(void **state)
{
	char line[128];

	snprintf(line, sizeof line, "rm -rf '%.*s'", (int)(strrchr(dir, '/') - dir), dir);
	return system(line); /* a path of our own making */
}

static struct vx6_hidden_hosted hosted(void)
{
	struct vx6_hidden_hosted h = {.id = "svc_01J9Z3K4M5N6P7Q8R9S0T1V2W3", .created_ms = 7};

	vx6_random_bytes(h.seed, sizeof h.seed);
	h.seq[0] = (struct vx6_host_seq){81000, 3};
	h.seq[1] = (struct vx6_host_seq){80999, 12};
	h.clients_n = VX6_HIDDEN_HOSTED_CLIENTS;
	for (size_t i = 0; i < h.clients_n; i++) {
		struct vx6_host_client *c = &h.client[i];

		c->kind = i % 2 ? VX6_HOST_INVITE : VX6_HOST_CLIENT;
		vx6_random_bytes(c->id, sizeof c->id);
		vx6_random_bytes(c->pk, sizeof c->pk);
		if (i % 3)
			snprintf(c->name, sizeof c->name, "c%zu", i);
		c->created_s = 1000 + i;
		c->uses_max = (uint32_t)i;
		c->revoked = i % 5 == 0;
	}
	return h;
}

static struct vx6_hidden_visit visit(const char *alias)
{
	struct vx6_hidden_visit v = {.created_ms = 9, .fast = true};

	snprintf(v.alias, sizeof v.alias, "%s", alias);
	vx6_random_bytes(v.service.b, sizeof v.service.b);
	v.access = (struct vx6_guest_access){.has_key = true,
					     .has_invite = true,
					     .invite_expires_s = 77};
	vx6_random_bytes(v.access.key, sizeof v.access.key);
	v.seen[1] = (struct vx6_guest_seen){81000, 4};
	return v;
}

static void hosted__written__is_read_again_and_removed(void **state)
{
	struct vx6_hidden_hosted h = hosted(), back;
	struct stat st;
	char path[160];

	assert_true(vx6_is_ok(vx6_hidden_hosted_write(dir, &h)));
	assert_true(vx6_is_ok(vx6_hidden_hosted_read(dir, h.id, &back)));
	assert_memory_equal(h.seed, back.seed, sizeof h.seed);
	assert_memory_equal(h.seq, back.seq, sizeof h.seq);
	assert_int_equal(back.clients_n, h.clients_n);
	for (size_t i = 0; i < h.clients_n; i++) {
		assert_string_equal(h.client[i].name, back.client[i].name);
		assert_memory_equal(h.client[i].pk, back.client[i].pk, VX6_HOST_KEY);
		assert_int_equal(h.client[i].revoked, back.client[i].revoked);
		assert_int_equal(h.client[i].kind, back.client[i].kind);
		assert_int_equal(h.client[i].uses_max, back.client[i].uses_max);
	}
	snprintf(path, sizeof path, "%s/%s.hosted", dir, h.id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(vx6_is_ok(vx6_hidden_hosted_remove(dir, h.id)));
	assert_true(vx6_is_ok(vx6_hidden_hosted_remove(dir, h.id)));
	assert_int_equal(vx6_hidden_hosted_read(dir, h.id, &back).code, VX6_E_NOT_FOUND);
}

static void hosted__another_ones_file__is_refused(void **state)
{
	struct vx6_hidden_hosted h = hosted(), back;
	char from[160], to[160];

	assert_true(vx6_is_ok(vx6_hidden_hosted_write(dir, &h)));
	snprintf(from, sizeof from, "%s/%s.hosted", dir, h.id);
	snprintf(to, sizeof to, "%s/svc_other.hosted", dir);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(vx6_hidden_hosted_read(dir, "svc_other", &back).code, VX6_E_MISMATCH);
	assert_int_equal(vx6_hidden_hosted_read(dir, "../x", &back).code, VX6_E_NOT_FOUND);
	assert_int_equal(unlink(to), 0);
}

static void decode__any_byte_changed_or_cut__is_refused(void **state)
{
	struct vx6_hidden_visit v = visit("ghost"), back;
	uint8_t bytes[VX6_HIDDEN_FILE_MAX];
	size_t n;

	assert_true(vx6_is_ok(vx6_hidden_visit_encode(&v, bytes, &n)));
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 0x10;
		assert_false(vx6_is_ok(vx6_hidden_visit_decode(bytes, n, &back)));
		bytes[i] ^= 0x10;
		assert_false(vx6_is_ok(vx6_hidden_visit_decode(bytes, i, &back)));
	}
	bytes[4] = 2; /* of a newer program: said so, whatever else is in it */
	assert_int_equal(vx6_hidden_visit_decode(bytes, n, &back).code, VX6_E_TOO_NEW);
}

static unsigned seen;

static void on_visit(void *user, const struct vx6_hidden_visit *v)
{
	const struct vx6_hidden_visit *all = user;

	for (int i = 0; i < 2; i++) {
		if (strcmp(v->alias, all[i].alias) != 0)
			continue;
		seen |= 1U << i;
		assert_memory_equal(v->service.b, all[i].service.b, sizeof v->service.b);
		assert_memory_equal(v->access.key, all[i].access.key, sizeof v->access.key);
		assert_memory_equal(v->seen, all[i].seen, sizeof v->seen);
		assert_true(v->fast && v->access.has_invite && !v->access.enrolled);
		assert_int_equal(v->access.invite_expires_s, 77);
	}
}

static void visits__one_is_damaged__the_others_are_read(void **state)
{
	struct vx6_hidden_visit all[2] = {visit("ghost"), visit("spirit")};
	char path[160];
	FILE *f;

	seen = 0;
	vx6_hidden_visits_read("/nonexistent/dir", on_visit, all);
	assert_true(vx6_is_ok(vx6_hidden_visit_write(dir, &all[0])));
	assert_true(vx6_is_ok(vx6_hidden_visit_write(dir, &all[1])));
	vx6_hidden_visits_read(dir, on_visit, all);
	assert_int_equal(seen, 3);
	snprintf(path, sizeof path, "%s/ghost.visit", dir);
	f = fopen(path, "r+");
	assert_non_null(f);
	fputc('x', f);
	fclose(f);
	seen = 0;
	vx6_hidden_visits_read(dir, on_visit, all);
	assert_int_equal(seen, 2);
	assert_true(vx6_is_ok(vx6_hidden_visit_remove(dir, "spirit")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosted__written__is_read_again_and_removed),
		cmocka_unit_test(hosted__another_ones_file__is_refused),
		cmocka_unit_test(decode__any_byte_changed_or_cut__is_refused),
		cmocka_unit_test(visits__one_is_damaged__the_others_are_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
