/* log level: reads the levels, and with a layer and a level puts them back with that one changed. */
#include <stdlib.h>
#include <string.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "base/json.h"

/* @return owned: the levels with one changed, or with that level for all */
static char *changed(const struct vx6_value *levels, const char *layer, const char *level)
{
	bool all = strcmp(layer, "all") == 0;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "default",
		     all ? level : vx6_value_string(vx6_value_get(levels, "default")));
	vx6_json_object(&j, "layers");
	for (const struct vx6_value *v = vx6_value_first(vx6_value_get(levels, "layers"));
	     v && !all; v = vx6_value_next(v))
		if (strcmp(vx6_value_key(v), layer) != 0)
			vx6_json_str(&j, vx6_value_key(v), vx6_value_string(v));
	if (!all)
		vx6_json_str(&j, layer, level);
	vx6_json_end_object(&j);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

int vx6_cli_run_log_level(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *layer = vx6_cli_text(p, "LAYER"), *level = vx6_cli_text(p, "LEVEL");
	const char *path = vx6_cli_route("log_levels_get")->path;
	struct vx6_value *levels = NULL, *after = NULL;
	char *body;
	int exit;

	if (layer && !level)
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", NULL,
				    "say the level too: error, warn, info, debug or trace");
	exit = vx6_cli_fetch(cli, &(struct vx6_http_request){.method = "GET", .path = path},
			     &levels);
	if (exit != VX6_EXIT_OK)
		return exit;
	if (!layer) {
		vx6_cli_show_one(cli, p->command, levels);
		vx6_value_free(levels);
		return exit;
	}
	body = changed(levels, layer, level);
	exit = vx6_cli_fetch(
		cli, &(struct vx6_http_request){.method = "PUT", .path = path, .body = body},
		&after);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, "Until the agent is restarted, %s writes: %s", layer, level);
	vx6_value_free(after);
	vx6_value_free(levels);
	free(body);
	return exit;
}
