#include "api/cli/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/problem.h"
#include "api/cli/text.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/util.h"
#include "identity/node_id.h"

struct builder {
	const struct vx6_cli *cli;
	const struct vx6_cli_parsed *p;
	const struct vx6_route *route;
	struct vx6_json j;
	int exit;
};

const struct vx6_route *vx6_cli_route(const char *op)
{
	size_t n = strcspn(op, " ");

	for (size_t i = 0; i < VX6_OP_N; i++)
		if (strlen(vx6_routes[i].id) == n && memcmp(vx6_routes[i].id, op, n) == 0)
			return &vx6_routes[i];
	return NULL;
}

static char *concat(const char *a, const char *b, const char *c)
{
	size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
	char *out = vx6_zalloc(n);

	snprintf(out, n, "%s%s%s", a, b, c);
	return out;
}

char *vx6_cli_path_add(char *path, const char *name, const char *value)
{
	char *escaped = vx6_cli_percent(value);
	char *left = concat(path, strchr(path, '?') ? "&" : "?", name);
	char *out = concat(left, "=", escaped);

	free(escaped);
	free(left);
	free(path);
	return out;
}

/* ---- values ---- */

static void fault(struct builder *b, const struct vx6_cli_arg *arg, const char *expected,
		  const char *text)
{
	if (b->exit == VX6_EXIT_OK)
		b->exit =
			vx6_cli_fail(b->cli, VX6_EXIT_USAGE, "usage", NULL, "%s%s is %s, not '%s'",
				     arg->positional ? "" : "--", arg->name, expected, text);
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 17;
}

/* "8080" and ":8080" are ports of this machine. */
static char *local_address(const char *text)
{
	return is_number(text)  ? concat("127.0.0.1:", text, "")
	       : text[0] == ':' ? concat("127.0.0.1", text, "")
				: vx6_strdup(text);
}

/* "7d" from now on, or before now. @return owned; NULL: it is no span */
static char *span_end(const char *text, bool ago)
{
	static const struct {
		char unit;
		double s;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	char *end, out[VX6_TIME_TEXT];
	double n = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : 0;

	for (size_t i = 0; n > 0 && i < VX6_ARRAY_N(units); i++)
		if (end[0] == units[i].unit && !end[1] && n * units[i].s <= 3155760000.0) {
			uint64_t now = vx6_wall_ms(), ms = (uint64_t)(n * units[i].s * 1000);

			return vx6_strdup(
				vx6_time_format(ago ? now - VX6_MIN(ms, now) : now + ms, out));
		}
	return NULL;
}

/* An id has an underscore, which no name has, or is a node's. */
static char *reference(const char *text)
{
	struct vx6_node_id id;

	return strchr(text, '_') || strncmp(text, "name:", 5) == 0 ||
			       vx6_is_ok(vx6_node_id_parse(text, &id))
		       ? vx6_strdup(text)
		       : concat("name:", text, "");
}

/* "alice.web": what stands for the node. */
static char *node_part(const char *text)
{
	char *out = vx6_strdup(text);

	if (strchr(out, '.'))
		*strchr(out, '.') = 0;
	return out;
}

static char *plain_text(struct builder *b, const struct vx6_cli_arg *arg, const char *text)
{
	if (arg->kind == VX6_ARG_INTEGER && !is_number(text))
		fault(b, arg, "a number", text);
	if (arg->kind == VX6_ARG_LOCAL)
		return local_address(text);
	if (arg->kind == VX6_ARG_UNTIL || arg->kind == VX6_ARG_AGO) {
		char *time = span_end(text, arg->kind == VX6_ARG_AGO);

		if (!time)
			fault(b, arg, "a time like 7d, 12h, 30m or 90s", text);
		return time ? time : vx6_strdup("");
	}
	if ((arg->kind == VX6_ARG_PIN || arg->kind == VX6_ARG_PETNAME) && !strchr(text, ':'))
		return concat(arg->kind == VX6_ARG_PIN ? "pin:" : "petname:", text, "");
	if (arg->kind == VX6_ARG_ABOUT)
		return node_part(text);
	return arg->kind == VX6_ARG_REF ? reference(text) : vx6_strdup(text);
}

static const char *text_of(const struct builder *b, const struct vx6_cli_arg *arg)
{
	for (size_t i = b->p->values_n; i-- > 0;)
		if (b->p->values[i].arg == arg)
			return b->p->values[i].text;
	return NULL;
}

static bool given(const struct builder *b, const struct vx6_cli_arg *arg)
{
	for (size_t i = 0; i < b->p->values_n; i++)
		if (b->p->values[i].arg == arg)
			return true;
	return false;
}

/* The values of one argument, in the order given; @p i is 0 at first. */
static const char *each(const struct builder *b, const struct vx6_cli_arg *arg, size_t *i)
{
	while (*i < b->p->values_n) {
		const struct vx6_cli_value *v = &b->p->values[(*i)++];

		if (v->arg == arg)
			return v->text;
	}
	return NULL;
}

/* ---- body ---- */

static void add_labels(struct builder *b, const struct vx6_cli_arg *arg)
{
	size_t i = 0;

	vx6_json_object(&b->j, arg->field);
	for (const char *text; (text = each(b, arg, &i));) {
		size_t n = strcspn(text, "=");
		char *key;

		if (n == 0 || !text[n]) {
			fault(b, arg, "KEY=VALUE", text);
			continue;
		}
		key = vx6_strdup(text);
		key[n] = 0;
		vx6_json_str(&b->j, key,
			     b->route->merge_patch && !text[n + 1] ? NULL : text + n + 1);
		free(key);
	}
	vx6_json_end_object(&b->j);
}

static void add_allow(struct builder *b, const struct vx6_cli_arg *arg)
{
	bool any = false, list = false;
	size_t i = 0;

	for (const char *text; (text = each(b, arg, &i));) {
		any = any || strcmp(text, "any") == 0;
		list = list || strcmp(text, "any") != 0;
	}
	if (any && list)
		fault(b, arg, "any, or node ids", "both");
	vx6_json_object(&b->j, arg->field);
	vx6_json_str(&b->j, "default", any ? "any" : "none");
	vx6_json_array(&b->j, "node_ids");
	i = 0;
	for (const char *text; (text = each(b, arg, &i));) {
		struct vx6_node_id id;

		if (strcmp(text, "any") == 0 || strcmp(text, "none") == 0)
			continue;
		/* a mistyped id would shut out the one it was meant for: its checksum is looked at here */
		if (!vx6_is_ok(vx6_node_id_parse(text, &id)))
			fault(b, arg, "any, none or a node id vx1…", text);
		vx6_json_str(&b->j, NULL, text);
	}
	vx6_json_end_array(&b->j);
	vx6_json_end_object(&b->j);
}

/* vx1…@ADDR */
static void add_peer(struct builder *b, const struct vx6_cli_arg *arg)
{
	char *id = NULL;
	size_t i = 0;

	vx6_json_array(&b->j, arg->field);
	for (const char *text; (text = each(b, arg, &i));) {
		const char *at = strchr(text, '@');

		if (at) {
			char *this = vx6_strdup(text);

			this[at - text] = 0;
			if (id && strcmp(id, this) != 0)
				fault(b, arg, "one node", text);
			free(id);
			id = this;
		}
		vx6_json_str(&b->j, NULL, at ? at + 1 : text);
	}
	vx6_json_end_array(&b->j);
	if (id)
		vx6_json_str(&b->j, "node_id", id);
	free(id);
}

/* The ids of all values of @p arg, one after the other; a mistyped one is told here. @param add called with each */
static void each_node(struct builder *b, const struct vx6_cli_arg *arg,
		      void (*add)(void *user, const char *id), void *user)
{
	size_t i = 0;

	for (const char *text; (text = each(b, arg, &i));) {
		char *copy = vx6_strdup(text), *save;
		struct vx6_node_id id;

		for (char *one = strtok_r(copy, ",", &save); one;
		     one = strtok_r(NULL, ",", &save)) {
			if (!vx6_is_ok(vx6_node_id_parse(one, &id)))
				fault(b, arg, "node ids vx1…, separated by commas", one);
			add(user, one);
		}
		free(copy);
	}
}

static void add_to_array(void *user, const char *id)
{
	vx6_json_str(user, NULL, id);
}

static void add_to_list(void *user, const char *id)
{
	FILE *to = user;

	fprintf(to, "%s%s", ftell(to) > 0 ? "," : "", id);
}

static char *joined_nodes(struct builder *b, const struct vx6_cli_arg *arg)
{
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	VX6_ASSERT(to);
	each_node(b, arg, add_to_list, to);
	fclose(to);
	return out;
}

/* The name within its object. */
static const char *member(const char *field)
{
	const char *dot = strchr(field, '.');

	return dot ? dot + 1 : field;
}

static void add_scalar(struct builder *b, const struct vx6_cli_arg *arg)
{
	const char *text = text_of(b, arg), *field = member(arg->field);
	char *value;

	if (arg->kind == VX6_ARG_SWITCH) {
		vx6_json_raw(&b->j, field, arg->literal);
		return;
	}
	if (arg->nullable && !*text) {
		vx6_json_str(&b->j, field, NULL);
		return;
	}
	if (arg->kind == VX6_ARG_ONOFF) {
		vx6_json_bool(&b->j, field, strcmp(text, "on") == 0);
		return;
	}
	value = plain_text(b, arg, text);
	if (arg->kind == VX6_ARG_INTEGER)
		vx6_json_raw(&b->j, field, b->exit == VX6_EXIT_OK ? value : "0");
	else
		vx6_json_str(&b->j, field, value);
	free(value);
}

static void add_texts(struct builder *b, const struct vx6_cli_arg *arg)
{
	size_t i = 0;

	vx6_json_array(&b->j, arg->field);
	for (const char *text; (text = each(b, arg, &i));)
		if (*text) /* an empty one alone makes the list empty */
			vx6_json_str(&b->j, NULL, text);
	vx6_json_end_array(&b->j);
}

static void add_value(struct builder *b, const struct vx6_cli_arg *arg)
{
	if (arg->kind == VX6_ARG_TEXT && arg->repeat) {
		add_texts(b, arg);
		return;
	}
	switch (arg->kind) {
	case VX6_ARG_LABEL:
		add_labels(b, arg);
		break;
	case VX6_ARG_ALLOW:
		add_allow(b, arg);
		break;
	case VX6_ARG_PEER:
		add_peer(b, arg);
		break;
	case VX6_ARG_NODES:
		vx6_json_array(&b->j, member(arg->field));
		each_node(b, arg, add_to_array, &b->j);
		vx6_json_end_array(&b->j);
		break;
	default:
		add_scalar(b, arg);
	}
}

static bool field_given(const struct builder *b, const char *field, size_t n)
{
	const struct vx6_cli_command *c = b->p->command;

	for (size_t i = 0; i < c->args_n; i++) {
		const struct vx6_cli_arg *a = &c->args[i];

		if (a->place == VX6_IN_BODY && given(b, a) && strlen(a->field) == n &&
		    memcmp(a->field, field, n) == 0)
			return true;
	}
	return false;
}

/* Whether an argument before the @p n-th that is given too clears @p field. */
static bool cleared_before(const struct builder *b, size_t n, const char *field, size_t field_n)
{
	const struct vx6_cli_command *c = b->p->command;

	for (size_t i = 0; i < n; i++)
		if (c->args[i].place == VX6_IN_BODY && given(b, &c->args[i]) &&
		    vx6_cli_word_in(c->args[i].clears, field, field_n))
			return true;
	return false;
}

/*
 * In a patch, a destination by name takes the place of one by address, and the other way round.
 * @param object of the fields, with its dot: "route."; empty: the body itself
 */
static void add_cleared(struct builder *b, const char *object)
{
	const struct vx6_cli_command *c = b->p->command;
	size_t object_n = strlen(object);

	for (size_t i = 0; i < c->args_n; i++) {
		const struct vx6_cli_arg *a = &c->args[i];

		if (a->place != VX6_IN_BODY || !a->clears || !given(b, a) ||
		    strncmp(a->field, object, object_n) != 0 ||
		    (object_n == 0 && strchr(a->field, '.')))
			continue;
		for (const char *p = a->clears; *p;) {
			size_t n = strcspn(p, " ");
			char field[32];

			snprintf(field, sizeof field, "%.*s", (int)n, p);
			if (!field_given(b, p, n) && !cleared_before(b, i, p, n))
				vx6_json_str(&b->j, member(field), NULL);
			p += n;
			p += *p == ' ';
		}
	}
}

/* All members that are given of the object that @p first is one of, unless they stand there already. @param n of @p first */
static void add_object(struct builder *b, const struct vx6_cli_arg *first, size_t n)
{
	const struct vx6_cli_command *c = b->p->command;
	size_t dot = (size_t)(member(first->field) - first->field);
	char object[32];

	snprintf(object, sizeof object, "%.*s", (int)dot, first->field);
	for (size_t i = 0; i < n; i++)
		if (c->args[i].place == VX6_IN_BODY && given(b, &c->args[i]) &&
		    strncmp(c->args[i].field, object, dot) == 0)
			return;
	object[dot - 1] = 0;
	vx6_json_object(&b->j, object);
	object[dot - 1] = '.';
	for (size_t i = n; i < c->args_n; i++)
		if (c->args[i].place == VX6_IN_BODY && given(b, &c->args[i]) &&
		    strncmp(c->args[i].field, object, dot) == 0)
			add_value(b, &c->args[i]);
	if (b->route->merge_patch)
		add_cleared(b, object);
	vx6_json_end_object(&b->j);
}

static char *make_body(struct builder *b)
{
	const struct vx6_cli_command *c = b->p->command;
	size_t fields = 0;

	vx6_json_object(&b->j, NULL);
	for (size_t i = 0; i < c->args_n; i++) {
		const struct vx6_cli_arg *arg = &c->args[i];

		if (arg->place != VX6_IN_BODY || !given(b, arg))
			continue;
		fields++;
		if (strchr(arg->field, '.'))
			add_object(b, arg, i);
		else
			add_value(b, arg);
	}
	if (b->route->merge_patch)
		add_cleared(b, "");
	vx6_json_end_object(&b->j);
	if (b->route->merge_patch && fields == 0 && b->exit == VX6_EXIT_OK)
		b->exit = vx6_cli_fail(b->cli, VX6_EXIT_USAGE, "usage", NULL,
				       "there is nothing to change: give an option");
	return vx6_json_take(&b->j);
}

/* ---- path ---- */

static char *replace_template(char *path, const char *field, const char *value)
{
	char *open = strchr(path, '{'), *close = open ? strchr(open, '}') : NULL;
	char *left, *out, *escaped;

	if (!close || strlen(field) != (size_t)(close - open - 1) ||
	    memcmp(open + 1, field, strlen(field)) != 0)
		return path;
	*open = 0;
	escaped = vx6_cli_percent(value);
	left = concat(path, escaped, "");
	out = concat(left, close + 1, "");
	free(left);
	free(escaped);
	free(path);
	return out;
}

static bool is_circuit(const struct vx6_cli_arg *arg, const char *text)
{
	return arg->kind == VX6_ARG_ABOUT && strncmp(text, "cir_", 4) == 0;
}

static char *make_path(struct builder *b, const char **if_match)
{
	const struct vx6_cli_command *c = b->p->command;
	char *path = vx6_strdup(b->route->path);

	for (size_t i = 0; i < c->args_n; i++) {
		const struct vx6_cli_arg *arg = &c->args[i];
		const char *text = text_of(b, arg);
		char *value;

		if (arg->kind == VX6_ARG_SWITCH && given(b, arg))
			text = arg->literal;
		if (!text || arg->place == VX6_IN_BODY)
			continue;
		value = arg->kind == VX6_ARG_NODES ? joined_nodes(b, arg)
						   : plain_text(b, arg, text);
		if (arg->place == VX6_IN_PATH)
			path = replace_template(path, arg->field, value);
		else if (arg->place == VX6_IN_QUERY && is_circuit(arg, text))
			path = vx6_cli_path_add(path, "circuit", text);
		else if (arg->place == VX6_IN_QUERY)
			path = vx6_cli_path_add(path, arg->field, value);
		else if (arg->place == VX6_IN_HEADER)
			*if_match = text;
		free(value);
	}
	return path;
}

int vx6_cli_request_make(const struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char *op,
			 struct vx6_cli_request *out)
{
	struct builder b = {.cli = cli, .p = p, .route = vx6_cli_route(op)};

	VX6_ASSERT(b.route);
	*out = (struct vx6_cli_request){.route = b.route};
	out->path = make_path(&b, &out->if_match);
	if (b.route->body)
		out->body = make_body(&b);
	if (b.exit != VX6_EXIT_OK)
		vx6_cli_request_fini(out);
	return b.exit;
}

void vx6_cli_request_fini(struct vx6_cli_request *r)
{
	VX6_FREE(r->path);
	VX6_FREE(r->body);
}
