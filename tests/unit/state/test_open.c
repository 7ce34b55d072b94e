#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "state/state_internal.h"
#include "tests/unit/state/dir.h"

static struct dir d;

static int setup(void **state)
{
	dir_make(&d);
	return 0;
}

static int teardown(void **state)
{
	dir_remove(&d);
	return 0;
}

static const char *file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", d.path, name);
	return path;
}

static void put_file(const char *name, const void *bytes, size_t n)
{
	int fd = open(file(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

/* @return owned */
static char *get_file(const char *name, size_t *n)
{
	struct stat st;
	int fd = open(file(name), O_RDONLY);
	char *bytes;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*n = (size_t)st.st_size;
	bytes = malloc(*n + 1);
	assert_int_equal(read(fd, bytes, *n), st.st_size);
	close(fd);
	return bytes;
}

/* Opening fails with @p code and leaves the file byte for byte as it was. */
static void refused_untouched(int code)
{
	size_t before_n, after_n;
	char *before = get_file("state.db", &before_n), *after;

	assert_int_equal(dir_open(&d).code, code);
	assert_true(strlen(d.detail) > 10);
	after = get_file("state.db", &after_n);
	assert_int_equal(before_n, after_n);
	assert_memory_equal(before, after, before_n);
	free(before);
	free(after);
}

static void make_good(void)
{
	char id[16];

	assert_true(vx6_is_ok(dir_open(&d)));
	for (int i = 0; i < 500; i++) {
		snprintf(id, sizeof id, "n%d", i);
		dir_submit(&d, dir_service(id, id));
	}
	dir_wait(&d);
	dir_close(&d);
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file("state.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void open__twice__second_is_locked_out(void **state)
{
	struct vx6_state *second;
	char detail[VX6_STATE_DETAIL_MAX];
	struct vx6_state_config cfg = {.dir = d.path, .loop = d.loop};

	assert_true(vx6_is_ok(dir_open(&d)));
	assert_int_equal(vx6_state_open(&cfg, &second, detail).code, VX6_E_LOCKED);
	assert_non_null(strstr(detail, "another agent uses this state directory"));
	dir_close(&d);
	assert_true(vx6_is_ok(vx6_state_open(&cfg, &second, detail)));
	vx6_state_close(second);
}

static void open__new__files_are_private(void **state)
{
	struct stat st;

	assert_true(vx6_is_ok(dir_open(&d)));
	assert_true(vx6_is_ok(dir_write(&d, dir_event(1)).err));
	assert_int_equal(stat(file("state.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(file("state.db-wal"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void open__not_a_database__is_corrupt(void **state)
{
	char zeroes[8192] = {0};

	put_file("state.db", "hello, this is a letter and no database at all", 46);
	refused_untouched(VX6_E_CORRUPT);
	put_file("state.db", "x", 1);
	refused_untouched(VX6_E_CORRUPT);
	put_file("state.db", zeroes, sizeof zeroes);
	refused_untouched(VX6_E_CORRUPT);
	put_file("state.db", "SQLite format 3\0and then nonsense", 33);
	refused_untouched(VX6_E_CORRUPT);
}

static void open__empty_file__is_new(void **state)
{
	put_file("state.db", "", 0);
	assert_true(vx6_is_ok(dir_open(&d)));
}

static void open__damaged_pages__is_corrupt(void **state)
{
	size_t n;
	char *bytes;

	make_good();
	bytes = get_file("state.db", &n);
	assert_true(n > 40000);
	for (size_t i = 4096; i < n; i += 16)
		bytes[i] ^= 0x5a;
	put_file("state.db", bytes, n);
	refused_untouched(VX6_E_CORRUPT);
	free(bytes);
}

static void open__truncated__is_corrupt(void **state)
{
	make_good();
	assert_int_equal(truncate(file("state.db"), 20000), 0);
	refused_untouched(VX6_E_CORRUPT);
}

static void open__other_program__is_refused(void **state)
{
	sql("CREATE TABLE mine (a)");
	refused_untouched(VX6_E_CORRUPT);
	assert_non_null(strstr(d.detail, "another program"));
}

static void open__newer__is_too_new(void **state)
{
	make_good();
	sql("PRAGMA user_version = 99");
	refused_untouched(VX6_E_TOO_NEW);
	assert_non_null(strstr(d.detail, "newer version"));
}

/* The version of a newer agent that was killed may be in the log only: that stays too. */
static void open__newer_in_log_only__log_is_kept(void **state)
{
	size_t before_n, after_n;
	char *before, *after;
	pid_t pid;

	make_good();
	pid = fork();
	if (pid == 0) {
		sqlite3 *db;

		if (sqlite3_open(file("state.db"), &db) == SQLITE_OK)
			sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	before = get_file("state.db-wal", &before_n);
	assert_true(before_n > 0);
	refused_untouched(VX6_E_TOO_NEW);
	after = get_file("state.db-wal", &after_n);
	assert_int_equal(before_n, after_n);
	assert_memory_equal(before, after, before_n);
	free(before);
	free(after);
}

/* All migrations there are, and one more. @return how many without it */
static int and_one_more(const char *sql, const char *out[static 32])
{
	int n = vx6_state_migrations_n;

	assert_in_range(n, 1, 31);
	memcpy(out, vx6_state_migrations, (size_t)n * sizeof *out);
	out[n] = sql;
	return n;
}

static void open__older__is_copied_and_migrated(void **state)
{
	const char *more[32];
	int n = and_one_more("CREATE TABLE extra (a INTEGER) STRICT; INSERT INTO extra VALUES (7);",
			     more);
	struct vx6_state_config cfg = {.dir = d.path, .loop = d.loop};
	struct vx6_state_image img;
	struct stat st;
	char bak[32];
	sqlite3 *db;

	snprintf(bak, sizeof bak, "state.db.before-%d", n + 1);
	assert_true(vx6_is_ok(state_open_with(&cfg, more, n, &d.st, d.detail)));
	assert_true(vx6_is_ok(dir_write(&d, dir_service("svc_1", "web")).err));
	dir_close(&d);
	assert_int_equal(access(file(bak), F_OK), -1);
	assert_true(vx6_is_ok(state_open_with(&cfg, more, n + 1, &d.st, d.detail)));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.services_n, 1);
	vx6_state_image_fini(&img);
	assert_int_equal(stat(file(bak), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sqlite3_open(file(bak), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "SELECT name FROM services WHERE id = 'svc_1'", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "SELECT * FROM extra", NULL, NULL, NULL), SQLITE_ERROR);
	sqlite3_close(db);
	dir_close(&d);
	assert_int_equal(state_open_with(&cfg, more, n, &d.st, d.detail).code, VX6_E_TOO_NEW);
}

/* From one schema to the next, as if each were a new version of the program. */
static void open__migrated_often__the_last_two_copies_are_kept(void **state)
{
	struct vx6_state_config cfg = {.dir = d.path, .loop = d.loop};
	struct vx6_state_image img;
	char name[32], path[128];
	sqlite3 *db;

	assert_true(vx6_state_migrations_n >= 4);
	assert_true(vx6_is_ok(state_open_with(&cfg, vx6_state_migrations, 1, &d.st, d.detail)));
	dir_close(&d);
	assert_int_equal(sqlite3_open(file("state.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO pins VALUES ('alice', zeroblob(32), 77)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	for (int n = 2; n <= vx6_state_migrations_n; n++) {
		assert_true(
			vx6_is_ok(state_open_with(&cfg, vx6_state_migrations, n, &d.st, d.detail)));
		dir_close(&d);
		for (int k = 2; k <= n; k++) {
			snprintf(name, sizeof name, "state.db.before-%d", k);
			assert_int_equal(access(file(name), F_OK) == 0, k > n - 2);
		}
	}
	/* one that is kept is what the program of then can open */
	snprintf(path, sizeof path, "%s", file("state.db"));
	assert_int_equal(rename(file("state.db.before-4"), path), 0);
	assert_true(vx6_is_ok(state_open_with(&cfg, vx6_state_migrations, 3, &d.st, d.detail)));
	dir_close(&d);
	assert_true(vx6_is_ok(dir_open(&d)));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.names_n, 1);
	assert_string_equal(img.names[0].name, "alice");
	vx6_state_image_fini(&img);
}

static void open__copied_while_in_use__is_sound_and_leaves_nothing(void **state)
{
	uint8_t *copy, *cut;
	uint16_t schema;
	size_t n;

	assert_true(vx6_is_ok(dir_open(&d)));
	assert_true(vx6_is_ok(dir_write(&d, dir_service("svc_1", "web")).err));
	assert_true(vx6_is_ok(vx6_state_copy(d.path, 1 << 20, &copy, &n, &schema, d.detail)));
	assert_int_equal(schema, vx6_state_migrations_n);
	assert_int_equal(access(file("state.db.copy"), F_OK), -1);
	assert_true(vx6_is_ok(vx6_state_check_copy(copy, n, d.detail)));
	assert_non_null(memmem(copy, n, "svc_1", 5));
	cut = vx6_zalloc(n);
	memcpy(cut, copy, n / 2);
	assert_false(vx6_is_ok(vx6_state_check_copy(cut, n / 2, d.detail)));
	memcpy(cut, copy, n);
	cut[63] = 99; /* the schema's number */
	assert_int_equal(vx6_state_check_copy(cut, n, d.detail).code, VX6_E_TOO_NEW);
	memset(cut, 0, n);
	assert_false(vx6_is_ok(vx6_state_check_copy(cut, n, d.detail)));
	assert_false(vx6_is_ok(vx6_state_check_copy(cut, 0, d.detail)));
	free(cut);
	free(copy);
	assert_int_equal(vx6_state_copy(d.path, 4096, &copy, &n, &schema, d.detail).code,
			 VX6_E_LIMIT);
	assert_null(copy);
}

/* What the first version stored means the same to this one. */
static void open__first_version__its_pins_and_services_are_kept(void **state)
{
	struct vx6_state_config cfg = {.dir = d.path, .loop = d.loop};
	struct vx6_state_image img;
	sqlite3 *db;

	assert_true(vx6_is_ok(state_open_with(&cfg, vx6_state_migrations, 1, &d.st, d.detail)));
	dir_close(&d);
	assert_int_equal(sqlite3_open(file("state.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "INSERT INTO pins VALUES ('alice', zeroblob(32), 77);"
				      "INSERT INTO services VALUES ('svc_1', 1, 2, 3, 'api', '{}',"
				      " 'web', '127.0.0.1:80', 1, 0, x'')",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_true(vx6_is_ok(dir_open(&d)));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.names_n, 1);
	assert_int_equal(img.names[0].kind, VX6_BINDING_PIN);
	assert_string_equal(img.names[0].name, "alice");
	assert_int_equal(img.names[0].since_ms, 77);
	assert_int_equal(img.services_n, 1);
	assert_int_equal(img.services[0].spec.visibility, VX6_VISIBILITY_PUBLIC);
	vx6_state_image_fini(&img);
}

/* Before there were routes: whichever works, and the node's part as a relay is as built in. */
static void open__second_version__forwards_take_any_route(void **state)
{
	struct vx6_state_config cfg = {.dir = d.path, .loop = d.loop};
	const struct vx6_routing any = {.via = VX6_ROUTE_AUTO};
	struct vx6_state_image img;
	sqlite3 *db;

	assert_true(vx6_is_ok(state_open_with(&cfg, vx6_state_migrations, 2, &d.st, d.detail)));
	dir_close(&d);
	assert_int_equal(sqlite3_open(file("state.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "INSERT INTO node VALUES (1, 'alice', 3, 1, 2);"
				      "INSERT INTO forwards VALUES ('fwd_1', 1, 2, 3, 'api', '{}',"
				      " 'f', '127.0.0.1:80', 'bob', 'web', NULL, NULL, 'tcp', 1)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_true(vx6_is_ok(dir_open(&d)));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_string_equal(img.node.name, "alice");
	assert_int_equal(img.node.generation, 3);
	assert_int_equal(img.node.relay.mode, VX6_RELAYING_PUBLIC);
	assert_int_equal(img.node.relay.circuits + img.node.relay.memory_mb +
				 img.node.relay.rate_mbit,
			 0);
	assert_int_equal(img.forwards_n, 1);
	assert_string_equal(img.forwards[0].spec.to.service, "web");
	assert_true(vx6_routing_eq(&img.forwards[0].spec.to.route, &any));
	vx6_state_image_fini(&img);
}

static void open__migration_fails__nothing_changed(void **state)
{
	const char *more[32];
	int n = and_one_more(
		"CREATE TABLE extra (a INTEGER) STRICT; INSERT INTO nowhere VALUES (1);", more);
	struct vx6_state_config cfg = {.dir = d.path, .loop = d.loop};

	make_good();
	assert_false(vx6_is_ok(state_open_with(&cfg, more, n + 1, &d.st, d.detail)));
	assert_true(vx6_is_ok(dir_open(&d)));
}

/* ---- a full disk ---- */

enum { NO_SMALL_DISK = 77 };

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A small disk of this process alone; without root in a user namespace of its own, where the host allows one. */
static bool mount_small_disk(void)
{
	char uids[64], gids[64];

	snprintf(uids, sizeof uids, "0 %u 1", (unsigned)geteuid());
	snprintf(gids, sizeof gids, "0 %u 1", (unsigned)getegid());
	if (geteuid() != 0 &&
	    (unshare(CLONE_NEWUSER) < 0 || !write_text("/proc/self/setgroups", "deny") ||
	     !write_text("/proc/self/uid_map", uids) || !write_text("/proc/self/gid_map", gids)))
		return false;
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", d.path, "tmpfs", 0, "size=2m") == 0;
}

/* Fills the disk with writes until one fails, then makes room: what was acknowledged is there and writing goes on. */
static int fill_disk(void)
{
	char *big = calloc(1, VX6_STATE_VALUE_MAX), key[32];
	struct vx6_write_result r = {.err = VX6_OK};
	struct vx6_state_image img;
	int stored = 0;

	if (!vx6_is_ok(dir_open(&d)))
		return 1;
	while (vx6_is_ok(r.err) && stored < 1000) {
		struct vx6_write *w = vx6_write_new();

		snprintf(key, sizeof key, "k%d", stored);
		vx6_write_put_value(w, key, big, VX6_STATE_VALUE_MAX);
		r = dir_write(&d, w);
		stored += vx6_is_ok(r.err);
	}
	if (r.err.code != VX6_E_DISK_FULL || stored == 0)
		return 2;
	if (dir_write(&d, dir_service("svc_1", "web")).err.code == VX6_E_BUG)
		return 3;
	unlink(file("ballast"));
	if (!vx6_is_ok(dir_write(&d, dir_service("svc_2", "later")).err))
		return 4;
	dir_close(&d);
	free(big);
	if (!vx6_is_ok(dir_open(&d)) || !vx6_is_ok(vx6_state_load(d.st, &img)))
		return 5;
	if ((int)img.values_n != stored || img.services_n < 1)
		return 6;
	vx6_state_image_fini(&img);
	dir_close(&d);
	return 0;
}

static void write__disk_full__says_so_and_loses_nothing(void **state)
{
	static const char ballast[65536];
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		/* a loop of its own: threads do not survive a fork */
		if (!vx6_is_ok(vx6_loop_new(&d.loop)))
			_exit(10);
		if (!mount_small_disk())
			_exit(NO_SMALL_DISK);
		for (int i = 0; i < 8; i++) {
			int fd = open(file("ballast"), O_WRONLY | O_CREAT | O_APPEND, 0600);

			if (write(fd, ballast, sizeof ballast) != sizeof ballast)
				_exit(12);
			close(fd);
		}
		_exit(fill_disk());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_SMALL_DISK)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(write__disk_full__says_so_and_loses_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(open__twice__second_is_locked_out, setup, teardown),
		cmocka_unit_test_setup_teardown(open__new__files_are_private, setup, teardown),
		cmocka_unit_test_setup_teardown(open__not_a_database__is_corrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(open__empty_file__is_new, setup, teardown),
		cmocka_unit_test_setup_teardown(open__damaged_pages__is_corrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(open__truncated__is_corrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(open__other_program__is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(open__newer__is_too_new, setup, teardown),
		cmocka_unit_test_setup_teardown(open__newer_in_log_only__log_is_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(open__older__is_copied_and_migrated, setup,
						teardown),
		cmocka_unit_test_setup_teardown(open__migrated_often__the_last_two_copies_are_kept,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			open__copied_while_in_use__is_sound_and_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(open__first_version__its_pins_and_services_are_kept,
						setup, teardown),
		cmocka_unit_test_setup_teardown(open__second_version__forwards_take_any_route,
						setup, teardown),
		cmocka_unit_test_setup_teardown(open__migration_fails__nothing_changed, setup,
						teardown),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
