#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/cli/complete.h"

static char *text;
static size_t text_n;

/* Candidates for the last word of a line; a space at its end begins a new word. */
static const char *complete(const char *line)
{
	char copy[256];
	const char *words[16];
	size_t n = 0;
	FILE *to;

	free(text);
	to = open_memstream(&text, &text_n);
	assert_non_null(to);
	snprintf(copy, sizeof copy, "%s", line);
	for (char *p = copy; p; n++) {
		words[n] = p;
		p = strchr(p, ' ');
		if (p)
			*p++ = 0;
	}
	vx6_cli_complete(NULL, words, n, to);
	fclose(to);
	return text;
}

static bool offers(const char *line, const char *candidate)
{
	const char *p = complete(line);
	size_t n = strlen(candidate);

	for (; p && *p; p = strchr(p, '\n'), p += p != NULL)
		if (strncmp(p, candidate, n) == 0 && (p[n] == '\n' || p[n] == '\t'))
			return true;
	return false;
}

static int teardown(void **state)
{
	free(text);
	text = NULL;
	return 0;
}

static void complete__commands__by_what_is_typed(void **state)
{
	assert_string_equal(complete("forw"), "forward\n");
	assert_true(offers("", "status"));
	assert_true(offers("", "agent"));
	assert_false(offers("", "__complete"));
	assert_true(offers("service ", "add"));
	assert_false(offers("service ", "service"));
	assert_true(offers("--json peer ", "list"));
}

static void complete__options__of_the_command_and_of_all(void **state)
{
	assert_true(offers("forward add --", "--listen"));
	assert_true(offers("forward add --", "--json"));
	assert_false(offers("forward add --", "--target"));
	assert_false(offers("forward add -- --l", "--listen"));
}

static void complete__values__of_an_option(void **state)
{
	assert_string_equal(complete("peer list -o "), "table\njson\njsonl\nname\n");
	assert_string_equal(complete("peer list --output=js"), "--output=json\n--output=jsonl\n");
	assert_string_equal(complete("forward add --transport q"), "quic\n");
	assert_string_equal(complete("init --passphrase-file "), ":files\n");
	assert_true(offers("events --types peer", "peer.up"));
	assert_true(offers("service add x --allow ", "any"));
	assert_string_equal(complete("service add x --target "), "");
	assert_string_equal(complete("forward add --via "), "auto\ndirect\nrelay\n");
	assert_string_equal(complete("connect alice.ssh --via r"), "relay\n");
	assert_string_equal(complete("relay set --mode p"), "public\nprivate\n");
	assert_string_equal(complete("circuit list --state o"), "open\n");
	assert_string_equal(complete("agent --relay o"), "off\n");
	assert_true(offers("events --types circuit", "circuit.moved"));
}

static void complete__positionals__have_their_own_words(void **state)
{
	assert_string_equal(complete("completion f"), "fish\n");
	assert_true(offers("api ", "PATCH"));
	assert_true(offers("help ", "forward"));
	assert_true(offers("help forward ", "add"));
	assert_string_equal(complete("completion bash "), "");
}

static void complete__nonsense__offers_nothing(void **state)
{
	assert_string_equal(complete("nosuch "), "");
	assert_string_equal(complete("status --nosuch="), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete__commands__by_what_is_typed),
		cmocka_unit_test(complete__options__of_the_command_and_of_all),
		cmocka_unit_test(complete__values__of_an_option),
		cmocka_unit_test(complete__positionals__have_their_own_words),
		cmocka_unit_test(complete__nonsense__offers_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
