/* init: an identity and a state directory, without an agent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/cli/output.h"
#include "api/cli/passphrase.h"
#include "api/cli/problem.h"
#include "api/cli/state_dir.h"
#include "base/json.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/identity.h"

enum { DIR_BYTES = 256, PATH_BYTES = DIR_BYTES + 32 };

/* A name is what schemas/api/Name.json says. */
static bool name_is_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
	       name[0] != '-' && name[n - 1] != '-';
}

/* Settings that the agent reads at its start. */
static int write_settings(const struct vx6_cli *cli, const char *dir, const char *name)
{
	char path[PATH_BYTES];
	int fd;
	bool ok;

	snprintf(path, sizeof path, "%s/agent.yaml", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	ok = fd >= 0 && dprintf(fd, "name: %s\n", name) > 0 && fsync(fd) == 0;
	if (!ok)
		vx6_cli_fail(cli, errno == EEXIST ? VX6_EXIT_CONFLICT : VX6_EXIT_FAILURE,
			     "settings", NULL, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok ? VX6_EXIT_OK : VX6_EXIT_FAILURE;
}

static void report(const struct vx6_cli *cli, const struct vx6_cli_command *c, const char *dir,
		   const struct vx6_identity *id)
{
	char text[VX6_NODE_ID_TEXT];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "node_id", vx6_node_id_format(&id->id, text));
	vx6_json_str(&j, "state_dir", dir);
	vx6_json_bool(&j, "passphrase", id->master == VX6_MASTER_LOCKED);
	vx6_json_end_object(&j);
	vx6_cli_show_json(cli, c, &j);
	vx6_cli_say(cli, "Start it: vx6 agent --state-dir %s", dir);
}

static int create(const struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char *dir,
		  const struct vx6_passphrase *pass)
{
	const char *name = vx6_cli_text(p, "name");
	struct vx6_identity id;
	char path[PATH_BYTES];
	int exit = VX6_EXIT_OK;
	vx6_err err;

	snprintf(path, sizeof path, "%s/identity", dir);
	err = vx6_identity_create(path, &vx6_net_default, (uint64_t)time(NULL), pass, &id);
	if (err.code == VX6_E_EXISTS)
		return vx6_cli_fail(
			cli, VX6_EXIT_CONFLICT, "exists",
			"an identity is made once; use another --state-dir for a new node",
			"there is an identity in %s", path);
	if (!vx6_is_ok(err))
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, vx6_err_name(err), NULL,
				    "cannot make an identity in %s: %s", path, vx6_err_text(err));
	if (name)
		exit = write_settings(cli, dir, name);
	if (exit == VX6_EXIT_OK)
		report(cli, p->command, dir, &id);
	vx6_identity_wipe(&id);
	return exit;
}

int vx6_cli_run_init(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *given = vx6_cli_text(p, "state-dir"),
		   *file = vx6_cli_text(p, "passphrase-file");
	const char *name = vx6_cli_text(p, "name");
	char dir[DIR_BYTES], text[VX6_CLI_PASSPHRASE_MAX];
	struct vx6_passphrase pass = {.text = text};
	int exit = VX6_EXIT_OK, err;

	if (name && !name_is_valid(name))
		return vx6_cli_fail(cli, VX6_EXIT_INVALID, "name", NULL,
				    "a name has up to 32 lower-case letters, digits and inner "
				    "hyphens, not '%s'",
				    name);
	if (given ? vx6_strlcpy(dir, given, sizeof dir) >= sizeof dir || !*given
		  : !vx6_state_dir_default(dir, sizeof dir))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "give --state-dir",
				    "no usable state directory");
	if (!vx6_is_ok(vx6_crypto_init()))
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "crypto", NULL,
				    "libsodium does not start");
	err = vx6_state_dir_make(dir);
	if (err)
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "state_dir", NULL, "cannot make %s: %s",
				    dir, strerror(err));
	if (file)
		exit = vx6_cli_passphrase_read(cli, file, text);
	pass.n = file && exit == VX6_EXIT_OK ? strlen(text) : 0;
	if (exit == VX6_EXIT_OK)
		exit = create(cli, p, dir, file ? &pass : NULL);
	vx6_wipe(text, sizeof text);
	return exit;
}
