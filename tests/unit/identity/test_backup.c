/* A backup is made, looked at, and opened again; what somebody did to it is noticed. */
#include "tests/unit/vectors.h"

#include "crypto/secret.h"
#include "identity/backup.h"

static const struct vx6_passphrase pass = {"correct horse", 13, {1, VX6_PWHASH_KIB_MIN}};
static const struct vx6_passphrase other = {"battery staple", 14, {1, VX6_PWHASH_KIB_MIN}};

static int setup(void **state)
{
	(void)state;
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

static uint8_t *bytes(const char *text)
{
	return (uint8_t *)strdup(text);
}

static vx6_err add(struct vx6_backup *b, const char *name, const char *text)
{
	return vx6_backup_add(b, name, bytes(text), strlen(text));
}

static struct vx6_backup example(void)
{
	struct vx6_backup b = {.head = {.made_ms = 1790000000000, .schema = 4, .program = "1.2.3"},
			       .node = {{7}},
			       .name = "alice"};

	assert_ok(add(&b, "state.db", "a database"));
	assert_ok(add(&b, "identity/subkey.key", "a key"));
	assert_ok(add(&b, "hidden/ghost.visit", ""));
	return b;
}

static void seal(uint8_t **file, size_t *n)
{
	struct vx6_backup b = example();

	assert_ok(vx6_backup_seal(&b, &pass, file, n));
	vx6_backup_fini(&b);
}

/* @p in is left as it is. */
static vx6_err open_copy(const uint8_t *in, size_t n, const struct vx6_passphrase *with,
			 struct vx6_backup *out)
{
	uint8_t *copy = exact_copy(in, n);
	vx6_err err = vx6_backup_open(copy, n, with, out);

	free(copy);
	return err;
}

static void backup__sealed_and_opened__all_is_as_it_was(void **state)
{
	const struct vx6_backup_part *part;
	struct vx6_backup_head head;
	struct vx6_backup b;
	uint8_t *file;
	size_t n;

	(void)state;
	seal(&file, &n);
	assert_ok(vx6_backup_peek(file, n, &head));
	assert_int_equal(head.made_ms, 1790000000000);
	assert_int_equal(head.schema, 4);
	assert_string_equal(head.program, "1.2.3");
	assert_ok(open_copy(file, n, &pass, &b));
	assert_memory_equal(&b.head, &head, sizeof head);
	assert_string_equal(b.name, "alice");
	assert_int_equal(b.node.b[0], 7);
	assert_int_equal(b.parts_n, 3);
	assert_string_equal(b.parts[0].name, "hidden/ghost.visit");
	assert_int_equal(b.parts[0].n, 0);
	part = vx6_backup_find(&b, "state.db");
	assert_non_null(part);
	assert_int_equal(part->n, 10);
	assert_memory_equal(part->p, "a database", 10);
	assert_null(vx6_backup_find(&b, "identity/master.key"));
	vx6_backup_fini(&b);
	free(file);
}

static void backup__sealed__shows_nothing_of_what_is_in_it(void **state)
{
	uint8_t *file;
	size_t n;

	(void)state;
	seal(&file, &n);
	assert_null(memmem(file, n, "alice", 5));
	assert_null(memmem(file, n, "a key", 5));
	assert_null(memmem(file, n, "subkey", 6));
	free(file);
}

static void backup__wrong_passphrase__said_as_such(void **state)
{
	struct vx6_backup b;
	uint8_t *file;
	size_t n;

	(void)state;
	seal(&file, &n);
	assert_err(open_copy(file, n, &other, &b), PASSPHRASE);
	assert_null(b.parts);
	assert_err(open_copy(file, n, NULL, &b), PASSPHRASE);
	free(file);
}

static void backup__cut_or_changed_anywhere__refused(void **state)
{
	struct vx6_backup_head head;
	struct vx6_backup b;
	uint8_t *file;
	size_t n;

	(void)state;
	seal(&file, &n);
	for (size_t cut = 0; cut < n; cut++) {
		assert_err(open_copy(file, cut, &pass, &b), CORRUPT);
		assert_err(vx6_backup_peek(file, cut, &head), CORRUPT);
	}
	for (size_t i = 0; i < n; i++) {
		file[i] ^= 1;
		assert_fails(open_copy(file, n, &pass, &b));
		file[i] ^= 1;
	}
	file[4] = 2;
	assert_err(vx6_backup_peek(file, n, &head), TOO_NEW);
	free(file);
}

static void backup__names__only_those_that_belong_there(void **state)
{
	static const char *const bad[] = {"",
					  "state.db-wal",
					  "/state.db",
					  "../state.db",
					  "identity",
					  "identity/",
					  "identity/../state.db",
					  "identity/.master.key.tmp",
					  "identity/a/b",
					  "hidden//x",
					  "admin.token",
					  "catalogs/a b",
					  "registry.db"};
	struct vx6_backup b = example();
	char name[VX6_BACKUP_NAME + 1];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_err(add(&b, bad[i], "x"), INVALID);
	memset(name, 'a', sizeof name - 1);
	memcpy(name, "hidden/", 7);
	name[VX6_BACKUP_NAME] = 0;
	assert_err(add(&b, name, "x"), INVALID);
	name[VX6_BACKUP_NAME - 1] = 0;
	assert_ok(add(&b, name, "x"));
	assert_err(add(&b, "state.db", "x"), EXISTS);
	vx6_backup_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backup__sealed_and_opened__all_is_as_it_was),
		cmocka_unit_test(backup__sealed__shows_nothing_of_what_is_in_it),
		cmocka_unit_test(backup__wrong_passphrase__said_as_such),
		cmocka_unit_test(backup__cut_or_changed_anywhere__refused),
		cmocka_unit_test(backup__names__only_those_that_belong_there),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
