#include "api/server/route.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place. @param plus a plus sign is a space @return false: malformed, or a NUL */
static bool decode(char *s, bool plus)
{
	char *out = s;

	for (; *s; s++) {
		if (*s == '%') {
			int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*out++ = (char)(high * 16 + low);
			s += 2;
		} else {
			*out++ = *s == '+' && plus ? ' ' : *s;
		}
	}
	*out = 0;
	return true;
}

vx6_err vx6_uri_split(char *target, struct vx6_query *query)
{
	char *at = strchr(target, '?'), *part;

	query->n = 0;
	for (const char *c = target; *c; c++)
		if (*c <= ' ' || *c > '~')
			return VX6_ERR(FORMAT);
	if (!at)
		return VX6_OK;
	*at++ = 0;
	while ((part = strsep(&at, "&")) != NULL) {
		char *value = strchr(part, '=');

		if (!*part)
			continue;
		if (query->n == VX6_QUERY_MAX)
			return VX6_ERR(LIMIT);
		if (value)
			*value++ = 0;
		else
			value = part + strlen(part);
		if (!decode(part, true) || !decode(value, true))
			return VX6_ERR(FORMAT);
		query->items[query->n].name = part;
		query->items[query->n++].value = value;
	}
	return VX6_OK;
}

enum fit { FIT_NOT, FIT_PARAMETER, FIT_VERB, FIT_LITERAL };

/* Takes the value of a {parameter} from @p path. @param verb what follows it in the template: ":cancel", or empty @return its length, 0: none */
static size_t take_arg(const char *path, const char *verb, size_t verb_n, char arg[VX6_PATH_ARG])
{
	size_t n = strcspn(path, "/");

	if (n <= verb_n || memcmp(path + n - verb_n, verb, verb_n) != 0 ||
	    n - verb_n >= VX6_PATH_ARG)
		return 0;
	memcpy(arg, path, n - verb_n);
	arg[n - verb_n] = 0;
	return decode(arg, false) ? n : 0;
}

/* Before a verb the value must look like one: `name:invite` is a name, not the verb of something called `name`. */
static bool arg_is_sound(const struct vx6_route *route, const char *arg)
{
	for (size_t i = 0; i < route->params_n; i++)
		if (route->params[i].place == VX6_PARAM_PATH && route->params[i].schema->pattern)
			return vx6_pattern_match(route->params[i].schema->pattern, arg);
	return true;
}

/* Compares segment by segment; one segment of the template may be a {parameter}, a verb may follow it. */
static enum fit path_fits(const struct vx6_route *route, const char *path, char arg[VX6_PATH_ARG])
{
	const char *template = route->path;
	enum fit fit = FIT_LITERAL;

	arg[0] = 0;
	while (*template && *path) {
		if (*template == '{') {
			const char *verb = template + strcspn(template, "}") + 1;
			size_t verb_n = strcspn(verb, "/"), n = take_arg(path, verb, verb_n, arg);

			if (n == 0 || (verb_n && !arg_is_sound(route, arg)))
				return FIT_NOT;
			fit = verb_n ? FIT_VERB : FIT_PARAMETER;
			path += n;
			template = verb + verb_n;
		} else if (*template ++!= *path++) {
			return FIT_NOT;
		}
	}
	return *template == 0 && *path == 0 ? fit : FIT_NOT;
}

static void allow_add(char allow[VX6_ALLOW_TEXT], const char *method)
{
	size_t n = strlen(allow);

	snprintf(allow + n, VX6_ALLOW_TEXT - n, "%s%s", n ? ", " : "", method);
	if (strcmp(method, "GET") == 0)
		allow_add(allow, "HEAD");
}

void vx6_route_find(const char *method, const char *path, struct vx6_route_match *out)
{
	enum fit best = FIT_NOT;
	char arg[VX6_PATH_ARG];

	memset(out, 0, sizeof *out);
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < VX6_OP_N; i++) {
		enum fit fit = path_fits(&vx6_routes[i], path, arg);

		if (fit == FIT_NOT || fit < best)
			continue;
		if (fit > best)
			memset(out, 0, sizeof *out);
		best = fit;
		out->path_known = true;
		memcpy(out->arg, arg, sizeof arg);
		allow_add(out->allow, vx6_routes[i].method);
		if (strcmp(vx6_routes[i].method, method) == 0)
			out->route = &vx6_routes[i];
	}
}

static const struct vx6_param *param_find(const struct vx6_route *route, const char *name)
{
	for (size_t i = 0; i < route->params_n; i++)
		if (route->params[i].place == VX6_PARAM_QUERY &&
		    strcmp(route->params[i].name, name) == 0)
			return &route->params[i];
	return NULL;
}

bool vx6_query_check(const struct vx6_route *route, const struct vx6_query *query,
		     struct vx6_faults *faults)
{
	size_t before = faults->n;

	for (size_t i = 0; i < query->n; i++) {
		const char *name = query->items[i].name;
		const struct vx6_param *param = param_find(route, name);
		char pointer[VX6_FAULT_POINTER];

		snprintf(pointer, sizeof pointer, "?%s", name);
		if (!param) {
			vx6_fault_add(faults, pointer, "unknown",
				      "is not a parameter of this route");
			continue;
		}
		if (vx6_query_get(query, name) != query->items[i].value)
			vx6_fault_add(faults, pointer, "repeated", "must be given once");
		else
			vx6_validate_param(param, query->items[i].value, faults);
	}
	return faults->n == before;
}

const char *vx6_query_get(const struct vx6_query *query, const char *name)
{
	for (size_t i = 0; i < query->n; i++)
		if (strcmp(query->items[i].name, name) == 0)
			return query->items[i].value;
	return NULL;
}
