#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api/cli/firewall.h"

#define NFT(policy, rules)                                                                         \
	"table inet filter {\n"                                                                    \
	"\tchain input {\n"                                                                        \
	"\t\ttype filter hook input priority filter; policy " policy ";\n"                         \
	"\t\tct state established,related accept\n"                                                \
	"\t\tiifname \"lo\" accept\n" rules "\t}\n"                                                \
	"\tchain output {\n\t\ttype filter hook output priority filter; policy drop;\n"            \
	"\t\tudp dport 4242 drop\n\t}\n}\n"

static bool drops(const char *rules)
{
	return vx6_firewall_drops(rules, "udp", 4242);
}

static void nft__no_rules__let_in(void **state)
{
	assert_false(drops(""));
	assert_false(drops("table inet filter {\n\tchain input {\n\t}\n}\n"));
	assert_false(drops(NFT("accept", "")));
}

static void nft__policy_drop__needs_a_rule_for_the_port(void **state)
{
	assert_true(drops(NFT("drop", "")));
	assert_true(drops(NFT("drop", "\t\ttcp dport 4242 accept\n")));
	assert_true(drops(NFT("drop", "\t\tudp dport 4241 accept\n")));
	assert_true(drops(NFT("drop", "\t\tudp dport 424 accept\n")));
	assert_false(drops(NFT("drop", "\t\tudp dport 4242 accept\n")));
	assert_false(drops(NFT("drop", "\t\tudp dport { 22, 4242 } accept\n")));
	assert_false(drops(NFT("drop", "\t\tudp dport { 22, 4000-5000, 80 } counter packets 1 "
				       "bytes 2 accept\n")));
	assert_false(drops(NFT("drop", "\t\tudp dport @vx6 accept\n")));
	assert_false(drops(NFT("drop", "\t\tmeta l4proto { tcp, udp } th dport 4242 accept\n")));
	assert_false(drops(NFT("drop", "\t\tudp dport 4242 jump ours\n")));
	assert_false(drops(NFT("drop", "\t\taccept\n")));
}

static void nft__rule_that_drops__is_seen(void **state)
{
	assert_true(drops(NFT("accept", "\t\tudp dport 4242 drop\n")));
	assert_true(drops(NFT("accept", "\t\tudp dport 4242 reject\n")));
	assert_true(drops(NFT("accept", "\t\tcounter packets 7 bytes 700 drop\n")));
	assert_true(drops(NFT("accept", "\t\treject with icmpx port-unreachable\n")));
	assert_false(drops(NFT("accept", "\t\tip saddr 192.0.2.1 drop\n")));
}

/* A packet has to get through the tables of all who made one. */
static void nft__tables__each_must_let_in(void **state)
{
	assert_true(drops(NFT("drop", "\t\tudp dport 4242 accept\n") NFT("drop", "")));
	assert_true(drops(NFT("drop", "") NFT("accept", "\t\taccept\n")));
	assert_false(drops(NFT("drop", "\t\tudp dport 4242 accept\n") NFT("accept", "")));
}

static void nft__what_is_dropped_of_some__is_let_in(void **state)
{
	assert_false(drops(NFT("accept", "\t\tudp dport 4242 ip saddr @bad drop\n")));
	assert_false(drops(NFT("accept", "\t\tiifname \"eth1\" udp dport 4242 drop\n")));
	assert_false(drops(NFT("accept", "\t\tudp dport 4242 limit rate over 100/second drop\n")));
}

#define IPTABLES(policy, rules)                                                                    \
	"*nat\n:PREROUTING DROP [0:0]\n-A PREROUTING -p udp -m udp --dport 4242 -j DROP\nCOMMIT\n" \
	"*filter\n:INPUT " policy " [0:0]\n:FORWARD DROP [0:0]\n"                                  \
	"-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n" rules                            \
	"-A FORWARD -p udp -m udp --dport 4242 -j DROP\nCOMMIT\n"

static void iptables__policy_and_rules__are_read(void **state)
{
	assert_false(drops(IPTABLES("ACCEPT", "")));
	assert_true(drops(IPTABLES("DROP", "")));
	assert_true(drops(IPTABLES("DROP", "-A INPUT -p tcp -m tcp --dport 4242 -j ACCEPT\n")));
	assert_false(drops(IPTABLES("DROP", "-A INPUT -p udp -m udp --dport 4242 -j ACCEPT\n")));
	assert_false(
		drops(IPTABLES("DROP",
			       "-A INPUT -p udp -m multiport --dports 22,4000:4300 -j ACCEPT\n")));
	assert_true(drops(IPTABLES("ACCEPT", "-A INPUT -p udp -m udp --dport 4242 -j REJECT\n")));
	assert_true(drops(IPTABLES("ACCEPT", "-A INPUT -j DROP\n")));
	assert_false(
		drops(IPTABLES("ACCEPT",
			       "-A INPUT -s 192.0.2.1/32 -p udp -m udp --dport 4242 -j DROP\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nft__no_rules__let_in),
		cmocka_unit_test(nft__policy_drop__needs_a_rule_for_the_port),
		cmocka_unit_test(nft__rule_that_drops__is_seen),
		cmocka_unit_test(nft__tables__each_must_let_in),
		cmocka_unit_test(nft__what_is_dropped_of_some__is_let_in),
		cmocka_unit_test(iptables__policy_and_rules__are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
