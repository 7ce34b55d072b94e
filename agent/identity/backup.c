/*
 * Layout (docs/reference/keyfile.md):
 *   0 "VX6B" | 4 version u8 | 5 zero u8 | 6 schema u16 | 8 ops u32 | 12 kib u32 | 16 salt(16) | 32 nonce(24) | 56 made u64 |
 *   64 program(32) | 96 len u64 | 104 sealed[len + 16] | checksum(32) over all before it
 * As in a key file the checksum tells damage from a wrong passphrase; what keeps the contents from being changed is the tag, which covers
 * the head too.
 */
#include "identity/backup_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "identity/identity_internal.h"
#include "identity/keyfile_internal.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum {
	BACKUP_VERSION = 1,
	HEADER_BYTES = 104,
	OUTSIDE_BYTES = HEADER_BYTES + VX6_AEAD_TAG_BYTES + VX6_HASH_BYTES,
};

/* What is needed to open the sealed half. */
struct seal {
	struct vx6_pwhash_cost cost;
	uint8_t salt[VX6_PWHASH_SALT_BYTES];
	struct vx6_aead_nonce nonce;
};

void vx6_backup_fini(struct vx6_backup *b)
{
	for (size_t i = 0; i < b->parts_n; i++)
		vx6_wipe_free(b->parts[i].p, b->parts[i].n);
	free(b->parts);
	memset(b, 0, sizeof *b);
}

/* ---- parts ---- */

/* No path: plain characters, and a dot does not come first, as it does in what a crash left. */
static bool is_file_name(const char *name)
{
	static const char plain[] =
		".-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t n = strlen(name);

	return n > 0 && name[0] != '.' && strspn(name, plain) == n;
}

bool vx6_backup_name_is_valid(const char *name)
{
	static const char *const folders[] = {"identity/", "hidden/", "catalogs/"};

	if (strlen(name) >= VX6_BACKUP_NAME)
		return false;
	if (strcmp(name, "state.db") == 0 || strcmp(name, "agent.yaml") == 0)
		return true;
	for (size_t i = 0; i < VX6_ARRAY_N(folders); i++)
		if (strncmp(name, folders[i], strlen(folders[i])) == 0)
			return is_file_name(name + strlen(folders[i]));
	return false;
}

/* Where @p name is, or would be. */
static size_t place_of(const struct vx6_backup *b, const char *name)
{
	size_t i = b->parts_n;

	while (i > 0 && strcmp(b->parts[i - 1].name, name) >= 0)
		i--;
	return i;
}

const struct vx6_backup_part *vx6_backup_find(const struct vx6_backup *b, const char *name)
{
	size_t i = place_of(b, name);

	return i < b->parts_n && strcmp(b->parts[i].name, name) == 0 ? &b->parts[i] : NULL;
}

vx6_err vx6_backup_add(struct vx6_backup *b, const char *name, uint8_t *p, size_t n)
{
	vx6_err err = VX6_OK;
	size_t at;

	if (!vx6_backup_name_is_valid(name))
		err = VX6_ERR(INVALID);
	else if (vx6_backup_find(b, name))
		err = VX6_ERR(EXISTS);
	else if (b->parts_n == VX6_BACKUP_PARTS_MAX || n > VX6_BACKUP_MAX)
		err = VX6_ERR(LIMIT);
	if (!vx6_is_ok(err)) {
		vx6_wipe_free(p, n);
		return err;
	}
	at = place_of(b, name);
	b->parts = vx6_realloc_array(b->parts, b->parts_n + 1, sizeof *b->parts);
	memmove(&b->parts[at + 1], &b->parts[at], (b->parts_n - at) * sizeof *b->parts);
	b->parts_n++;
	b->parts[at] = (struct vx6_backup_part){.p = p, .n = n};
	vx6_strlcpy(b->parts[at].name, name, sizeof b->parts[at].name);
	return VX6_OK;
}

static void hash_part(const uint8_t *p, size_t n, struct vx6_hash *out)
{
	vx6_hash_personal("VX6-backup-part", p, n, out);
}

/* ---- whose it is ---- */

static vx6_err open_key(const struct vx6_backup *b, const char *name, enum vx6_keyfile_kind kind,
			uint8_t out[static VX6_KEYFILE_PAYLOAD_MAX], size_t *n)
{
	const struct vx6_backup_part *part = vx6_backup_find(b, name);

	*n = 0;
	return part ? vx6_keyfile_open_bytes(part->p, part->n, kind, NULL, out, n)
		    : VX6_ERR(NOT_FOUND);
}

static vx6_err find_master(const struct vx6_backup *b, enum vx6_master_state *out)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	size_t n;
	vx6_err err = open_key(b, "identity/" MASTER_FILE, VX6_KEYFILE_MASTER, payload, &n);

	vx6_wipe(payload, sizeof payload);
	*out = vx6_is_ok(err)                 ? VX6_MASTER_READY
	       : err.code == VX6_E_PASSPHRASE ? VX6_MASTER_LOCKED
					      : VX6_MASTER_ABSENT;
	return err.code == VX6_E_PASSPHRASE || err.code == VX6_E_NOT_FOUND ? VX6_OK : err;
}

vx6_err vx6_backup_identity(const struct vx6_backup *b, const struct vx6_net *net,
			    struct vx6_identity *out)
{
	uint8_t payload[VX6_KEYFILE_PAYLOAD_MAX];
	size_t n;
	vx6_err err = open_key(b, "identity/" SUBKEY_FILE, VX6_KEYFILE_SUBKEY, payload, &n);

	memset(out, 0, sizeof *out);
	if (vx6_is_ok(err))
		err = identity_parse_subkey(payload, n, net, out);
	vx6_wipe(payload, sizeof payload);
	if (vx6_is_ok(err) && !vx6_node_id_eq(&out->id, &b->node))
		err = VX6_ERR(CORRUPT);
	if (vx6_is_ok(err))
		err = find_master(b, &out->master);
	if (vx6_is_ok(err))
		return err;
	vx6_identity_wipe(out);
	return err.code == VX6_E_MISMATCH ? err : VX6_ERR(CORRUPT);
}

/* ---- the sealed half ---- */

size_t backup_size(const struct vx6_backup *b)
{
	size_t n = sizeof b->node.b + 1 + strlen(b->name) + 2;

	for (size_t i = 0; i < b->parts_n; i++)
		n += 1 + strlen(b->parts[i].name) + 4 + VX6_HASH_BYTES + b->parts[i].n;
	return n;
}

static void put_text(struct vx6_wr *w, const char *text)
{
	vx6_wr_u8(w, (uint8_t)strlen(text));
	vx6_wr_bytes(w, text, strlen(text));
}

vx6_err backup_encode(struct vx6_backup *b, uint8_t *out, size_t cap, size_t *n)
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, cap);
	vx6_wr_bytes(&w, b->node.b, sizeof b->node.b);
	put_text(&w, b->name);
	vx6_wr_u16(&w, (uint16_t)b->parts_n);
	for (size_t i = 0; i < b->parts_n; i++) {
		struct vx6_backup_part *part = &b->parts[i];

		hash_part(part->p, part->n, &part->hash);
		put_text(&w, part->name);
		vx6_wr_u32(&w, (uint32_t)part->n);
		vx6_wr_bytes(&w, part->hash.b, sizeof part->hash.b);
	}
	for (size_t i = 0; i < b->parts_n; i++)
		vx6_wr_bytes(&w, b->parts[i].p, b->parts[i].n);
	return vx6_wr_done(&w, n);
}

static void get_text(struct vx6_rd *r, char *out, size_t cap)
{
	struct vx6_rd text = vx6_rd_sub8(r, cap - 1);

	memcpy(out, text.left ? text.p : (const uint8_t *)"", text.left);
	out[text.left] = 0;
	if (strlen(out) != text.left)
		vx6_rd_fail(r, VX6_ERR(FORMAT));
}

/* An entry of the manifest. Names ascend, so none comes twice. */
static void get_entry(struct vx6_rd *r, struct vx6_backup *b)
{
	struct vx6_backup_part *part = &b->parts[b->parts_n];

	get_text(r, part->name, sizeof part->name);
	part->n = vx6_rd_u32(r);
	vx6_rd_copy(r, part->hash.b, sizeof part->hash.b);
	if (!vx6_is_ok(r->err))
		return;
	if (!vx6_backup_name_is_valid(part->name) ||
	    (b->parts_n && strcmp(part[-1].name, part->name) >= 0))
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	b->parts_n++;
}

static void get_bytes(struct vx6_rd *r, struct vx6_backup_part *part)
{
	const uint8_t *p = vx6_rd_bytes(r, part->n);
	struct vx6_hash hash;

	if (!vx6_is_ok(r->err)) {
		part->n = 0;
		return;
	}
	part->p = vx6_zalloc(part->n + 1);
	if (part->n)
		memcpy(part->p, p, part->n);
	hash_part(part->p, part->n, &hash);
	if (!vx6_ct_eq(hash.b, part->hash.b, sizeof hash.b))
		vx6_rd_fail(r, VX6_ERR(CHECKSUM));
}

vx6_err backup_decode(const uint8_t *in, size_t n, struct vx6_backup *out)
{
	struct vx6_rd r;
	uint16_t parts_n;

	vx6_rd_init(&r, in, n);
	vx6_rd_copy(&r, out->node.b, sizeof out->node.b);
	get_text(&r, out->name, sizeof out->name);
	if (out->name[0] && !vx6_label_is_valid(out->name, strlen(out->name)))
		vx6_rd_fail(&r, VX6_ERR(FORMAT));
	parts_n = vx6_rd_u16(&r);
	if (parts_n > VX6_BACKUP_PARTS_MAX)
		vx6_rd_fail(&r, VX6_ERR(LIMIT));
	if (!vx6_is_ok(r.err))
		return VX6_ERR(CORRUPT);
	out->parts = vx6_zalloc((parts_n + 1u) * sizeof *out->parts);
	for (uint16_t i = 0; i < parts_n && vx6_is_ok(r.err); i++)
		get_entry(&r, out);
	for (size_t i = 0; i < out->parts_n; i++)
		get_bytes(&r, &out->parts[i]);
	return vx6_is_ok(vx6_rd_done(&r)) ? VX6_OK : VX6_ERR(CORRUPT);
}

/* ---- the file ---- */

static void checksum(const uint8_t *p, size_t n, struct vx6_hash *out)
{
	vx6_hash_personal("VX6-backup", p, n, out);
}

static vx6_err derive(const struct vx6_passphrase *pass, const struct seal *s,
		      struct vx6_aead_key *out)
{
	return vx6_pwhash(pass->text, pass->n, s->salt, &s->cost, out->b, sizeof out->b);
}

static void put_header(struct vx6_wr *w, const struct vx6_backup_head *head, const struct seal *s)
{
	char program[VX6_BACKUP_PROGRAM] = "";

	vx6_strlcpy(program, head->program, sizeof program);
	vx6_wr_bytes(w, "VX6B", 4);
	vx6_wr_u8(w, BACKUP_VERSION);
	vx6_wr_u8(w, 0);
	vx6_wr_u16(w, head->schema);
	vx6_wr_u32(w, s->cost.ops);
	vx6_wr_u32(w, s->cost.kib);
	vx6_wr_bytes(w, s->salt, sizeof s->salt);
	vx6_wr_bytes(w, s->nonce.b, sizeof s->nonce.b);
	vx6_wr_u64(w, head->made_ms);
	vx6_wr_bytes(w, program, sizeof program);
	vx6_wr_u64(w, head->sealed_n);
}

/* The sealed half stands behind the head already, in clear. @param n of it */
static vx6_err close_file(struct vx6_backup *b, const struct vx6_passphrase *pass, uint8_t *file,
			  size_t n, size_t cap, size_t *file_n)
{
	struct seal s = {.cost = {.ops = pass->cost.ops ? pass->cost.ops : VX6_PWHASH_OPS_DEFAULT,
				  .kib = pass->cost.kib ? pass->cost.kib : VX6_PWHASH_KIB_DEFAULT}};
	struct vx6_aead_key key;
	struct vx6_hash sum;
	struct vx6_wr w;

	vx6_random_bytes(s.salt, sizeof s.salt);
	vx6_random_bytes(s.nonce.b, sizeof s.nonce.b);
	VX6_TRY(derive(pass, &s, &key));
	b->head.sealed_n = n;
	vx6_wr_init(&w, file, cap);
	put_header(&w, &b->head, &s);
	vx6_aead_seal(&key, &s.nonce, file, HEADER_BYTES, file + HEADER_BYTES, n,
		      file + HEADER_BYTES);
	vx6_wipe(&key, sizeof key);
	w.len += n + VX6_AEAD_TAG_BYTES; /* fits: the file was made that large */
	checksum(file, w.len, &sum);
	vx6_wr_bytes(&w, sum.b, sizeof sum.b);
	return vx6_wr_done(&w, file_n);
}

vx6_err vx6_backup_seal(struct vx6_backup *b, const struct vx6_passphrase *pass, uint8_t **out,
			size_t *n)
{
	size_t sealed_n = backup_size(b), cap = sealed_n + OUTSIDE_BYTES;
	uint8_t *file;
	vx6_err err;

	*out = NULL;
	*n = 0;
	if (cap > VX6_BACKUP_MAX)
		return VX6_ERR(LIMIT);
	file = vx6_zalloc(cap + 1);
	err = backup_encode(b, file + HEADER_BYTES, sealed_n, &sealed_n);
	if (vx6_is_ok(err))
		err = close_file(b, pass, file, sealed_n, cap, n);
	if (!vx6_is_ok(err)) {
		vx6_wipe_free(file, cap);
		return err;
	}
	*out = file;
	return VX6_OK;
}

static vx6_err check_sum(const uint8_t *in, size_t n)
{
	struct vx6_hash sum;

	if (n < OUTSIDE_BYTES || n > VX6_BACKUP_MAX)
		return VX6_ERR(CORRUPT);
	checksum(in, n - VX6_HASH_BYTES, &sum);
	return vx6_ct_eq(sum.b, in + n - VX6_HASH_BYTES, sizeof sum.b) ? VX6_OK : VX6_ERR(CORRUPT);
}

static bool is_printable(const char *text)
{
	while (*text >= ' ' && *text <= '~')
		text++;
	return !*text;
}

static vx6_err read_header(const uint8_t *in, size_t n, struct vx6_backup_head *head,
			   struct seal *s)
{
	const uint8_t *magic;
	struct vx6_rd r;
	uint8_t version;

	memset(head, 0, sizeof *head);
	vx6_rd_init(&r, in, n);
	magic = vx6_rd_bytes(&r, 4);
	version = vx6_rd_u8(&r);
	if (!vx6_is_ok(r.err) || !vx6_ct_eq(magic, "VX6B", 4) || version == 0)
		return VX6_ERR(CORRUPT);
	if (version > BACKUP_VERSION) /* as in a key file: before the checksum */
		return VX6_ERR(TOO_NEW);
	VX6_TRY(check_sum(in, n));
	vx6_rd_skip(&r, 1);
	head->schema = vx6_rd_u16(&r);
	s->cost.ops = vx6_rd_u32(&r);
	s->cost.kib = vx6_rd_u32(&r);
	vx6_rd_copy(&r, s->salt, sizeof s->salt);
	vx6_rd_copy(&r, s->nonce.b, sizeof s->nonce.b);
	head->made_ms = vx6_rd_u64(&r);
	vx6_rd_copy(&r, (uint8_t *)head->program, sizeof head->program);
	head->sealed_n = vx6_rd_u64(&r);
	if (head->program[VX6_BACKUP_PROGRAM - 1] || !is_printable(head->program) ||
	    head->sealed_n != n - OUTSIDE_BYTES) {
		memset(head, 0, sizeof *head);
		return VX6_ERR(CORRUPT);
	}
	return r.err;
}

vx6_err vx6_backup_peek(const uint8_t *in, size_t n, struct vx6_backup_head *out)
{
	struct seal s;

	return read_header(in, n, out, &s);
}

vx6_err vx6_backup_open(uint8_t *in, size_t n, const struct vx6_passphrase *pass,
			struct vx6_backup *out)
{
	struct vx6_backup_head head;
	struct vx6_aead_key key;
	uint8_t *sealed;
	struct seal s;
	vx6_err err;

	memset(out, 0, sizeof *out);
	VX6_TRY(read_header(in, n, &head, &s));
	sealed = in + HEADER_BYTES;
	if (!pass)
		return VX6_ERR(PASSPHRASE);
	err = derive(pass, &s, &key);
	if (!vx6_is_ok(err))
		return err.code == VX6_E_RANGE ? VX6_ERR(CORRUPT) : err;
	err = vx6_aead_open(&key, &s.nonce, in, HEADER_BYTES, sealed,
			    (size_t)head.sealed_n + VX6_AEAD_TAG_BYTES, sealed);
	vx6_wipe(&key, sizeof key);
	if (!vx6_is_ok(err))
		return VX6_ERR(PASSPHRASE);
	err = backup_decode(sealed, (size_t)head.sealed_n, out);
	out->head = head;
	if (!vx6_is_ok(err))
		vx6_backup_fini(out);
	return err;
}
