#include "tests/unit/vectors.h"

#include <inttypes.h>

/* The member of that name of what the file has; the file is closed. */
static cJSON *read_member(FILE *f, const char *field)
{
	char *text = calloc(1, 1 << 20);
	cJSON *root, *member;

	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	root = cJSON_Parse(text);
	free(text);
	assert_non_null(root);
	member = cJSON_DetachItemFromObject(root, field);
	cJSON_Delete(root);
	assert_true(cJSON_GetArraySize(member) > 0);
	return member;
}

cJSON *vec_load(const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "schemas/vectors/%s.json", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s does not open; unit tests run in the source root", path);
	return read_member(f, "vectors");
}

cJSON *vec_published(const char *name, const char *field)
{
	const char *dir = getenv("VX6_MORE_VECTORS");
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.json", dir ? dir : "", name);
	f = dir ? fopen(path, "rb") : NULL;
	if (!f) {
		print_message("VX6_MORE_VECTORS names no directory with %s.json\n", name);
		skip();
	}
	return read_member(f, field);
}

void vec_free(cJSON *vectors)
{
	cJSON_Delete(vectors);
}

const cJSON *vec_find(const cJSON *vectors, const char *name)
{
	VEC_EACH(v, vectors)
	if (strcmp(vec_text(v, "name"), name) == 0)
		return v;
	fail_msg("no vector %s", name);
	return NULL;
}

const char *vec_text(const cJSON *v, const char *field)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, field));

	if (!text)
		fail_msg("no text %s", field);
	return text;
}

uint64_t vec_num(const cJSON *v, const char *field)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(v, field);
	uint64_t n = 0;

	if (cJSON_IsNumber(item))
		return (uint64_t)item->valuedouble;
	assert_int_equal(sscanf(vec_text(v, field), "%" SCNu64, &n), 1);
	return n;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	assert_true(c >= 'a' && c <= 'f');
	return c - 'a' + 10;
}

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = strlen(text) / 2;

	assert_true(n <= cap);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return n;
}

size_t vec_hex(const cJSON *v, const char *field, uint8_t *out, size_t cap)
{
	return unhex(vec_text(v, field), out, cap);
}

size_t vec_hex_at(const cJSON *v, const char *field, int i, uint8_t *out, size_t cap)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(v, field), i));

	if (!text)
		fail_msg("no text %d in %s", i, field);
	return unhex(text, out, cap);
}

uint8_t *exact_copy(const void *p, size_t n)
{
	uint8_t *copy = malloc(n);

	assert_true(copy || n == 0);
	if (n)
		memcpy(copy, p, n);
	return copy;
}
