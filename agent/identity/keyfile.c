/*
 * Layout (docs/reference/keyfile.md):
 *   0 "VX6K" | 4 version u8 | 5 kind u8 | 6 protection u8 | 7 zero u8 | 8 ops u32 | 12 kib u32 | 16 salt(16) | 32 nonce(24) |
 *   56 len u16 | 58 payload[len], sealed payloads carry 16 bytes more | checksum(32) over all before it
 * The checksum tells damage from a wrong passphrase; what keeps a sealed payload from being changed is its tag.
 */
#include "identity/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "identity/keyfile_internal.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum {
	KEYFILE_VERSION = 1,
	HEADER_BYTES = 58,
	FILE_MAX = VX6_KEYFILE_MAX,
	NAME_MAX_BYTES = 64,
};

_Static_assert(FILE_MAX ==
		       HEADER_BYTES + VX6_KEYFILE_PAYLOAD_MAX + VX6_AEAD_TAG_BYTES + VX6_HASH_BYTES,
	       "a file is its header, its payload with a tag, and its checksum");

enum protection {
	PROTECTION_NONE = 0,
	PROTECTION_ARGON2ID = 1,
};

struct keyfile {
	uint8_t kind, protection;
	struct vx6_pwhash_cost cost;
	uint8_t salt[VX6_PWHASH_SALT_BYTES];
	struct vx6_aead_nonce nonce;
	size_t stored_n;       /* bytes of payload in the file, tag included */
	const uint8_t *header; /* HEADER_BYTES: bound to a sealed payload */
	const uint8_t *stored;
};

/* ---- permissions ---- */

static vx6_err loose(const char *name, const char *why)
{
	VX6_ERROR("identity", "%s: %s", name, why);
	return VX6_ERR(LOOSE_MODE);
}

static vx6_err check_mode(const struct stat *st, const char *name)
{
	if (st->st_uid != geteuid())
		return loose(name, "belongs to another user");
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return loose(name, "accessible to group or others (needs chmod go=)");
	return VX6_OK;
}

vx6_err vx6_keydir_open(const char *path, int *fd)
{
	struct stat st;
	vx6_err err;

	*fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0) {
		if (errno == ELOOP || (errno == ENOTDIR && lstat(path, &st) == 0))
			return loose(path, "is not a directory");
		return vx6_err_from_errno(errno);
	}
	err = fstat(*fd, &st) < 0 ? vx6_err_from_errno(errno) : check_mode(&st, path);
	if (!vx6_is_ok(err)) {
		close(*fd);
		*fd = -1;
	}
	return err;
}

vx6_err vx6_keydir_make(const char *path, int *fd)
{
	vx6_err err = vx6_keydir_open(path, fd);

	if (err.code != VX6_E_NOT_FOUND)
		return err;
	if (mkdir(path, S_IRWXU) < 0 && errno != EEXIST)
		return vx6_err_from_errno(errno);
	return vx6_keydir_open(path, fd);
}

/* ---- bytes ---- */

static vx6_err derive(const struct vx6_passphrase *pass, const struct keyfile *k,
		      struct vx6_aead_key *out)
{
	return vx6_pwhash(pass->text, pass->n, k->salt, &k->cost, out->b, sizeof out->b);
}

static void put_header(struct vx6_wr *w, const struct keyfile *k, size_t payload_n)
{
	vx6_wr_bytes(w, "VX6K", 4);
	vx6_wr_u8(w, KEYFILE_VERSION);
	vx6_wr_u8(w, k->kind);
	vx6_wr_u8(w, k->protection);
	vx6_wr_u8(w, 0);
	vx6_wr_u32(w, k->cost.ops);
	vx6_wr_u32(w, k->cost.kib);
	vx6_wr_bytes(w, k->salt, sizeof k->salt);
	vx6_wr_bytes(w, k->nonce.b, sizeof k->nonce.b);
	vx6_wr_u16(w, (uint16_t)payload_n);
}

static void checksum(const uint8_t *p, size_t n, struct vx6_hash *out)
{
	vx6_hash_personal("VX6-keyfile", p, n, out);
}

vx6_err vx6_keyfile_encode(enum vx6_keyfile_kind kind, const uint8_t *payload, size_t n,
			   const struct vx6_passphrase *pass, uint8_t out[static VX6_KEYFILE_MAX],
			   size_t *out_n)
{
	struct keyfile k = {.kind = (uint8_t)kind};
	struct vx6_aead_key key;
	struct vx6_hash sum;
	struct vx6_wr w;

	if (n > VX6_KEYFILE_PAYLOAD_MAX)
		return VX6_ERR(LIMIT);
	if (pass) {
		k.protection = PROTECTION_ARGON2ID;
		k.cost.ops = pass->cost.ops ? pass->cost.ops : VX6_PWHASH_OPS_DEFAULT;
		k.cost.kib = pass->cost.kib ? pass->cost.kib : VX6_PWHASH_KIB_DEFAULT;
		vx6_random_bytes(k.salt, sizeof k.salt);
		vx6_random_bytes(k.nonce.b, sizeof k.nonce.b);
		VX6_TRY(derive(pass, &k, &key));
	}
	vx6_wr_init(&w, out, FILE_MAX);
	put_header(&w, &k, n);
	if (pass) {
		vx6_aead_seal(&key, &k.nonce, out, HEADER_BYTES, payload, n, out + HEADER_BYTES);
		w.len +=
			n +
			VX6_AEAD_TAG_BYTES; /* fits: n was checked against what FILE_MAX was made of */
		vx6_wipe(&key, sizeof key);
	} else {
		vx6_wr_bytes(&w, payload, n);
	}
	checksum(out, w.len, &sum);
	vx6_wr_bytes(&w, sum.b, sizeof sum.b);
	return vx6_wr_done(&w, out_n);
}

static vx6_err check_sum(const uint8_t *in, size_t n)
{
	struct vx6_hash sum;

	if (n < HEADER_BYTES + VX6_HASH_BYTES)
		return VX6_ERR(CORRUPT);
	checksum(in, n - VX6_HASH_BYTES, &sum);
	return vx6_ct_eq(sum.b, in + n - VX6_HASH_BYTES, sizeof sum.b) ? VX6_OK : VX6_ERR(CORRUPT);
}

static vx6_err decode(const uint8_t *in, size_t n, struct keyfile *k)
{
	const uint8_t *magic;
	struct vx6_rd r;
	uint8_t version;

	vx6_rd_init(&r, in, n);
	magic = vx6_rd_bytes(&r, 4);
	version = vx6_rd_u8(&r);
	if (!vx6_is_ok(r.err) || !vx6_ct_eq(magic, "VX6K", 4) || version == 0)
		return VX6_ERR(CORRUPT);
	if (version >
	    KEYFILE_VERSION) /* before the checksum: a newer layout may keep it elsewhere */
		return VX6_ERR(TOO_NEW);
	VX6_TRY(check_sum(in, n));
	k->header = in;
	k->kind = vx6_rd_u8(&r);
	k->protection = vx6_rd_u8(&r);
	vx6_rd_skip(&r, 1);
	k->cost.ops = vx6_rd_u32(&r);
	k->cost.kib = vx6_rd_u32(&r);
	vx6_rd_copy(&r, k->salt, sizeof k->salt);
	vx6_rd_copy(&r, k->nonce.b, sizeof k->nonce.b);
	k->stored_n = vx6_rd_u16(&r);
	if (k->stored_n > VX6_KEYFILE_PAYLOAD_MAX || k->protection > PROTECTION_ARGON2ID)
		return VX6_ERR(CORRUPT);
	if (k->protection == PROTECTION_ARGON2ID)
		k->stored_n += VX6_AEAD_TAG_BYTES;
	k->stored = vx6_rd_bytes(&r, k->stored_n);
	vx6_rd_skip(&r, VX6_HASH_BYTES);
	return vx6_is_ok(vx6_rd_done(&r)) ? VX6_OK : VX6_ERR(CORRUPT);
}

static vx6_err open_payload(const struct keyfile *k, const struct vx6_passphrase *pass,
			    uint8_t *out, size_t *n)
{
	struct vx6_aead_key key;
	vx6_err err;

	if (k->protection == PROTECTION_NONE) {
		memcpy(out, k->stored, k->stored_n);
		*n = k->stored_n;
		return VX6_OK;
	}
	if (!pass)
		return VX6_ERR(PASSPHRASE);
	err = derive(pass, k, &key);
	if (!vx6_is_ok(err))
		return err.code == VX6_E_RANGE ? VX6_ERR(CORRUPT) : err;
	err = vx6_aead_open(&key, &k->nonce, k->header, HEADER_BYTES, k->stored, k->stored_n, out);
	vx6_wipe(&key, sizeof key);
	if (!vx6_is_ok(err))
		return VX6_ERR(PASSPHRASE);
	*n = k->stored_n - VX6_AEAD_TAG_BYTES;
	return VX6_OK;
}

vx6_err vx6_keyfile_open_bytes(const uint8_t *in, size_t in_n, enum vx6_keyfile_kind kind,
			       const struct vx6_passphrase *pass,
			       uint8_t out[static VX6_KEYFILE_PAYLOAD_MAX], size_t *n)
{
	struct keyfile k = {0};

	*n = 0;
	VX6_TRY(decode(in, in_n, &k));
	return k.kind == kind ? open_payload(&k, pass, out, n) : VX6_ERR(MISMATCH);
}

/* ---- files ---- */

static vx6_err write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? vx6_err_from_errno(errno) : VX6_ERR(IO);
		p += k;
		n -= (size_t)k;
	}
	return VX6_OK;
}

vx6_err vx6_secret_file_write(int dirfd, const char *name, const uint8_t *p, size_t n)
{
	char tmp[NAME_MAX_BYTES];
	vx6_err err;
	int fd;

	if (snprintf(tmp, sizeof tmp, ".%s.tmp", name) >= (int)sizeof tmp)
		return VX6_ERR(INVALID);
	(void)unlinkat(dirfd, tmp, 0); /* left by a crash */
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    S_IRUSR | S_IWUSR);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	err = write_all(fd, p, n);
	if (vx6_is_ok(err) && (fchmod(fd, S_IRUSR | S_IWUSR) < 0 || fsync(fd) < 0))
		err = vx6_err_from_errno(errno);
	if (close(fd) < 0 && vx6_is_ok(err))
		err = vx6_err_from_errno(errno);
	if (vx6_is_ok(err) && renameat(dirfd, tmp, dirfd, name) < 0)
		err = vx6_err_from_errno(errno);
	if (!vx6_is_ok(err)) {
		(void)unlinkat(dirfd, tmp, 0);
		return err;
	}
	return fsync(dirfd) < 0 ? vx6_err_from_errno(errno) : VX6_OK;
}

vx6_err vx6_keyfile_write(int dirfd, const char *name, enum vx6_keyfile_kind kind,
			  const uint8_t *payload, size_t n, const struct vx6_passphrase *pass)
{
	uint8_t file[FILE_MAX];
	size_t file_n;
	vx6_err err = vx6_keyfile_encode(kind, payload, n, pass, file, &file_n);

	if (vx6_is_ok(err))
		err = vx6_secret_file_write(dirfd, name, file, file_n);
	vx6_wipe(file, sizeof file);
	return err;
}

vx6_err vx6_secret_file_read(int dirfd, const char *name, uint8_t *out, size_t cap, size_t *n)
{
	struct stat st;
	vx6_err err;
	ssize_t k = 0;
	/* O_NONBLOCK: a pipe of that name must not hang us */
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*n = 0;
	if (fd < 0)
		return errno == ELOOP ? loose(name, "is a symbolic link")
				      : vx6_err_from_errno(errno);
	if (fstat(fd, &st) < 0)
		err = vx6_err_from_errno(errno);
	else if (!S_ISREG(st.st_mode))
		err = loose(name, "is not a regular file");
	else
		err = check_mode(&st, name);
	while (vx6_is_ok(err) && *n < cap && (k = read(fd, out + *n, cap - *n)) != 0) {
		if (k > 0)
			*n += (size_t)k;
		else if (errno != EINTR)
			err = vx6_err_from_errno(errno);
	}
	close(fd);
	return err;
}

/* Reads and says what is wrong with it: the log is where a person finds out which file it was. */
static vx6_err logged(const char *name, vx6_err err)
{
	if (err.code == VX6_E_CORRUPT || err.code == VX6_E_TOO_NEW || err.code == VX6_E_MISMATCH)
		VX6_ERROR("identity", "%s: %s", name, vx6_err_text(err));
	return err;
}

vx6_err vx6_keyfile_read(int dirfd, const char *name, enum vx6_keyfile_kind kind,
			 const struct vx6_passphrase *pass,
			 uint8_t out[static VX6_KEYFILE_PAYLOAD_MAX], size_t *n)
{
	uint8_t file[FILE_MAX +
		     1]; /* one more than a file can have, so that a longer one does not pass */
	size_t file_n;
	vx6_err err = vx6_secret_file_read(dirfd, name, file, sizeof file, &file_n);

	*n = 0;
	if (vx6_is_ok(err))
		err = logged(name, vx6_keyfile_open_bytes(file, file_n, kind, pass, out, n));
	if (!vx6_is_ok(err))
		vx6_wipe(out, VX6_KEYFILE_PAYLOAD_MAX);
	vx6_wipe(file, sizeof file);
	return err;
}

vx6_err vx6_keyfile_is_protected(int dirfd, const char *name, bool *out)
{
	uint8_t file[FILE_MAX + 1];
	struct keyfile k = {0};
	size_t file_n;
	vx6_err err = vx6_secret_file_read(dirfd, name, file, sizeof file, &file_n);

	if (vx6_is_ok(err))
		err = logged(name, decode(file, file_n, &k));
	*out = vx6_is_ok(err) && k.protection != PROTECTION_NONE;
	vx6_wipe(file, sizeof file);
	return err;
}
