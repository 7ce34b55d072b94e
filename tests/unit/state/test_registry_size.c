/* What ten thousand nodes cost: memory, and the time to have them back after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "state/registry_db.h"
#include "tests/unit/discovery/strangers.h"
#include "tests/unit/state/dir.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { NODES = 10000, BUDGET_KB = 4096 };

static struct dir d;
static struct vx6_registry *reg;
static struct vx6_registry_db *db;

static size_t rss_kb(void)
{
	char line[256];
	size_t kb = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Rss: %zu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct vx6_registry_loaded open_db(void)
{
	struct vx6_registry_db_config cfg = {.dir = d.path, .loop = d.loop};
	struct vx6_registry_loaded loaded;

	reg = vx6_registry_new(&vx6_net_default, NULL, NULL);
	cfg.registry = reg;
	db = vx6_registry_db_open(&cfg, &loaded);
	return loaded;
}

static void close_db(void)
{
	vx6_registry_db_close(db);
	vx6_registry_free(reg);
}

static void ten_thousand_nodes__fit_in_four_megabytes_and_load_at_once(void **state)
{
	struct vx6_registry_loaded loaded;
	struct vx6_registry_info info;
	struct vx6_registry_db_info disk;
	size_t before, after;
	double t;

	open_db();
	stranger_give(reg, NODES, 1, vx6_wall_s()); /* what is used once is there */
	assert_true(vx6_is_ok(vx6_registry_db_flush(db)));
	before = rss_kb();
	for (uint32_t i = 0; i < NODES; i++)
		stranger_give(reg, i, 1, vx6_wall_s());
	t = cpu_ms();
	assert_true(vx6_is_ok(vx6_registry_db_flush(db)));
	t = cpu_ms() - t;
	after = rss_kb();
	vx6_registry_info(reg, &info);
	vx6_registry_db_info(db, &disk);
	assert_int_equal(info.records, NODES + 1);
	printf("%d nodes, %zu bytes of records: %zu kB; %llu rows in %.0f ms\n", NODES, info.bytes,
	       after - before, (unsigned long long)disk.rows_written, t);
	close_db();
	t = cpu_ms();
	loaded = open_db();
	t = cpu_ms() - t;
	assert_int_equal(loaded.rows, NODES + 1);
	assert_int_equal(loaded.dropped, 0);
	printf("loaded in %.1f ms\n", t);
	close_db();
#ifndef SANITIZED
	assert_true(after - before <= BUDGET_KB);
#endif
}

static int setup(void **state)
{
	if (!vx6_is_ok(vx6_crypto_init()))
		return -1;
	dir_make(&d);
	return 0;
}

static int teardown(void **state)
{
	dir_remove(&d);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_nodes__fit_in_four_megabytes_and_load_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
