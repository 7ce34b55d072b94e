/*
 * The identity on disk. Creation works in DIR.new and ends with one rename, so a crash leaves no DIR at all or a whole one;
 * the next creation clears what an interrupted one left behind. Renewal replaces subkey.key by rename.
 */
#include "identity/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/identity_internal.h"
#include "identity/revocation.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum { PATH_BYTES = 4096 };

/* ---- subkey ---- */

static void next_subkey(const struct vx6_subkey *current, uint64_t now_s, struct vx6_subkey *out)
{
	uint32_t seq = (uint32_t)VX6_MIN(now_s, (uint64_t)UINT32_MAX - 1);

	memset(out, 0, sizeof *out);
	if (current && current->cert.cert_seq >= seq && current->cert.cert_seq < UINT32_MAX)
		seq = current->cert.cert_seq + 1;
	vx6_sign_keypair_random(&out->key);
	out->cert = (struct vx6_subkey_cert){
		.kind = VX6_SUBKEY_SIGN,
		.purposes = VX6_PURPOSE_TLS | VX6_PURPOSE_RECORD,
		.not_before_s = now_s,
		.not_after_s = now_s + VX6_SUBKEY_LIFETIME_S,
		.cert_seq = seq,
		.subject = out->key.pk,
	};
}

vx6_err identity_make_subkey(const struct vx6_subkey *current,
			     const struct vx6_sign_keypair *master, const struct vx6_net *net,
			     uint64_t now_s, struct vx6_subkey *out)
{
	next_subkey(current, now_s, out);
	return vx6_subkey_cert_sign(&out->cert, master, net, out->cert_bytes);
}

void identity_put_subkey(struct vx6_wr *w, const struct vx6_node_id *id, const struct vx6_net *net,
			 const struct vx6_subkey *s)
{
	vx6_wr_bytes(w, net->b, sizeof net->b);
	vx6_wr_bytes(w, id->b, sizeof id->b);
	vx6_wr_bytes(w, s->key.seed.b, sizeof s->key.seed.b);
	vx6_wr_bytes(w, s->cert_bytes, sizeof s->cert_bytes);
}

vx6_err identity_write_subkey(int dirfd, const struct vx6_node_id *id, const struct vx6_net *net,
			      const struct vx6_subkey *s)
{
	uint8_t payload[IDENTITY_SUBKEY_BYTES];
	struct vx6_wr w;
	vx6_err err;

	vx6_wr_init(&w, payload, sizeof payload);
	identity_put_subkey(&w, id, net, s);
	err = vx6_keyfile_write(dirfd, SUBKEY_FILE, VX6_KEYFILE_SUBKEY, payload, w.len, NULL);
	vx6_wipe(payload, sizeof payload);
	return err;
}

vx6_err identity_parse_subkey(const uint8_t *payload, size_t n, const struct vx6_net *net,
			      struct vx6_identity *out)
{
	struct vx6_sign_seed seed;
	struct vx6_rd r;
	vx6_err err;

	vx6_rd_init(&r, payload, n);
	vx6_rd_copy(&r, out->net.b, sizeof out->net.b);
	vx6_rd_copy(&r, out->id.b, sizeof out->id.b);
	vx6_rd_copy(&r, seed.b, sizeof seed.b);
	vx6_rd_copy(&r, out->subkey.cert_bytes, sizeof out->subkey.cert_bytes);
	err = vx6_rd_done(&r);
	if (vx6_is_ok(err) && !vx6_ct_eq(net->b, out->net.b, sizeof net->b)) {
		VX6_ERROR("identity", "the identity belongs to another network");
		vx6_wipe(&seed, sizeof seed);
		return VX6_ERR(MISMATCH);
	}
	vx6_sign_keypair_from_seed(&seed, &out->subkey.key);
	vx6_wipe(&seed, sizeof seed);
	if (vx6_is_ok(err))
		err = vx6_subkey_cert_decode(out->subkey.cert_bytes, sizeof out->subkey.cert_bytes,
					     &out->subkey.cert);
	if (vx6_is_ok(err))
		err = vx6_subkey_cert_verify_sig(&out->subkey.cert, &out->id, net);
	if (vx6_is_ok(err) && !vx6_ct_eq(out->subkey.cert.subject.b, out->subkey.key.pk.b,
					 sizeof out->subkey.key.pk.b))
		err = VX6_ERR(MISMATCH);
	return vx6_is_ok(err) ? VX6_OK : VX6_ERR(CORRUPT);
}

/* ---- master ---- */

vx6_err identity_read_master(int dirfd, const struct vx6_passphrase *pass,
			     struct vx6_sign_keypair *out)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	struct vx6_sign_seed seed;
	size_t n;

	VX6_TRY(vx6_keyfile_read(dirfd, MASTER_FILE, VX6_KEYFILE_MASTER, pass, payload, &n));
	if (n != sizeof seed.b) {
		vx6_wipe(payload, sizeof payload);
		return VX6_ERR(CORRUPT);
	}
	memcpy(seed.b, payload, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, out);
	vx6_wipe(&seed, sizeof seed);
	vx6_wipe(payload, sizeof payload);
	return VX6_OK;
}

static vx6_err write_revocation(int dirfd, const struct vx6_sign_keypair *master,
				const struct vx6_net *net, uint64_t now_s,
				const struct vx6_passphrase *pass)
{
	struct vx6_revocation r = {.issued_s = now_s, .reason = VX6_REVOKE_MASTER};
	uint8_t bytes[VX6_REVOCATION_MAX];
	size_t n;

	VX6_TRY(vx6_revocation_build(&r, master, NULL, net, bytes, &n));
	return vx6_keyfile_write(dirfd, REVOCATION_FILE, VX6_KEYFILE_REVOCATION, bytes, n, pass);
}

/* ---- creation ---- */

static vx6_err fsync_parent(const char *path)
{
	char parent[PATH_BYTES];
	vx6_err err = VX6_OK;
	char *slash;
	int fd;

	vx6_strlcpy(parent, path, sizeof parent);
	slash = strrchr(parent, '/');
	if (!slash)
		vx6_strlcpy(parent, ".", sizeof parent);
	else
		slash[slash == parent] = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	if (fsync(fd) < 0)
		err = vx6_err_from_errno(errno);
	close(fd);
	return err;
}

/* Removes an unfinished directory: our files only, so a directory that holds anything else stays. */
static void clear_unfinished(const char *path)
{
	static const char *const names[] = {MASTER_FILE,
					    SUBKEY_FILE,
					    REVOCATION_FILE,
					    "." MASTER_FILE ".tmp",
					    "." SUBKEY_FILE ".tmp",
					    "." REVOCATION_FILE ".tmp"};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < VX6_ARRAY_N(names); i++)
		(void)unlinkat(fd, names[i], 0);
	close(fd);
	(void)rmdir(path);
}

/* rename(2) replaces an empty directory and refuses any other. */
static vx6_err put_in_place(const char *unfinished, const char *dir)
{
	if (rename(unfinished, dir) < 0)
		return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
			       ? VX6_ERR(EXISTS)
			       : vx6_err_from_errno(errno);
	return fsync_parent(dir);
}

static vx6_err generate(const struct vx6_net *net, uint64_t now_s, struct vx6_sign_keypair *master,
			struct vx6_identity *out)
{
	memset(out, 0, sizeof *out);
	out->net = *net;
	vx6_sign_keypair_random(master);
	vx6_node_id_from_pk(&master->pk, &out->id);
	return identity_make_subkey(NULL, master, net, now_s, &out->subkey);
}

static bool has_identity(const char *dir)
{
	char path[PATH_BYTES];
	struct stat st;

	snprintf(path, sizeof path, "%s/" SUBKEY_FILE, dir);
	if (lstat(path, &st) == 0)
		return true;
	snprintf(path, sizeof path, "%s/" MASTER_FILE, dir);
	return lstat(path, &st) == 0;
}

static vx6_err fill_in(const char *path, vx6_err (*fill)(int dirfd, void *user), void *user)
{
	vx6_err err;
	int dirfd;

	VX6_TRY(vx6_keydir_open(path, &dirfd));
	err = fill(dirfd, user);
	close(dirfd);
	return err;
}

vx6_err identity_install(const char *dir, vx6_err (*fill)(int dirfd, void *user), void *user)
{
	char path[PATH_BYTES - 64], unfinished[PATH_BYTES];
	size_t n = vx6_strlcpy(path, dir, sizeof path);
	vx6_err err;

	if (n == 0 || n >= sizeof path)
		return VX6_ERR(INVALID);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	if (has_identity(path))
		return VX6_ERR(EXISTS);
	snprintf(unfinished, sizeof unfinished, "%s.new", path);
	clear_unfinished(unfinished);
	if (mkdir(unfinished, S_IRWXU) < 0)
		return vx6_err_from_errno(errno);
	err = fill_in(unfinished, fill, user);
	if (vx6_is_ok(err))
		err = put_in_place(unfinished, path);
	if (!vx6_is_ok(err))
		clear_unfinished(unfinished);
	return err;
}

struct creation {
	struct vx6_sign_keypair master;
	const struct vx6_identity *id;
	uint64_t now_s;
	const struct vx6_passphrase *pass;
};

static vx6_err fill_new(int dirfd, void *user)
{
	const struct creation *c = user;

	VX6_TRY(vx6_keyfile_write(dirfd, MASTER_FILE, VX6_KEYFILE_MASTER, c->master.seed.b,
				  sizeof c->master.seed.b, c->pass));
	VX6_TRY(write_revocation(dirfd, &c->master, &c->id->net, c->now_s, c->pass));
	return identity_write_subkey(dirfd, &c->id->id, &c->id->net, &c->id->subkey);
}

vx6_err vx6_identity_create(const char *dir, const struct vx6_net *net, uint64_t now_s,
			    const struct vx6_passphrase *pass, struct vx6_identity *out)
{
	struct creation c = {.id = out, .now_s = now_s, .pass = pass};
	vx6_err err = generate(net, now_s, &c.master, out);

	if (vx6_is_ok(err))
		err = identity_install(dir, fill_new, &c);
	vx6_sign_keypair_wipe(&c.master);
	out->master = pass ? VX6_MASTER_LOCKED : VX6_MASTER_READY;
	if (!vx6_is_ok(err))
		vx6_identity_wipe(out);
	return err;
}

vx6_err vx6_identity_ephemeral(const struct vx6_net *net, uint64_t now_s, struct vx6_identity *out)
{
	struct vx6_sign_keypair master;
	vx6_err err = generate(net, now_s, &master, out);

	vx6_sign_keypair_wipe(&master);
	return err;
}

void vx6_identity_wipe(struct vx6_identity *id)
{
	vx6_wipe(id, sizeof *id);
}

/* ---- loading, renewal ---- */

static vx6_err load_from(int dirfd, const struct vx6_net *net, struct vx6_identity *out)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	bool protected = false;
	vx6_err err;
	size_t n;

	VX6_TRY(vx6_keyfile_read(dirfd, SUBKEY_FILE, VX6_KEYFILE_SUBKEY, NULL, payload, &n));
	err = identity_parse_subkey(payload, n, net, out);
	vx6_wipe(payload, sizeof payload);
	VX6_TRY(err);
	err = vx6_keyfile_is_protected(dirfd, MASTER_FILE, &protected);
	if (err.code == VX6_E_NOT_FOUND) {
		out->master = VX6_MASTER_ABSENT;
		return VX6_OK;
	}
	out->master = protected ? VX6_MASTER_LOCKED : VX6_MASTER_READY;
	return err;
}

vx6_err vx6_identity_load(const char *dir, const struct vx6_net *net, struct vx6_identity *out)
{
	vx6_err err;
	int dirfd;

	memset(out, 0, sizeof *out);
	VX6_TRY(vx6_keydir_open(dir, &dirfd));
	err = load_from(dirfd, net, out);
	close(dirfd);
	if (!vx6_is_ok(err))
		vx6_identity_wipe(out);
	return err;
}

bool vx6_identity_wants_renewal(const struct vx6_identity *id, uint64_t now_s)
{
	const struct vx6_subkey_cert *c = &id->subkey.cert;

	return now_s >= c->not_before_s + (c->not_after_s - c->not_before_s) / 2;
}

bool vx6_identity_is_expired(const struct vx6_identity *id, uint64_t now_s)
{
	return now_s >= id->subkey.cert.not_after_s;
}

static vx6_err renew_in(int dirfd, const struct vx6_net *net, const struct vx6_subkey *current,
			const struct vx6_passphrase *pass, uint64_t now_s, struct vx6_subkey *out)
{
	struct vx6_sign_keypair master;
	struct vx6_node_id id;
	vx6_err err;

	VX6_TRY(identity_read_master(dirfd, pass, &master));
	vx6_node_id_from_pk(&master.pk, &id);
	err = current ? vx6_subkey_cert_verify_sig(&current->cert, &id, net) : VX6_OK;
	if (vx6_is_ok(err))
		err = identity_make_subkey(current, &master, net, now_s, out);
	vx6_sign_keypair_wipe(&master);
	if (vx6_is_ok(err))
		err = identity_write_subkey(dirfd, &id, net, out);
	return err;
}

vx6_err vx6_identity_renew(const char *dir, const struct vx6_net *net,
			   const struct vx6_subkey *current, const struct vx6_passphrase *pass,
			   uint64_t now_s, struct vx6_subkey *out)
{
	vx6_err err;
	int dirfd;

	memset(out, 0, sizeof *out);
	VX6_TRY(vx6_keydir_open(dir, &dirfd));
	err = renew_in(dirfd, net, current, pass, now_s, out);
	close(dirfd);
	if (!vx6_is_ok(err))
		vx6_wipe(out, sizeof *out);
	return err;
}

vx6_err vx6_identity_revocation(const char *dir, const struct vx6_passphrase *pass,
				uint8_t out[static VX6_KEYFILE_PAYLOAD_MAX], size_t *n)
{
	vx6_err err;
	int dirfd;

	VX6_TRY(vx6_keydir_open(dir, &dirfd));
	err = vx6_keyfile_read(dirfd, REVOCATION_FILE, VX6_KEYFILE_REVOCATION, pass, out, n);
	close(dirfd);
	return err;
}
