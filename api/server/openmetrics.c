#include "api/server/openmetrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char suffix[] = "_total";
enum { SUFFIX_N = sizeof suffix - 1 };

/* The weight that a range of Accept gives itself: `;q=0.5`. */
static double weight(const char *range, size_t n)
{
	for (size_t i = 0; i + 3 <= n; i++)
		if (strncasecmp(range + i, ";q=", 3) == 0 || strncasecmp(range + i, " q=", 3) == 0)
			return strtod(range + i + 3, NULL);
	return 1;
}

static bool is_range(const char *range, size_t n, const char *type)
{
	size_t type_n = strlen(type);

	return n >= type_n && strncasecmp(range, type, type_n) == 0 &&
	       (n == type_n || strchr("; ,", range[type_n]));
}

bool vx6_openmetrics_wanted(const char *accept)
{
	double open = 0, text = 0;

	while (accept && *accept) {
		size_t n;

		accept += strspn(accept, " \t,");
		n = strcspn(accept, ",");
		if (is_range(accept, n, "application/openmetrics-text"))
			open = weight(accept, n);
		else if (is_range(accept, n, "text/plain"))
			text = weight(accept, n);
		accept += n;
	}
	return open > 0 && open >= text;
}

/* "# HELP name_total …" and "# TYPE name_total …": the name without its suffix. @param n its length @return NULL: this is no such line */
static const char *counter_of(const char *line, size_t *n)
{
	const char *name = line + 7;

	if (strncmp(line, "# HELP ", 7) != 0 && strncmp(line, "# TYPE ", 7) != 0)
		return NULL;
	*n = strcspn(name, " \n");
	if (*n < sizeof suffix || memcmp(name + *n - SUFFIX_N, suffix, SUFFIX_N) != 0)
		return NULL;
	*n -= SUFFIX_N;
	return name;
}

/* Whether another metric has that name. */
static bool is_taken(const char *text, const char *name, size_t n)
{
	for (const char *at = text; (at = strstr(at, "# TYPE ")) != NULL; at++)
		if ((at == text || at[-1] == '\n') && strncmp(at + 7, name, n) == 0 &&
		    at[7 + n] == ' ')
			return true;
	return false;
}

static void put_line(FILE *f, const char *text, const char *line, size_t line_n)
{
	size_t n, head_n;
	const char *name = counter_of(line, &n);

	if (!name) {
		fwrite(line, 1, line_n, f);
		return;
	}
	head_n = (size_t)(name + n - line);
	if (!is_taken(text, name, n)) {
		fwrite(line, 1, head_n, f);
		fwrite(line + head_n + SUFFIX_N, 1, line_n - head_n - SUFFIX_N, f);
	} else if (line[2] == 'T') {
		fprintf(f, "%.*s unknown\n", (int)(head_n + SUFFIX_N), line);
	} else {
		fwrite(line, 1, line_n, f);
	}
}

char *vx6_openmetrics_from(const char *text, size_t *n)
{
	char *out = NULL;
	FILE *f = open_memstream(&out, n);

	if (!f)
		return NULL;
	for (const char *line = text; *line;) {
		size_t line_n = strcspn(line, "\n");

		line_n += line[line_n] == '\n';
		put_line(f, text, line, line_n);
		line += line_n;
	}
	fputs("# EOF\n", f);
	if (fclose(f) != 0) {
		free(out);
		return NULL;
	}
	return out;
}
