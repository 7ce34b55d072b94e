#include "tests/unit/vectors.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "discovery/lan.h"
#include "wire/beacon.h"

#define LINK "lan0"

static bool has_network;

/* Whoever may not make one as they are becomes root of a user namespace. */
static bool enter_namespace(void)
{
	unsigned uid = getuid();
	bool mapped;
	FILE *map;

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	map = fopen("/proc/self/uid_map", "w");
	if (!map)
		return false;
	mapped = fprintf(map, "0 %u 1", uid) > 0;
	return fclose(map) == 0 && mapped;
}

/* A network namespace of our own, with one interface that multicasts. */
static int network_setup(void **state)
{
	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	if (!enter_namespace())
		return 0;
	has_network =
		system("exec 2>/dev/null; ip link set lo up && ip link add " LINK
		       " type bridge && ip link set " LINK " addrgenmode none && ip link set " LINK
		       " up && ip addr add fe80::1/64 dev " LINK " nodad") == 0;
	return 0;
}

/* Nodes of one host, on one link. */
struct node {
	struct vx6_lan *lan;
	char record[16];
	unsigned heard;
	char last[64];
	bool is_new; /* what `heard` answers */
	struct rig *rig;
};
struct rig {
	struct vx6_loop *loop;
	struct vx6_timer end;
	struct node node[3];
	uint16_t port;
};

static size_t own(void *user, uint8_t *out, size_t cap)
{
	struct node *n = user;
	size_t len = strlen(n->record);

	memcpy(out, n->record, len);
	return len;
}

static bool heard(void *user, const uint8_t *record, size_t n)
{
	struct node *node = user;

	node->heard++;
	assert_true(n < sizeof node->last);
	memcpy(node->last, record, n);
	node->last[n] = '\0';
	return node->is_new;
}

static void on_end(struct vx6_timer *timer)
{
	vx6_loop_stop(timer->loop);
}

static void run(struct rig *r, uint64_t ms)
{
	vx6_timer_in_ms(&r->end, ms);
	vx6_loop_run(r->loop);
}

static void rig_init(struct rig *r)
{
	if (!has_network) {
		print_message("skipped: no network namespace with a link to be had\n");
		skip();
	}
	memset(r, 0, sizeof *r);
	assert_ok(vx6_loop_new(&r->loop));
	vx6_timer_init(r->loop, &r->end, on_end, r);
	r->port = (uint16_t)(20000 + vx6_random_u32() % 20000);
}

static void begin(struct rig *r, size_t i, const char *record, bool is_new)
{
	struct node *n = &r->node[i];
	struct vx6_lan_config cfg = {.loop = r->loop,
				     .net = vx6_net_default,
				     .own = own,
				     .heard = heard,
				     .user = n,
				     .port = r->port};

	(void)snprintf(n->record, sizeof n->record, "%s", record);
	n->is_new = is_new;
	assert_ok(vx6_lan_new(&cfg, &n->lan));
}

static void rig_fini(struct rig *r)
{
	for (size_t i = 0; i < VX6_ARRAY_N(r->node); i++)
		vx6_lan_free(r->node[i].lan);
	vx6_loop_free(r->loop);
}

static struct vx6_lan_stats stats(const struct node *n)
{
	struct vx6_lan_stats s;

	vx6_lan_stats(n->lan, &s);
	return s;
}

static void lan__two_on_a_link__hear_each_other_and_not_themselves(void **state)
{
	struct rig r;

	rig_init(&r);
	begin(&r, 0, "alice", false);
	begin(&r, 1, "bob", false);
	run(&r, 100);
	assert_int_equal(stats(&r.node[0]).interfaces, 1);
	assert_string_equal(r.node[0].last, "bob");
	assert_string_equal(r.node[1].last, "alice");
	assert_int_equal(r.node[0].heard, stats(&r.node[1]).sent);
	assert_int_equal(stats(&r.node[0]).dropped, 0);
	rig_fini(&r);
}

static void lan__a_node_that_was_not_known__is_told_of_us_once(void **state)
{
	struct rig r;
	unsigned before;

	rig_init(&r);
	begin(&r, 0, "alice", true);
	run(&r, 3500); /* its three first beacons are over */
	before = (unsigned)stats(&r.node[0]).sent;
	begin(&r, 1, "bob", false); /* three of these, within three seconds */
	run(&r, 3500);
	assert_string_equal(r.node[1].last, "alice");
	assert_int_equal(stats(&r.node[0]).sent - before, 1);
	assert_in_range(r.node[0].heard, 2, 4);
	rig_fini(&r);
}

static void lan__no_record_of_our_own__listens_only(void **state)
{
	struct rig r;

	rig_init(&r);
	begin(&r, 0, "", true);
	begin(&r, 1, "bob", true);
	run(&r, 700);
	assert_string_equal(r.node[0].last, "bob");
	assert_int_equal(r.node[1].heard, 0);
	assert_int_equal(stats(&r.node[0]).sent, 0);
	rig_fini(&r);
}

static void lan_changed__many_times__sends_once_a_second(void **state)
{
	struct rig r;
	uint64_t sent;

	rig_init(&r);
	begin(&r, 0, "alice", false);
	run(&r, 50);
	sent = stats(&r.node[0]).sent;
	for (unsigned i = 0; i < 20; i++) {
		vx6_lan_changed(r.node[0].lan);
		run(&r, 20);
	}
	/* on a machine that is busy the twenty may take more than a second */
	assert_in_range(stats(&r.node[0]).sent, sent, sent + 3);
	sent = stats(&r.node[0]).sent;
	run(&r, 1500);
	assert_true(stats(&r.node[0]).sent > sent);
	rig_fini(&r);
}

/* ---- what strangers send ---- */

static void send_raw(struct rig *r, const char *to, const void *p, size_t n)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_port = htons(r->port),
				  .sin6_scope_id = if_nametoindex(LINK)};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	assert_int_equal(inet_pton(AF_INET6, to, &sa.sin6_addr), 1);
	assert_int_equal(sendto(fd, p, n, 0, (struct sockaddr *)&sa, sizeof sa), n);
	close(fd);
}

static size_t beacon(const char *net, const char *record, uint8_t out[static VX6_BEACON_MAX])
{
	struct vx6_beacon b = {.kind = VX6_BEACON_HERE,
			       .record = (const uint8_t *)record,
			       .record_n = strlen(record)};
	struct vx6_hash h;
	size_t n;

	vx6_hash_personal("VX6-beacon", net, 16, &h);
	memcpy(b.network, h.b, sizeof b.network);
	assert_ok(vx6_beacon_encode(&b, out, &n));
	return n;
}

static void lan__garbage_other_networks_and_unicast__are_dropped(void **state)
{
	const char *net = (const char *)vx6_net_default.b;
	uint8_t b[VX6_BEACON_MAX], junk[2000] = {0};
	struct rig r;
	size_t n;

	rig_init(&r);
	begin(&r, 0, "alice", false);
	n = beacon("another network!", "eve", b);
	send_raw(&r, "ff02::5658:3642", b, n);
	send_raw(&r, "ff02::5658:3642", junk, sizeof junk);
	send_raw(&r, "ff02::5658:3642", "VX6B", 4);
	send_raw(&r, "ff02::5658:3642", junk, 0);
	n = beacon(net, "eve", b);
	send_raw(&r, "fe80::1", b, n);
	run(&r, 100);
	assert_int_equal(r.node[0].heard, 0);
	assert_int_equal(stats(&r.node[0]).dropped, 5);
	send_raw(&r, "ff02::5658:3642", b, n);
	run(&r, 100);
	assert_int_equal(r.node[0].heard, 1);
	rig_fini(&r);
}

static void lan__a_flood__thirty_two_a_second_are_looked_at(void **state)
{
	uint8_t b[VX6_BEACON_MAX];
	struct rig r;
	size_t n = beacon((const char *)vx6_net_default.b, "eve", b);

	rig_init(&r);
	begin(&r, 0, "alice", false);
	for (unsigned i = 0; i < 150; i++)
		send_raw(&r, "ff02::5658:3642", b, n);
	run(&r, 200);
	assert_in_range(r.node[0].heard, 31, 64); /* the second may turn meanwhile */
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lan__two_on_a_link__hear_each_other_and_not_themselves),
		cmocka_unit_test(lan__a_node_that_was_not_known__is_told_of_us_once),
		cmocka_unit_test(lan__no_record_of_our_own__listens_only),
		cmocka_unit_test(lan_changed__many_times__sends_once_a_second),
		cmocka_unit_test(lan__garbage_other_networks_and_unicast__are_dropped),
		cmocka_unit_test(lan__a_flood__thirty_two_a_second_are_looked_at),
	};

	return cmocka_run_group_tests(tests, network_setup, NULL);
}
