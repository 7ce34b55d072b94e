#include "tests/unit/vectors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "identity/keyfile.h"

struct fixture {
	char path[64];
	int fd;
};

static const struct vx6_passphrase pass = {"correct horse", 13, {1, VX6_PWHASH_KIB_MIN}};
static const uint8_t payload[32] = "thirty-two bytes of secret key!";

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	snprintf(f->path, sizeof f->path, "/tmp/vx6-keyfile-XXXXXX");
	if (!vx6_is_ok(vx6_crypto_init()) || !mkdtemp(f->path) ||
	    !vx6_is_ok(vx6_keydir_open(f->path, &f->fd)))
		return 1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"k", "other", ".k.tmp", "p"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlinkat(f->fd, names[i], 0);
	close(f->fd);
	rmdir(f->path);
	free(f);
	return 0;
}

static vx6_err write_key(const struct fixture *f, const struct vx6_passphrase *p)
{
	return vx6_keyfile_write(f->fd, "k", VX6_KEYFILE_MASTER, payload, sizeof payload, p);
}

static vx6_err read_key(const struct fixture *f, const struct vx6_passphrase *p)
{
	uint8_t out[VX6_KEYFILE_PAYLOAD_MAX];
	size_t n;

	VX6_TRY(vx6_keyfile_read(f->fd, "k", VX6_KEYFILE_MASTER, p, out, &n));
	assert_int_equal(n, sizeof payload);
	assert_memory_equal(out, payload, n);
	return VX6_OK;
}

static size_t slurp(const struct fixture *f, uint8_t *out, size_t cap)
{
	int fd = openat(f->fd, "k", O_RDONLY);
	ssize_t n = read(fd, out, cap);

	close(fd);
	assert_true(n > 0);
	return (size_t)n;
}

static void spill(const struct fixture *f, const uint8_t *p, size_t n)
{
	int fd = openat(f->fd, "k", O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

static void keyfile__plain__round_trips_as_0600(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	bool protected;
	mode_t old = umask(0);

	assert_ok(write_key(f, NULL));
	umask(old);
	assert_ok(read_key(f, NULL));
	assert_ok(read_key(f, &pass)); /* not needed, not harmful */
	assert_int_equal(fstatat(f->fd, "k", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(vx6_keyfile_is_protected(f->fd, "k", &protected));
	assert_false(protected);
	assert_int_equal(faccessat(f->fd, ".k.tmp", F_OK, 0), -1);
}

static void keyfile__passphrase__is_needed_and_checked(void **state)
{
	const struct vx6_passphrase wrong = {"incorrect horse", 15, {0}};
	struct fixture *f = *state;
	uint8_t bytes[2048];
	bool protected;
	size_t n;

	assert_ok(write_key(f, &pass));
	assert_ok(read_key(f, &pass));
	assert_err(read_key(f, NULL), PASSPHRASE);
	assert_err(read_key(f, &wrong), PASSPHRASE);
	assert_ok(vx6_keyfile_is_protected(f->fd, "k", &protected));
	assert_true(protected);
	n = slurp(f, bytes, sizeof bytes);
	for (size_t i = 0; i + sizeof payload <= n; i++)
		assert_memory_not_equal(bytes + i, payload, sizeof payload);
}

static void keyfile_read__loose_mode__is_refused(void **state)
{
	static const mode_t loose[] = {0640, 0604, 0610, 0660, 0644, 0666, 0777, 0601};
	struct fixture *f = *state;

	assert_ok(write_key(f, NULL));
	for (size_t i = 0; i < sizeof loose / sizeof *loose; i++) {
		assert_int_equal(fchmodat(f->fd, "k", loose[i], 0), 0);
		assert_err(read_key(f, NULL), LOOSE_MODE);
	}
	assert_int_equal(fchmodat(f->fd, "k", 0400, 0), 0);
	assert_ok(read_key(f, NULL));
}

static void keyfile_read__link_pipe_or_directory__is_refused(void **state)
{
	struct fixture *f = *state;

	assert_err(read_key(f, NULL), NOT_FOUND);
	assert_ok(vx6_keyfile_write(f->fd, "other", VX6_KEYFILE_MASTER, payload, sizeof payload,
				    NULL));
	assert_int_equal(symlinkat("other", f->fd, "k"), 0);
	assert_err(read_key(f, NULL), LOOSE_MODE);
	unlinkat(f->fd, "k", 0);
	assert_int_equal(mkfifoat(f->fd, "k", 0600), 0);
	assert_err(read_key(f, NULL), LOOSE_MODE);
	unlinkat(f->fd, "k", 0);
	assert_int_equal(mkdirat(f->fd, "k", 0700), 0);
	assert_err(read_key(f, NULL), LOOSE_MODE);
	unlinkat(f->fd, "k", AT_REMOVEDIR);
}

static void keyfile_read__other_owner__is_refused(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("needs root to give a file away: skipped\n");
		skip();
	}
	assert_ok(write_key(f, NULL));
	assert_int_equal(fchownat(f->fd, "k", 65534, 65534, 0), 0);
	assert_err(read_key(f, NULL), LOOSE_MODE);
}

static void keydir_open__loose_mode_link_or_file__is_refused(void **state)
{
	struct fixture *f = *state;
	char path[96];
	int fd;

	assert_int_equal(chmod(f->path, 0750), 0);
	assert_err(vx6_keydir_open(f->path, &fd), LOOSE_MODE);
	assert_int_equal(fd, -1);
	assert_int_equal(chmod(f->path, 0700), 0);
	snprintf(path, sizeof path, "%s/k", f->path);
	assert_err(vx6_keydir_open(path, &fd), NOT_FOUND);
	assert_ok(write_key(f, NULL));
	assert_err(vx6_keydir_open(path, &fd), LOOSE_MODE);
	assert_int_equal(symlinkat(f->path, f->fd, "p"), 0);
	snprintf(path, sizeof path, "%s/p", f->path);
	assert_err(vx6_keydir_open(path, &fd), LOOSE_MODE);
}

static void keyfile_read__any_bit_flipped__is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[2048];
	size_t n;

	for (int protected = 0; protected < 2; protected ++) {
		const struct vx6_passphrase *p = protected ? &pass : NULL;

		assert_ok(write_key(f, p));
		n = slurp(f, bytes, sizeof bytes);
		for (size_t i = 0; i < n * 8; i++) {
			bytes[i / 8] ^= (uint8_t)(1 << i % 8);
			spill(f, bytes, n);
			if (i / 8 == 4) /* the version */
				assert_fails(read_key(f, p));
			else
				assert_err(read_key(f, p), CORRUPT);
			bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		}
	}
}

static void keyfile_read__cut_extended_or_newer__has_its_own_error(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[4096] = {0};
	size_t n;

	assert_ok(write_key(f, NULL));
	n = slurp(f, bytes, sizeof bytes);
	for (size_t cut = 0; cut < n; cut++) {
		spill(f, bytes, cut);
		assert_err(read_key(f, NULL), CORRUPT);
	}
	spill(f, bytes, n + 1);
	assert_err(read_key(f, NULL), CORRUPT);
	spill(f, bytes, sizeof bytes);
	assert_err(read_key(f, NULL), CORRUPT);
	bytes[4] = 2;
	spill(f, bytes, n);
	assert_err(read_key(f, NULL), TOO_NEW);
}

static void keyfile_read__other_kind__is_mismatch(void **state)
{
	struct fixture *f = *state;
	uint8_t out[VX6_KEYFILE_PAYLOAD_MAX];
	size_t n;

	assert_ok(write_key(f, NULL));
	assert_err(vx6_keyfile_read(f->fd, "k", VX6_KEYFILE_SUBKEY, NULL, out, &n), MISMATCH);
	assert_true(vx6_ct_is_zero(out, sizeof out));
}

static void keyfile_write__leftover_of_a_crash__is_replaced(void **state)
{
	struct fixture *f = *state;
	int fd = openat(f->fd, ".k.tmp", O_CREAT | O_WRONLY, 0666);

	assert_int_equal(write(fd, "half", 4), 4);
	close(fd);
	assert_ok(write_key(f, NULL));
	assert_ok(read_key(f, NULL));
	assert_ok(write_key(f, &pass)); /* replaces */
	assert_ok(read_key(f, &pass));
}

static void keyfile_write__longest_payload__and_one_more(void **state)
{
	static uint8_t big[VX6_KEYFILE_PAYLOAD_MAX + 1], out[VX6_KEYFILE_PAYLOAD_MAX];
	struct fixture *f = *state;
	size_t n;

	memset(big, 7, sizeof big);
	assert_err(vx6_keyfile_write(f->fd, "k", VX6_KEYFILE_MASTER, big, sizeof big, NULL), LIMIT);
	assert_ok(vx6_keyfile_write(f->fd, "k", VX6_KEYFILE_MASTER, big, sizeof out, &pass));
	assert_ok(vx6_keyfile_read(f->fd, "k", VX6_KEYFILE_MASTER, &pass, out, &n));
	assert_int_equal(n, sizeof out);
	assert_memory_equal(out, big, n);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(keyfile__plain__round_trips_as_0600),
		FILE_TEST(keyfile__passphrase__is_needed_and_checked),
		FILE_TEST(keyfile_read__loose_mode__is_refused),
		FILE_TEST(keyfile_read__link_pipe_or_directory__is_refused),
		FILE_TEST(keyfile_read__other_owner__is_refused),
		FILE_TEST(keydir_open__loose_mode_link_or_file__is_refused),
		FILE_TEST(keyfile_read__any_bit_flipped__is_refused),
		FILE_TEST(keyfile_read__cut_extended_or_newer__has_its_own_error),
		FILE_TEST(keyfile_read__other_kind__is_mismatch),
		FILE_TEST(keyfile_write__leftover_of_a_crash__is_replaced),
		FILE_TEST(keyfile_write__longest_payload__and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
