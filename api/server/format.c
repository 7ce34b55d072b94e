#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/server/server_internal.h"
#include "base/clock.h"

void api_put_time(struct vx6_json *j, const char *key, uint64_t wall_ms)
{
	char text[VX6_TIME_TEXT];

	vx6_json_str(j, key, wall_ms ? vx6_time_format(wall_ms, text) : NULL);
}

void api_put_addr(struct vx6_json *j, const char *key, const struct vx6_addr *addr)
{
	char text[VX6_ADDR_TEXT];

	vx6_json_str(j, key, addr->family == VX6_ADDR_NONE ? NULL : vx6_addr_format(addr, text));
}

void api_put_node_id(struct vx6_json *j, const char *key, const struct vx6_node_id *id)
{
	char text[VX6_NODE_ID_TEXT];

	vx6_json_str(j, key, id ? vx6_node_id_format(id, text) : NULL);
}

static void put_failure(struct vx6_json *j, const struct vx6_failure *f, const char *code)
{
	if (vx6_is_ok(f->err)) {
		vx6_json_str(j, "last_error", NULL);
		return;
	}
	vx6_json_object(j, "last_error");
	vx6_json_str(j, "code", code);
	vx6_json_str(j, "detail", f->detail[0] ? f->detail : vx6_err_text(f->err));
	api_put_time(j, "at", f->wall_ms);
	vx6_json_end_object(j);
}

void api_put_failure(struct vx6_json *j, const struct vx6_failure *f)
{
	put_failure(j, f, api_failure_code(f->err));
}

void api_put_hidden_failure(struct vx6_json *j, const struct vx6_failure *f)
{
	put_failure(j, f, api_hidden_code(f->err));
}

void api_put_pair(struct vx6_json *j, const char *key, const char *a, uint64_t av, const char *b,
		  uint64_t bv)
{
	vx6_json_object(j, key);
	vx6_json_u64(j, a, av);
	vx6_json_u64(j, b, bv);
	vx6_json_end_object(j);
}

void api_put_text(struct vx6_json *j, const char *key, const char *text)
{
	vx6_json_str(j, key, text[0] ? text : NULL);
}

void api_put_rtt(struct vx6_json *j, uint32_t rtt_us)
{
	if (rtt_us)
		vx6_json_real(j, "rtt_ms", rtt_us / 1000.0);
	else
		vx6_json_str(j, "rtt_ms", NULL);
}

void api_put_count(struct vx6_json *j, const char *key, bool known, uint64_t n)
{
	if (known)
		vx6_json_u64(j, key, n);
	else
		vx6_json_str(j, key, NULL);
}

void api_put_hex(struct vx6_json *j, const char *key, const uint8_t *bytes)
{
	char text[65];

	for (size_t i = 0; bytes && i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	vx6_json_str(j, key, bytes ? text : NULL);
}

uint64_t api_duration(const char *text, uint64_t max)
{
	char *unit;
	unsigned long n = text ? strtoul(text, &unit, 10) : 0;

	if (text && unit[0] == 's')
		n *= 1000;
	return n < max ? n : max;
}

uint64_t api_get_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%d", &tm) : NULL;
	const char *zone = rest ? strpbrk(rest, "+-") : NULL;
	int hours = 0, minutes = 0;
	time_t at;

	if (!rest || !strptime(rest + 1, "%H:%M:%S", &tm))
		return 0;
	at = timegm(&tm);
	if (zone && sscanf(zone + 1, "%2d:%2d", &hours, &minutes) == 2)
		at += (*zone == '+' ? -60 : 60) * (hours * 60 + minutes);
	return at > 0 ? (uint64_t)at : 0;
}

bool api_get_addr(const struct vx6_value *body, const char *key, struct vx6_addr *out,
		  struct vx6_faults *faults)
{
	const char *text = vx6_value_string(vx6_value_get(body, key));
	char pointer[32];
	vx6_err err;

	if (!text)
		return true;
	err = vx6_addr_parse(text, out);
	if (vx6_is_ok(err))
		return true;
	snprintf(pointer, sizeof pointer, "/%s", key);
	vx6_fault_add(faults, pointer, vx6_err_name(err), "is no address: %s", vx6_err_text(err));
	return false;
}

bool api_get_node_id(const char *text, const char *pointer, struct vx6_node_id *out,
		     struct vx6_faults *faults)
{
	vx6_err err = vx6_node_id_parse(text, out);

	if (vx6_is_ok(err))
		return true;
	vx6_fault_add(faults, pointer, vx6_err_name(err), "is no node id: %s", vx6_err_text(err));
	return false;
}
