/* backup create, show, restore. The first asks an agent; the others work on files alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/passphrase.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/backup.h"
#include "node/restore.h"

enum { PATH_BYTES = 4096 };

/* ---- create ---- */

static vx6_err write_all(int fd, const char *p, size_t n)
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
	return fsync(fd) < 0 ? vx6_err_from_errno(errno) : VX6_OK;
}

/* Whole under its name, or not there: a link is made to what is finished, and never over another file. */
static vx6_err write_file(const char *path, const char *p, size_t n)
{
	char part[PATH_BYTES];
	vx6_err err;
	int fd;

	if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
		return VX6_ERR(LIMIT);
	(void)unlink(part); /* left by a crash */
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	err = write_all(fd, p, n);
	if (close(fd) < 0 && vx6_is_ok(err))
		err = vx6_err_from_errno(errno);
	if (vx6_is_ok(err) && link(part, path) < 0)
		err = vx6_err_from_errno(errno);
	(void)unlink(part);
	return err;
}

static int save(const struct vx6_cli *cli, const char *path, const struct vx6_http_response *r)
{
	struct vx6_backup_head head;
	vx6_err err = vx6_backup_peek((const uint8_t *)r->body, r->n, &head);

	if (!vx6_is_ok(err))
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "answer", NULL,
				    "the answer is no backup: %s", vx6_err_text(err));
	err = write_file(path, r->body, r->n);
	if (!vx6_is_ok(err))
		return vx6_cli_fail(cli,
				    err.code == VX6_E_EXISTS ? VX6_EXIT_CONFLICT : VX6_EXIT_FAILURE,
				    err.code == VX6_E_EXISTS ? "exists" : "unwritable", NULL,
				    "cannot write %s: %s", path, vx6_err_text(err));
	vx6_cli_say(cli,
		    "Wrote %s. Whoever has it and its passphrase is this node, and every hidden "
		    "service on it.",
		    path);
	return VX6_EXIT_OK;
}

int vx6_cli_run_backup_create(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *path = vx6_cli_text(p, "FILE");
	char pass[VX6_CLI_PASSPHRASE_MAX], *body;
	struct vx6_http_response r = {.max = VX6_BACKUP_MAX};
	struct vx6_json j = {0};
	int exit;

	if (access(path, F_OK) == 0)
		return vx6_cli_fail(cli, VX6_EXIT_CONFLICT, "exists", NULL, "%s is there already",
				    path);
	exit = vx6_cli_passphrase_get(cli, vx6_cli_text(p, "passphrase-file"),
				      "Passphrase for the backup", true, pass);
	if (exit != VX6_EXIT_OK)
		return exit;
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "passphrase", pass);
	vx6_json_end_object(&j);
	vx6_wipe(pass, sizeof pass);
	body = vx6_json_take(&j);
	exit = vx6_cli_send(cli,
			    &(struct vx6_http_request){.method = "POST",
						       .path = vx6_cli_route(p->command->ops)->path,
						       .body = body},
			    &r);
	vx6_wipe_free(body, strlen(body));
	if (exit == VX6_EXIT_OK && r.status != 200)
		exit = vx6_cli_problem(cli, r.status, r.body ? r.body : "", r.n);
	else if (exit == VX6_EXIT_OK)
		exit = save(cli, path, &r);
	vx6_http_response_fini(&r);
	return exit;
}

/* ---- files that are there ---- */

/* @param out owned, vx6_wipe_free() @return exit status; reported */
static int read_file(const struct vx6_cli *cli, const char *path, uint8_t **out, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st = {0};
	ssize_t k = 0;

	*out = NULL;
	*n = 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > VX6_BACKUP_MAX) {
		int err = fd >= 0 && !S_ISREG(st.st_mode) ? EINVAL : fd >= 0 ? EFBIG : errno;

		if (fd >= 0)
			close(fd);
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL, "cannot read %s: %s",
				    path, strerror(err));
	}
	*out = vx6_zalloc((size_t)st.st_size + 1);
	while (*n < (size_t)st.st_size && ((k = read(fd, *out + *n, (size_t)st.st_size - *n)) > 0 ||
					   (k < 0 && errno == EINTR)))
		*n += k > 0 ? (size_t)k : 0;
	close(fd);
	return VX6_EXIT_OK;
}

static int open_error(const struct vx6_cli *cli, vx6_err err, const char *path)
{
	if (err.code == VX6_E_PASSPHRASE)
		return vx6_cli_fail(cli, VX6_EXIT_DENIED, "passphrase", NULL,
				    "this is not the passphrase of %s", path);
	return vx6_cli_fail(cli, VX6_EXIT_FAILURE, vx6_err_name(err), NULL,
			    "%s is no backup that can be used: %s", path, vx6_err_text(err));
}

/* Reads, and opens with a passphrase. @param bytes owned by the caller, also on failure @return exit status; reported */
static int open_backup(const struct vx6_cli *cli, const struct vx6_cli_parsed *p, uint8_t **bytes,
		       size_t *n, struct vx6_backup *out)
{
	const char *path = vx6_cli_text(p, "FILE");
	char text[VX6_CLI_PASSPHRASE_MAX];
	struct vx6_backup_head head;
	struct vx6_passphrase pass;
	vx6_err err;
	int exit = read_file(cli, path, bytes, n);

	if (exit != VX6_EXIT_OK)
		return exit;
	err = vx6_backup_peek(*bytes, *n, &head); /* before anybody types a passphrase */
	if (!vx6_is_ok(err))
		return open_error(cli, err, path);
	exit = vx6_cli_passphrase_get(cli, vx6_cli_text(p, "passphrase-file"),
				      "Passphrase of the backup", false, text);
	if (exit != VX6_EXIT_OK)
		return exit;
	pass = (struct vx6_passphrase){.text = text, .n = strlen(text)};
	err = vx6_backup_open(*bytes, *n, &pass, out);
	vx6_wipe(text, sizeof text);
	return vx6_is_ok(err) ? VX6_EXIT_OK : open_error(cli, err, path);
}

static void put_head(struct vx6_json *j, const struct vx6_backup_head *head, size_t n)
{
	char text[VX6_TIME_TEXT];

	vx6_json_str(j, "made_at", vx6_time_format(head->made_ms, text));
	vx6_json_str(j, "version", head->program);
	vx6_json_u64(j, "schema", head->schema);
	vx6_json_u64(j, "bytes", n);
}

static void put_hash(struct vx6_json *j, const struct vx6_hash *hash)
{
	char text[2 * VX6_HASH_BYTES + 1];

	for (size_t i = 0; i < VX6_HASH_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", hash->b[i]);
	vx6_json_str(j, "blake2b", text);
}

static void put_contents(struct vx6_json *j, const struct vx6_backup *b)
{
	char text[VX6_NODE_ID_TEXT];

	vx6_json_str(j, "name", b->name);
	vx6_json_str(j, "node_id", vx6_node_id_format(&b->node, text));
	vx6_json_array(j, "parts");
	for (size_t i = 0; i < b->parts_n; i++) {
		vx6_json_object(j, NULL);
		vx6_json_str(j, "name", b->parts[i].name);
		vx6_json_u64(j, "bytes", b->parts[i].n);
		put_hash(j, &b->parts[i].hash);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
}

/* @param j taken */
static void print(const struct vx6_cli *cli, const struct vx6_cli_command *c, struct vx6_json *j)
{
	struct vx6_value *v = NULL;
	struct vx6_scan_fault fault;
	char *json;

	vx6_json_end_object(j);
	json = vx6_json_take(j);
	if (vx6_is_ok(vx6_value_parse(json, strlen(json), &v, &fault)))
		vx6_cli_show_one(cli, c, v);
	vx6_value_free(v);
	free(json);
}

static int need_crypto(const struct vx6_cli *cli)
{
	if (vx6_is_ok(vx6_crypto_init()))
		return VX6_EXIT_OK;
	return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "crypto", NULL, "libsodium does not start");
}

int vx6_cli_run_backup_show(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *path = vx6_cli_text(p, "FILE");
	bool whole = vx6_cli_text(p, "passphrase-file");
	struct vx6_backup b = {0};
	struct vx6_json j = {0};
	uint8_t *bytes = NULL;
	size_t n = 0;
	int exit = need_crypto(cli);

	if (exit == VX6_EXIT_OK)
		exit = whole ? open_backup(cli, p, &bytes, &n, &b)
			     : read_file(cli, path, &bytes, &n);
	if (exit == VX6_EXIT_OK && !whole) {
		vx6_err err = vx6_backup_peek(bytes, n, &b.head);

		exit = vx6_is_ok(err) ? exit : open_error(cli, err, path);
	}
	if (exit == VX6_EXIT_OK) {
		vx6_json_object(&j, NULL);
		put_head(&j, &b.head, n);
		if (whole)
			put_contents(&j, &b);
		print(cli, p->command, &j);
	}
	if (exit == VX6_EXIT_OK && !whole)
		vx6_cli_say(cli, "What is in it is shown with --passphrase-file.");
	vx6_backup_fini(&b);
	vx6_wipe_free(bytes, n);
	return exit;
}

/* ---- restore ---- */

static int restore_error(const struct vx6_cli *cli, vx6_err err, const char *detail)
{
	switch (err.code) {
	case VX6_E_EXISTS:
	case VX6_E_LOCKED:
		return vx6_cli_fail(cli, VX6_EXIT_CONFLICT, vx6_err_name(err),
				    "restore into another --state-dir", "%s", detail);
	case VX6_E_PASSPHRASE:
		return vx6_cli_fail(cli, VX6_EXIT_DENIED, "passphrase", NULL, "%s", detail);
	default:
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, vx6_err_name(err), NULL, "%s", detail);
	}
}

static void report(const struct vx6_cli *cli, const struct vx6_cli_command *c, const char *dir,
		   const struct vx6_backup *b, const struct vx6_restored *r)
{
	char text[VX6_NODE_ID_TEXT], ends[VX6_TIME_TEXT];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	put_head(&j, &b->head, (size_t)b->head.sealed_n);
	vx6_json_str(&j, "name", b->name);
	vx6_json_str(&j, "node_id", vx6_node_id_format(&r->node, text));
	vx6_json_str(&j, "state_dir", dir);
	vx6_json_bool(&j, "new_online_key", r->renewed);
	vx6_json_str(&j, "certificate_ends", vx6_time_format(r->cert_not_after_s * 1000, ends));
	print(cli, c, &j);
	if (!r->renewed)
		vx6_cli_say(cli, "Its online key is the one of the backup, which may have been "
				 "retired since: start the agent with the passphrase of the "
				 "master key, or with that key in place.");
	vx6_cli_say(cli,
		    "Start it: vx6 agent --state-dir %s. The node that the backup is of must not "
		    "run any more.",
		    dir);
}

static int restore(const struct vx6_cli *cli, const struct vx6_cli_parsed *p,
		   const struct vx6_backup *b)
{
	const char *dir = vx6_cli_text(p, "state-dir"),
		   *file = vx6_cli_text(p, "master-passphrase-file");
	char text[VX6_CLI_PASSPHRASE_MAX] = "", detail[VX6_RESTORE_DETAIL];
	struct vx6_passphrase pass = {.text = text};
	struct vx6_restored restored;
	int exit = file ? vx6_cli_passphrase_read(cli, file, text) : VX6_EXIT_OK;
	vx6_err err;

	if (exit != VX6_EXIT_OK)
		return exit;
	pass.n = strlen(text);
	err = vx6_backup_restore(b, dir, file ? &pass : NULL, vx6_wall_s(), &restored, detail);
	vx6_wipe(text, sizeof text);
	if (!vx6_is_ok(err))
		return restore_error(cli, err, detail);
	report(cli, p->command, dir, b, &restored);
	return VX6_EXIT_OK;
}

int vx6_cli_run_backup_restore(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_backup b = {0};
	uint8_t *bytes = NULL;
	size_t n = 0;
	int exit = need_crypto(cli);

	if (exit == VX6_EXIT_OK)
		exit = open_backup(cli, p, &bytes, &n, &b);
	if (exit == VX6_EXIT_OK)
		exit = restore(cli, p, &b);
	vx6_backup_fini(&b);
	vx6_wipe_free(bytes, n);
	return exit;
}
