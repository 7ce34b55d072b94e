#include "api/contract/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Where the value under check is: a chain from the innermost step outwards, all on the stack. */
struct place {
	const struct place *outer;
	const char *key; /* NULL: index counts */
	size_t index;
};

static size_t put_escaped(char *out, size_t at, size_t cap, const char *key)
{
	for (; *key && at + 2 < cap; key++) {
		if (*key == '~' || *key == '/') {
			out[at++] = '~';
			out[at++] = *key == '~' ? '0' : '1';
		} else {
			out[at++] = *key;
		}
	}
	return at;
}

/* Returns the bytes written; a pointer that does not fit is cut. */
static size_t put_place(const struct place *at, char out[VX6_FAULT_POINTER])
{
	size_t n;

	if (!at)
		return 0;
	n = put_place(at->outer, out);
	if (n + 24 >= VX6_FAULT_POINTER)
		return n;
	out[n++] = '/';
	if (!at->key)
		return n + (size_t)snprintf(out + n, 22, "%zu", at->index);
	return put_escaped(out, n, VX6_FAULT_POINTER - 1, at->key);
}

__attribute__((format(printf, 4, 0))) static void fault_v(struct vx6_faults *faults,
							  const char *pointer, const char *code,
							  const char *fmt, va_list ap)
{
	struct vx6_fault *f;

	if (faults->n++ >= VX6_FAULTS_MAX)
		return;
	f = &faults->items[faults->n - 1];
	vx6_strlcpy(f->pointer, pointer, sizeof f->pointer);
	f->code = code;
	vsnprintf(f->detail, sizeof f->detail, fmt, ap);
}

void vx6_fault_add(struct vx6_faults *faults, const char *pointer, const char *code,
		   const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault_v(faults, pointer, code, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 4, 5))) fault(struct vx6_faults *faults,
							const struct place *at, const char *code,
							const char *fmt, ...)
{
	char pointer[VX6_FAULT_POINTER];
	va_list ap;

	pointer[put_place(at, pointer)] = 0;
	va_start(ap, fmt);
	fault_v(faults, pointer, code, fmt, ap);
	va_end(ap);
}

bool vx6_pattern_match(const struct vx6_pattern *pattern, const char *text)
{
	unsigned state = 1;

	for (; *text && state != 0; text++)
		state = pattern->next[state * pattern->classes_n +
				      pattern->class_of[(unsigned char)*text]];
	return pattern->accept[state] != 0;
}

static size_t code_points(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool digits(const char **s, unsigned n, int *out)
{
	*out = 0;
	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*out = *out * 10 + (**s - '0');
	}
	return true;
}

static bool one_of(const char **s, const char *chars)
{
	if (!**s || !strchr(chars, **s))
		return false;
	(*s)++;
	return true;
}

/* RFC 3339: date, time with optional fraction, offset. A leap second is taken at the end of any hour. */
static bool is_date_time(const char *s)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day, hour, minute, second, off_h, off_m;
	bool leap;

	if (!digits(&s, 4, &year) || !one_of(&s, "-") || !digits(&s, 2, &month) ||
	    !one_of(&s, "-") || !digits(&s, 2, &day) || !one_of(&s, "Tt") ||
	    !digits(&s, 2, &hour) || !one_of(&s, ":") || !digits(&s, 2, &minute) ||
	    !one_of(&s, ":") || !digits(&s, 2, &second))
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (month < 1 || month > 12 || day < 1 || day > days[month - 1] ||
	    (month == 2 && day == 29 && !leap))
		return false;
	if (hour > 23 || minute > 59 || second > 60 || (second == 60 && minute != 59))
		return false;
	if (*s == '.') {
		s++;
		if (*s < '0' || *s > '9')
			return false;
		while (*s >= '0' && *s <= '9')
			s++;
	}
	if (one_of(&s, "Zz"))
		return *s == 0;
	return one_of(&s, "+-") && digits(&s, 2, &off_h) && one_of(&s, ":") &&
	       digits(&s, 2, &off_m) && off_h < 24 && off_m < 60 && *s == 0;
}

static void check_string(const struct vx6_schema *s, const char *text, const struct place *at,
			 struct vx6_faults *faults)
{
	size_t n = code_points(text);

	if (n < s->min_length)
		fault(faults, at, "minLength", "must have at least %u characters", s->min_length);
	if (n > s->max_length)
		fault(faults, at, "maxLength", "must have at most %u characters", s->max_length);
	else if (s->pattern && !vx6_pattern_match(s->pattern, text))
		fault(faults, at, "pattern", "must match %s", s->pattern->text);
	if ((s->flags & VX6_SF_DATE_TIME) && !is_date_time(text))
		fault(faults, at, "format", "must be a time like 2026-01-31T12:00:00Z");
}

static void check_number(const struct vx6_schema *s, double v, const struct place *at,
			 struct vx6_faults *faults)
{
	if ((s->flags & VX6_SF_MIN) && v < s->min)
		fault(faults, at, "minimum", "must be at least %.17g", s->min);
	if ((s->flags & VX6_SF_MAX) && v > s->max)
		fault(faults, at, "maximum", "must be at most %.17g", s->max);
}

static bool value_is(const struct vx6_schema_value *e, const struct vx6_value *v)
{
	if (!vx6_value_is(v, e->type))
		return false;
	if (e->type == VX6_JT_STRING)
		return strcmp(e->string, vx6_value_string(v)) == 0;
	if (e->type == VX6_JT_BOOL)
		return vx6_value_bool(v, false) == (e->number > 0);
	return e->type == VX6_JT_NULL ||
	       !(vx6_value_number(v) < e->number || vx6_value_number(v) > e->number);
}

static void values_fault(const struct vx6_schema *s, const struct place *at,
			 struct vx6_faults *faults)
{
	char list[128] = "";
	size_t n = 0;

	for (size_t i = 0; i < s->values_n && n + 8 < sizeof list; i++) {
		int wrote = snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "",
				     s->values[i].text);

		n = wrote < 0 ? n : VX6_MIN(n + (size_t)wrote, sizeof list - 1);
	}
	fault(faults, at, s->flags & VX6_SF_CONST ? "const" : "enum",
	      s->values_n == 1 ? "must be %s" : "must be one of %s", list);
}

static void check_values(const struct vx6_schema *s, const struct vx6_value *v,
			 const struct place *at, struct vx6_faults *faults)
{
	for (size_t i = 0; i < s->values_n; i++)
		if (value_is(&s->values[i], v))
			return;
	values_fault(s, at, faults);
}

static void check(const struct vx6_schema *s, const struct vx6_value *v, const struct place *at,
		  struct vx6_faults *faults);

static void check_unique(const struct vx6_value *array, size_t n, const struct place *at,
			 struct vx6_faults *faults)
{
	if (n > VX6_UNIQUE_MAX) {
		fault(faults, at, "uniqueItems", "has too many items");
		return;
	}
	for (const struct vx6_value *a = vx6_value_first(array); a; a = vx6_value_next(a))
		for (const struct vx6_value *b = vx6_value_next(a); b; b = vx6_value_next(b))
			if (vx6_value_equal(a, b)) {
				fault(faults, at, "uniqueItems", "must not hold an item twice");
				return;
			}
}

static void check_array(const struct vx6_schema *s, const struct vx6_value *v,
			const struct place *at, struct vx6_faults *faults)
{
	size_t n = vx6_value_count(v);
	struct place inner = {.outer = at};

	if (n < s->min_items)
		fault(faults, at, "minItems", "must have at least %u items", s->min_items);
	if (n > s->max_items) {
		fault(faults, at, "maxItems", "must have at most %u items", s->max_items);
		return;
	}
	for (const struct vx6_value *m = vx6_value_first(v); s->items && m;
	     m = vx6_value_next(m), inner.index++)
		check(s->items, m, &inner, faults);
	if (s->flags & VX6_SF_UNIQUE)
		check_unique(v, n, at, faults);
}

static const struct vx6_schema_prop *prop_find(const struct vx6_schema *s, const char *key)
{
	for (size_t i = 0; i < s->props_n; i++)
		if (strcmp(s->props[i].name, key) == 0)
			return &s->props[i];
	return NULL;
}

static void check_key(const struct vx6_schema *s, const char *key, const struct place *at,
		      struct vx6_faults *faults)
{
	struct vx6_faults inner = {0};

	check_string(s, key, NULL, &inner);
	if (s->flags & VX6_SF_NEVER || !(s->types & VX6_JT_STRING))
		fault(faults, at, "propertyNames", "no key is allowed here");
	else if (inner.n > 0)
		fault(faults, at, "propertyNames", "key %s", inner.items[0].detail);
}

static void check_member(const struct vx6_schema *s, const struct vx6_value *m,
			 const struct place *outer, struct vx6_faults *faults)
{
	struct place at = {.outer = outer, .key = vx6_value_key(m)};
	const struct vx6_schema_prop *prop = prop_find(s, at.key);

	if (s->key)
		check_key(s->key, at.key, &at, faults);
	if (prop && prop->schema)
		check(prop->schema, m, &at, faults);
	else if (prop)
		fault(faults, &at, "readOnly", "is set by the agent only");
	else if (s->extra)
		check(s->extra, m, &at, faults);
	else if (s->flags & VX6_SF_CLOSED)
		fault(faults, &at, "additionalProperties", "is not a field of %s",
		      s->name ? s->name : "this object");
}

static void check_object(const struct vx6_schema *s, const struct vx6_value *v,
			 const struct place *at, struct vx6_faults *faults)
{
	size_t n = vx6_value_count(v);

	if (n < s->min_props)
		fault(faults, at, "minProperties", "must have at least %u members", s->min_props);
	if (n > s->max_props) {
		fault(faults, at, "maxProperties", "must have at most %u members", s->max_props);
		return;
	}
	for (const struct vx6_value *m = vx6_value_first(v); m; m = vx6_value_next(m))
		check_member(s, m, at, faults);
	for (size_t i = 0; i < s->props_n; i++) {
		struct place inner = {.outer = at, .key = s->props[i].name};

		if (s->props[i].required && !vx6_value_get(v, inner.key))
			fault(faults, &inner, "required", "is required");
	}
}

static void type_fault(const struct vx6_schema *s, const struct place *at,
		       struct vx6_faults *faults)
{
	static const char *const names[] = {"null",     "true or false", "a whole number",
					    "a number", "a string",      "an array",
					    "an object"};
	char list[96] = "";
	unsigned types = s->types;
	size_t n = 0;

	if (types & VX6_JT_NUMBER)
		types &= ~(unsigned)VX6_JT_INTEGER;
	for (unsigned i = 0; i < VX6_ARRAY_N(names); i++)
		if (types & 1u << i)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? " or " : "",
					      names[i]);
	fault(faults, at, "type", "must be %s", list);
}

/* Recursion is as deep as the value, which the scanner bounds; references in a schema are resolved when it is generated. */
static void check(const struct vx6_schema *s, const struct vx6_value *v, const struct place *at,
		  struct vx6_faults *faults)
{
	unsigned types = vx6_value_types(v);

	if (s->flags & VX6_SF_NEVER) {
		fault(faults, at, "false", "is not allowed");
		return;
	}
	if (!(types & s->types)) {
		type_fault(s, at, faults);
		return;
	}
	if (s->values_n > 0)
		check_values(s, v, at, faults);
	if (types & VX6_JT_STRING)
		check_string(s, vx6_value_string(v), at, faults);
	else if (types & VX6_JT_NUMBER)
		check_number(s, vx6_value_number(v), at, faults);
	else if (types & VX6_JT_ARRAY)
		check_array(s, v, at, faults);
	else if (types & VX6_JT_OBJECT)
		check_object(s, v, at, faults);
}

bool vx6_validate(const struct vx6_schema *schema, const struct vx6_value *v,
		  struct vx6_faults *faults)
{
	size_t before = faults->n;

	check(schema, v, NULL, faults);
	return faults->n == before;
}

static bool whole_number(const char *text, double *out)
{
	size_t n = strlen(text);

	*out = 0;
	if (n == 0 || n > 16)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*out = *out * 10 + (text[i] - '0');
	}
	return *out <= 9007199254740991.0;
}

static bool text_in_values(const struct vx6_schema *s, const char *text)
{
	for (size_t i = 0; i < s->values_n; i++)
		if (s->values[i].string && strcmp(s->values[i].string, text) == 0)
			return true;
	return s->values_n == 0;
}

bool vx6_validate_param(const struct vx6_param *param, const char *text, struct vx6_faults *faults)
{
	struct vx6_faults found = {0};
	const struct vx6_schema *s = param->schema;
	double number;

	if (s->types & VX6_JT_STRING) {
		check_string(s, text, NULL, &found);
		if (!text_in_values(s, text))
			values_fault(s, NULL, &found);
	} else if (s->types & VX6_JT_INTEGER) {
		if (whole_number(text, &number))
			check_number(s, number, NULL, &found);
		else
			fault(&found, NULL, "type", "must be a whole number");
	} else if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
		fault(&found, NULL, "type", "must be true or false");
	}
	for (size_t i = 0; i < VX6_MIN(found.n, (size_t)VX6_FAULTS_MAX); i++) {
		char pointer[VX6_FAULT_POINTER];

		snprintf(pointer, sizeof pointer, "?%s", param->name);
		vx6_fault_add(faults, pointer, found.items[i].code, "%s", found.items[i].detail);
	}
	return found.n == 0;
}
