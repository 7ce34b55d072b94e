/* identity rotate, revoke, export, import. Passphrases come from files or the terminal. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/new_file.h"
#include "api/cli/output.h"
#include "api/cli/passphrase.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "api/cli/state_dir.h"
#include "api/json/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/archive.h"

/* Puts what is in the file that option @p option names into the body. @return exit status; reported */
static int add_passphrase(const struct vx6_cli *cli, const struct vx6_cli_parsed *p,
			  const char *option, const char *field, struct vx6_json *j)
{
	const char *file = vx6_cli_text(p, option);
	char text[VX6_CLI_PASSPHRASE_MAX];
	int exit;

	if (!file)
		return VX6_EXIT_OK;
	exit = vx6_cli_passphrase_read(cli, file, text);
	if (exit == VX6_EXIT_OK)
		vx6_json_str(j, field, text);
	vx6_wipe(text, sizeof text);
	return exit;
}

/* Posts the body, which holds secrets. @param j taken */
static int post(struct vx6_cli *cli, const char *op, struct vx6_json *j, struct vx6_value **out)
{
	char *body;
	int exit;

	vx6_json_end_object(j);
	body = vx6_json_take(j);
	exit = vx6_cli_fetch(cli,
			     &(struct vx6_http_request){.method = "POST",
							.path = vx6_cli_route(op)->path,
							.body = body},
			     out);
	vx6_wipe_free(body, strlen(body));
	return exit;
}

static void add_revocation(const struct vx6_cli_parsed *p, struct vx6_json *j)
{
	const char *reason = vx6_cli_text(p, "reason"), *dir = vx6_cli_text(p, "successor");
	char path[PATH_MAX];

	vx6_json_str(j, "confirm", vx6_cli_text(p, "confirm"));
	if (reason || dir)
		vx6_json_str(j, "reason", reason ? reason : "superseded");
	/* the agent has another working directory */
	if (dir)
		vx6_json_str(j, "successor_dir", realpath(dir, path) ? path : dir);
}

int vx6_cli_run_identity(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	bool revoke = strcmp(p->command->verb, "revoke") == 0;
	struct vx6_value *v = NULL;
	struct vx6_json j = {0};
	int exit;

	vx6_json_object(&j, NULL);
	if (revoke)
		add_revocation(p, &j);
	exit = add_passphrase(cli, p, "passphrase-file", "passphrase", &j);
	if (exit == VX6_EXIT_OK)
		exit = add_passphrase(cli, p, "successor-passphrase-file", "successor_passphrase",
				      &j);
	if (exit != VX6_EXIT_OK) {
		vx6_json_fini(&j);
		return exit;
	}
	exit = post(cli, p->command->ops, &j, &v);
	if (exit == VX6_EXIT_OK) {
		vx6_cli_say(cli,
			    revoke ? "This identity has ended." : "There is a new online key.");
		vx6_cli_show_one(cli, p->command, v);
	}
	vx6_value_free(v);
	return exit;
}

/* ---- export ---- */

int vx6_cli_run_identity_export(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *path = vx6_cli_text(p, "FILE"), *text;
	char pass[VX6_CLI_PASSPHRASE_MAX];
	struct vx6_value *v = NULL;
	struct vx6_json j = {0};
	uint8_t *bytes = NULL;
	size_t n = 0;
	int exit;

	if (access(path, F_OK) == 0)
		return vx6_cli_fail(cli, VX6_EXIT_CONFLICT, "exists", NULL, "%s is there already",
				    path);
	exit = vx6_cli_passphrase_get(cli, vx6_cli_text(p, "passphrase-file"),
				      "Passphrase for the file", true, pass);
	if (exit != VX6_EXIT_OK)
		return exit;
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "passphrase", pass);
	vx6_wipe(pass, sizeof pass);
	exit = add_passphrase(cli, p, "master-passphrase-file", "master_passphrase", &j);
	if (exit != VX6_EXIT_OK) {
		vx6_json_fini(&j);
		return exit;
	}
	exit = post(cli, p->command->ops, &j, &v);
	text = vx6_value_string(vx6_value_get(v, "file"));
	if (exit == VX6_EXIT_OK && !(text && (bytes = vx6_base64_decode(text, &n))))
		exit = vx6_cli_fail(cli, VX6_EXIT_FAILURE, "answer", NULL,
				    "the answer holds no file");
	if (exit == VX6_EXIT_OK)
		exit = vx6_cli_new_file(cli, path, bytes, n);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, "Wrote %s. Whoever has it and its passphrase is this node.", path);
	vx6_wipe_free(bytes, n);
	vx6_value_free(v);
	return exit;
}

/* ---- import: without an agent ---- */

static int read_archive(const struct vx6_cli *cli, const char *path,
			uint8_t out[static VX6_ARCHIVE_MAX + 1], size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t got = fd < 0 ? -1 : read(fd, out, VX6_ARCHIVE_MAX + 1);
	int err = errno;

	if (fd >= 0)
		close(fd);
	if (got < 0)
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL, "cannot read %s: %s",
				    path, strerror(err));
	*n = (size_t)got;
	return VX6_EXIT_OK;
}

static void report_import(const struct vx6_cli *cli, const struct vx6_cli_command *c,
			  const char *dir, const struct vx6_identity *id)
{
	char text[VX6_NODE_ID_TEXT];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "node_id", vx6_node_id_format(&id->id, text));
	vx6_json_str(&j, "state_dir", dir);
	vx6_json_bool(&j, "passphrase", id->master == VX6_MASTER_LOCKED);
	vx6_json_end_object(&j);
	vx6_cli_show_json(cli, c, &j);
	vx6_cli_say(cli,
		    "Start it: vx6 agent --state-dir %s. The node it came from must not run "
		    "any more.",
		    dir);
}

static int import_error(const struct vx6_cli *cli, vx6_err err, const char *file, const char *dir)
{
	if (err.code == VX6_E_EXISTS)
		return vx6_cli_fail(cli, VX6_EXIT_CONFLICT, "exists",
				    "import into another --state-dir",
				    "there is an identity in %s already", dir);
	if (err.code == VX6_E_PASSPHRASE)
		return vx6_cli_fail(cli, VX6_EXIT_DENIED, "passphrase", NULL,
				    "this is not the passphrase of %s", file);
	return vx6_cli_fail(cli, VX6_EXIT_FAILURE, vx6_err_name(err), NULL, "cannot import %s: %s",
			    file, vx6_err_text(err));
}

static int import_into(const struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char *dir,
		       const char *sealed_by, const char *master)
{
	const struct vx6_passphrase seal = {.text = sealed_by, .n = strlen(sealed_by)},
				    pass = {.text = master, .n = strlen(master)};
	uint8_t bytes[VX6_ARCHIVE_MAX + 1];
	struct vx6_identity id;
	char path[512];
	size_t n = 0;
	int exit = read_archive(cli, vx6_cli_text(p, "FILE"), bytes, &n);
	vx6_err err;

	if (exit != VX6_EXIT_OK)
		return exit;
	snprintf(path, sizeof path, "%.480s/identity", dir);
	err = vx6_identity_import(bytes, n, &seal, path, &vx6_net_default, vx6_wall_s(),
				  pass.n ? &pass : NULL, &id);
	if (!vx6_is_ok(err))
		return import_error(cli, err, vx6_cli_text(p, "FILE"), path);
	report_import(cli, p->command, dir, &id);
	vx6_identity_wipe(&id);
	return VX6_EXIT_OK;
}

int vx6_cli_run_identity_import(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *given = vx6_cli_text(p, "state-dir"),
		   *master_file = vx6_cli_text(p, "master-passphrase-file");
	char dir[256], seal[VX6_CLI_PASSPHRASE_MAX], master[VX6_CLI_PASSPHRASE_MAX] = "";
	int exit, err;

	if (given ? vx6_strlcpy(dir, given, sizeof dir) >= sizeof dir || !*given
		  : !vx6_state_dir_default(dir, sizeof dir))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "give --state-dir",
				    "no usable state directory");
	if (!vx6_is_ok(vx6_crypto_init()))
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "crypto", NULL,
				    "libsodium does not start");
	exit = vx6_cli_passphrase_get(cli, vx6_cli_text(p, "passphrase-file"),
				      "Passphrase of the file", false, seal);
	if (exit == VX6_EXIT_OK && master_file)
		exit = vx6_cli_passphrase_read(cli, master_file, master);
	err = exit == VX6_EXIT_OK ? vx6_state_dir_make(dir) : 0;
	if (err)
		exit = vx6_cli_fail(cli, VX6_EXIT_FAILURE, "state_dir", NULL, "cannot make %s: %s",
				    dir, strerror(err));
	if (exit == VX6_EXIT_OK)
		exit = import_into(cli, p, dir, seal, master);
	vx6_wipe(seal, sizeof seal);
	vx6_wipe(master, sizeof master);
	return exit;
}
