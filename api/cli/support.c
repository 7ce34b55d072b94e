/* support: what somebody who helps needs to see, in one archive. */
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/new_file.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"

enum { BUNDLE_MAX = 64 << 20 };

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
		exit = vx6_cli_new_file(cli, path, r.body, r.n);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, "Wrote %s. %s", path,
			    vx6_cli_has(p, "full")
				    ? "It says which nodes this one knows, and where they are."
				    : "Names are in it; addresses, ids and keys are not.");
	vx6_http_response_fini(&r);
	vx6_cli_request_fini(&request);
	return exit;
}
