#include "tests/unit/vectors.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "identity/identity.h"
#include "identity/revocation.h"

enum { NOW = 1790000000 };

struct fixture {
	char root[48], dir[64];
};

static const struct vx6_passphrase pass = {"correct horse", 13, {1, VX6_PWHASH_KIB_MIN}};
static const struct vx6_net *net = &vx6_net_default;

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	snprintf(f->root, sizeof f->root, "/tmp/vx6-identity-XXXXXX");
	if (!vx6_is_ok(vx6_crypto_init()) || !mkdtemp(f->root))
		return 1;
	snprintf(f->dir, sizeof f->dir, "%s/identity", f->root);
	*state = f;
	return 0;
}

static int remove_tree(const char *path)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", path);
	return system(command);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc = remove_tree(f->root);

	free(f);
	return rc;
}

static void remove_file(const struct fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", f->dir, name);
	assert_int_equal(unlink(path), 0);
}

static void identity__created__loads_the_same(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity a, b;

	assert_err(vx6_identity_load(f->dir, net, &a), NOT_FOUND);
	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	assert_ok(vx6_identity_load(f->dir, net, &b));
	assert_memory_equal(&a.id, &b.id, sizeof a.id);
	assert_memory_equal(&a.subkey.key, &b.subkey.key, sizeof a.subkey.key);
	assert_memory_equal(a.subkey.cert_bytes, b.subkey.cert_bytes, sizeof a.subkey.cert_bytes);
	assert_int_equal(a.master, VX6_MASTER_READY);
	assert_int_equal(b.master, VX6_MASTER_READY);
	assert_err(vx6_identity_create(f->dir, net, NOW, NULL, &b), EXISTS);
	vx6_identity_wipe(&a);
	assert_true(vx6_ct_is_zero(&a, sizeof a));
}

static void identity_create__directory_there__only_when_empty(void **state)
{
	struct fixture *f = *state;
	char path[128], slashes[80];
	struct vx6_identity a;
	struct stat st;

	assert_int_equal(mkdir(f->dir, 0755), 0);
	snprintf(path, sizeof path, "%s/something", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_err(vx6_identity_create(f->dir, net, NOW, NULL, &a), EXISTS);
	assert_int_equal(rmdir(path), 0);
	snprintf(slashes, sizeof slashes, "%s///", f->dir);
	assert_ok(vx6_identity_create(slashes, net, NOW, NULL, &a));
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_err(vx6_identity_create("/nowhere/at/all", net, NOW, NULL, &a), NOT_FOUND);
	assert_err(vx6_identity_create("", net, NOW, NULL, &a), INVALID);
}

static void identity_load__loose_directory__is_refused(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity a;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	assert_int_equal(chmod(f->dir, 0750), 0);
	assert_err(vx6_identity_load(f->dir, net, &a), LOOSE_MODE);
	assert_true(vx6_ct_is_zero(&a, sizeof a));
}

static void identity_load__other_network__is_mismatch(void **state)
{
	struct fixture *f = *state;
	struct vx6_net other = {"another network"};
	struct vx6_identity a;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	assert_err(vx6_identity_load(f->dir, &other, &a), MISMATCH);
}

static void identity_renew__half_of_life_over__raises_cert_seq(void **state)
{
	uint64_t half = NOW + VX6_SUBKEY_LIFETIME_S / 2;
	struct vx6_subkey_check check = {.net = net, .now_s = half, .purpose = VX6_PURPOSE_TLS};
	struct fixture *f = *state;
	struct vx6_identity a, b;
	struct vx6_subkey next;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	assert_false(vx6_identity_wants_renewal(&a, half - 1));
	assert_true(vx6_identity_wants_renewal(&a, half));
	assert_false(vx6_identity_is_expired(&a, NOW + VX6_SUBKEY_LIFETIME_S - 1));
	assert_true(vx6_identity_is_expired(&a, NOW + VX6_SUBKEY_LIFETIME_S));
	assert_ok(vx6_identity_renew(f->dir, net, &a.subkey, NULL, half, &next));
	assert_true(next.cert.cert_seq > a.subkey.cert.cert_seq);
	assert_ok(vx6_subkey_cert_verify(&next.cert, &a.id, &check));
	assert_ok(vx6_identity_load(f->dir, net, &b));
	assert_memory_equal(b.subkey.cert_bytes, next.cert_bytes, sizeof next.cert_bytes);
	/* the clock went back: the sequence still rises */
	assert_ok(vx6_identity_renew(f->dir, net, &b.subkey, NULL, NOW - 1000, &next));
	assert_int_equal(next.cert.cert_seq, b.subkey.cert.cert_seq + 1);
}

static void identity_renew__master_of_another_node__is_mismatch(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity a, other;
	struct vx6_subkey next;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	assert_ok(vx6_identity_ephemeral(net, NOW, &other));
	assert_err(vx6_identity_renew(f->dir, net, &other.subkey, NULL, NOW, &next), MISMATCH);
	assert_true(vx6_ct_is_zero(&next, sizeof next));
}

static void identity__passphrase__guards_master_and_revocation_only(void **state)
{
	uint8_t bytes[VX6_KEYFILE_PAYLOAD_MAX];
	struct fixture *f = *state;
	struct vx6_identity a, b;
	struct vx6_subkey next;
	size_t n;

	assert_ok(vx6_identity_create(f->dir, net, NOW, &pass, &a));
	assert_int_equal(a.master, VX6_MASTER_LOCKED);
	assert_ok(vx6_identity_load(f->dir, net, &b));
	assert_int_equal(b.master, VX6_MASTER_LOCKED);
	assert_err(vx6_identity_renew(f->dir, net, &b.subkey, NULL, NOW, &next), PASSPHRASE);
	assert_ok(vx6_identity_renew(f->dir, net, &b.subkey, &pass, NOW, &next));
	assert_err(vx6_identity_revocation(f->dir, NULL, bytes, &n), PASSPHRASE);
	assert_ok(vx6_identity_revocation(f->dir, &pass, bytes, &n));
}

static void identity__master_moved_away__runs_but_does_not_renew(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity a;
	struct vx6_subkey next;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	remove_file(f, "master.key");
	assert_ok(vx6_identity_load(f->dir, net, &a));
	assert_int_equal(a.master, VX6_MASTER_ABSENT);
	assert_err(vx6_identity_renew(f->dir, net, &a.subkey, NULL, NOW, &next), NOT_FOUND);
	assert_err(vx6_identity_create(f->dir, net, NOW, NULL, &a), EXISTS);
}

static void identity__only_master_left__gets_a_higher_certificate(void **state)
{
	struct fixture *f = *state;
	struct vx6_identity a, b;
	struct vx6_subkey next;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	remove_file(f, "subkey.key");
	assert_err(vx6_identity_load(f->dir, net, &b), NOT_FOUND);
	assert_err(vx6_identity_create(f->dir, net, NOW, NULL, &b),
		   EXISTS); /* never over a master key */
	assert_ok(vx6_identity_renew(f->dir, net, NULL, NULL, NOW + 60, &next));
	assert_ok(vx6_identity_load(f->dir, net, &b));
	assert_memory_equal(&a.id, &b.id, sizeof a.id);
	assert_true(b.subkey.cert.cert_seq > a.subkey.cert.cert_seq);
}

static void identity_revocation__made_at_creation__ends_the_identity(void **state)
{
	uint8_t bytes[VX6_KEYFILE_PAYLOAD_MAX];
	struct fixture *f = *state;
	struct vx6_record_view view;
	struct vx6_revocation r;
	struct vx6_identity a;
	size_t n;

	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	assert_ok(vx6_identity_revocation(f->dir, NULL, bytes, &n));
	assert_ok(vx6_record_decode(bytes, n, &view));
	assert_ok(vx6_revocation_read(&view, net, &r));
	assert_memory_equal(&r.node, &a.id, sizeof a.id);
	assert_int_equal(r.reason, VX6_REVOKE_MASTER);
	assert_true(r.seq == UINT64_MAX);
}

/* A key file of one node put into the directory of another must not make a mixed identity. */
static void identity_load__files_of_two_nodes__is_corrupt_or_mismatch(void **state)
{
	struct fixture *f = *state;
	char other[80], command[256];
	struct vx6_identity a, b;
	struct vx6_subkey next;

	snprintf(other, sizeof other, "%s/other", f->root);
	assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
	assert_ok(vx6_identity_create(other, net, NOW, NULL, &b));
	snprintf(command, sizeof command, "cp %s/master.key %s/master.key", other, f->dir);
	assert_int_equal(system(command), 0);
	assert_err(vx6_identity_renew(f->dir, net, &a.subkey, NULL, NOW, &next), MISMATCH);
	snprintf(command, sizeof command, "cp %s/master.key %s/subkey.key", other, f->dir);
	assert_int_equal(system(command), 0);
	assert_err(vx6_identity_load(f->dir, net, &a), MISMATCH);
}

/*
 * kill -9 before each system call of creation: the child is stopped at its n-th call and killed there, until a run gets through.
 * Afterwards there is either no identity, and creation works, or a whole one.
 */
static bool create_killed_at(const struct fixture *f, unsigned calls)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct vx6_identity a;

		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(vx6_is_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a)) ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	for (unsigned i = 0; WIFSTOPPED(status) && i < calls; i++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	if (WIFEXITED(status)) {
		assert_int_equal(WEXITSTATUS(status), 0);
		return false;
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	return true;
}

static bool can_trace(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void identity_create__killed_at_each_system_call__leaves_nothing_or_all(void **state)
{
	struct fixture *f = *state;
	unsigned calls = 1, nothing = 0, whole = 0;

	if (!can_trace()) {
		print_message("ptrace is not allowed here: skipped\n");
		skip();
	}
	for (; create_killed_at(f, calls); calls++) {
		struct vx6_identity a;
		vx6_err err = vx6_identity_load(f->dir, net, &a);

		if (err.code == VX6_E_NOT_FOUND) {
			nothing++;
			assert_ok(vx6_identity_create(f->dir, net, NOW, NULL, &a));
			assert_ok(vx6_identity_load(f->dir, net, &a));
		} else {
			assert_ok(err);
			whole++;
		}
		assert_int_equal(remove_tree(f->dir), 0);
	}
	print_message("%u stops: %u left nothing, %u a whole identity\n", calls - 1, nothing,
		      whole);
	assert_true(nothing > 20);
	assert_true(whole > 0);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(identity__created__loads_the_same),
		FILE_TEST(identity_create__directory_there__only_when_empty),
		FILE_TEST(identity_load__loose_directory__is_refused),
		FILE_TEST(identity_load__other_network__is_mismatch),
		FILE_TEST(identity_renew__half_of_life_over__raises_cert_seq),
		FILE_TEST(identity_renew__master_of_another_node__is_mismatch),
		FILE_TEST(identity__passphrase__guards_master_and_revocation_only),
		FILE_TEST(identity__master_moved_away__runs_but_does_not_renew),
		FILE_TEST(identity__only_master_left__gets_a_higher_certificate),
		FILE_TEST(identity_revocation__made_at_creation__ends_the_identity),
		FILE_TEST(identity_load__files_of_two_nodes__is_corrupt_or_mismatch),
		FILE_TEST(identity_create__killed_at_each_system_call__leaves_nothing_or_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
