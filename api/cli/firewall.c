#include "api/cli/firewall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { LINE = 512 };

/* What the rules for input that were read so far of a table amount to. */
struct reader {
	const char *protocol;
	uint16_t port;
	bool elsewhere; /* in a chain for what is forwarded or sent, or in a table that filters nothing */
	bool input;   /* in a chain that hooks into input */
	bool accepts; /* a rule lets it in */
	bool drops;   /* a rule, the policy, or the end of a chain does not */
	bool dropped; /* by a table before: a packet has to get through all of them */
};

static void end_table(struct reader *r)
{
	r->dropped = r->dropped || (r->drops && !r->accepts);
	r->accepts = r->drops = r->input = r->elsewhere = false;
}

static bool has(const char *line, const char *word)
{
	return strstr(line, word);
}

/* What is dropped only of some, or at times, is not dropped. */
static bool is_conditional(const char *rule)
{
	static const char *const words[] = {"saddr", "iif",  "ct ",   "limit",   "meter",
					    " -s ",  " -i ", "state", " -m set "};

	for (size_t i = 0; i < VX6_ARRAY_N(words); i++)
		if (has(rule, words[i]))
			return true;
	return false;
}

/* "4242", "{ 22, 4000-5000 }", "22,4000:5000": whether the port is among them; a set by name may hold it. */
static bool lists(const char *p, uint16_t port)
{
	for (;;) {
		unsigned long from, to;
		char *end;

		p += strspn(p, " {");
		if (*p == '@')
			return true;
		if (*p < '0' || *p > '9')
			return false;
		from = to = strtoul(p, &end, 10);
		if ((*end == '-' || *end == ':') && end[1] >= '0' && end[1] <= '9')
			to = strtoul(end + 1, &end, 10);
		if (from <= port && port <= to)
			return true;
		p = end + strspn(end, " ");
		if (*p++ != ',')
			return false;
	}
}

/* ---- nft ---- */

static bool nft_is_for(const struct reader *r, const char *rule)
{
	char field[16];
	const char *p;

	snprintf(field, sizeof field, "%.4s dport ", r->protocol);
	if ((p = strstr(rule, field)))
		return lists(p + strlen(field), r->port);
	p = strstr(rule, "th dport ");
	return p && lists(p + strlen("th dport "), r->port);
}

/* A rule without its counters, so that one with no condition is its verdict alone. */
static const char *nft_rule(char *line)
{
	char *counter = strstr(line, "counter packets ");

	if (counter) {
		char *rest = strstr(counter, " bytes ");
		size_t n;

		rest = rest ? rest + strlen(" bytes ") : counter + strlen(counter);
		n = strspn(rest, "0123456789 ");
		memmove(counter, rest + n, strlen(rest + n) + 1);
	}
	return line;
}

static void read_nft(struct reader *r, char *line)
{
	const char *rule = nft_rule(line);
	bool ends = strncmp(rule, "drop", 4) == 0 || strncmp(rule, "reject", 6) == 0;

	if (strncmp(rule, "table ", 6) == 0) {
		end_table(r);
	} else if (strncmp(rule, "chain ", 6) == 0) {
		r->input = r->elsewhere = false;
	} else if (has(rule, " hook ")) {
		r->input = has(rule, " hook input ");
		r->elsewhere = !r->input;
		r->drops = r->drops || (r->input && has(rule, "policy drop"));
	} else if (!r->elsewhere && nft_is_for(r, rule)) {
		r->accepts =
			r->accepts || has(rule, "accept") || has(rule, "jump") || has(rule, "goto");
		r->drops = r->drops ||
			   (!is_conditional(rule) && (has(rule, "drop") || has(rule, "reject")));
	} else if (r->input) {
		r->accepts = r->accepts || strcmp(rule, "accept") == 0;
		r->drops = r->drops || ends;
	}
}

/* ---- iptables-save ---- */

static bool iptables_is_for(const struct reader *r, const char *rule)
{
	static const char *const fields[] = {"--dport ", "--dports "};
	char protocol[16];

	snprintf(protocol, sizeof protocol, "-p %.4s ", r->protocol);
	if (!has(rule, protocol))
		return false;
	for (size_t i = 0; i < VX6_ARRAY_N(fields); i++) {
		const char *p = strstr(rule, fields[i]);

		if (p)
			return lists(p + strlen(fields[i]), r->port);
	}
	return false;
}

static void read_iptables(struct reader *r, const char *line)
{
	bool refuses = has(line, "-j DROP") || has(line, "-j REJECT");

	if (line[0] == '*') {
		end_table(r);
		r->elsewhere = strcmp(line, "*filter") != 0;
	}
	if (r->elsewhere || has(line, "-A FORWARD ") || has(line, "-A OUTPUT "))
		return;
	if (strncmp(line, ":INPUT DROP", 11) == 0) {
		r->drops = true;
	} else if (strncmp(line, "-A ", 3) == 0 && iptables_is_for(r, line)) {
		r->accepts = r->accepts || !refuses;
		r->drops = r->drops || (refuses && !is_conditional(line));
	} else if (strncmp(line, "-A INPUT -j ", 12) == 0) {
		r->accepts = r->accepts || strcmp(line, "-A INPUT -j ACCEPT") == 0;
		r->drops = r->drops || refuses;
	}
}

bool vx6_firewall_drops(const char *rules, const char *protocol, uint16_t port)
{
	struct reader r = {.protocol = protocol, .port = port};

	while (*rules) {
		size_t n = strcspn(rules, "\n"), skip = strspn(rules, " \t");
		char line[LINE];

		skip = VX6_MIN(skip, n);
		snprintf(line, sizeof line, "%.*s", (int)VX6_MIN(n - skip, sizeof line - 1),
			 rules + skip);
		if (line[0] == '*' || line[0] == ':' || line[0] == '-')
			read_iptables(&r, line);
		else
			read_nft(&r, line);
		rules += n;
		rules += *rules == '\n';
	}
	end_table(&r);
	return r.dropped;
}
