/* Catalogs of an owner and of a reader, with a DHT of several nodes in this process; and their files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "discovery/catalogs_internal.h"
#include "discovery/resolve.h"
#include "tests/unit/discovery/dht_net.h"

enum { OWNER, READER, SIDES };

static struct vx6_loop *loop;
static char root[64];
static struct side {
	struct vx6_registry *reg;
	struct vx6_catalogs *c;
	char dir[96];
	int changes;
} side[SIDES];

static void take(void *user, const uint8_t *record, size_t n)
{
	const struct vx6_source from = {.kind = VX6_SOURCE_DHT};

	(void)vx6_is_ok(vx6_registry_admit(((struct side *)user)->reg, record, n, &from,
					   vx6_wall_s(), NULL));
}

static void on_changed(void *user, const char *name)
{
	((struct side *)user)->changes++;
}

static void side_start(struct side *s)
{
	s->c = vx6_catalogs_new(&(struct vx6_catalogs_config){.loop = loop,
							      .registry = s->reg,
							      .net = vx6_net_default,
							      .dir = s->dir,
							      .take = take,
							      .changed = on_changed,
							      .user = s});
}

static int setup(void **state)
{
	if (!vx6_is_ok(vx6_crypto_init()))
		return -1;
	snprintf(root, sizeof root, "/tmp/vx6-catalogs-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	assert_true(vx6_is_ok(vx6_loop_new(&loop)));
	for (int i = 0; i < SIDES; i++) {
		memset(&side[i], 0, sizeof side[i]);
		snprintf(side[i].dir, sizeof side[i].dir, "%s/%d", root, i);
		side[i].reg = vx6_registry_new(&vx6_net_default, NULL, NULL);
		side_start(&side[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	for (int i = 0; i < SIDES; i++)
		vx6_catalogs_free(side[i].c);
	dht_net_stop();
	for (int i = 0; i < SIDES; i++)
		vx6_registry_free(side[i].reg);
	vx6_loop_free(loop);
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	return system(command);
}

/* ---- changes ---- */

static int done_n;
static vx6_err done_err;

static void on_done(void *user, vx6_err err)
{
	done_n++;
	done_err = err;
}

static bool is_done(void *user)
{
	return done_n > 0;
}

/* Waits for a change that was begun. */
static vx6_err finish(vx6_err begun)
{
	if (!vx6_is_ok(begun))
		return begun;
	assert_int_equal(done_n, 0); /* never inside the call */
	dht_net_run(loop, is_done, NULL);
	return done_err;
}

static vx6_err create(struct side *s, const char *name)
{
	done_n = 0;
	return finish(vx6_catalogs_create(s->c, name, on_done, NULL));
}

static vx6_err join(struct side *s, const char *name, const char *invite)
{
	done_n = 0;
	return finish(vx6_catalogs_join(s->c, name, invite, on_done, NULL));
}

static vx6_err removed(struct side *s, const char *name)
{
	done_n = 0;
	return finish(vx6_catalogs_remove(s->c, name, on_done, NULL));
}

static struct vx6_catalog_entry entry(const char *alias)
{
	struct vx6_catalog_entry e = {.service = "web", .kind = VX6_SERVICE_TCP};
	struct vx6_sign_keypair kp;

	vx6_sign_keypair_random(&kp);
	vx6_node_id_from_pk(&kp.pk, &e.node);
	snprintf(e.alias, sizeof e.alias, "%s", alias);
	return e;
}

static vx6_err put(struct side *s, const char *name, const struct vx6_catalog_entry *e)
{
	done_n = 0;
	return finish(vx6_catalogs_put(s->c, name, e, on_done, NULL));
}

static vx6_err drop(struct side *s, const char *name, const char *alias)
{
	done_n = 0;
	return finish(vx6_catalogs_drop(s->c, name, alias, on_done, NULL));
}

static vx6_err find(struct side *s, const char *name, const char *alias,
		    struct vx6_catalog_entry *out)
{
	return vx6_catalogs_find(s->c, name, alias, out);
}

#define assert_code(err, symbol) assert_int_equal((err).code, VX6_E_##symbol)

/* ---- without a network ---- */

static void catalogs__changes__are_there_after_a_restart(void **state)
{
	struct side *s = &side[OWNER];
	struct vx6_catalog_entry a = entry("wiki"), b = entry("shell"), got;
	char invite[VX6_CATALOG_INVITE_TEXT], again[VX6_CATALOG_INVITE_TEXT];
	struct vx6_catalog_info info;
	struct stat st;
	char path[160];

	assert_code(create(s, "work"), OK);
	assert_code(create(s, "work"), EXISTS);
	assert_code(create(s, "Work"), INVALID);
	assert_code(put(s, "work", &a), OK);
	assert_code(put(s, "work", &b), OK);
	assert_code(put(s, "other", &b), NOT_FOUND);
	assert_code(drop(s, "work", "shell"), OK);
	assert_code(drop(s, "work", "shell"), NOT_FOUND);
	assert_true(vx6_catalogs_invite(s->c, "work", invite));
	assert_int_equal(s->changes, 4);
	vx6_catalogs_free(s->c);
	side_start(s);
	assert_true(vx6_catalogs_info(s->c, "work", &info));
	assert_true(info.owner && !info.published);
	assert_int_equal(info.list->entries_n, 1);
	assert_code(find(s, "work", "wiki", &got), OK);
	assert_memory_equal(&got, &a, sizeof got);
	assert_code(find(s, "work", "shell", &got), SERVICE_UNKNOWN);
	assert_code(find(s, "home", "wiki", &got), PEER_UNKNOWN);
	assert_true(vx6_catalogs_invite(s->c, "work", again));
	assert_string_equal(invite, again);
	snprintf(path, sizeof path, "%s/work.catalog", s->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_code(removed(s, "work"), OK);
	assert_int_equal(stat(path, &st), -1);
	assert_false(vx6_catalogs_info(s->c, "work", &info));
}

static void catalogs__two_changes_at_once__the_second_waits(void **state)
{
	struct side *s = &side[OWNER];

	done_n = 0;
	assert_code(vx6_catalogs_create(s->c, "one", on_done, NULL), OK);
	assert_code(vx6_catalogs_create(s->c, "two", on_done, NULL), AGAIN);
	dht_net_run(loop, is_done, NULL);
	assert_code(create(s, "two"), OK);
}

static void catalogs__freed_during_a_change__file_is_whole(void **state)
{
	struct side *s = &side[OWNER];
	struct vx6_catalog_info info;

	done_n = 0;
	assert_code(vx6_catalogs_create(s->c, "work", on_done, NULL), OK);
	vx6_catalogs_free(s->c);
	s->c = NULL;
	vx6_loop_free(loop); /* waits for its workers */
	assert_int_equal(done_n, 0);
	assert_true(vx6_is_ok(vx6_loop_new(&loop)));
	side_start(s);
	assert_true(vx6_catalogs_info(s->c, "work", &info));
	vx6_catalogs_free(side[READER].c); /* it was on the loop that is gone */
	side_start(&side[READER]);
}

static void catalogs__what_does_not_fit__is_refused_and_nothing_changes(void **state)
{
	struct side *s = &side[OWNER];
	struct vx6_catalog_info info;
	struct vx6_catalog_entry e;
	char alias[VX6_LABEL_TEXT];
	vx6_err err = VX6_OK;
	unsigned i;

	assert_code(create(s, "work"), OK);
	for (i = 0; vx6_is_ok(err); i++) {
		snprintf(alias, sizeof alias, "a%02u-aaaaaaaaaaaaaaaaaaaaaaaaaaaa", i);
		e = entry(alias);
		memset(e.service, 's', VX6_LABEL_MAX);
		memset(e.alpn, 'x', VX6_SERVICE_ALPN_MAX);
		err = put(s, "work", &e);
	}
	assert_code(err, LIMIT);
	assert_in_range(i, 25, 32);
	assert_true(vx6_catalogs_info(s->c, "work", &info));
	assert_int_equal(info.list->entries_n, i - 1);
	e = entry("Bad");
	assert_code(put(s, "work", &e), INVALID);
}

static void catalogs__too_many__refused(void **state)
{
	struct side *s = &side[OWNER];
	char name[VX6_LABEL_TEXT], names[VX6_CATALOGS_MAX][VX6_LABEL_TEXT];

	for (unsigned i = 0; i < VX6_CATALOGS_MAX; i++) {
		snprintf(name, sizeof name, "c%02u", i);
		assert_code(create(s, name), OK);
	}
	assert_code(create(s, "more"), FULL);
	assert_int_equal(vx6_catalogs_page(s->c, NULL, names, VX6_CATALOGS_MAX), VX6_CATALOGS_MAX);
	assert_string_equal(names[63], "c63");
	assert_int_equal(vx6_catalogs_page(s->c, "c61", names, 10), 2);
	assert_string_equal(names[0], "c62");
}

static void join__bad_invitations__are_refused(void **state)
{
	char invite[VX6_CATALOG_INVITE_TEXT], bad[VX6_CATALOG_INVITE_TEXT];
	struct vx6_catalog_entry e = entry("x");

	assert_code(create(&side[OWNER], "work"), OK);
	assert_true(vx6_catalogs_invite(side[OWNER].c, "work", invite));
	assert_code(join(&side[READER], "work", ""), FORMAT);
	assert_code(join(&side[READER], "work", "vxc1.vxs1"), FORMAT);
	strcpy(bad, invite);
	bad[20] = bad[20] == 'q' ? 'p' : 'q';
	assert_code(join(&side[READER], "work", bad), CHECKSUM);
	strcpy(bad, invite);
	memcpy(bad, invite + 64, 63); /* the secret twice */
	assert_code(join(&side[READER], "work", bad), MISMATCH);
	strcpy(bad, invite);
	bad[100] = '\0';
	assert_false(vx6_is_ok(join(&side[READER], "work", bad)));
	assert_code(join(&side[READER], "theirs", invite), OK);
	assert_code(join(&side[READER], "again", invite), EXISTS);
	assert_code(put(&side[READER], "theirs", &e), REFUSED); /* a reader cannot write */
	assert_code(join(&side[OWNER], "mine", invite), EXISTS);
}

static void catalogs__damaged_files__are_left_out_and_the_others_load(void **state)
{
	struct side *s = &side[OWNER];
	struct vx6_catalog_info info;
	char path[160];
	FILE *f;

	assert_code(create(s, "good"), OK);
	assert_code(create(s, "bad"), OK);
	snprintf(path, sizeof path, "%s/bad.catalog", s->dir);
	f = fopen(path, "r+b");
	assert_non_null(f);
	fseek(f, 60, SEEK_SET);
	fputc('x', f);
	fclose(f);
	snprintf(path, sizeof path, "%s/empty.catalog", s->dir);
	f = fopen(path, "wb");
	fclose(f);
	vx6_catalogs_free(s->c);
	side_start(s);
	assert_true(vx6_catalogs_info(s->c, "good", &info));
	assert_false(vx6_catalogs_info(s->c, "bad", &info));
	assert_false(vx6_catalogs_info(s->c, "empty", &info));
}

static void catalog_file__cut_or_changed__is_refused(void **state)
{
	static struct catalog_data d, got;
	struct vx6_sign_keypair kp;
	uint8_t bytes[CATALOG_FILE_MAX], copy[CATALOG_FILE_MAX];
	size_t n;

	memset(&d, 0, sizeof d);
	vx6_sign_keypair_random(&kp);
	strcpy(d.name, "work");
	d.owner = true;
	d.key.pk = kp.pk;
	d.seed = kp.seed;
	d.list.seq = 7;
	d.list.entries[d.list.entries_n++] = entry("wiki");
	assert_code(catalog_file_encode(&d, bytes, &n), OK);
	assert_code(catalog_file_decode(bytes, n, &got), OK);
	assert_memory_equal(&d, &got, sizeof d);
	for (size_t cut = 0; cut < n; cut++)
		assert_false(vx6_is_ok(catalog_file_decode(bytes, cut, &got)));
	for (size_t i = 0; i < n; i++) {
		memcpy(copy, bytes, n);
		copy[i] ^= 4;
		assert_false(vx6_is_ok(catalog_file_decode(copy, n, &got)));
	}
}

/* ---- through the DHT ---- */

static void network(void)
{
	dht_net_start(loop, 6);
	vx6_catalogs_set_dht(side[OWNER].c, dht_net_node(1), dht_net_now, NULL);
	vx6_catalogs_set_dht(side[READER].c, dht_net_node(0), dht_net_now, NULL);
}

static bool is_published(void *user)
{
	struct vx6_catalog_info info;

	return vx6_catalogs_info(side[OWNER].c, "work", &info) && info.published &&
	       info.kept.wanted > 0 && info.kept.proved >= info.kept.wanted;
}

static bool reader_has_list(void *user)
{
	struct vx6_catalog_info info;

	return vx6_catalogs_info(side[READER].c, "theirs", &info) && info.fetched_ms &&
	       info.list->entries_n == *(size_t *)user;
}

static void dht__invited__reads_the_list_and_its_changes(void **state)
{
	struct vx6_catalog_entry a = entry("wiki"), b = entry("shell"), got;
	char invite[VX6_CATALOG_INVITE_TEXT];
	struct vx6_catalog_info info;
	size_t want = 1;

	network();
	assert_code(create(&side[OWNER], "work"), OK);
	assert_code(put(&side[OWNER], "work", &a), OK);
	dht_net_run(loop, is_published, NULL);
	assert_true(vx6_catalogs_invite(side[OWNER].c, "work", invite));
	assert_code(join(&side[READER], "theirs", invite), OK);
	dht_net_run(loop, reader_has_list, &want);
	assert_code(find(&side[READER], "theirs", "wiki", &got), OK);
	assert_memory_equal(&got, &a, sizeof got);
	assert_true(vx6_catalogs_info(side[READER].c, "theirs", &info));
	assert_string_equal(info.list->title, "work");
	assert_int_equal(side[READER].changes, 2); /* joined, and its list came */
	/* a change of the owner's comes with the next fetch */
	assert_code(put(&side[OWNER], "work", &b), OK);
	dht_net_run(loop, is_published, NULL);
	vx6_catalogs_set_dht(side[READER].c, dht_net_node(0), dht_net_now, NULL);
	want = 2;
	dht_net_run(loop, reader_has_list, &want);
	assert_code(find(&side[READER], "theirs", "shell", &got), OK);
	/* and what was had is there after a restart, with nobody to ask */
	vx6_catalogs_free(side[READER].c);
	side_start(&side[READER]);
	assert_code(find(&side[READER], "theirs", "shell", &got), OK);
}

static bool reader_has_failed(void *user)
{
	struct vx6_catalog_info info;

	return vx6_catalogs_info(side[READER].c, "theirs", &info) && info.last_err_ms;
}

static void dht__wrong_secret__finds_nothing(void **state)
{
	struct vx6_catalog_entry a = entry("wiki"), got;
	char invite[VX6_CATALOG_INVITE_TEXT], other[VX6_CATALOG_INVITE_TEXT];

	network();
	assert_code(create(&side[OWNER], "work"), OK);
	assert_code(create(&side[OWNER], "home"), OK);
	assert_code(put(&side[OWNER], "work", &a), OK);
	dht_net_run(loop, is_published, NULL);
	assert_true(vx6_catalogs_invite(side[OWNER].c, "work", invite));
	assert_true(vx6_catalogs_invite(side[OWNER].c, "home", other));
	strcpy(strchr(invite, '.'),
	       strchr(other, '.')); /* the key of one, the secret of the other */
	assert_code(join(&side[READER], "theirs", invite), OK);
	dht_net_run(loop, reader_has_failed, NULL);
	assert_code(find(&side[READER], "theirs", "wiki", &got), PEER_UNKNOWN);
}

static struct vx6_resolution res;

static void on_resolved(void *user, const struct vx6_resolution *r)
{
	res = *r;
	done_n = 1;
}

static void resolve__alias_in_catalog__node_and_service(void **state)
{
	struct vx6_names *names = vx6_names_new(&(struct vx6_node_id){{1}}, NULL, NULL);
	struct vx6_resolver *r =
		vx6_resolver_new(&(struct vx6_resolver_config){.loop = loop,
							       .registry = side[OWNER].reg,
							       .names = names,
							       .catalogs = side[OWNER].c,
							       .net = vx6_net_default});
	struct vx6_catalog_entry a = entry("wiki");
	struct vx6_resolve_ask ask = {.local_only = true};
	char text[VX6_TARGET_TEXT];

	assert_code(create(&side[OWNER], "work"), OK);
	assert_code(put(&side[OWNER], "work", &a), OK);
	assert_code(vx6_target_parse("wiki@work", &ask.target), OK);
	assert_string_equal(vx6_target_format(&ask.target, text), "wiki@work");
	assert_code(vx6_resolve_known(r, &ask, &res), OK);
	assert_true(res.has_node && vx6_node_id_eq(&res.node, &a.node));
	assert_string_equal(res.service, "web");
	assert_int_equal(res.by, VX6_BY_CATALOG);
	assert_false(res.to_pin);
	assert_code(vx6_target_parse("shell@work", &ask.target), OK);
	assert_code(vx6_resolve_known(r, &ask, &res), SERVICE_UNKNOWN);
	assert_code(vx6_target_parse("wiki@home", &ask.target), OK);
	done_n = 0;
	assert_non_null(vx6_resolve(r, &ask, on_resolved, NULL));
	dht_net_run(loop, is_done, NULL);
	assert_code(res.err, PEER_UNKNOWN);
	assert_code(vx6_target_parse("alice.web", &ask.target), OK);
	assert_string_equal(ask.target.catalog, "");
	assert_code(vx6_target_parse("wiki@", &ask.target), FORMAT);
	assert_code(vx6_target_parse("@work", &ask.target), FORMAT);
	assert_code(vx6_target_parse("a@b.c", &ask.target), FORMAT);
	assert_code(vx6_target_parse("a.b@c", &ask.target), FORMAT);
	vx6_resolver_free(r);
	vx6_names_free(names);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(catalogs__changes__are_there_after_a_restart),
		TEST(catalogs__two_changes_at_once__the_second_waits),
		TEST(catalogs__freed_during_a_change__file_is_whole),
		TEST(catalogs__what_does_not_fit__is_refused_and_nothing_changes),
		TEST(catalogs__too_many__refused),
		TEST(join__bad_invitations__are_refused),
		TEST(catalogs__damaged_files__are_left_out_and_the_others_load),
		TEST(catalog_file__cut_or_changed__is_refused),
		TEST(dht__invited__reads_the_list_and_its_changes),
		TEST(dht__wrong_secret__finds_nothing),
		TEST(resolve__alias_in_catalog__node_and_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
