/*
 * hosted: "VX6S" | version u8 | created u64 | id, u8 length first | seed(32) | 2 x (period u64 | seq u64) | clients u16, each:
 *         kind u8 | revoked u8 | id(8) | pk(32) | name, u8 length first | created u64 | expires u64 | uses_max u32 | uses u32 | seen u64 | by(8)
 * visit:  "VX6V" | version u8 | created u64 | alias, u8 length first | A(32) | flags u8 | key(32) | invite(32) | invite expires u64
 *         | 2 x (period u64 | seq u64)
 * Both end with a checksum(32) over all before it.
 */
#include "hidden/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "identity/keyfile.h"
#include "wire/rd.h"
#include "wire/wr.h"

#define HOSTED ".hosted"
#define VISIT ".visit"

enum {
	FILE_VERSION = 1,
	FILE_NAME = 58, /* of vx6_secret_file_write(), with its NUL */
	FLAG_STRICT = 1,
	FLAG_KEY = 2,
	FLAG_ENROLLED = 4,
	FLAG_INVITE = 8,
	FLAG_FAST = 16,
	FLAGS = 31,
};

/* ---- what both have ---- */

static void checksum(const uint8_t *p, size_t n, struct vx6_hash *out)
{
	vx6_hash_personal("VX6-hidden-file", p, n, out);
}

static void begin(struct vx6_wr *w, uint8_t *out, const char *magic, uint64_t created_ms,
		  const char *name)
{
	vx6_wr_init(w, out, VX6_HIDDEN_FILE_MAX);
	vx6_wr_bytes(w, magic, 4);
	vx6_wr_u8(w, FILE_VERSION);
	vx6_wr_u64(w, created_ms);
	vx6_wr_u8(w, (uint8_t)strlen(name));
	vx6_wr_bytes(w, name, strlen(name));
}

static vx6_err finish(struct vx6_wr *w, const uint8_t *out, size_t *n)
{
	struct vx6_hash sum;

	VX6_TRY(w->err);
	checksum(out, w->len, &sum);
	vx6_wr_bytes(w, sum.b, sizeof sum.b);
	return vx6_wr_done(w, n);
}

/* Leaves @p r behind the version. */
static vx6_err open_file(struct vx6_rd *r, const uint8_t *in, size_t n, const char *magic)
{
	const uint8_t *found;
	struct vx6_hash sum;

	if (n < sizeof sum.b || n > VX6_HIDDEN_FILE_MAX)
		return VX6_ERR(CORRUPT);
	n -= sizeof sum.b;
	checksum(in, n, &sum);
	vx6_rd_init(r, in, n);
	found = vx6_rd_bytes(r, 4);
	if (!found || !vx6_ct_eq(found, magic, 4))
		return VX6_ERR(CORRUPT);
	if (vx6_rd_u8(r) > FILE_VERSION)
		return VX6_ERR(TOO_NEW);
	return vx6_ct_eq(sum.b, in + n, sizeof sum.b) ? VX6_OK : VX6_ERR(CORRUPT);
}

static void put_seqs(struct vx6_wr *w, const struct vx6_host_seq seq[static VX6_HOST_SEQS])
{
	for (size_t i = 0; i < VX6_HOST_SEQS; i++) {
		vx6_wr_u64(w, seq[i].period);
		vx6_wr_u64(w, seq[i].seq);
	}
}

static void take_seqs(struct vx6_rd *r, struct vx6_host_seq seq[static VX6_HOST_SEQS])
{
	for (size_t i = 0; i < VX6_HOST_SEQS; i++) {
		seq[i].period = vx6_rd_u64(r);
		seq[i].seq = vx6_rd_u64(r);
	}
}

/* A label, or nothing. */
static void take_name(struct vx6_rd *r, char out[static VX6_LABEL_TEXT])
{
	struct vx6_rd sub = vx6_rd_sub8(r, VX6_LABEL_MAX);

	out[0] = '\0';
	if (sub.left == 0)
		return;
	vx6_rd_label(&sub, out);
	if (!vx6_is_ok(sub.err))
		vx6_rd_fail(r, sub.err);
}

static bool take_flag(struct vx6_rd *r)
{
	uint8_t v = vx6_rd_u8(r);

	if (v > 1)
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	return v == 1;
}

/* ---- hosted ---- */

static void put_client(struct vx6_wr *w, const struct vx6_host_client *c)
{
	vx6_wr_u8(w, (uint8_t)c->kind);
	vx6_wr_u8(w, c->revoked);
	vx6_wr_bytes(w, c->id, sizeof c->id);
	vx6_wr_bytes(w, c->pk, sizeof c->pk);
	vx6_wr_u8(w, (uint8_t)strlen(c->name));
	vx6_wr_bytes(w, c->name, strlen(c->name));
	vx6_wr_u64(w, c->created_s);
	vx6_wr_u64(w, c->expires_s);
	vx6_wr_u32(w, c->uses_max);
	vx6_wr_u32(w, c->uses);
	vx6_wr_u64(w, c->seen_s);
	vx6_wr_bytes(w, c->invited_by, sizeof c->invited_by);
}

static void take_client(struct vx6_rd *r, struct vx6_host_client *c)
{
	c->kind = take_flag(r) ? VX6_HOST_INVITE : VX6_HOST_CLIENT;
	c->revoked = take_flag(r);
	vx6_rd_copy(r, c->id, sizeof c->id);
	vx6_rd_copy(r, c->pk, sizeof c->pk);
	take_name(r, c->name);
	c->created_s = vx6_rd_u64(r);
	c->expires_s = vx6_rd_u64(r);
	c->uses_max = vx6_rd_u32(r);
	c->uses = vx6_rd_u32(r);
	c->seen_s = vx6_rd_u64(r);
	vx6_rd_copy(r, c->invited_by, sizeof c->invited_by);
}

vx6_err vx6_hidden_hosted_encode(const struct vx6_hidden_hosted *h,
				 uint8_t out[static VX6_HIDDEN_FILE_MAX], size_t *n)
{
	struct vx6_wr w;

	begin(&w, out, "VX6S", h->created_ms, h->id);
	vx6_wr_bytes(&w, h->seed, sizeof h->seed);
	put_seqs(&w, h->seq);
	vx6_wr_u16(&w, (uint16_t)h->clients_n);
	for (size_t i = 0; i < h->clients_n; i++)
		put_client(&w, &h->client[i]);
	return finish(&w, out, n);
}

static void take_id(struct vx6_rd *r, char out[static VX6_HIDDEN_ID])
{
	struct vx6_rd sub = vx6_rd_sub8(r, VX6_HIDDEN_ID - 1);
	size_t n = sub.left;
	const uint8_t *p = vx6_rd_bytes(&sub, n);

	if (n == 0 || memchr(p, 0, n) || memchr(p, '/', n)) {
		vx6_rd_fail(r, VX6_ERR(FORMAT));
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

vx6_err vx6_hidden_hosted_decode(const uint8_t *in, size_t n, struct vx6_hidden_hosted *out)
{
	struct vx6_rd r;
	size_t clients_n;

	memset(out, 0, sizeof *out);
	VX6_TRY(open_file(&r, in, n, "VX6S"));
	out->created_ms = vx6_rd_u64(&r);
	take_id(&r, out->id);
	vx6_rd_copy(&r, out->seed, sizeof out->seed);
	take_seqs(&r, out->seq);
	clients_n = vx6_rd_u16(&r);
	if (clients_n > VX6_HIDDEN_HOSTED_CLIENTS)
		vx6_rd_fail(&r, VX6_ERR(LIMIT));
	for (; vx6_is_ok(r.err) && out->clients_n < clients_n; out->clients_n++)
		take_client(&r, &out->client[out->clients_n]);
	if (vx6_is_ok(vx6_rd_done(&r)))
		return VX6_OK;
	vx6_wipe(out, sizeof *out);
	return VX6_ERR(CORRUPT);
}

/* ---- visits ---- */

vx6_err vx6_hidden_visit_encode(const struct vx6_hidden_visit *v,
				uint8_t out[static VX6_HIDDEN_FILE_MAX], size_t *n)
{
	const struct vx6_guest_access *a = &v->access;
	struct vx6_wr w;

	begin(&w, out, "VX6V", v->created_ms, v->alias);
	vx6_wr_bytes(&w, v->service.b, sizeof v->service.b);
	vx6_wr_u8(&w, (uint8_t)((a->strict ? FLAG_STRICT : 0) | (a->has_key ? FLAG_KEY : 0) |
				(a->enrolled ? FLAG_ENROLLED : 0) |
				(a->has_invite ? FLAG_INVITE : 0) | (v->fast ? FLAG_FAST : 0)));
	vx6_wr_bytes(&w, a->key, sizeof a->key);
	vx6_wr_bytes(&w, a->invite, sizeof a->invite);
	vx6_wr_u64(&w, a->invite_expires_s);
	for (size_t i = 0; i < VX6_HOST_SEQS; i++) {
		vx6_wr_u64(&w, v->seen[i].period);
		vx6_wr_u64(&w, v->seen[i].seq);
	}
	return finish(&w, out, n);
}

vx6_err vx6_hidden_visit_decode(const uint8_t *in, size_t n, struct vx6_hidden_visit *out)
{
	struct vx6_guest_access *a = &out->access;
	struct vx6_rd r;
	uint8_t flags;

	memset(out, 0, sizeof *out);
	VX6_TRY(open_file(&r, in, n, "VX6V"));
	out->created_ms = vx6_rd_u64(&r);
	take_name(&r, out->alias);
	vx6_rd_copy(&r, out->service.b, sizeof out->service.b);
	flags = vx6_rd_u8(&r);
	if ((flags & ~FLAGS) || !out->alias[0])
		vx6_rd_fail(&r, VX6_ERR(FORMAT));
	out->fast = flags & FLAG_FAST;
	*a = (struct vx6_guest_access){.strict = flags & FLAG_STRICT,
				       .has_key = flags & FLAG_KEY,
				       .enrolled = flags & FLAG_ENROLLED,
				       .has_invite = flags & FLAG_INVITE};
	vx6_rd_copy(&r, a->key, sizeof a->key);
	vx6_rd_copy(&r, a->invite, sizeof a->invite);
	a->invite_expires_s = vx6_rd_u64(&r);
	for (size_t i = 0; i < VX6_HOST_SEQS; i++) {
		out->seen[i].period = vx6_rd_u64(&r);
		out->seen[i].seq = vx6_rd_u64(&r);
	}
	if (vx6_is_ok(vx6_rd_done(&r)))
		return VX6_OK;
	vx6_wipe(out, sizeof *out);
	return VX6_ERR(CORRUPT);
}

/* ---- files ---- */

/* @return false: no name of a file */
static bool name_file(const char *name, const char *suffix, char out[static FILE_NAME])
{
	return snprintf(out, FILE_NAME, "%s%s", name, suffix) < FILE_NAME && !strchr(name, '/');
}

/* Takes the secret in @p bytes, whatever comes of it. */
static vx6_err write_file(const char *dir, const char *name, const char *suffix, uint8_t *bytes,
			  size_t n)
{
	char file[FILE_NAME];
	vx6_err err = name_file(name, suffix, file) ? VX6_OK : VX6_ERR(LIMIT);
	int fd = -1;

	if (vx6_is_ok(err))
		err = vx6_keydir_make(dir, &fd);
	if (vx6_is_ok(err))
		err = vx6_secret_file_write(fd, file, bytes, n);
	vx6_wipe(bytes, VX6_HIDDEN_FILE_MAX);
	if (fd >= 0)
		close(fd);
	return err;
}

vx6_err vx6_hidden_hosted_write(const char *dir, const struct vx6_hidden_hosted *h)
{
	uint8_t bytes[VX6_HIDDEN_FILE_MAX];
	size_t n;

	VX6_TRY(vx6_hidden_hosted_encode(h, bytes, &n));
	return write_file(dir, h->id, HOSTED, bytes, n);
}

vx6_err vx6_hidden_visit_write(const char *dir, const struct vx6_hidden_visit *v)
{
	uint8_t bytes[VX6_HIDDEN_FILE_MAX];
	size_t n;

	VX6_TRY(vx6_hidden_visit_encode(v, bytes, &n));
	return write_file(dir, v->alias, VISIT, bytes, n);
}

static vx6_err remove_file(const char *dir, const char *name, const char *suffix)
{
	char file[FILE_NAME];
	vx6_err err;
	int fd;

	if (!name_file(name, suffix, file))
		return VX6_ERR(LIMIT);
	err = vx6_keydir_open(dir, &fd);
	if (err.code == VX6_E_NOT_FOUND)
		return VX6_OK;
	VX6_TRY(err);
	if (unlinkat(fd, file, 0) < 0 && errno != ENOENT)
		err = vx6_err_from_errno(errno);
	else if (fsync(fd) < 0)
		err = vx6_err_from_errno(errno);
	close(fd);
	return err;
}

vx6_err vx6_hidden_hosted_remove(const char *dir, const char *id)
{
	return remove_file(dir, id, HOSTED);
}

vx6_err vx6_hidden_visit_remove(const char *dir, const char *alias)
{
	return remove_file(dir, alias, VISIT);
}

vx6_err vx6_hidden_hosted_read(const char *dir, const char *id, struct vx6_hidden_hosted *out)
{
	uint8_t bytes[VX6_HIDDEN_FILE_MAX + 1];
	char file[FILE_NAME];
	vx6_err err;
	size_t n;
	int fd;

	if (!name_file(id, HOSTED, file))
		return VX6_ERR(NOT_FOUND);
	VX6_TRY(vx6_keydir_open(dir, &fd));
	err = vx6_secret_file_read(fd, file, bytes, sizeof bytes, &n);
	close(fd);
	if (vx6_is_ok(err))
		err = vx6_hidden_hosted_decode(bytes, n, out);
	vx6_wipe(bytes, sizeof bytes);
	if (!vx6_is_ok(err) || strcmp(out->id, id) == 0)
		return err;
	vx6_wipe(out, sizeof *out);
	return VX6_ERR(MISMATCH);
}

static bool is_visit_file(const char *name)
{
	size_t n = strlen(name), suffix_n = sizeof VISIT - 1;

	return n > suffix_n && strcmp(name + n - suffix_n, VISIT) == 0 &&
	       vx6_label_is_valid(name, n - suffix_n);
}

static void read_visit(int fd, const char *file,
		       void (*each)(void *user, const struct vx6_hidden_visit *v), void *user)
{
	uint8_t bytes[VX6_HIDDEN_FILE_MAX + 1];
	struct vx6_hidden_visit v;
	char expected[FILE_NAME];
	size_t n;
	vx6_err err = vx6_secret_file_read(fd, file, bytes, sizeof bytes, &n);

	if (vx6_is_ok(err))
		err = vx6_hidden_visit_decode(bytes, n, &v);
	if (vx6_is_ok(err) && (!name_file(v.alias, VISIT, expected) || strcmp(expected, file) != 0))
		err = VX6_ERR(MISMATCH);
	if (vx6_is_ok(err))
		each(user, &v);
	else
		VX6_ERROR("hidden", "%s: %s; it is left out", file, vx6_err_text(err));
	vx6_wipe(bytes, sizeof bytes);
	vx6_wipe(&v, sizeof v);
}

void vx6_hidden_visits_read(const char *dir,
			    void (*each)(void *user, const struct vx6_hidden_visit *v), void *user)
{
	struct dirent *e;
	DIR *d = NULL;
	vx6_err err;
	int fd;

	err = vx6_keydir_open(dir, &fd);
	if (err.code == VX6_E_NOT_FOUND)
		return;
	if (vx6_is_ok(err))
		d = opendir(dir);
	if (!d)
		VX6_ERROR("hidden", "%s cannot be read", dir);
	while (d && (e = readdir(d)) != NULL)
		if (is_visit_file(e->d_name))
			read_visit(fd, e->d_name, each, user);
	if (d)
		closedir(d);
	if (vx6_is_ok(err))
		close(fd);
}
