/* Completion: one engine behind `vx6 __complete`, and the few lines that make each shell ask it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/complete.h"
#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "base/util.h"

enum { TIMEOUT_MS = 1500 };

static bool begins(const char *word, const char *with)
{
	return strncmp(word, with, strlen(with)) == 0;
}

/* A candidate, and what it is. */
static void offer(const struct vx6_completion *k, const char *word, const char *help)
{
	if (!begins(word, k->word) || strpbrk(word, "\t\r\n"))
		return;
	fprintf(k->to, "%s%s", k->prefix, word);
	if (help && *help)
		fprintf(k->to, "\t%s", help);
	fputc('\n', k->to);
}

static void offer_words(const struct vx6_completion *k, const char *words)
{
	char *copy = vx6_strdup(words);

	for (char *save, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		offer(k, w, NULL);
	free(copy);
}

static void offer_event_types(const struct vx6_completion *k)
{
	for (size_t i = 0; i < vx6_event_types_n; i++)
		offer(k, vx6_event_types[i].type, vx6_event_types[i].detail);
}

/* ---- live values ---- */

/* What has ended is still listed, and there is nothing left to do with it. */
static bool is_offered(enum vx6_cli_offer what, const struct vx6_value *item)
{
	const char *state = vx6_value_string(vx6_value_get(item, "state"));

	if (what == VX6_OFFER_CLIENTS)
		return state && strcmp(state, "admitted") == 0;
	return what != VX6_OFFER_INVITES || (state && strcmp(state, "open") == 0);
}

static void offer_item(const struct vx6_completion *k, enum vx6_cli_offer what,
		       const struct vx6_value *item)
{
	const struct vx6_value *word = vx6_cli_at(item, "name|status.node_name|id");
	const struct vx6_value *help = vx6_cli_at(item, "target|status.bound|node_id");

	if (what == VX6_OFFER_REMOTE)
		word = vx6_cli_at(item, "full_name");
	else if (what == VX6_OFFER_NODES || what == VX6_OFFER_RELAYS)
		word = vx6_cli_at(item, "node_id");
	else if (what == VX6_OFFER_HIDDEN)
		word = vx6_cli_at(item, "hidden.alias");
	else if (what == VX6_OFFER_OPERATIONS || what == VX6_OFFER_CIRCUITS ||
		 what == VX6_OFFER_CLIENTS || what == VX6_OFFER_INVITES)
		word = vx6_cli_at(item, "id");
	if (what == VX6_OFFER_NODES || what == VX6_OFFER_RELAYS)
		help = vx6_cli_at(item, "name");
	else if (what == VX6_OFFER_CIRCUITS)
		help = vx6_cli_at(item, "target_name|target");
	else if (what == VX6_OFFER_CLIENTS || what == VX6_OFFER_INVITES)
		help = vx6_cli_at(item, "name|alias");
	else if (what == VX6_OFFER_ALIASES)
		help = vx6_cli_at(item, "key");
	else if (what == VX6_OFFER_PEERS)
		help = vx6_cli_at(item, "status.node_name|status.remote");
	if (vx6_value_string(word) && is_offered(what, item))
		offer(k, vx6_value_string(word), vx6_value_string(help));
}

static void offer_live(struct vx6_cli *cli, const struct vx6_completion *k, enum vx6_cli_offer what)
{
	static const char *const ops[] = {[VX6_OFFER_SERVICES] = "service_list",
					  [VX6_OFFER_FORWARDS] = "forward_list",
					  [VX6_OFFER_PEERS] = "peer_list",
					  [VX6_OFFER_NAMES] = "name_list",
					  [VX6_OFFER_CATALOGS] = "catalog_list",
					  [VX6_OFFER_REMOTE] = "registry_service_list",
					  [VX6_OFFER_NODES] = "registry_node_list",
					  [VX6_OFFER_OPERATIONS] = "operation_list",
					  [VX6_OFFER_RELAYS] = "relay_list",
					  [VX6_OFFER_CIRCUITS] = "circuit_list",
					  [VX6_OFFER_HIDDEN] = "service_list",
					  [VX6_OFFER_ALIASES] = "hidden_alias_list",
					  [VX6_OFFER_TOKENS] = "token_list",
					  [VX6_OFFER_CLIENTS] = "hidden_client_list",
					  [VX6_OFFER_INVITES] = "hidden_invite_list"};
	const char *op = ops[what];
	char *path = vx6_cli_path_add(vx6_strdup(vx6_cli_route(op)->path), "limit", "500");
	const struct vx6_http_request req = {.method = "GET",
					     .path = path,
					     .timeout_ms = TIMEOUT_MS};
	struct vx6_http_response r = {0};
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (vx6_cli_send(cli, &req, &r) == VX6_EXIT_OK && r.status == 200 && r.n &&
	    vx6_is_ok(vx6_value_parse(r.body, r.n, &v, &fault))) {
		const struct vx6_value *item = vx6_value_first(vx6_value_get(v, "items"));

		for (; item; item = vx6_value_next(item))
			offer_item(k, what, item);
	}
	vx6_value_free(v);
	vx6_http_response_fini(&r);
	free(path);
}

/* ---- where the cursor stands ---- */

static void offer_value(struct vx6_cli *cli, const struct vx6_completion *k,
			const struct vx6_cli_arg *arg)
{
	switch (arg->offer) {
	case VX6_OFFER_NOTHING:
		break;
	case VX6_OFFER_FILES:
		fputs(":files\n", k->to); /* the shell knows them best */
		break;
	case VX6_OFFER_WORDS:
		offer_words(k, arg->words);
		break;
	case VX6_OFFER_EVENTS:
		offer_event_types(k);
		break;
	default:
		if (arg->kind == VX6_ARG_ALLOW)
			offer_words(k, "any none");
		if (cli)
			offer_live(cli, k, arg->offer);
		if (cli && arg->offer == VX6_OFFER_REMOTE)
			offer_live(cli, k, VX6_OFFER_ALIASES);
		if (cli && arg->offer == VX6_OFFER_CLIENTS)
			offer_live(cli, k, VX6_OFFER_INVITES);
	}
}

static void offer_options(const struct vx6_completion *k, const struct vx6_cli_arg *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char text[64];

		snprintf(text, sizeof text, "--%s", args[i].name);
		if (!args[i].positional)
			offer(k, text, args[i].help);
	}
}

static void offer_commands(const struct vx6_completion *k, const char *noun)
{
	const char *before = "";

	for (size_t i = 0; i < vx6_cli_commands_n; i++) {
		const struct vx6_cli_command *c = &vx6_cli_commands[i];

		if (c->hidden || (noun && strcmp(c->noun, noun) != 0))
			continue;
		if (noun)
			offer(k, c->verb, c->summary);
		else if (strcmp(before, c->noun) != 0)
			offer(k, c->noun, c->verb ? NULL : c->summary);
		before = c->noun;
	}
}

/* What the words before the cursor say. */
struct place {
	const struct vx6_cli_command *command;
	const char *noun;
	const struct vx6_cli_arg *value_of; /* the option whose value is next */
	size_t positionals;
	bool only_words;
};

static const struct vx6_cli_arg *option(const struct vx6_cli_command *c, const char *word)
{
	for (size_t set = 0; set < 2; set++) {
		const struct vx6_cli_arg *args = set ? vx6_cli_globals : c ? c->args : NULL;
		size_t n = set ? vx6_cli_globals_n : c ? c->args_n : 0;

		for (size_t i = 0; i < n; i++) {
			bool is_long = word[1] == '-' && strcmp(args[i].name, word + 2) == 0;
			bool is_letter = args[i].letter && word[1] == args[i].letter && !word[2];

			if (!args[i].positional && (is_long || is_letter))
				return &args[i];
		}
	}
	return NULL;
}

static void walk(struct place *at, const char *word)
{
	const struct vx6_cli_arg *arg;

	if (at->value_of) {
		at->value_of = NULL;
	} else if (!at->only_words && word[0] == '-' && word[1]) {
		at->only_words = strcmp(word, "--") == 0;
		arg = option(at->command, word);
		at->value_of = arg && arg->kind != VX6_ARG_SWITCH ? arg : NULL;
	} else if (at->command) {
		at->positionals++;
	} else if (!at->noun) {
		at->noun = word;
		at->command = vx6_cli_has_verbs(word) ? NULL : vx6_cli_find(word, NULL);
	} else {
		at->command = vx6_cli_find(at->noun, vx6_cli_verb(at->noun, word));
	}
}

static const struct vx6_cli_arg *nth_positional(const struct vx6_cli_command *c, size_t n)
{
	for (size_t i = 0; i < c->args_n; i++)
		if (c->args[i].positional && (n-- == 0 || c->args[i].repeat))
			return &c->args[i];
	return NULL;
}

void vx6_cli_complete(struct vx6_cli *cli, const char *const *words, size_t n, FILE *to)
{
	struct vx6_completion k = {.word = n ? words[n - 1] : "", .prefix = "", .to = to};
	struct place at = {0};
	const struct vx6_cli_arg *arg;
	const char *equals;

	for (size_t i = 0; i + 1 < n; i++)
		walk(&at, words[i]);
	equals = strchr(k.word, '=');
	if (!at.value_of && begins(k.word, "--") && equals) {
		char *name = vx6_strdup(k.word), *prefix = vx6_strdup(k.word);

		name[equals - k.word] = 0;
		prefix[equals - k.word + 1] = 0;
		at.value_of = option(at.command, name);
		k.prefix = prefix;
		k.word = equals + 1;
		if (at.value_of)
			offer_value(cli, &k, at.value_of);
		free(name);
		free(prefix);
	} else if (at.value_of) {
		offer_value(cli, &k, at.value_of);
	} else if (k.word[0] == '-' && !at.only_words) {
		if (at.command)
			offer_options(&k, at.command->args, at.command->args_n);
		offer_options(&k, vx6_cli_globals, vx6_cli_globals_n);
	} else if (!at.command) {
		offer_commands(&k, at.noun);
	} else if (strcmp(at.command->noun, "help") == 0) {
		offer_commands(&k, at.positionals ? words[n - 2] : NULL);
	} else if ((arg = nth_positional(at.command, at.positionals))) {
		offer_value(cli, &k, arg);
	}
}

/* The agent's silence is no news here: errors would land in the middle of what is being typed. */
int vx6_cli_run_complete(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char **words = vx6_zalloc((p->values_n + 1) * sizeof *words);
	size_t n = 0;

	if (!freopen("/dev/null", "w", stderr))
		return VX6_EXIT_FAILURE;
	for (size_t i = 0; i < p->values_n; i++) {
		if (!p->values[i].arg->positional)
			continue;
		words[n++] = p->values[i].text;
		/* `vx6 --socket X peer show <TAB>` asks the agent at X */
		if (n >= 2 && strcmp(words[n - 2], "--socket") == 0)
			cli->socket = words[n - 1];
		if (n >= 2 && strcmp(words[n - 2], "--url") == 0)
			cli->url = words[n - 1];
		if (n >= 2 && strcmp(words[n - 2], "--token-file") == 0)
			cli->token_file = words[n - 1];
	}
	vx6_cli_complete(cli, words, n, stdout);
	free(words);
	return VX6_EXIT_OK;
}

/* ---- scripts ---- */

static const char bash_script[] =
	"# vx6 completion for bash\n"
	"_vx6() {\n"
	"\tlocal cur words cword line value\n"
	"\tif declare -F _get_comp_words_by_ref >/dev/null; then\n"
	"\t\t_get_comp_words_by_ref -n =: cur words cword\n"
	"\telse\n"
	"\t\tcur=${COMP_WORDS[COMP_CWORD]} words=(\"${COMP_WORDS[@]}\") cword=$COMP_CWORD\n"
	"\tfi\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tvalue=${line%%$'\\t'*}\n"
	"\t\tif [[ $line == :files ]]; then\n"
	"\t\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\t\twhile IFS= read -r value; do COMPREPLY+=(\"$value\"); done < <(compgen -f -- "
	"\"$cur\")\n"
	"\t\telse\n"
	"\t\t\tCOMPREPLY+=(\"$value\")\n"
	"\t\tfi\n"
	"\tdone < <(\"${words[0]}\" __complete \"${words[@]:1:cword}\" 2>/dev/null)\n"
	"\tif declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "
	"\"$cur\"; fi\n"
	"}\n"
	"complete -F _vx6 vx6\n";

static const char zsh_script[] =
	"#compdef vx6\n"
	"# vx6 completion for zsh\n"
	"_vx6() {\n"
	"\tlocal line value; local -a values described\n"
	"\tfor line in \"${(@f)$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" "
	"2>/dev/null)}\"; do\n"
	"\t\t[[ -z $line ]] && continue\n"
	"\t\tif [[ $line == :files ]]; then _files; continue; fi\n"
	"\t\tvalue=${line%%$'\\t'*}\n"
	"\t\tvalues+=(\"$value\")\n"
	"\t\tdescribed+=(\"${line//$'\\t'/  -- }\")\n"
	"\tdone\n"
	"\t(( $#values )) && compadd -l -d described -a values\n"
	"}\n"
	"if [[ $funcstack[1] == _vx6 ]]; then _vx6 \"$@\"; else compdef _vx6 vx6; fi\n";

static const char fish_script[] =
	"# vx6 completion for fish\n"
	"function __vx6_complete\n"
	"\tset -l words (commandline -opc) (commandline -ct)\n"
	"\tfor line in (command $words[1] __complete $words[2..-1] 2>/dev/null)\n"
	"\t\tif test \"$line\" = :files\n"
	"\t\t\t__fish_complete_path (commandline -ct)\n"
	"\t\telse\n"
	"\t\t\techo $line\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c vx6 -f -a '(__vx6_complete)'\n";

int vx6_cli_run_completion(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *shell = vx6_cli_text(p, "SHELL");

	fputs(shell[0] == 'b' ? bash_script : shell[0] == 'z' ? zsh_script : fish_script, stdout);
	return VX6_EXIT_OK;
}
