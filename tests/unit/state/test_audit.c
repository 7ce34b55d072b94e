/* The audit's chain: what is written follows what was written, whoever dies between; what was changed shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <string.h>

#include "base/util.h"
#include "tests/unit/state/dir.h"

static struct dir d;

static int setup(void **state)
{
	dir_make(&d);
	assert_true(vx6_is_ok(dir_open(&d)));
	return 0;
}

static int teardown(void **state)
{
	dir_remove(&d);
	return 0;
}

static void reopen(void)
{
	dir_close(&d);
	assert_true(vx6_is_ok(dir_open(&d)));
}

static struct vx6_write *line(unsigned n)
{
	struct vx6_audit_entry e = {.wall_ms = 1000 + n,
				    .actor = "uid:0",
				    .origin = "unix",
				    .operation = "service_create",
				    .target = "/v1/services",
				    .outcome = "ok"};
	struct vx6_write *w = vx6_write_new();

	snprintf(e.request_id, sizeof e.request_id, "req_%u", n);
	vx6_write_audit(w, &e);
	return w;
}

/* ---- reading ---- */

static struct vx6_audit_page *page;
static bool was_read;

static void on_read(void *user, vx6_err err, struct vx6_audit_page *p)
{
	assert_null(user);
	assert_true(vx6_is_ok(err));
	page = p;
	was_read = true;
	vx6_loop_stop(d.loop);
}

static const struct vx6_audit_page *read_it(const struct vx6_audit_ask *ask)
{
	vx6_audit_page_free(page);
	was_read = false;
	assert_true(vx6_is_ok(vx6_state_read_audit(d.st, ask, on_read, NULL)));
	vx6_loop_run(d.loop);
	assert_true(was_read);
	return page;
}

static const struct vx6_audit_page *verify(void)
{
	return read_it(&(struct vx6_audit_ask){.verify = true});
}

static int forget_page(void **state)
{
	vx6_audit_page_free(page);
	page = NULL;
	return teardown(state);
}

/* Behind the agent's back. */
static void change(const char *sql)
{
	char path[128];
	sqlite3 *db;

	dir_close(&d);
	snprintf(path, sizeof path, "%s/state.db", d.path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_true(vx6_is_ok(dir_open(&d)));
}

/* ---- tests ---- */

static void nothing_yet__is_intact(void **state)
{
	assert_int_equal(verify()->broken_seq, 0);
	assert_int_equal(page->head_seq, 0);
	assert_int_equal(page->oldest, 0);
}

static void lines__follow_each_other_over_a_restart(void **state)
{
	const struct vx6_audit_page *p;

	for (unsigned n = 1; n <= 3; n++)
		assert_true(vx6_is_ok(dir_write(&d, line(n)).err));
	reopen();
	for (unsigned n = 4; n <= 6; n++)
		assert_true(vx6_is_ok(dir_write(&d, line(n)).err));
	p = read_it(&(struct vx6_audit_ask){.limit = 10});
	assert_int_equal(p->n, 6);
	for (unsigned n = 0; n < 6; n++) {
		assert_int_equal(p->rows[n].seq, n + 1);
		assert_int_equal(p->rows[n].entry.wall_ms, 1001 + n);
		if (n)
			assert_memory_equal(p->rows[n].prev, p->rows[n - 1].hash, 32);
	}
	assert_memory_equal(p->head, p->rows[5].hash, 32);
	p = read_it(&(struct vx6_audit_ask){.since = 2, .limit = 3});
	assert_int_equal(p->n, 3);
	assert_int_equal(p->rows[0].seq, 3);
	assert_int_equal(read_it(&(struct vx6_audit_ask){.limit = 9, .actor = "uid:7"})->n, 0);
	assert_int_equal(
		read_it(&(struct vx6_audit_ask){.limit = 9, .operation = "service_create"})->n, 6);
	assert_int_equal(verify()->broken_seq, 0);
	assert_int_equal(page->checked, 6);
}

static void a_write_that_fails__leaves_no_gap(void **state)
{
	struct vx6_meta one = dir_meta("svc_1", 1), two = dir_meta("svc_2", 1);
	struct vx6_service_spec spec = {.name = "same"};
	struct vx6_write *w;

	assert_true(vx6_is_ok(vx6_addr_parse("127.0.0.1:1", &spec.target)));
	for (int k = 0; k < 3; k++) { /* together: the second one's name is taken */
		w = line(0);
		vx6_write_put_service(w, k == 1 ? &two : &one, &spec);
		dir_submit(&d, w);
	}
	dir_wait(&d);
	assert_int_equal(d.results[1].err.code, VX6_E_EXISTS);
	assert_int_equal(verify()->broken_seq, 0);
	assert_int_equal(page->checked, 2);
	assert_int_equal(page->head_seq, 2);
}

static void what_was_changed__shows(void **state)
{
	static const struct {
		const char *sql;
		uint64_t broken;
	} cases[] = {
		{"UPDATE audit SET actor = 'uid:1' WHERE seq = 3", 3},
		{"UPDATE audit SET wall_ms = 1 WHERE seq = 3", 3},
		{"UPDATE audit SET target = 'x' || target, operation = operation WHERE seq = 2", 2},
		{"UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", 4},
		{"UPDATE audit SET hash = x'00' WHERE seq = 4", 4},
		{"DELETE FROM audit WHERE seq = 3", 4},
		{"UPDATE audit SET seq = 9 WHERE seq = 5", 9},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(cases); i++) {
		dir_remove(&d);
		dir_make(&d);
		assert_true(vx6_is_ok(dir_open(&d)));
		for (unsigned n = 1; n <= 5; n++)
			assert_true(vx6_is_ok(dir_write(&d, line(n)).err));
		change(cases[i].sql);
		assert_int_equal(verify()->broken_seq, cases[i].broken);
	}
}

static void the_oldest_gone__the_rest_is_intact(void **state)
{
	for (unsigned n = 1; n <= 5; n++)
		assert_true(vx6_is_ok(dir_write(&d, line(n)).err));
	change("DELETE FROM audit WHERE seq <= 2");
	assert_int_equal(verify()->broken_seq, 0);
	assert_int_equal(page->oldest, 3);
	assert_int_equal(page->checked, 3);
}

static void tokens__come_back(void **state)
{
	struct vx6_token_spec spec = {.name = "grafana",
				      .public_id = "abcdefghijkl",
				      .hash = {1, 2, 3},
				      .role = 2,
				      .expires_ms = 77,
				      .scopes = "[\"metrics:read\"]",
				      .allow_from = "[]"};
	struct vx6_meta meta = dir_meta("tok_1", 4);
	struct vx6_write *w = vx6_write_new();
	struct vx6_state_image img;

	vx6_write_put_token(w, &meta, &spec);
	assert_true(vx6_is_ok(dir_write(&d, w).err));
	reopen();
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.tokens_n, 1);
	assert_string_equal(img.tokens[0].meta.id, "tok_1");
	assert_int_equal(img.tokens[0].meta.generation, 4);
	assert_string_equal(img.tokens[0].spec.name, "grafana");
	assert_string_equal(img.tokens[0].spec.public_id, "abcdefghijkl");
	assert_memory_equal(img.tokens[0].spec.hash, spec.hash, 32);
	assert_int_equal(img.tokens[0].spec.role, 2);
	assert_int_equal(img.tokens[0].spec.expires_ms, 77);
	assert_string_equal(img.tokens[0].spec.scopes, spec.scopes);
	vx6_state_image_fini(&img);
	w = vx6_write_new();
	vx6_write_delete(w, VX6_RESOURCE_TOKEN, "tok_1");
	assert_true(vx6_is_ok(dir_write(&d, w).err));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.tokens_n, 0);
	vx6_state_image_fini(&img);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, forget_page)
	const struct CMUnitTest tests[] = {
		TEST(nothing_yet__is_intact),
		TEST(lines__follow_each_other_over_a_restart),
		TEST(a_write_that_fails__leaves_no_gap),
		TEST(what_was_changed__shows),
		TEST(the_oldest_gone__the_rest_is_intact),
		TEST(tokens__come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
