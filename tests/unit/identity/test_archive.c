/* An identity leaves and comes back, is revoked with and without a successor. */
#include "tests/unit/vectors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "identity/archive.h"
#include "identity/revocation.h"

enum { NOW = 1790000000 };

struct fixture {
	char root[48], dir[64], other[64];
};

static const struct vx6_passphrase pass = {"correct horse", 13, {1, VX6_PWHASH_KIB_MIN}};
static const struct vx6_passphrase seal = {"battery staple", 14, {1, VX6_PWHASH_KIB_MIN}};
static const struct vx6_net *net = &vx6_net_default;

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	snprintf(f->root, sizeof f->root, "/tmp/vx6-archive-XXXXXX");
	if (!vx6_is_ok(vx6_crypto_init()) || !mkdtemp(f->root))
		return 1;
	snprintf(f->dir, sizeof f->dir, "%s/identity", f->root);
	snprintf(f->other, sizeof f->other, "%s/other", f->root);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];
	int rc;

	snprintf(command, sizeof command, "rm -rf '%s'", f->root);
	rc = system(command);
	free(f);
	return rc;
}

static void remove_file(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static bool exists(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void archive__out_and_in_again__same_node_with_a_newer_subkey(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity made, back, loaded;
	uint8_t file[VX6_ARCHIVE_MAX], rev[VX6_KEYFILE_PAYLOAD_MAX], rev2[VX6_KEYFILE_PAYLOAD_MAX];
	size_t n, rev_n, rev2_n;
	struct vx6_subkey next;

	assert_ok(vx6_identity_create(f->dir, net, NOW, &pass, &made));
	assert_err(vx6_identity_export(f->dir, net, NULL, &seal, file, &n), PASSPHRASE);
	assert_int_equal(n, 0);
	assert_ok(vx6_identity_export(f->dir, net, &pass, &seal, file, &n));
	assert_ok(vx6_identity_import(file, n, &seal, f->other, net, NOW, &pass, &back));
	assert_true(vx6_node_id_eq(&made.id, &back.id));
	assert_int_equal(back.master, VX6_MASTER_LOCKED);
	assert_true(back.subkey.cert.cert_seq > made.subkey.cert.cert_seq);
	assert_ok(vx6_identity_load(f->other, net, &loaded));
	assert_memory_equal(&loaded.subkey.key, &back.subkey.key, sizeof back.subkey.key);
	assert_ok(vx6_identity_renew(f->other, net, &loaded.subkey, &pass, NOW, &next));
	assert_ok(vx6_identity_revocation(f->dir, &pass, rev, &rev_n));
	assert_ok(vx6_identity_revocation(f->other, &pass, rev2, &rev2_n));
	assert_int_equal(rev_n, rev2_n);
	assert_memory_equal(rev, rev2, rev_n);
}

static void archive__wrong_passphrase_or_any_damage__nothing_is_made(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity id;
	uint8_t file[VX6_ARCHIVE_MAX];
	size_t n;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &id));
	assert_ok(vx6_identity_export(f->dir, net, NULL, &seal, file, &n));
	assert_err(vx6_identity_import(file, n, &pass, f->other, net, NOW, NULL, &id), PASSPHRASE);
	assert_err(vx6_identity_import(file, n, NULL, f->other, net, NOW, NULL, &id), PASSPHRASE);
	assert_true(vx6_ct_is_zero(&id, sizeof id));
	for (size_t cut = 0; cut < n; cut += 3) {
		uint8_t *copy = exact_copy(file, cut);

		assert_fails(vx6_identity_import(copy, cut, &seal, f->other, net, NOW, NULL, &id));
		free(copy);
	}
	for (size_t i = 0; i < n; i += 5) {
		file[i] ^= 1;
		assert_fails(vx6_identity_import(file, n, &seal, f->other, net, NOW, NULL, &id));
		file[i] ^= 1;
	}
	assert_int_equal(access(f->other, F_OK), -1);
	assert_ok(vx6_identity_import(file, n, &seal, f->other, net, NOW, NULL, &id));
	assert_int_equal(id.master, VX6_MASTER_READY);
	/* it does not write over what is there */
	assert_err(vx6_identity_import(file, n, &seal, f->other, net, NOW, NULL, &id), EXISTS);
}

static void archive__into_a_directory_that_is_not_empty__is_refused(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity id;
	uint8_t file[VX6_ARCHIVE_MAX];
	char path[128];
	size_t n;
	int fd;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &id));
	assert_ok(vx6_identity_export(f->dir, net, NULL, &seal, file, &n));
	assert_int_equal(mkdir(f->other, 0700), 0);
	snprintf(path, sizeof path, "%s/notes", f->other);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_err(vx6_identity_import(file, n, &seal, f->other, net, NOW, NULL, &id), EXISTS);
	assert_true(exists(f->other, "notes"));
	assert_false(exists(f->other, "master.key"));
	remove_file(f->other, "notes");
	assert_ok(vx6_identity_import(file, n, &seal, f->other, net, NOW, NULL, &id));
}

static void archive__of_another_network_or_no_archive__mismatch(void **state)
{
	struct fixture *f = *state;
	static const struct vx6_net elsewhere = {"elsewhere"};
	struct vx6_identity id;
	uint8_t file[VX6_ARCHIVE_MAX];
	char path[128];
	size_t n;
	FILE *key;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &id));
	assert_ok(vx6_identity_export(f->dir, net, NULL, &seal, file, &n));
	assert_err(vx6_identity_import(file, n, &seal, f->other, &elsewhere, NOW, NULL, &id),
		   MISMATCH);
	snprintf(path, sizeof path, "%s/master.key", f->dir);
	key = fopen(path, "rb");
	assert_non_null(key);
	n = fread(file, 1, sizeof file, key);
	fclose(key);
	assert_err(vx6_identity_import(file, n, &seal, f->other, net, NOW, NULL, &id), MISMATCH);
}

static void archive__master_moved_away__is_not_in_it(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity made, back;
	uint8_t file[VX6_ARCHIVE_MAX];
	size_t n;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &made));
	remove_file(f->dir, "master.key");
	remove_file(f->dir, "revocation.key");
	assert_ok(vx6_identity_export(f->dir, net, NULL, &seal, file, &n));
	assert_ok(vx6_identity_import(file, n, &seal, f->other, net, NOW, NULL, &back));
	assert_int_equal(back.master, VX6_MASTER_ABSENT);
	assert_int_equal(back.subkey.cert.cert_seq, made.subkey.cert.cert_seq);
	assert_false(exists(f->other, "master.key"));
}

/* ---- revocation ---- */

static struct vx6_revocation read_it(const uint8_t *bytes, size_t n)
{
	struct vx6_record_view view;
	struct vx6_revocation r;

	assert_ok(vx6_record_decode(bytes, n, &view));
	assert_ok(vx6_revocation_read(&view, net, &r));
	return r;
}

static void revoke__for_good__is_what_was_signed_in_advance(void **state)
{
	struct fixture *f = *state;
	struct vx6_revoke_ask ask = {.reason = VX6_REVOKE_MASTER};
	uint8_t out[VX6_REVOCATION_MAX], before[VX6_KEYFILE_PAYLOAD_MAX];
	struct vx6_identity id;
	size_t n, before_n;

	assert_ok(vx6_identity_create(f->dir, net, NOW, &pass, &id));
	assert_err(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n), PASSPHRASE);
	remove_file(f->dir, "master.key"); /* not needed for it */
	assert_ok(vx6_identity_revoke(f->dir, net, &ask, &pass, NOW, out, &n));
	assert_ok(vx6_identity_revocation(f->dir, &pass, before, &before_n));
	assert_int_equal(n, before_n);
	assert_memory_equal(out, before, n);
	ask.reason = VX6_REVOKE_RETIRED;
	assert_err(vx6_identity_revoke(f->dir, net, &ask, &pass, NOW, out, &n), NOT_FOUND);
	ask.reason = VX6_REVOKE_MASTER;
	remove_file(f->dir, "revocation.key");
	assert_err(vx6_identity_revoke(f->dir, net, &ask, &pass, NOW, out, &n), NOT_FOUND);
}

static void revoke__with_a_successor__both_keys_sign(void **state)
{
	struct fixture *f = *state;
	struct vx6_revoke_ask ask = {.reason = VX6_REVOKE_SUPERSEDED,
				     .successor_dir = f->other,
				     .successor_pass = &seal};
	uint8_t out[VX6_REVOCATION_MAX];
	struct vx6_identity id, heir;
	struct vx6_revocation r;
	size_t n;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &id));
	assert_ok(vx6_identity_create(f->other, net, NOW, &seal, &heir));
	assert_ok(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n));
	r = read_it(out, n);
	assert_true(vx6_node_id_eq(&r.node, &id.id));
	assert_true(r.has_successor && vx6_node_id_eq(&r.successor, &heir.id));
	assert_int_equal(r.reason, VX6_REVOKE_SUPERSEDED);
	ask.successor_pass = NULL;
	assert_err(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n), PASSPHRASE);
	ask.successor_dir = f->dir;
	assert_err(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n), INVALID);
	ask.successor_dir = "/nonexistent";
	assert_err(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n), NOT_FOUND);
}

static void revoke__subkey__the_next_one_holds(void **state)
{
	struct fixture *f = *state;
	struct vx6_revoke_ask ask = {.reason = VX6_REVOKE_SUBKEY};
	uint8_t out[VX6_REVOCATION_MAX];
	struct vx6_identity id;
	struct vx6_subkey next;
	struct vx6_revocation r;
	size_t n;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &id));
	assert_ok(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n));
	r = read_it(out, n);
	assert_true(r.min_cert_seq > id.subkey.cert.cert_seq);
	assert_ok(vx6_identity_renew(f->dir, net, &id.subkey, NULL, NOW, &next));
	assert_true(next.cert.cert_seq >= r.min_cert_seq);
	ask.reason = 0;
	assert_err(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n), INVALID);
	ask.reason = 5;
	assert_err(vx6_identity_revoke(f->dir, net, &ask, NULL, NOW, out, &n), INVALID);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(archive__out_and_in_again__same_node_with_a_newer_subkey),
		TEST(archive__wrong_passphrase_or_any_damage__nothing_is_made),
		TEST(archive__into_a_directory_that_is_not_empty__is_refused),
		TEST(archive__of_another_network_or_no_archive__mismatch),
		TEST(archive__master_moved_away__is_not_in_it),
		TEST(revoke__for_good__is_what_was_signed_in_advance),
		TEST(revoke__with_a_successor__both_keys_sign),
		TEST(revoke__subkey__the_next_one_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
