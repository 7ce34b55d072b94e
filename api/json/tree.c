#include "api/json/tree.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "crypto/secret.h"

/* struct vx6_value is never completed: it is a cJSON item under a name that other files may know. */
static const cJSON *item(const struct vx6_value *v)
{
	return (const cJSON *)v;
}

static struct vx6_value *wrap(cJSON *c)
{
	return (struct vx6_value *)c;
}

vx6_err vx6_value_parse(const char *p, size_t n, struct vx6_value **out,
			struct vx6_scan_fault *fault)
{
	*out = NULL;
	VX6_TRY(vx6_json_scan(p, n, fault));
	*out = wrap(cJSON_ParseWithLengthOpts(p, n, NULL, 0));
	return *out ? VX6_OK : VX6_ERR(MEMORY);
}

/* Passphrases and invitations travel as strings: none of them stays in freed memory. The depth is bounded by the scanner. */
static void wipe_strings(cJSON *c)
{
	for (; c; c = c->next) {
		if (cJSON_IsString(c) && c->valuestring)
			vx6_wipe(c->valuestring, strlen(c->valuestring));
		wipe_strings(c->child);
	}
}

void vx6_value_free(struct vx6_value *v)
{
	if (v)
		wipe_strings((cJSON *)v);
	cJSON_Delete((cJSON *)v);
}

unsigned vx6_value_types(const struct vx6_value *v)
{
	const cJSON *c = item(v);

	if (cJSON_IsNull(c))
		return VX6_JT_NULL;
	if (cJSON_IsBool(c))
		return VX6_JT_BOOL;
	if (cJSON_IsNumber(c))
		return VX6_JT_NUMBER |
		       (floor(c->valuedouble) == c->valuedouble ? VX6_JT_INTEGER : 0);
	if (cJSON_IsString(c))
		return VX6_JT_STRING;
	if (cJSON_IsArray(c))
		return VX6_JT_ARRAY;
	return cJSON_IsObject(c) ? VX6_JT_OBJECT : 0;
}

bool vx6_value_is(const struct vx6_value *v, enum vx6_json_types type)
{
	return (vx6_value_types(v) & type) != 0;
}

const struct vx6_value *vx6_value_first(const struct vx6_value *v)
{
	return v ? wrap(item(v)->child) : NULL;
}

const struct vx6_value *vx6_value_next(const struct vx6_value *v)
{
	return wrap(item(v)->next);
}

size_t vx6_value_count(const struct vx6_value *v)
{
	size_t n = 0;

	for (const struct vx6_value *m = vx6_value_first(v); m; m = vx6_value_next(m))
		n++;
	return n;
}

const char *vx6_value_key(const struct vx6_value *v)
{
	return item(v)->string;
}

const struct vx6_value *vx6_value_get(const struct vx6_value *object, const char *key)
{
	return cJSON_IsObject(item(object))
		       ? wrap(cJSON_GetObjectItemCaseSensitive(item(object), key))
		       : NULL;
}

const char *vx6_value_string(const struct vx6_value *v)
{
	return cJSON_IsString(item(v)) ? item(v)->valuestring : NULL;
}

double vx6_value_number(const struct vx6_value *v)
{
	return cJSON_IsNumber(item(v)) ? item(v)->valuedouble : 0;
}

bool vx6_value_bool(const struct vx6_value *v, bool otherwise)
{
	return cJSON_IsBool(item(v)) ? cJSON_IsTrue(item(v)) : otherwise;
}

static bool objects_equal(const struct vx6_value *a, const struct vx6_value *b)
{
	if (vx6_value_count(a) != vx6_value_count(b))
		return false;
	for (const struct vx6_value *m = vx6_value_first(a); m; m = vx6_value_next(m)) {
		const struct vx6_value *other = vx6_value_get(b, vx6_value_key(m));

		if (!other || !vx6_value_equal(m, other))
			return false;
	}
	return true;
}

bool vx6_value_equal(const struct vx6_value *a, const struct vx6_value *b)
{
	unsigned type = vx6_value_types(a);

	if (type != vx6_value_types(b))
		return false;
	if (type & VX6_JT_NUMBER) /* exactly: both came through the same strtod */
		return item(a)->valuedouble >= item(b)->valuedouble &&
		       item(a)->valuedouble <= item(b)->valuedouble;
	if (type & VX6_JT_STRING)
		return strcmp(vx6_value_string(a), vx6_value_string(b)) == 0;
	if (type & VX6_JT_BOOL)
		return cJSON_IsTrue(item(a)) == cJSON_IsTrue(item(b));
	if (type & VX6_JT_OBJECT)
		return objects_equal(a, b);
	a = vx6_value_first(a);
	b = vx6_value_first(b);
	for (; a && b; a = vx6_value_next(a), b = vx6_value_next(b))
		if (!vx6_value_equal(a, b))
			return false;
	return a == b;
}

struct vx6_value *vx6_value_merge(struct vx6_value *target, const struct vx6_value *patch)
{
	cJSON *into = (cJSON *)target;

	if (!cJSON_IsObject(item(patch))) {
		cJSON_Delete(into);
		return wrap(cJSON_Duplicate(item(patch), 1));
	}
	if (!cJSON_IsObject(into)) {
		cJSON_Delete(into);
		into = cJSON_CreateObject();
	}
	for (const cJSON *p = item(patch)->child; into && p; p = p->next) {
		cJSON *old = cJSON_DetachItemFromObjectCaseSensitive(into, p->string);
		cJSON *merged;

		if (cJSON_IsNull(p)) {
			cJSON_Delete(old);
			continue;
		}
		merged = (cJSON *)vx6_value_merge(wrap(old), (const struct vx6_value *)p);
		if (!merged || !cJSON_AddItemToObject(into, p->string, merged)) {
			cJSON_Delete(merged);
			cJSON_Delete(into);
			into = NULL;
		}
	}
	return wrap(into);
}

char *vx6_value_text(const struct vx6_value *v)
{
	return cJSON_PrintUnformatted(item(v));
}
