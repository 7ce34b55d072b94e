/* support: what somebody who helps needs to see, in one archive. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"

enum { BUNDLE_MAX = 64 << 20 };

static int save(const struct vx6_cli *cli, const char *path, const struct vx6_http_response *r)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	bool made = fd >= 0, ok = made;
	int err = errno;

	for (size_t at = 0; ok && at < r->n;) {
		ssize_t k = write(fd, r->body + at, r->n - at);

		ok = k > 0;
		err = errno;
		at += ok ? (size_t)k : 0;
	}
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

int vx6_cli_run_support(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *path = vx6_cli_text(p, "FILE");
	struct vx6_http_response r = {.max = BUNDLE_MAX};
	struct vx6_cli_request request;
	int exit;

	if (access(path, F_OK) == 0)
		return vx6_cli_fail(cli, VX6_EXIT_CONFLICT, "exists", NULL, "%s is there already",
				    path);
	exit = vx6_cli_request_make(cli, p, p->command->ops, &request);
	if (exit != VX6_EXIT_OK)
		return exit;
	exit = vx6_cli_send(cli,
			    &(struct vx6_http_request){.method = request.route->method,
						       .path = request.path,
						       .body = request.body ? request.body : "{}"},
			    &r);
	if (exit == VX6_EXIT_OK && r.status != 200)
		exit = vx6_cli_problem(cli, r.status, r.body ? r.body : "", r.n);
	else if (exit == VX6_EXIT_OK)
		exit = save(cli, path, &r);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, "Wrote %s. %s", path,
			    vx6_cli_has(p, "full")
				    ? "It says which nodes this one knows, and where they are."
				    : "Names are in it; addresses, ids and keys are not.");
	vx6_http_response_fini(&r);
	vx6_cli_request_fini(&request);
	return exit;
}
