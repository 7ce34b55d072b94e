/* The checks of `vx6 doctor`: each looks at the facts and says what it makes of them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/doctor.h"
#include "api/cli/firewall.h"
#include "api/cli/output.h"
#include "api/cli/text.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/util.h"

#define DISK_SHORT UINT64_C(100000000)
#define DISK_FULL UINT64_C(10000000)
enum {
	FILES_FEW = 4096,
	RMEM_SMALL = 4 << 20,
	AHEAD_MS = 120 * 1000, /* records of others may be so far ahead of our clock */
	RELAYS_FEW = 3,
};

__attribute__((format(printf, 3, 4))) static void say(struct vx6_finding *out,
						      enum vx6_verdict verdict, const char *fmt,
						      ...)
{
	va_list ap;

	out->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(out->detail, sizeof out->detail, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void advise(struct vx6_finding *out, const char *fmt,
							 ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->advice, sizeof out->advice, fmt, ap);
	va_end(ap);
}

static const char *text_at(const struct vx6_value *v, const char *path)
{
	const char *s = vx6_value_string(vx6_cli_at(v, path));

	return s ? s : "";
}

static double number_at(const struct vx6_value *v, const char *path)
{
	return vx6_value_number(vx6_cli_at(v, path));
}

static bool no_agent(const struct vx6_value *answer, struct vx6_finding *out)
{
	if (!answer)
		say(out, VX6_VERDICT_UNKNOWN, "only the agent knows, and it does not answer");
	return !answer;
}

/* ---- the agent and its files ---- */

static void check_agent(const struct vx6_facts *f, struct vx6_finding *out)
{
	const char *version = text_at(f->version, "version");

	if (!f->version) {
		say(out, VX6_VERDICT_FAIL, "no agent answers");
		advise(out,
		       "start it: vx6 agent; when it runs, name it with --socket DIR/api.sock");
	} else if (strcmp(version, VX6_VERSION) != 0) {
		say(out, VX6_VERDICT_WARN, "the agent is version %.32s, this program " VX6_VERSION,
		    version);
		advise(out, "restart the agent with the program that is installed now");
	} else {
		say(out, VX6_VERDICT_OK, "version %.32s, contract %.32s, as this program", version,
		    text_at(f->version, "contract"));
	}
}

static void check_state_dir(const struct vx6_facts *f, struct vx6_finding *out)
{
	const struct {
		const char *name;
		const struct vx6_doctor_file *file;
		unsigned mode;
	} files[] = {{"", &f->state, 0700},
		     {"/identity", &f->identity, 0700},
		     {"/admin.token", &f->token, 0600}};

	if (!*f->state_dir || f->state.err == EACCES) {
		say(out, VX6_VERDICT_UNKNOWN, "%s cannot be looked at from here",
		    *f->state_dir ? f->state_dir : "the state directory");
		advise(out, "run it as the user of the agent, or name it with --state-dir");
		return;
	}
	if (f->state.err || f->identity.err == ENOENT) {
		say(out, VX6_VERDICT_WARN, "there is no identity in %s", f->state_dir);
		advise(out, "the first start of vx6 agent makes it; another place: --state-dir");
		return;
	}
	for (size_t i = 0; i < VX6_ARRAY_N(files); i++) {
		if (files[i].file->err || !(files[i].file->mode & 077))
			continue;
		say(out, VX6_VERDICT_FAIL, "others may look into %s%s (mode %04o)", f->state_dir,
		    files[i].name, files[i].file->mode);
		advise(out, "chmod %o %s%s", files[i].mode, f->state_dir, files[i].name);
		return;
	}
	say(out, VX6_VERDICT_OK, "%s, for its owner only", f->state_dir);
}

static void check_disk_space(const struct vx6_facts *f, struct vx6_finding *out)
{
	char text[VX6_CLI_HUMAN];

	if (f->disk_free_bytes == UINT64_MAX) {
		say(out, VX6_VERDICT_UNKNOWN, "the state directory is not known");
		return;
	}
	say(out,
	    f->disk_free_bytes < DISK_FULL    ? VX6_VERDICT_FAIL
	    : f->disk_free_bytes < DISK_SHORT ? VX6_VERDICT_WARN
					      : VX6_VERDICT_OK,
	    "%s are free at %s", vx6_cli_bytes((double)f->disk_free_bytes, text), f->state_dir);
	if (out->verdict != VX6_VERDICT_OK)
		advise(out, "free some: changes are refused (storage_full) when the disk is full");
}

/* ---- the machine ---- */

/* Records of others carry the time of their making: many from the future mean that this clock is behind. */
static void check_clock(const struct vx6_facts *f, struct vx6_finding *out)
{
	const struct vx6_value *n = vx6_value_first(vx6_value_get(f->nodes, "items"));
	unsigned all = 0, ahead = 0;
	char limit[VX6_TIME_TEXT];

	vx6_time_format(f->wall_ms + AHEAD_MS, limit);
	for (; n; n = vx6_value_next(n)) {
		const char *issued = text_at(n, "issued_at");

		all += *issued != 0;
		ahead += strcmp(issued, limit) > 0; /* all are of one form, in UTC */
	}
	if (ahead > 0) {
		say(out, 2 * ahead > all ? VX6_VERDICT_FAIL : VX6_VERDICT_WARN,
		    "%u of %u records of other nodes are from the future: this clock is behind, or "
		    "theirs ahead",
		    ahead, all);
		advise(out, "set the clock: timedatectl set-ntp true");
	} else if (f->clock_synced == VX6_SEEN_NO) {
		say(out, VX6_VERDICT_WARN, "nothing keeps the clock of this machine right");
		advise(out, "timedatectl set-ntp true, or install chrony");
	} else {
		say(out, VX6_VERDICT_OK, "agrees with %u records of other nodes%s", all,
		    f->clock_synced == VX6_SEEN_YES ? ", and is kept right" : "");
	}
}

static void check_open_files(const struct vx6_facts *f, struct vx6_finding *out)
{
	if (f->files_max == 0) {
		say(out, VX6_VERDICT_UNKNOWN, "the limit cannot be read");
		return;
	}
	say(out, f->files_max < FILES_FEW ? VX6_VERDICT_WARN : VX6_VERDICT_OK,
	    "%llu descriptors at once", (unsigned long long)f->files_max);
	if (out->verdict != VX6_VERDICT_OK)
		advise(out, "raise the hard limit: LimitNOFILE=65536 in its unit, or ulimit -Hn");
}

static void check_udp_buffers(const struct vx6_facts *f, struct vx6_finding *out)
{
	char text[VX6_CLI_HUMAN];

	if (f->rmem_max_bytes == 0) {
		say(out, VX6_VERDICT_UNKNOWN, "net.core.rmem_max cannot be read");
		return;
	}
	say(out, f->rmem_max_bytes < RMEM_SMALL ? VX6_VERDICT_WARN : VX6_VERDICT_OK,
	    "net.core.rmem_max is %s: what an agent without CAP_NET_ADMIN gets at most",
	    vx6_cli_bytes((double)f->rmem_max_bytes, text));
	if (out->verdict != VX6_VERDICT_OK)
		advise(out, "faster QUIC: sysctl -w net.core.rmem_max=16777216 "
			    "net.core.wmem_max=16777216");
}

static void check_ipv6(const struct vx6_facts *f, struct vx6_finding *out)
{
	if (f->ipv6 == VX6_SEEN_YES) {
		say(out, VX6_VERDICT_OK, "there is an address beyond the link");
		return;
	}
	say(out, f->ipv6 == VX6_SEEN_NO ? VX6_VERDICT_WARN : VX6_VERDICT_UNKNOWN,
	    f->ipv6 == VX6_SEEN_NO ? "there is no address beyond the link: IPv4 only"
				   : "the addresses of this machine cannot be read");
	if (f->ipv6 == VX6_SEEN_NO)
		advise(out,
		       "with IPv6 most nodes reach each other without relays; ask for it where "
		       "you get your line");
}

static void check_dns(const struct vx6_facts *f, struct vx6_finding *out)
{
	if (f->dns == VX6_SEEN_YES) {
		say(out, VX6_VERDICT_OK, "a resolver answers");
		return;
	}
	say(out, VX6_VERDICT_WARN, "no resolver answers; VX6 itself needs none");
	advise(out, "see /etc/resolv.conf, when other programs need names");
}

/* ---- ports ---- */

static bool is_tcp(const struct vx6_value *listen)
{
	return strcmp(text_at(listen, "transport"), "tcp") == 0;
}

/* @return 0: it is no address */
static uint16_t port_of(const struct vx6_value *listen)
{
	struct vx6_addr a;

	return vx6_is_ok(vx6_addr_parse(text_at(listen, "address"), &a)) ? a.port : 0;
}

static void check_ports(const struct vx6_facts *f, struct vx6_finding *out)
{
	const struct vx6_value *l = vx6_value_first(vx6_value_get(f->node, "listen"));
	unsigned n = 0;

	if (no_agent(f->node, out))
		return;
	for (; l; l = vx6_value_next(l), n++) {
		const char *table = is_tcp(l) ? f->tcp : f->udp;

		if (!table) {
			say(out, VX6_VERDICT_UNKNOWN, "the sockets of this machine cannot be read");
			return;
		}
		if (vx6_doctor_bound(table, port_of(l), is_tcp(l)))
			continue;
		say(out, VX6_VERDICT_FAIL, "%.128s (%s) is not open on this machine",
		    text_at(l, "address"), is_tcp(l) ? "tcp" : "udp");
		advise(out,
		       "restart the agent and read its log; or it runs elsewhere, in a container");
		return;
	}
	say(out, n ? VX6_VERDICT_OK : VX6_VERDICT_FAIL, "%u are open", n);
	if (n == 0)
		advise(out, "nobody can reach this node: start the agent with --listen");
}

static void check_firewall(const struct vx6_facts *f, struct vx6_finding *out)
{
	const struct vx6_value *l = vx6_value_first(vx6_value_get(f->node, "listen"));

	if (!f->rules) {
		say(out, VX6_VERDICT_UNKNOWN,
		    f->root ? "neither nft nor iptables-save is there to list its rules"
			    : "only root may read its rules");
		if (!f->root)
			advise(out, "run it as root to have them looked at");
		return;
	}
	if (no_agent(f->node, out))
		return;
	for (; l; l = vx6_value_next(l)) {
		const char *protocol = is_tcp(l) ? "tcp" : "udp";
		uint16_t port = port_of(l);

		if (!vx6_firewall_drops(f->rules, protocol, port))
			continue;
		say(out, VX6_VERDICT_WARN, "its rules seem to drop what comes in for %s port %u",
		    protocol, port);
		advise(out,
		       "let it in, in your input chain: nft add rule inet filter input %s dport "
		       "%u accept",
		       protocol, port);
		return;
	}
	say(out, VX6_VERDICT_OK, "its rules let in what is for the agent");
}

/* ---- the network, as the agent knows it ---- */

struct sessions {
	unsigned up, quic, in_over_quic;
};

static struct sessions sessions_of(const struct vx6_facts *f)
{
	const struct vx6_value *p = vx6_value_first(vx6_value_get(f->peers, "items"));
	struct sessions s = {0};

	for (; p; p = vx6_value_next(p)) {
		bool quic = strcmp(text_at(p, "status.transport"), "quic") == 0;

		if (strcmp(text_at(p, "status.state"), "up") != 0)
			continue;
		s.up++;
		s.quic += quic;
		s.in_over_quic += quic && vx6_value_bool(vx6_cli_at(p, "status.inbound"), false);
	}
	return s;
}

/* @return the first address of the node in the public network; NULL: it knows of none */
static const char *public_address(const struct vx6_facts *f)
{
	const struct vx6_value *a = vx6_value_first(vx6_value_get(f->node, "addresses"));
	struct vx6_addr addr;

	for (; a; a = vx6_value_next(a))
		if (vx6_is_ok(vx6_addr_parse(vx6_value_string(a) ? vx6_value_string(a) : "",
					     &addr)) &&
		    vx6_addr_kind(&addr) == VX6_ADDR_GLOBAL)
			return vx6_value_string(a);
	return NULL;
}

static void check_udp(const struct vx6_facts *f, struct vx6_finding *out)
{
	const char *address = public_address(f);
	struct sessions s = sessions_of(f);

	if (no_agent(f->node, out))
		return;
	if (strcmp(text_at(f->node, "transport"), "tcp") == 0) {
		say(out, VX6_VERDICT_OK, "not used: the agent is set to TCP only");
	} else if (s.up > 0 && s.quic == 0) {
		say(out, VX6_VERDICT_WARN,
		    "no session goes over QUIC (%u over TCP): UDP seems to be blocked on the way",
		    s.up);
		advise(out, "let UDP out; TCP does meanwhile, at more cost on lossy lines");
	} else if (s.in_over_quic > 0) {
		say(out, VX6_VERDICT_OK, "other nodes reached this one over QUIC%s%.128s",
		    address ? " at " : "", address ? address : "");
	} else if (s.up == 0) {
		say(out, VX6_VERDICT_UNKNOWN, "no session is up to tell by");
	} else if (vx6_value_bool(vx6_cli_at(f->node, "status.dht.serving"), false)) {
		say(out, VX6_VERDICT_OK, "other nodes have reached this one%s%.128s",
		    address ? " at " : "", address ? address : "");
	} else if (!address) {
		say(out, VX6_VERDICT_WARN,
		    "this node knows no public address of its own: it seems to be behind a NAT");
		advise(out,
		       "nodes elsewhere reach it through relays; for more, forward its port in "
		       "the router");
	} else {
		say(out, VX6_VERDICT_WARN, "nobody has reached this node yet at %.128s", address);
		advise(out, "give it some minutes; then look at the firewall of the router");
	}
}

static void check_peers(const struct vx6_facts *f, struct vx6_finding *out)
{
	const struct vx6_value *p = vx6_value_first(vx6_value_get(f->peers, "items"));
	double up = number_at(f->node, "status.peers.up");
	double all = number_at(f->node, "status.peers.total");

	if (no_agent(f->node, out))
		return;
	while (p && !*text_at(p, "status.last_error.code"))
		p = vx6_value_next(p);
	say(out,
	    up > 0 && up >= all ? VX6_VERDICT_OK
	    : all > 0 && up < 1 ? VX6_VERDICT_FAIL
				: VX6_VERDICT_WARN,
	    "%.0f of %.0f are connected%s%.32s", up, all, p && up < all ? ": " : "",
	    p && up < all ? text_at(p, "status.last_error.code") : "");
	if (all < 1)
		advise(out, "connect to one: vx6 peer add ADDR");
	else if (up < all)
		advise(out, "vx6 peer list shows which, and why");
}

static void check_relays(const struct vx6_facts *f, struct vx6_finding *out)
{
	size_t n = vx6_value_count(vx6_value_get(f->relays, "items"));

	if (no_agent(f->relays, out))
		return;
	say(out, n < RELAYS_FEW ? VX6_VERDICT_WARN : VX6_VERDICT_OK, "%zu are known", n);
	if (n < RELAYS_FEW)
		advise(out,
		       "circuits need %d of them: they become known with time, from peers that "
		       "are connected",
		       RELAYS_FEW);
}

const struct vx6_check vx6_checks[] = {
	{"agent", check_agent},
	{"state_dir", check_state_dir},
	{"disk_space", check_disk_space},
	{"clock", check_clock},
	{"open_files", check_open_files},
	{"udp_buffers", check_udp_buffers},
	{"ipv6", check_ipv6},
	{"dns", check_dns},
	{"ports", check_ports},
	{"firewall", check_firewall},
	{"udp", check_udp},
	{"peers", check_peers},
	{"relays", check_relays},
};
const size_t vx6_checks_n = VX6_ARRAY_N(vx6_checks);
