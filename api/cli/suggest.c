#include "api/cli/suggest.h"

#include <string.h>

#include "api/cli/command.h"
#include "base/util.h"

enum { WORD_MAX_BYTES = 32, WORDS_MAX = 64 };

/* Letters to put in, take out, replace or swap with their neighbour (optimal string alignment). */
static size_t distance(const char *a, size_t an, const char *b, size_t bn)
{
	size_t row[3][WORD_MAX_BYTES + 1];
	size_t *before = row[0], *above = row[1], *now = row[2];

	for (size_t j = 0; j <= bn; j++)
		now[j] = j;
	for (size_t i = 1; i <= an; i++) {
		size_t *spare = before;

		before = above;
		above = now;
		now = spare;
		now[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			size_t best = VX6_MIN(above[j], now[j - 1]) + 1;

			best = VX6_MIN(best, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = VX6_MIN(best, before[j - 2] + 1);
			now[j] = best;
		}
	}
	return now[bn];
}

const char *vx6_cli_nearest(const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word), best = len < 5 ? 2 : 3;
	const char *found = NULL;

	if (len == 0 || len > WORD_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(words[i]), d;

		if (other > WORD_MAX_BYTES)
			continue;
		/* a word cut short is the likeliest slip of all */
		d = len >= 2 && strncmp(word, words[i], len) == 0
			    ? 1
			    : distance(word, len, words[i], other);
		if (d < best) {
			best = d;
			found = words[i];
		}
	}
	return found;
}

const char *vx6_cli_nearest_noun(const char *word)
{
	const char *nouns[WORDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < vx6_cli_commands_n && n < WORDS_MAX; i++)
		if (!vx6_cli_commands[i].hidden &&
		    (n == 0 || strcmp(nouns[n - 1], vx6_cli_commands[i].noun) != 0))
			nouns[n++] = vx6_cli_commands[i].noun;
	return vx6_cli_nearest(word, nouns, n);
}

const char *vx6_cli_nearest_verb(const char *noun, const char *word)
{
	const char *verbs[WORDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < vx6_cli_commands_n && n < WORDS_MAX; i++)
		if (vx6_cli_commands[i].verb && strcmp(vx6_cli_commands[i].noun, noun) == 0)
			verbs[n++] = vx6_cli_commands[i].verb;
	return vx6_cli_nearest(word, verbs, n);
}
