/* The settings of the agent: what is in force, a check of others, reading the file again. */
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"

/* @param text owned */
static void reply(struct api_request *r, char *text)
{
	api_reply_text(r, "application/json", text, strlen(text));
}

void api_config_get(struct api_request *r)
{
	reply(r, r->server->settings->show(r->server->settings->user));
}

void api_config_reload(struct api_request *r)
{
	reply(r, r->server->settings->reload(r->server->settings->user));
}

void api_config_validate(struct api_request *r)
{
	struct vx6_faults *faults = api_request_faults(r);
	struct vx6_json j = {0};

	r->server->settings->check(r->server->settings->user, r->json, faults);
	if (faults->n > 0) {
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
		return;
	}
	vx6_json_object(&j, NULL);
	vx6_json_bool(&j, "valid", true);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}
