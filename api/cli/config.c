/* config show, validate, reload. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "base/json.h"
#include "base/util.h"

enum { FILE_BYTES_MAX = 200 * 1000 }; /* as the contract has it */

/* Shows the settings as a list. @return exit status */
static int show(const struct vx6_cli *cli, const struct vx6_cli_command *c, struct vx6_value *v)
{
	const struct vx6_value *condition = vx6_value_get(v, "condition");
	const char *file = vx6_value_string(vx6_value_get(v, "file"));

	vx6_cli_show_list(cli, c, &v, 1);
	if (file)
		vx6_cli_say(cli, "The file is %s.", file);
	if (vx6_value_bool(vx6_value_get(condition, "status"), true))
		return VX6_EXIT_OK;
	return vx6_cli_fail(cli, VX6_EXIT_OPERATION, "not_loaded", "correct it, then reload",
			    "what was read last is not in force: %s",
			    vx6_value_string(vx6_value_get(condition, "message")));
}

int vx6_cli_run_config(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const struct vx6_route *route = vx6_cli_route(p->command->ops);
	struct vx6_value *v = NULL;
	int exit = vx6_cli_fetch(
		cli, &(struct vx6_http_request){.method = route->method, .path = route->path}, &v);

	if (exit == VX6_EXIT_OK)
		exit = show(cli, p->command, v);
	vx6_value_free(v);
	return exit;
}

/* @param out owned, NUL-ended @return exit status; reported */
static int read_file(const struct vx6_cli *cli, const char *path, char **out)
{
	bool input = strcmp(path, "-") == 0;
	int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t k = fd < 0 ? -1 : 1;
	size_t n = 0;
	int err;

	*out = vx6_zalloc(FILE_BYTES_MAX + 2);
	while (k > 0 && n <= FILE_BYTES_MAX) {
		k = read(fd, *out + n, FILE_BYTES_MAX + 1 - n);
		n += k > 0 ? (size_t)k : 0;
	}
	err = n > FILE_BYTES_MAX ? EFBIG : k < 0 ? errno : 0;
	if (fd >= 0 && !input)
		close(fd);
	if (!err && strlen(*out) == n)
		return VX6_EXIT_OK;
	return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL, "cannot read %s: %s", path,
			    err ? strerror(err) : "it is not text");
}

int vx6_cli_run_config_validate(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_value *v = NULL;
	struct vx6_json j = {0};
	char *text, *body;
	int exit = read_file(cli, vx6_cli_text(p, "FILE"), &text);

	if (exit == VX6_EXIT_OK) {
		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "yaml", text);
		vx6_json_end_object(&j);
		body = vx6_json_take(&j);
		exit = vx6_cli_fetch(
			cli,
			&(struct vx6_http_request){.method = "POST",
						   .path = vx6_cli_route(p->command->ops)->path,
						   .body = body},
			&v);
		free(body);
	}
	if (exit == VX6_EXIT_OK) {
		vx6_cli_say(cli, "%s is good.", vx6_cli_text(p, "FILE"));
		if (cli->format != VX6_FORMAT_TABLE)
			vx6_cli_show_one(cli, p->command, v);
	}
	vx6_value_free(v);
	free(text);
	return exit;
}
