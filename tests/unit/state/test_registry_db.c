/* The registry's file: what was stored comes back, what was damaged does not, and nothing of it stops the agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/registry_row.h"
#include "state/registry_db.h"
#include "tests/unit/discovery/strangers.h"
#include "tests/unit/state/dir.h"

static struct dir d;
static struct vx6_registry *reg;
static struct vx6_registry_db *db;
static struct vx6_registry_loaded loaded;
static struct vx6_identity alice;
static uint32_t max_pages;
static int damaged, stuck, unstuck;

static const struct vx6_source subject = {.kind = VX6_SOURCE_SUBJECT};

static void on_damaged(void *user, const char *detail)
{
	assert_true(detail[0] != 0);
	damaged++;
}

static void on_stuck(void *user, vx6_err err, const char *detail)
{
	if (vx6_is_ok(err)) {
		unstuck++;
		return;
	}
	stuck++;
	vx6_loop_stop(d.loop);
}

static void open_db(void)
{
	struct vx6_registry_db_config cfg = {.dir = d.path,
					     .loop = d.loop,
					     .max_pages = max_pages,
					     .damaged = on_damaged,
					     .stuck = on_stuck};

	reg = vx6_registry_new(&vx6_net_default, NULL, NULL);
	cfg.registry = reg;
	db = vx6_registry_db_open(&cfg, &loaded);
}

static void close_db(void)
{
	vx6_registry_db_close(db);
	vx6_registry_free(reg);
	db = NULL;
}

static void reopen(void)
{
	close_db();
	open_db();
}

static int setup(void **state)
{
	if (!vx6_is_ok(vx6_crypto_init()))
		return -1;
	dir_make(&d);
	damaged = stuck = unstuck = 0;
	max_pages = 0;
	if (!vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, vx6_wall_s(), &alice)))
		return -1;
	open_db();
	return 0;
}

static int teardown(void **state)
{
	if (db)
		close_db();
	dir_remove(&d);
	return 0;
}

static size_t endpoint(uint64_t seq, uint8_t out[VX6_ENDPOINT_MAX])
{
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .name = "alice"};
	size_t n;

	assert_true(vx6_is_ok(vx6_endpoint_build(&e, &alice, out, &n)));
	return n;
}

static vx6_err give(uint64_t seq)
{
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n = endpoint(seq, bytes);

	return vx6_registry_admit(reg, bytes, n, &subject, vx6_wall_s(), NULL);
}

static void give_service(const char *name)
{
	struct vx6_service_record s = {.seq = 1,
				       .issued_s = vx6_wall_s(),
				       .lifetime_s = VX6_SERVICE_LIFETIME_S,
				       .kind = VX6_SERVICE_TCP};
	uint8_t bytes[VX6_SERVICE_MAX];
	size_t n;

	vx6_strlcpy(s.name, name, sizeof s.name);
	assert_true(vx6_is_ok(vx6_service_build(&s, &alice, bytes, &n)));
	assert_true(vx6_is_ok(vx6_registry_admit(reg, bytes, n, &subject, vx6_wall_s(), NULL)));
}

static void path_of(const char *suffix, char out[128])
{
	snprintf(out, 128, "%s/registry.db%s", d.path, suffix);
}

static bool exists(const char *suffix)
{
	char path[128];

	path_of(suffix, path);
	return access(path, F_OK) == 0;
}

/* ---- there and back ---- */

static void reopen__records_marks_and_contacts__are_there_and_nothing_older_is_taken(void **state)
{
	struct vx6_endpoint_addr at = {.via = VX6_VIA_QUIC};
	struct vx6_hwm_store store;
	struct vx6_hwm_key key = {.type = VX6_HWM_CERT, .subject = {7}};
	struct vx6_hwm mark = {.seq = 9, .expires_s = vx6_wall_s() + 100}, out;
	uint64_t now = vx6_wall_s();
	struct vx6_known_node node;
	struct vx6_service_record s;

	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8::7]:99", &at.addr)));
	assert_true(vx6_is_ok(give(5)));
	give_service("web");
	vx6_registry_met(reg, &alice.id, &at, now);
	store = vx6_registry_hwm(reg);
	assert_true(vx6_is_ok(store.put(store.user, &key, &mark)));
	stranger_give(reg, 1, 44, now - VX6_ENDPOINT_LIFETIME_S - 5); /* has ended: a mark */
	vx6_registry_tick(reg, now);
	reopen();
	assert_int_equal(loaded.rows, 6); /* two contacts with them */
	assert_int_equal(loaded.dropped + loaded.expired, 0);
	assert_true(vx6_registry_node(reg, &alice.id, now, &node));
	assert_true(node.has_endpoint);
	assert_string_equal(node.endpoint.name, "alice");
	assert_int_equal(node.services, 1);
	assert_true(vx6_registry_service(reg, &alice.id, "web", now, &s));
	assert_int_equal(node.contact.met_s, now);
	assert_true(vx6_addr_eq(&node.contact.good.addr, &at.addr));
	store = vx6_registry_hwm(reg);
	assert_true(vx6_is_ok(store.get(store.user, &key, &out)));
	assert_int_equal(out.seq, 9);
	assert_int_equal(give(4).code, VX6_E_STALE);
	assert_true(vx6_is_ok(give(6)));
	stranger_give(reg, 1, 43, now); /* older than its mark */
	assert_true(vx6_registry_node(reg, &(struct vx6_node_id){{0}}, now, &node) == false);
	key = (struct vx6_hwm_key){.type = VX6_RTYPE_ENDPOINT};
	memcpy(key.subject, stranger_id(1).b, sizeof key.subject);
	assert_true(vx6_is_ok(store.get(store.user, &key, &out)));
	assert_int_equal(out.seq, 44);
	assert_null(out.record);
	reopen();
	assert_int_equal(give(5).code, VX6_E_STALE);
}

static void reopen__what_was_dropped__stays_away(void **state)
{
	struct vx6_registry_info info;
	uint64_t now = vx6_wall_s();

	for (uint32_t i = 0; i < 1000; i++)
		stranger_give(reg, i, 1, now - VX6_ENDPOINT_LIFETIME_S - 5);
	reopen();
	vx6_registry_info(reg, &info);
	assert_int_equal(info.nodes, 1000);
	assert_int_equal(info.marks, 1000);
	vx6_registry_tick(reg, now + VX6_MARK_KEEP_S + 1);
	reopen();
	vx6_registry_info(reg, &info);
	assert_int_equal(info.nodes, 0);
}

static void stop_loop(struct vx6_timer *t)
{
	vx6_loop_stop(d.loop);
}

static void run_ms(uint64_t ms)
{
	struct vx6_timer t;

	vx6_timer_init(d.loop, &t, stop_loop, NULL);
	vx6_timer_in_ms(&t, ms);
	vx6_loop_run(d.loop);
	vx6_timer_stop(&t);
}

static void change__while_running__is_written_behind(void **state)
{
	struct vx6_registry_db_info info;

	assert_true(vx6_is_ok(give(1)));
	vx6_registry_db_info(db, &info);
	assert_int_equal(info.pending, 1);
	run_ms(1500);
	vx6_registry_db_info(db, &info);
	assert_int_equal(info.pending, 0);
	assert_int_equal(info.transactions, 1);
	assert_true(vx6_is_ok(info.stuck));
}

/* ---- damage ---- */

static size_t slurp(const char *path, uint8_t **out)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*out = vx6_zalloc((size_t)st.st_size + 1);
	assert_int_equal(read(fd, *out, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void spill(const char *path, const uint8_t *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

enum { FLIP_NODES = 30, STEP = 83 };

static uint8_t given[FLIP_NODES][VX6_ENDPOINT_MAX];
static size_t given_n[FLIP_NODES];

/* Whatever is there is what was given. @return how many are */
static size_t check_all(uint64_t now)
{
	struct vx6_known_record rec[2 * FLIP_NODES];
	size_t n = vx6_registry_latest(reg, now, rec, VX6_ARRAY_N(rec)), right = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < FLIP_NODES; k++)
			right += rec[i].n == given_n[k] &&
				 !memcmp(rec[i].bytes, given[k], given_n[k]);
	assert_int_equal(right, n);
	return n;
}

static void flip__any_byte_of_the_file__no_wrong_record_and_the_agent_runs(void **state)
{
	size_t n, least = FLIP_NODES, aside = 0, dropped = 0;
	uint64_t now = vx6_wall_s();
	uint8_t *file;
	char path[128];

	for (uint32_t i = 0; i < FLIP_NODES; i++) {
		given_n[i] = stranger_endpoint(i, 1, now, given[i]);
		stranger_give(reg, i, 1, now);
		assert_memory_equal(given[i] + 8, stranger_id(i).b, 32);
	}
	for (uint32_t i = 0; i < FLIP_NODES; i++) { /* as signed at that time */
		struct vx6_known_record rec;
		struct vx6_hwm_key key = {.type = VX6_RTYPE_ENDPOINT};

		memcpy(key.subject, stranger_id(i).b, sizeof key.subject);
		assert_true(vx6_registry_find(reg, &key, now, &rec));
		memcpy(given[i], rec.bytes, rec.n);
		given_n[i] = rec.n;
	}
	close_db();
	path_of("", path);
	n = slurp(path, &file);
	for (size_t at = 0; at < n; at += STEP) {
		size_t there;

		file[at] ^= (uint8_t)(1U << (at / STEP % 8));
		spill(path, file, n);
		file[at] ^= (uint8_t)(1U << (at / STEP % 8));
		open_db();
		there = check_all(now);
		least = VX6_MIN(least, there);
		aside += loaded.damaged;
		dropped += loaded.dropped;
		stranger_give(reg, FLIP_NODES + 1, 1, now); /* and it can be written to */
		assert_true(vx6_is_ok(vx6_registry_db_flush(db)));
		close_db();
	}
	printf("%zu bytes: file set aside %zu times, %zu rows dropped, at least %zu of %d there\n",
	       n, aside, dropped, least, FLIP_NODES);
	assert_true(aside > 0 && dropped > 0);
	free(file);
	open_db();
}

static void damaged__not_a_database__set_aside_and_begun_anew(void **state)
{
	char path[128];

	assert_true(vx6_is_ok(give(1)));
	close_db();
	path_of("", path);
	for (int i = 0; i < 2; i++) { /* one generation is kept */
		spill(path, (const uint8_t *)"this is no database at all", 26);
		open_db();
		assert_true(loaded.damaged);
		assert_true(loaded.detail[0] != 0);
		assert_int_equal(loaded.rows, 0);
		assert_true(exists(".damaged"));
		assert_true(vx6_is_ok(give(2 + (uint64_t)i)));
		reopen();
		assert_false(loaded.damaged);
		assert_int_equal(loaded.rows, 1);
		close_db();
	}
	open_db();
}

/* Overwrites the file's pages from @p first on. @return how many pages there are */
static off_t scribble(off_t first)
{
	uint8_t junk[4096];
	char path[128];
	struct stat st;
	int fd;

	path_of("", path);
	memset(junk, 0xa5, sizeof junk);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = first * 4096; at < st.st_size; at += 4096)
		assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
	close(fd);
	return st.st_size / 4096;
}

static void damaged__last_page__what_can_be_read_is_in_the_new_file(void **state)
{
	size_t first;
	off_t pages;

	for (uint32_t i = 0; i < 500; i++)
		stranger_give(reg, i, 1, vx6_wall_s());
	close_db();
	pages = scribble(1000000);
	scribble(pages - 1);
	open_db();
	assert_true(loaded.damaged);
	assert_in_range(loaded.rows, 1, 499);
	first = loaded.rows;
	reopen();
	assert_false(loaded.damaged);
	assert_int_equal(loaded.rows, first);
}

static void damaged__cut_off__begun_anew(void **state)
{
	char path[128];

	for (uint32_t i = 0; i < 100; i++)
		stranger_give(reg, i, 1, vx6_wall_s());
	close_db();
	path_of("", path);
	for (off_t n = 5 * 4096; n > 0; n -= 3000) {
		assert_int_equal(truncate(path, n), 0);
		open_db();
		assert_true(loaded.damaged);
		assert_true(vx6_is_ok(give((uint64_t)n)));
		for (uint32_t i = 0; i < 100; i++)
			stranger_give(reg, i, 1, vx6_wall_s());
		close_db();
	}
	open_db();
	assert_int_equal(loaded.rows, 101);
}

static void damaged__while_running__all_is_stored_in_a_new_file(void **state)
{
	for (uint32_t i = 0; i < 500; i++)
		stranger_give(reg, i, 1, vx6_wall_s());
	reopen(); /* the log is in the file now */
	scribble(1);
	for (uint32_t i = 500; i < 600; i++)
		stranger_give(reg, i, 1, vx6_wall_s());
	run_ms(1800);
	assert_int_equal(damaged, 1);
	reopen();
	assert_int_equal(loaded.rows, 600);
	assert_false(loaded.damaged);
}

/* ---- no room ---- */

static void disk_full__goes_on_from_memory_and_is_told_of_once(void **state)
{
	struct vx6_registry_db_info info;
	struct vx6_registry_info all;

	close_db();
	max_pages = 24;
	open_db();
	for (uint32_t i = 0; i < 1000; i++)
		stranger_give(reg, i, 1, vx6_wall_s());
	run_ms(2500);
	assert_int_equal(stuck, 1);
	for (uint32_t i = 1000; i < 1200; i++)
		stranger_give(reg, i, 1, vx6_wall_s());
	run_ms(300);
	assert_int_equal(stuck, 1);
	vx6_registry_db_info(db, &info);
	assert_int_equal(info.stuck.code, VX6_E_DISK_FULL);
	assert_true(info.rows_written > 0);
	assert_true(info.pending > 900);
	vx6_registry_info(reg, &all);
	assert_int_equal(all.records, 1200);
	max_pages = 0;
	reopen();
	assert_true(loaded.rows >= info.rows_written);
	assert_false(loaded.damaged);
	assert_int_equal(loaded.dropped, 0);
}

static void no_directory__runs_and_says_so(void **state)
{
	char path[128];

	close_db();
	path_of("", path);
	unlink(path);
	path_of("-wal", path);
	unlink(path);
	path_of("", path);
	assert_int_equal(mkdir(path, 0700), 0); /* in the way */
	open_db();
	assert_false(loaded.damaged);
	assert_true(loaded.detail[0] != 0);
	assert_true(vx6_is_ok(give(1)));
	assert_false(vx6_is_ok(vx6_registry_db_flush(db)));
	close_db();
	rmdir(path);
	open_db();
}

/* ---- kill -9 ---- */

/* The thread sanitizer asks for this: the child may start threads although the tests before it have started some. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

static int pipe_fd;
static uint64_t next_seq;

/* Gives newer and newer records, and says which of them is certainly on disk. */
static void on_child_timer(struct vx6_timer *t)
{
	struct vx6_registry_db_info info;
	static uint64_t at_risk;

	vx6_registry_db_info(db, &info);
	if (info.pending == 0 && at_risk && info.transactions > 0 &&
	    write(pipe_fd, &at_risk, sizeof at_risk) != sizeof at_risk)
		_exit(1);
	if (info.pending == 0) {
		at_risk = ++next_seq;
		for (uint32_t i = 0; i < 300; i++)
			stranger_give(reg, i, next_seq, vx6_wall_s());
	}
	vx6_timer_in_ms(t, 1);
}

_Noreturn static void child(uint64_t first)
{
	struct vx6_timer t;

	next_seq = first;
	if (!vx6_is_ok(vx6_loop_new(&d.loop)))
		_exit(2);
	open_db();
	vx6_timer_init(d.loop, &t, on_child_timer, NULL);
	vx6_timer_in_ms(&t, 1);
	vx6_loop_run(d.loop);
	_exit(3);
}

static uint64_t run_and_kill(uint64_t first, useconds_t delay)
{
	uint64_t seq, last = 0;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		pipe_fd = fds[1];
		child(first);
	}
	close(fds[1]);
	usleep(delay);
	kill(pid, SIGKILL);
	while (read(fds[0], &seq, sizeof seq) == sizeof seq)
		last = seq;
	close(fds[0]);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	return last;
}

static void kill__at_any_time__what_was_committed_is_there(void **state)
{
	struct vx6_hwm_key key = {.type = VX6_RTYPE_ENDPOINT};
	uint64_t seq = 1, acked, best = 0;
	struct vx6_hwm_store store;
	struct vx6_hwm mark;

	close_db();
	for (int round = 0; round < 3; round++) {
		acked = run_and_kill(seq, 1700 * 1000 + (useconds_t)round * 237 * 1000);
		best = VX6_MAX(best, acked);
		open_db();
		assert_false(loaded.damaged);
		assert_int_equal(loaded.dropped, 0);
		store = vx6_registry_hwm(reg);
		for (uint32_t i = 0; best && i < 300; i++) {
			memcpy(key.subject, stranger_id(i).b, sizeof key.subject);
			assert_true(vx6_is_ok(store.get(store.user, &key, &mark)));
			assert_true(mark.seq >= best);
			seq = VX6_MAX(seq, mark.seq);
		}
		close_db();
	}
	assert_true(best > 0);
	open_db();
}

#define DB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DB_TEST(reopen__records_marks_and_contacts__are_there_and_nothing_older_is_taken),
		DB_TEST(reopen__what_was_dropped__stays_away),
		DB_TEST(change__while_running__is_written_behind),
		DB_TEST(flip__any_byte_of_the_file__no_wrong_record_and_the_agent_runs),
		DB_TEST(damaged__not_a_database__set_aside_and_begun_anew),
		DB_TEST(damaged__last_page__what_can_be_read_is_in_the_new_file),
		DB_TEST(damaged__cut_off__begun_anew),
		DB_TEST(damaged__while_running__all_is_stored_in_a_new_file),
		DB_TEST(disk_full__goes_on_from_memory_and_is_told_of_once),
		DB_TEST(no_directory__runs_and_says_so),
		DB_TEST(kill__at_any_time__what_was_committed_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
