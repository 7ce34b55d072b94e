#include "api/cli/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/suggest.h"
#include "base/util.h"

/* Reads argv once, left to right: options of the whole program anywhere, those of a command once it is known. */
struct reader {
	int argc, at;
	char **argv;
	struct vx6_cli_parsed *out;
	size_t positional; /* row of the next positional */
	bool only_words;   /* after -- */
};

__attribute__((format(printf, 2, 3))) static bool fail(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->out->error, sizeof r->out->error, fmt, ap);
	va_end(ap);
	return false;
}

static void add_value(struct reader *r, const struct vx6_cli_arg *arg, const char *text)
{
	struct vx6_cli_parsed *p = r->out;

	p->values[p->values_n++] = (struct vx6_cli_value){arg, text};
}

static const struct vx6_cli_arg *option_in(const struct vx6_cli_arg *args, size_t args_n,
					   const char *name, size_t n)
{
	for (size_t i = 0; i < args_n; i++) {
		const struct vx6_cli_arg *a = &args[i];

		if (!a->positional && strlen(a->name) == n && memcmp(a->name, name, n) == 0)
			return a;
	}
	return NULL;
}

static const struct vx6_cli_arg *letter_in(const struct vx6_cli_arg *args, size_t args_n,
					   char letter)
{
	for (size_t i = 0; i < args_n; i++)
		if (!args[i].positional && args[i].letter == letter)
			return &args[i];
	return NULL;
}

static bool word_allowed(struct reader *r, const struct vx6_cli_arg *arg, const char *text)
{
	if (!arg->words || vx6_cli_word_in(arg->words, text, strlen(text)))
		return true;
	return fail(r, "%s%s is one of: %s; not '%s'", arg->positional ? "" : "--", arg->name,
		    arg->words, text);
}

/* The value of an option: what follows in the same word, or the next word. */
static bool read_value(struct reader *r, const struct vx6_cli_arg *arg, const char *joined)
{
	if (arg->kind == VX6_ARG_SWITCH) {
		if (joined)
			return fail(r, "--%s takes no value", arg->name);
		add_value(r, arg, NULL);
		return true;
	}
	if (!joined) {
		if (r->at >= r->argc)
			return fail(r, "--%s needs a value: %s", arg->name, arg->value);
		joined = r->argv[r->at++];
	}
	if (!word_allowed(r, arg, joined))
		return false;
	add_value(r, arg, joined);
	return true;
}

static bool unknown_option(struct reader *r, const char *word)
{
	const struct vx6_cli_command *c = r->out->command;
	const char *names[64];
	size_t n = 0, len = strcspn(word, "=");
	char name[64];
	const char *near;

	for (size_t i = 0; c && i < c->args_n && n < 40; i++)
		if (!c->args[i].positional)
			names[n++] = c->args[i].name;
	for (size_t i = 0; i < vx6_cli_globals_n; i++)
		names[n++] = vx6_cli_globals[i].name;
	snprintf(name, sizeof name, "%.*s", (int)VX6_MIN(len, sizeof name - 1), word);
	near = vx6_cli_nearest(name, names, n);
	if (near)
		return fail(r, "unknown option --%s; did you mean --%s?", name, near);
	return fail(r, "unknown option --%s", name);
}

static bool read_long(struct reader *r, const char *word)
{
	const struct vx6_cli_command *c = r->out->command;
	size_t len = strcspn(word, "=");
	const struct vx6_cli_arg *arg = c ? option_in(c->args, c->args_n, word, len) : NULL;

	if (!arg)
		arg = option_in(vx6_cli_globals, vx6_cli_globals_n, word, len);
	if (!arg)
		return unknown_option(r, word);
	return read_value(r, arg, word[len] == '=' ? word + len + 1 : NULL);
}

static bool read_letters(struct reader *r, const char *word)
{
	const struct vx6_cli_command *c = r->out->command;

	for (const char *p = word; *p; p++) {
		const struct vx6_cli_arg *arg = c ? letter_in(c->args, c->args_n, *p) : NULL;

		if (!arg)
			arg = letter_in(vx6_cli_globals, vx6_cli_globals_n, *p);
		if (!arg)
			return fail(r, "unknown option -%c", *p);
		if (arg->kind != VX6_ARG_SWITCH)
			return read_value(r, arg, p[1] ? p + 1 : NULL);
		add_value(r, arg, NULL);
	}
	return true;
}

static bool wrong_noun(struct reader *r, const char *word)
{
	const char *near = vx6_cli_nearest_noun(word);

	if (near)
		return fail(r, "unknown command '%s'; did you mean 'vx6 %s'?", word, near);
	return fail(r, "unknown command '%s'", word);
}

static bool wrong_verb(struct reader *r, const char *noun, const char *word)
{
	const char *near = vx6_cli_nearest_verb(noun, word);

	if (near)
		return fail(r, "unknown command '%s %s'; did you mean 'vx6 %s %s'?", noun, word,
			    noun, near);
	return fail(r, "unknown command '%s %s'", noun, word);
}

static bool read_command_word(struct reader *r, const char *word)
{
	struct vx6_cli_parsed *p = r->out;

	if (!p->noun) {
		if (!vx6_cli_is_noun(word))
			return wrong_noun(r, word);
		p->noun = word;
		if (!vx6_cli_has_verbs(word))
			p->command = vx6_cli_find(word, NULL);
		return true;
	}
	p->command = vx6_cli_find(p->noun, vx6_cli_verb(p->noun, word));
	return p->command || wrong_verb(r, p->noun, word);
}

static bool read_positional(struct reader *r, const char *word)
{
	const struct vx6_cli_command *c = r->out->command;

	while (r->positional < c->args_n) {
		const struct vx6_cli_arg *arg = &c->args[r->positional];

		/* a path is no word of a list: `vx6 api /v1/node` leaves the method out */
		if (arg->positional && !arg->required && arg->words && word[0] == '/') {
			r->positional++;
			continue;
		}
		if (arg->positional) {
			r->positional += !arg->repeat;
			if (!word_allowed(r, arg, word))
				return false;
			add_value(r, arg, word);
			return true;
		}
		r->positional++;
	}
	return fail(r, "'%s' is one word too many", word);
}

static bool given(const struct vx6_cli_parsed *p, const struct vx6_cli_arg *arg)
{
	for (size_t i = 0; i < p->values_n; i++)
		if (p->values[i].arg == arg)
			return true;
	return false;
}

static bool check_complete(struct reader *r)
{
	const struct vx6_cli_parsed *p = r->out;
	const struct vx6_cli_command *c = p->command;
	unsigned chosen = 0;

	for (size_t i = 0; i < c->args_n; i++) {
		const struct vx6_cli_arg *arg = &c->args[i];

		if (arg->required && !given(p, arg))
			return fail(r, "%s%s is missing", arg->positional ? "" : "--", arg->name);
		chosen += vx6_cli_word_in(c->one_of, arg->name, strlen(arg->name)) && given(p, arg);
	}
	if (c->one_of && chosen != 1) {
		const char *both = strchr(c->one_of, ' ');
		bool word = vx6_cli_word_in("NODE.SERVICE", c->one_of, both - c->one_of);

		return fail(r, "give %s%s%.*s or --%s", chosen ? "either " : "", word ? "" : "--",
			    (int)(both - c->one_of), c->one_of, both + 1);
	}
	return true;
}

static bool read_all(struct reader *r)
{
	while (r->at < r->argc) {
		const char *word = r->argv[r->at++];
		const struct vx6_cli_command *c = r->out->command;
		bool ok;

		if (c && (r->only_words || c->raw_words))
			ok = read_positional(r, word);
		else if (strcmp(word, "--") == 0)
			ok = r->only_words = true;
		else if (word[0] == '-' && word[1] == '-')
			ok = read_long(r, word + 2);
		else if (word[0] == '-' && word[1])
			ok = read_letters(r, word + 1);
		else
			ok = c ? read_positional(r, word) : read_command_word(r, word);
		if (!ok)
			return false;
	}
	return true;
}

bool vx6_cli_parse(int argc, char **argv, struct vx6_cli_parsed *out)
{
	struct reader r = {.argc = argc, .at = 1, .argv = argv, .out = out};
	size_t letters = 0;

	/* a word holds at most as many values as it has letters */
	for (int i = 1; i < argc; i++)
		letters += strlen(argv[i]) + 1;
	*out = (struct vx6_cli_parsed){.values = vx6_zalloc((letters + 1) * sizeof *out->values)};
	if (!read_all(&r))
		return false;
	/* `vx6 identity --help` is about all its verbs, `vx6 identity` is one of them */
	if (!out->command && out->noun && !vx6_cli_has(out, "help"))
		out->command = vx6_cli_default(out->noun);
	if (!out->command || vx6_cli_has(out, "help"))
		return true;
	return check_complete(&r);
}

void vx6_cli_parsed_fini(struct vx6_cli_parsed *p)
{
	VX6_FREE(p->values);
	p->values_n = 0;
}

static const struct vx6_cli_value *last(const struct vx6_cli_parsed *p, const char *name)
{
	for (size_t i = p->values_n; i-- > 0;)
		if (strcmp(p->values[i].arg->name, name) == 0)
			return &p->values[i];
	return NULL;
}

const char *vx6_cli_text(const struct vx6_cli_parsed *p, const char *name)
{
	const struct vx6_cli_value *v = last(p, name);

	return v ? v->text : NULL;
}

bool vx6_cli_has(const struct vx6_cli_parsed *p, const char *name)
{
	return last(p, name);
}

bool vx6_cli_duration(const char *text, unsigned *out_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
	const double day_ms = 86400000;
	char *end;
	double n;

	if (text[0] < '0' || text[0] > '9')
		return false;
	n = strtod(text, &end);
	for (size_t i = 0; i < VX6_ARRAY_N(units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (!(n * units[i].ms >= 1 && n * units[i].ms <= day_ms))
			return false;
		*out_ms = (unsigned)(n * units[i].ms);
		return true;
	}
	return false;
}
