/* circuit show: one circuit, and its hops as a table. */
#include <stdio.h>
#include <string.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "base/util.h"

static void print_hops(const struct vx6_cli *cli, const struct vx6_value *circuit)
{
	static const struct vx6_cli_column columns[] = {
		{"NAME", "name"},
		{"ROLE", "role"},
		{"BUILT", "built", VX6_SHOW_STATE},
		{"RTT", "rtt_ms", VX6_SHOW_MS},
		{"ADDED IN", "build_ms", VX6_SHOW_MS},
		{"WHY", "reason"},
		{"NODE ID", "node_id"},
	};

	putchar('\n');
	vx6_cli_print_rows(cli, columns, VX6_ARRAY_N(columns), vx6_value_get(circuit, "hops"),
			   stdout);
}

int vx6_cli_run_circuit_show(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_cli_request r;
	struct vx6_value *v = NULL;
	int exit = vx6_cli_request_make(cli, p, p->command->ops, &r);

	if (exit != VX6_EXIT_OK)
		return exit;
	exit = vx6_cli_fetch(cli, &(struct vx6_http_request){.method = "GET", .path = r.path}, &v);
	vx6_cli_request_fini(&r);
	if (exit == VX6_EXIT_OK && v) {
		vx6_cli_show_one(cli, p->command, v);
		if (cli->format == VX6_FORMAT_TABLE && !cli->fields)
			print_hops(cli, v);
	}
	vx6_value_free(v);
	return exit;
}
