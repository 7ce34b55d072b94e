#include "api/cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/cli/output.h"
#include "api/cli/text.h"
#include "base/clock.h"
#include "base/util.h"

static const struct vx6_value *step(const struct vx6_value *v, const char *path, size_t n)
{
	while (v && n > 0) {
		size_t len = VX6_MIN(strcspn(path, "."), n);
		char key[64];

		if (len >= sizeof key)
			return NULL;
		memcpy(key, path, len);
		key[len] = 0;
		v = vx6_value_get(v, key);
		path += len;
		n -= len;
		if (n > 0) {
			path++;
			n--;
		}
	}
	return v;
}

static bool is_nothing(const struct vx6_value *v)
{
	return !v || vx6_value_is(v, VX6_JT_NULL);
}

const struct vx6_value *vx6_cli_at(const struct vx6_value *v, const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "|");
		const struct vx6_value *found = step(v, path, n);

		if (!is_nothing(found))
			return found;
		if (!path[n])
			return NULL;
		path += n + 1;
	}
}

static char *as_text(const struct vx6_value *v)
{
	const char *s = vx6_value_string(v);
	char *out = s ? vx6_strdup(s) : vx6_value_text(v);

	return out ? out : vx6_strdup("");
}

/* The values of a flat thing, one after the other; anything deeper as JSON. */
static char *joined(const struct vx6_value *v, const char *between)
{
	bool array = vx6_value_is(v, VX6_JT_ARRAY);
	char *text = NULL;
	size_t n = 0;
	FILE *to;

	if (!array && !(between[0] == ' ' && vx6_value_is(v, VX6_JT_OBJECT)))
		return as_text(v);
	to = open_memstream(&text, &n);
	if (!to)
		return vx6_strdup("");
	for (const struct vx6_value *m = vx6_value_first(v); m; m = vx6_value_next(m)) {
		char *item = array ? joined(m, " ") : as_text(m);

		fprintf(to, "%s%s", ftell(to) > 0 ? between : "", item);
		free(item);
	}
	fclose(to);
	return text;
}

static enum vx6_tint state_tint(const char *state)
{
	static const struct {
		const char *state;
		enum vx6_tint tint;
	} known[] = {
		{"up", VX6_TINT_GOOD},        {"ready", VX6_TINT_GOOD},
		{"listening", VX6_TINT_GOOD}, {"valid", VX6_TINT_GOOD},
		{"done", VX6_TINT_GOOD},      {"running", VX6_TINT_BUSY},
		{"revoked", VX6_TINT_BAD},    {"expired", VX6_TINT_DIM},
		{"canceled", VX6_TINT_DIM},   {"yes", VX6_TINT_GOOD},
		{"ok", VX6_TINT_GOOD},        {"dialing", VX6_TINT_BUSY},
		{"backoff", VX6_TINT_BAD},    {"failing", VX6_TINT_BAD},
		{"failed", VX6_TINT_BAD},     {"fail", VX6_TINT_BAD},
		{"no", VX6_TINT_BAD},         {"idle", VX6_TINT_DIM},
		{"disabled", VX6_TINT_DIM},   {"open", VX6_TINT_GOOD},
		{"building", VX6_TINT_BUSY},  {"draining", VX6_TINT_BUSY},
		{"closed", VX6_TINT_DIM},     {"candidate", VX6_TINT_GOOD},
		{"young", VX6_TINT_DIM},      {"unusable", VX6_TINT_BAD},
		{"public", VX6_TINT_GOOD},    {"off", VX6_TINT_DIM},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(known); i++)
		if (strcmp(known[i].state, state) == 0)
			return known[i].tint;
	return VX6_TINT_NONE;
}

static char *access_text(const struct vx6_value *v)
{
	const char *otherwise = vx6_value_string(vx6_value_get(v, "default"));
	size_t n = vx6_value_count(vx6_value_get(v, "node_ids"));
	char text[32];

	if (otherwise && strcmp(otherwise, "any") == 0)
		return vx6_strdup("any");
	snprintf(text, sizeof text, "%zu node%s", n, n == 1 ? "" : "s");
	return vx6_strdup(n ? text : "none");
}

/* Where a forward leads, or what an event is about: two strings and what stands between them. */
static char *pair(const struct vx6_value *item, const char *a, const char *between, const char *b)
{
	const char *left = vx6_value_string(vx6_value_get(item, a));
	const char *right = vx6_value_string(vx6_value_get(item, b));
	size_t n;
	char *out;

	if (!left || !right)
		return vx6_strdup(left ? left : "-");
	n = strlen(left) + strlen(between) + strlen(right) + 1;
	out = vx6_zalloc(n);
	snprintf(out, n, "%s%s%s", left, between, right);
	return out;
}

/* RFC 3339 in UTC. @return ms since 1970; below 0: it is none */
static double parse_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	return rest ? (double)timegm(&tm) * 1000 + (*rest == '.' ? strtod(rest, NULL) * 1000 : 0)
		    : -1;
}

/* How long ago, or how long from now, a time is. */
static char *span_text(const struct vx6_value *v, bool left)
{
	double at = parse_time(vx6_value_string(v)), now = (double)vx6_wall_ms();
	char text[VX6_CLI_HUMAN + 8], span[VX6_CLI_HUMAN];

	if (at < 0)
		return as_text(v);
	if (left && at < now)
		return vx6_strdup("over");
	snprintf(text, sizeof text, "%s%s",
		 vx6_cli_span(left ? at - now : VX6_MAX(now - at, 0.0), span), left ? "" : " ago");
	return vx6_strdup(text);
}

/* It was at some time of the hour that began then. */
static char *hours_text(const struct vx6_value *v)
{
	double at = parse_time(vx6_value_string(v)), hours;
	char text[VX6_CLI_HUMAN + 8];

	if (at < 0)
		return as_text(v);
	hours = ((double)vx6_wall_ms() - at) / 3600e3;
	if (hours < 1)
		return vx6_strdup("this hour");
	snprintf(text, sizeof text, "%uh ago", (unsigned)hours);
	return vx6_strdup(text);
}

/* "[::1]:4242 quic+tcp" */
static char *address_text(const struct vx6_value *v)
{
	const char *address = vx6_value_string(vx6_value_get(v, "address"));
	char *ways = joined(vx6_value_get(v, "transports"), "+"), *out;
	size_t n = strlen(address ? address : "") + strlen(ways) + 2;

	out = vx6_zalloc(n);
	snprintf(out, n, "%s%s%s", address ? address : "", *ways ? " " : "", ways);
	free(ways);
	return out;
}

/* One text of each item of a list, one after the other. */
static char *each_text(const struct vx6_value *list, char *(*text)(const struct vx6_value *))
{
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	if (!to)
		return vx6_strdup("");
	for (const struct vx6_value *m = vx6_value_first(list); m; m = vx6_value_next(m)) {
		char *one = text(m);

		fprintf(to, "%s%s", ftell(to) > 0 ? ", " : "", one);
		free(one);
	}
	fclose(to);
	return out;
}

static char *node_id_text(const struct vx6_value *v)
{
	const struct vx6_value *id = vx6_value_get(v, "node_id");

	return id ? as_text(id) : vx6_strdup("");
}

static char *name_text(const struct vx6_value *v)
{
	const struct vx6_value *name = vx6_value_get(v, "name");

	return name ? as_text(name) : vx6_strdup("");
}

static char *replicas_text(const struct vx6_value *v)
{
	char text[64];

	snprintf(text, sizeof text, "%.0f of %.0f", vx6_value_number(vx6_value_get(v, "proved")),
		 vx6_value_number(vx6_value_get(v, "wanted")));
	return vx6_strdup(text);
}

static char *number_text(enum vx6_cli_show show, double n)
{
	char text[VX6_CLI_HUMAN];

	if (show == VX6_SHOW_BYTES)
		vx6_cli_bytes(n, text);
	else if (show == VX6_SHOW_MS)
		vx6_cli_ms(n, text);
	else if (show == VX6_SHOW_UPTIME)
		vx6_cli_span(n, text);
	else if (show == VX6_SHOW_TENTHS)
		snprintf(text, sizeof text, "%.1f", n);
	else if (show == VX6_SHOW_ROUND)
		snprintf(text, sizeof text, "about %.0f", n);
	else
		snprintf(text, sizeof text, "%.1f %%", show == VX6_SHOW_SHARE ? n * 100 : n);
	return vx6_strdup(text);
}

/* "relay x2, anonymous"; what is as usual is nothing. */
static char *route_text(const struct vx6_value *v)
{
	const char *via = vx6_value_string(vx6_value_get(v, "via"));
	double hops = vx6_value_number(vx6_value_get(v, "hops"));
	size_t nodes = vx6_value_count(vx6_value_get(v, "nodes"));
	char text[64], many[16] = "";

	if (nodes > 0)
		hops = (double)nodes;
	if (!via || (strcmp(via, "auto") == 0 && hops == 0))
		return vx6_strdup("");
	if (hops > 0)
		snprintf(many, sizeof many, " x%.0f", hops);
	snprintf(text, sizeof text, "%.16s%s%s", via, many,
		 vx6_value_bool(vx6_value_get(v, "anonymous"), false) ? ", anonymous" : "");
	return vx6_strdup(text);
}

/* "3 key, 41 unreachable" */
static char *counts_text(const struct vx6_value *v)
{
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	if (!to)
		return vx6_strdup("");
	for (const struct vx6_value *m = vx6_value_first(v); m; m = vx6_value_next(m))
		if (vx6_value_number(m) > 0)
			fprintf(to, "%s%.0f %s", ftell(to) > 0 ? ", " : "", vx6_value_number(m),
				vx6_value_key(m));
	fclose(to);
	return out;
}

/* Said of those that are there for one thing: the others are told by their place. */
static void put_role(FILE *to, const struct vx6_value *hop)
{
	static const char *const said[] = {"introduction", "rendezvous", "client"};
	const char *role = vx6_value_string(vx6_value_get(hop, "role"));

	for (size_t i = 0; role && i < VX6_ARRAY_N(said); i++)
		if (strcmp(role, said[i]) == 0)
			fprintf(to, " [%s]", role);
}

/* A name, or the beginning of an id or key; nothing of a client that nobody knows. */
static void put_hop(FILE *to, const struct vx6_value *hop)
{
	const char *name = vx6_value_string(vx6_value_get(hop, "name"));
	const char *id = vx6_value_string(vx6_value_get(hop, "node_id"));
	const struct vx6_value *rtt = vx6_value_get(hop, "rtt_ms");
	bool built = vx6_value_bool(vx6_value_get(hop, "built"), true);
	char text[VX6_CLI_HUMAN];

	fprintf(to, " ▸ %s", built ? "" : "(");
	if (name && *name)
		fputs(name, to);
	else
		fprintf(to, "%.10s…", id ? id : "");
	put_role(to, hop);
	if (vx6_value_is(rtt, VX6_JT_NUMBER))
		fprintf(to, " %s", vx6_cli_ms(vx6_value_number(rtt), text));
	fputs(built ? "" : ")", to);
}

/* "me ▸ bob 12 ms ▸ alice 31 ms"; hops in brackets are not there yet. */
static char *path_text(const struct vx6_value *hops)
{
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	if (!to)
		return vx6_strdup("");
	fputs("me", to);
	for (const struct vx6_value *hop = vx6_value_first(hops); hop; hop = vx6_value_next(hop))
		put_hop(to, hop);
	fclose(to);
	return out;
}

/* "relay-1, vx1q8t44xq…" */
static char *node_name_text(const struct vx6_value *node)
{
	const char *name = vx6_value_string(vx6_value_get(node, "name"));
	const char *id = vx6_value_string(vx6_value_get(node, "node_id"));
	char text[24];

	snprintf(text, sizeof text, "%.10s…", id ? id : "");
	return vx6_strdup(name && *name ? name : text);
}

/* "0 ms fetch, 212 ms descriptor, 430 ms met" */
static char *step_text(const struct vx6_value *step)
{
	const char *what = vx6_value_string(vx6_value_get(step, "step"));
	char text[64];

	snprintf(text, sizeof text, "%.0f ms %.32s", vx6_value_number(vx6_value_get(step, "at_ms")),
		 what ? what : "");
	return vx6_strdup(text);
}

static char *destination(const struct vx6_value *item)
{
	const char *to = vx6_value_string(vx6_value_get(item, "to"));

	return to ? vx6_strdup(to) : pair(item, "service", "@", "address");
}

static char *cell_text(const struct vx6_cli_column *column, const struct vx6_value *v)
{
	switch (column->show) {
	case VX6_SHOW_ACCESS:
		return access_text(v);
	case VX6_SHOW_DESTINATION:
		return destination(v);
	case VX6_SHOW_SUBJECT:
		return pair(v, "kind", " ", "id");
	case VX6_SHOW_BYTES:
	case VX6_SHOW_MS:
	case VX6_SHOW_PERCENT:
	case VX6_SHOW_UPTIME:
	case VX6_SHOW_ROUND:
	case VX6_SHOW_SHARE:
	case VX6_SHOW_TENTHS:
		return vx6_value_is(v, VX6_JT_NUMBER)
			       ? number_text(column->show, vx6_value_number(v))
			       : joined(v, ", ");
	case VX6_SHOW_HOUR:
		return hours_text(v);
	case VX6_SHOW_AGO:
	case VX6_SHOW_LEFT:
		return span_text(v, column->show == VX6_SHOW_LEFT);
	case VX6_SHOW_ADDRESS:
		return vx6_value_is(v, VX6_JT_ARRAY) ? each_text(v, address_text) : address_text(v);
	case VX6_SHOW_CLAIMS:
		return each_text(v, node_id_text);
	case VX6_SHOW_ENTRIES:
		return each_text(v, name_text);
	case VX6_SHOW_REPLICAS:
		return replicas_text(v);
	case VX6_SHOW_ROUTE:
		return route_text(v);
	case VX6_SHOW_PATH:
		return path_text(v);
	case VX6_SHOW_NAMES:
		return each_text(v, node_name_text);
	case VX6_SHOW_STEPS:
		return each_text(v, step_text);
	case VX6_SHOW_COUNTS:
		return counts_text(v);
	case VX6_SHOW_FLAG:
	case VX6_SHOW_ALARM:
	case VX6_SHOW_STATE:
		if (vx6_value_is(v, VX6_JT_BOOL))
			return vx6_strdup(vx6_value_bool(v, false) ? "yes" : "no");
		return joined(v, ", ");
	case VX6_SHOW_TEXT:
		break;
	}
	return joined(v, ", ");
}

struct vx6_cli_cell vx6_cli_cell(const struct vx6_cli_column *column, const struct vx6_value *item)
{
	const struct vx6_value *v = *column->path ? vx6_cli_at(item, column->path) : item;
	struct vx6_cli_cell cell = {0};

	if (is_nothing(v))
		return (struct vx6_cli_cell){.text = vx6_strdup("-")};
	cell.text = cell_text(column, v);
	if (!*cell.text) {
		free(cell.text);
		cell.text = vx6_strdup("-");
	}
	if (column->show == VX6_SHOW_STATE)
		cell.tint = state_tint(cell.text);
	else if (column->show == VX6_SHOW_ALARM && strcmp(cell.text, "yes") == 0)
		cell.tint = VX6_TINT_BAD;
	cell.right = vx6_value_is(v, VX6_JT_NUMBER);
	return cell;
}
