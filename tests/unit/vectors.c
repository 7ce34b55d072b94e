#include "tests/unit/vectors.h"

#include <inttypes.h>

static char *read_whole(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);
	size_t n;

	if (!f)
		fail_msg("%s does not open; unit tests run in the source root", path);
	n = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	assert_true(n > 0);
	return text;
}

cJSON *vec_load(const char *name)
{
	char path[256];
	cJSON *root, *vectors;
	char *text;

	snprintf(path, sizeof path, "schemas/vectors/%s.json", name);
	text = read_whole(path);
	root = cJSON_Parse(text);
	free(text);
	assert_non_null(root);
	vectors = cJSON_DetachItemFromObject(root, "vectors");
	cJSON_Delete(root);
	assert_true(cJSON_GetArraySize(vectors) > 0);
	return vectors;
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
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(v, field));

	if (!text)
		fail_msg("no text %s", field);
	return text;
}

uint64_t vec_num(const cJSON *v, const char *field)
{
	const cJSON *item = cJSON_GetObjectItem(v, field);
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

size_t vec_hex(const cJSON *v, const char *field, uint8_t *out, size_t cap)
{
	const char *text = vec_text(v, field);
	size_t n = strlen(text) / 2;

	assert_true(n <= cap);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return n;
}

uint8_t *exact_copy(const void *p, size_t n)
{
	uint8_t *copy = malloc(n);

	assert_true(copy || n == 0);
	if (n)
		memcpy(copy, p, n);
	return copy;
}
