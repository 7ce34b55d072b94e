/* identity rotate, revoke, export, import. Passphrases come from files or the terminal. */
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
#include "api/json/base64.h"
#include "base/json.h"
#include "base/util.h"
#include "crypto/secret.h"

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

int vx6_cli_run_identity(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	bool revoke = strcmp(p->command->verb, "revoke") == 0;
	struct vx6_value *v = NULL;
	struct vx6_json j = {0};
	int exit;

	vx6_json_object(&j, NULL);
	if (revoke)
		vx6_json_str(&j, "confirm", vx6_cli_text(p, "confirm"));
	exit = add_passphrase(cli, p, "passphrase-file", "passphrase", &j);
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

/* A new file of mode 0600. @return exit status; reported */
static int write_file(const struct vx6_cli *cli, const char *path, const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	bool made = fd >= 0, ok = made && write(fd, bytes, n) == (ssize_t)n && fsync(fd) == 0;
	int err = errno;

	if (made)
		close(fd);
	if (ok)
		return VX6_EXIT_OK;
	if (made)
		unlink(path);
	return vx6_cli_fail(cli, err == EEXIST ? VX6_EXIT_CONFLICT : VX6_EXIT_FAILURE,
			    err == EEXIST ? "exists" : "unwritable", NULL, "cannot write %s: %s",
			    path, strerror(err));
}

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
		exit = write_file(cli, path, bytes, n);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, "Wrote %s. Whoever has it and its passphrase is this node.", path);
	vx6_wipe_free(bytes, n);
	vx6_value_free(v);
	return exit;
}
