#include "identity/archive.h"

#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "identity/identity_internal.h"
#include "identity/keyfile_internal.h"
#include "identity/revocation.h"
#include "wire/tlv.h"

_Static_assert((int)VX6_ARCHIVE_MAX == (int)VX6_KEYFILE_MAX, "an archive is a key file");

enum { PART_SUBKEY = 0x81, PART_MASTER = 0x82, PART_REVOCATION = 0x83 };

/* ---- out ---- */

static vx6_err put_part(struct vx6_tlv_wr *t, uint8_t type, int dirfd, const char *name,
			enum vx6_keyfile_kind kind, const struct vx6_passphrase *pass)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	size_t n;
	vx6_err err = vx6_keyfile_read(dirfd, name, kind, pass, payload, &n);

	if (vx6_is_ok(err))
		vx6_tlv_wr_put(t, type, payload, n);
	vx6_wipe(payload, sizeof payload);
	return err;
}

/* Both may have been moved away. */
static vx6_err put_moveable(struct vx6_tlv_wr *t, uint8_t type, int dirfd, const char *name,
			    enum vx6_keyfile_kind kind, const struct vx6_passphrase *pass)
{
	vx6_err err = put_part(t, type, dirfd, name, kind, pass);

	return err.code == VX6_E_NOT_FOUND ? VX6_OK : err;
}

static vx6_err collect(int dirfd, const struct vx6_passphrase *pass, struct vx6_wr *w)
{
	struct vx6_tlv_wr t;

	vx6_tlv_wr_init(&t, w);
	VX6_TRY(put_part(&t, PART_SUBKEY, dirfd, SUBKEY_FILE, VX6_KEYFILE_SUBKEY, NULL));
	VX6_TRY(put_moveable(&t, PART_MASTER, dirfd, MASTER_FILE, VX6_KEYFILE_MASTER, pass));
	VX6_TRY(put_moveable(&t, PART_REVOCATION, dirfd, REVOCATION_FILE, VX6_KEYFILE_REVOCATION,
			     pass));
	return w->err;
}

vx6_err vx6_identity_export(const char *dir, const struct vx6_net *net,
			    const struct vx6_passphrase *pass,
			    const struct vx6_passphrase *sealed_by,
			    uint8_t out[static VX6_ARCHIVE_MAX], size_t *n)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	struct vx6_identity id;
	struct vx6_wr w;
	vx6_err err;
	int dirfd;

	*n = 0;
	/* an archive of something damaged would be found out when it is needed */
	VX6_TRY(vx6_identity_load(dir, net, &id));
	vx6_identity_wipe(&id);
	VX6_TRY(vx6_keydir_open(dir, &dirfd));
	vx6_wr_init(&w, payload, sizeof payload);
	err = collect(dirfd, pass, &w);
	close(dirfd);
	if (vx6_is_ok(err))
		err = vx6_keyfile_encode(VX6_KEYFILE_ARCHIVE, payload, w.len, sealed_by, out, n);
	vx6_wipe(payload, sizeof payload);
	return err;
}

/* ---- in ---- */

struct archive {
	struct vx6_identity id;
	bool has_subkey, has_master;
	struct vx6_sign_keypair master;
	uint8_t revocation[VX6_REVOCATION_MAX];
	size_t revocation_n;
	const struct vx6_passphrase *pass;
};

static vx6_err read_part(struct archive *a, uint8_t type, const struct vx6_net *net,
			 struct vx6_rd *value)
{
	struct vx6_sign_seed seed;

	switch (type) {
	case PART_SUBKEY:
		a->has_subkey = true;
		return identity_parse_subkey(value->p, value->left, net, &a->id);
	case PART_MASTER:
		if (value->left != sizeof seed.b)
			return VX6_ERR(CORRUPT);
		memcpy(seed.b, value->p, sizeof seed.b);
		vx6_sign_keypair_from_seed(&seed, &a->master);
		vx6_wipe(&seed, sizeof seed);
		a->has_master = true;
		return VX6_OK;
	case PART_REVOCATION:
		if (value->left > sizeof a->revocation)
			return VX6_ERR(CORRUPT);
		a->revocation_n = value->left;
		memcpy(a->revocation, value->p, value->left);
		return VX6_OK;
	default:
		return VX6_ERR(TOO_NEW);
	}
}

/* All parts must be about one node. */
static vx6_err check(const struct archive *a, const struct vx6_net *net)
{
	struct vx6_record_view view;
	struct vx6_node_id id;
	struct vx6_revocation r;

	if (!a->has_subkey)
		return VX6_ERR(CORRUPT);
	vx6_node_id_from_pk(&a->master.pk, &id);
	if (a->has_master && !vx6_node_id_eq(&id, &a->id.id))
		return VX6_ERR(CORRUPT);
	if (!a->revocation_n)
		return VX6_OK;
	if (!vx6_is_ok(vx6_record_decode(a->revocation, a->revocation_n, &view)) ||
	    !vx6_is_ok(vx6_revocation_read(&view, net, &r)) || !vx6_node_id_eq(&r.node, &a->id.id))
		return VX6_ERR(CORRUPT);
	return VX6_OK;
}

static vx6_err parse(const uint8_t *payload, size_t n, const struct vx6_net *net, struct archive *a)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, payload, n);
	while (vx6_tlv_rd_next(&t, &type, &value))
		VX6_TRY(read_part(a, type, net, &value));
	return vx6_is_ok(vx6_tlv_rd_done(&t)) ? check(a, net) : VX6_ERR(CORRUPT);
}

static vx6_err fill(int dirfd, void *user)
{
	const struct archive *a = user;

	if (a->has_master)
		VX6_TRY(vx6_keyfile_write(dirfd, MASTER_FILE, VX6_KEYFILE_MASTER, a->master.seed.b,
					  sizeof a->master.seed.b, a->pass));
	if (a->revocation_n)
		VX6_TRY(vx6_keyfile_write(dirfd, REVOCATION_FILE, VX6_KEYFILE_REVOCATION,
					  a->revocation, a->revocation_n, a->pass));
	return identity_write_subkey(dirfd, &a->id.id, &a->id.net, &a->id.subkey);
}

static vx6_err open_archive(const uint8_t *in, size_t n, const struct vx6_passphrase *sealed_by,
			    const struct vx6_net *net, struct archive *a)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	size_t payload_n;
	vx6_err err;

	err = vx6_keyfile_open_bytes(in, n, VX6_KEYFILE_ARCHIVE, sealed_by, payload, &payload_n);
	if (vx6_is_ok(err))
		err = parse(payload, payload_n, net, a);
	vx6_wipe(payload, sizeof payload);
	return err;
}

vx6_err vx6_identity_import(const uint8_t *in, size_t n, const struct vx6_passphrase *sealed_by,
			    const char *dir, const struct vx6_net *net, uint64_t now_s,
			    const struct vx6_passphrase *pass, struct vx6_identity *out)
{
	struct archive a = {.pass = pass};
	struct vx6_subkey next;
	vx6_err err = open_archive(in, n, sealed_by, net, &a);

	memset(out, 0, sizeof *out);
	if (vx6_is_ok(err) && a.has_master) {
		err = identity_make_subkey(&a.id.subkey, &a.master, net, now_s, &next);
		a.id.subkey = next;
		vx6_wipe(&next, sizeof next);
	}
	if (vx6_is_ok(err))
		err = identity_install(dir, fill, &a);
	if (vx6_is_ok(err)) {
		*out = a.id;
		out->master = !a.has_master ? VX6_MASTER_ABSENT
			      : pass        ? VX6_MASTER_LOCKED
					    : VX6_MASTER_READY;
	}
	vx6_wipe(&a, sizeof a);
	return err;
}
