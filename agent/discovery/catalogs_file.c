/*
 * One file a catalog: "VX6C" | version u8 | owner u8 | created u64 | updated u64 | seq u64 | name, u8 length first | A(32) | secret(32) |
 * owner: seed(32) | list, u16 length first | checksum(32) over all before it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "discovery/catalogs_internal.h"
#include "identity/keyfile.h"
#include "record/catalog_list.h"
#include "wire/rd.h"
#include "wire/wr.h"

#define SUFFIX ".catalog"

enum { FILE_VERSION = 1 };

static void checksum(const uint8_t *p, size_t n, struct vx6_hash *out)
{
	vx6_hash_personal("VX6-catalog-file", p, n, out);
}

vx6_err catalog_file_encode(const struct catalog_data *d, uint8_t out[static CATALOG_FILE_MAX],
			    size_t *n)
{
	size_t name_n = strnlen(d->name, VX6_LABEL_MAX), mark;
	struct vx6_hash sum;
	struct vx6_wr w;

	vx6_wr_init(&w, out, CATALOG_FILE_MAX);
	vx6_wr_bytes(&w, "VX6C", 4);
	vx6_wr_u8(&w, FILE_VERSION);
	vx6_wr_u8(&w, d->owner);
	vx6_wr_u64(&w, d->created_ms);
	vx6_wr_u64(&w, d->updated_ms);
	vx6_wr_u64(&w, d->owner ? d->list.seq : 0);
	vx6_wr_u8(&w, (uint8_t)name_n);
	vx6_wr_bytes(&w, d->name, name_n);
	vx6_wr_bytes(&w, d->key.pk.b, sizeof d->key.pk.b);
	vx6_wr_bytes(&w, d->key.secret, sizeof d->key.secret);
	if (d->owner) {
		vx6_wr_bytes(&w, d->seed.b, sizeof d->seed.b);
		mark = vx6_wr_begin16(&w);
		vx6_catalog_list_encode(&w, &d->list);
		vx6_wr_end16(&w, mark);
	}
	VX6_TRY(w.err);
	checksum(out, w.len, &sum);
	vx6_wr_bytes(&w, sum.b, sizeof sum.b);
	return vx6_wr_done(&w, n);
}

static void read_owner(struct vx6_rd *r, struct catalog_data *out)
{
	struct vx6_sign_keypair kp;
	struct vx6_catalog list;
	struct vx6_rd sub;
	vx6_err err;

	vx6_rd_copy(r, out->seed.b, sizeof out->seed.b);
	sub = vx6_rd_sub16(r, VX6_CATALOG_MAX);
	if (!vx6_is_ok(r->err))
		return;
	err = vx6_catalog_list_decode(sub.p, sub.left, &list);
	vx6_sign_keypair_from_seed(&out->seed, &kp);
	if (vx6_is_ok(err) && !vx6_ct_eq(kp.pk.b, out->key.pk.b, sizeof kp.pk.b))
		err = VX6_ERR(CORRUPT);
	vx6_sign_keypair_wipe(&kp);
	if (!vx6_is_ok(err)) {
		vx6_rd_fail(r, err);
		return;
	}
	list.seq = out->list.seq;
	out->list = list;
}

static void read_fields(struct vx6_rd *r, struct catalog_data *out)
{
	struct vx6_rd name;

	out->owner = vx6_rd_u8(r) == 1;
	out->created_ms = vx6_rd_u64(r);
	out->updated_ms = vx6_rd_u64(r);
	out->list.seq = vx6_rd_u64(r);
	name = vx6_rd_sub8(r, VX6_LABEL_MAX);
	vx6_rd_label(&name, out->name);
	if (!vx6_is_ok(name.err))
		vx6_rd_fail(r, name.err);
	vx6_rd_copy(r, out->key.pk.b, sizeof out->key.pk.b);
	vx6_rd_copy(r, out->key.secret, sizeof out->key.secret);
	if (vx6_is_ok(r->err) && !vx6_sign_pk_is_valid(&out->key.pk))
		vx6_rd_fail(r, VX6_ERR(CORRUPT));
	if (out->owner)
		read_owner(r, out);
}

vx6_err catalog_file_decode(const uint8_t *in, size_t n, struct catalog_data *out)
{
	const uint8_t *magic;
	struct vx6_hash sum;
	struct vx6_rd r;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (n < sizeof sum.b || n > CATALOG_FILE_MAX)
		return VX6_ERR(CORRUPT);
	n -= sizeof sum.b;
	checksum(in, n, &sum);
	vx6_rd_init(&r, in, n);
	magic = vx6_rd_bytes(&r, 4);
	if (!magic || !vx6_ct_eq(magic, "VX6C", 4))
		return VX6_ERR(CORRUPT);
	if (vx6_rd_u8(&r) > FILE_VERSION)
		return VX6_ERR(TOO_NEW);
	if (!vx6_ct_eq(sum.b, in + n, sizeof sum.b))
		return VX6_ERR(CORRUPT);
	read_fields(&r, out);
	err = vx6_rd_done(&r);
	if (vx6_is_ok(err))
		return VX6_OK;
	vx6_wipe(out, sizeof *out);
	return VX6_ERR(CORRUPT);
}

/* ---- files ---- */

static void file_name(const char *name, char out[static CATALOG_FILE_NAME])
{
	snprintf(out, CATALOG_FILE_NAME, "%.32s" SUFFIX, name);
}

vx6_err catalog_file_write(const char *dir, const struct catalog_data *data)
{
	uint8_t bytes[CATALOG_FILE_MAX];
	char name[CATALOG_FILE_NAME];
	vx6_err err;
	size_t n;
	int fd;

	VX6_TRY(vx6_keydir_make(dir, &fd));
	file_name(data->name, name);
	err = catalog_file_encode(data, bytes, &n);
	if (vx6_is_ok(err))
		err = vx6_secret_file_write(fd, name, bytes, n);
	vx6_wipe(bytes, sizeof bytes);
	close(fd);
	return err;
}

vx6_err catalog_file_remove(const char *dir, const char *name)
{
	char file[CATALOG_FILE_NAME];
	vx6_err err = VX6_OK;
	int fd;

	VX6_TRY(vx6_keydir_open(dir, &fd));
	file_name(name, file);
	if (unlinkat(fd, file, 0) < 0 && errno != ENOENT)
		err = vx6_err_from_errno(errno);
	else if (fsync(fd) < 0)
		err = vx6_err_from_errno(errno);
	close(fd);
	return err;
}

static bool is_catalog_file(const char *name)
{
	size_t n = strlen(name), suffix_n = sizeof SUFFIX - 1;

	return n > suffix_n && strcmp(name + n - suffix_n, SUFFIX) == 0 &&
	       vx6_label_is_valid(name, n - suffix_n);
}

static void read_one(int fd, const char *file,
		     void (*each)(void *user, const struct catalog_data *data), void *user)
{
	uint8_t bytes[CATALOG_FILE_MAX + 1];
	struct catalog_data *data = vx6_zalloc(sizeof *data);
	char expected[CATALOG_FILE_NAME];
	size_t n;
	vx6_err err = vx6_secret_file_read(fd, file, bytes, sizeof bytes, &n);

	if (vx6_is_ok(err))
		err = catalog_file_decode(bytes, n, data);
	file_name(data->name, expected);
	if (vx6_is_ok(err) && strcmp(expected, file) != 0)
		err = VX6_ERR(MISMATCH);
	if (vx6_is_ok(err))
		each(user, data);
	else
		VX6_ERROR("catalogs", "%s: %s; it is left out", file, vx6_err_text(err));
	vx6_wipe(bytes, sizeof bytes);
	vx6_wipe_free(data, sizeof *data);
}

void catalog_files_read(const char *dir, void (*each)(void *user, const struct catalog_data *data),
			void *user)
{
	struct dirent *e;
	vx6_err err;
	DIR *d;
	int fd;

	err = vx6_keydir_open(dir, &fd);
	if (err.code == VX6_E_NOT_FOUND)
		return;
	d = vx6_is_ok(err) ? opendir(dir) : NULL;
	if (!d)
		VX6_ERROR("catalogs", "%s cannot be read", dir);
	while (d && (e = readdir(d)) != NULL)
		if (is_catalog_file(e->d_name))
			read_one(fd, e->d_name, each, user);
	if (d)
		closedir(d);
	if (vx6_is_ok(err))
		close(fd);
}
