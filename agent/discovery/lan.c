#include "discovery/lan.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "wire/beacon.h"

enum {
	INTERFACES_MAX = 32,
	EVERY_MS = 60 * 1000,
	PAUSE_MS = 1000, /* between two beacons of ours, however often something changes */
	ANSWER_EVERY_MS = 10 * 1000,
	ANSWER_SPREAD_MS = 500, /* a whole network hears a newcomer at the same moment */
	LOOKED_AT_MAX = 32,     /* a second */
	BURST = 64,             /* datagrams of one wake-up */
};

static const struct in6_addr group = {
	{{0xff, 0x02, [12] = 0x56, [13] = 0x58, [14] = 0x36, [15] = 0x42}}};
/* After a start or a change: at once, and twice more in case nobody listened yet. */
static const uint32_t again_ms[] = {1000, 2000};

struct vx6_lan {
	struct vx6_lan_config cfg;
	uint8_t network[VX6_BEACON_NETWORK_BYTES];
	int fd;
	struct vx6_io io;
	struct vx6_timer beacon, answer;
	unsigned iface[INTERFACES_MAX], ifaces_n;
	size_t again; /* next of again_ms */
	uint64_t sent_ms, answered_ms;
	unsigned answer_on; /* interface; 0: all */
	uint64_t second;    /* in which `looked_at` beacons came */
	unsigned looked_at;
	struct vx6_ratelimit log;
	struct vx6_lan_stats stats;
};

/* ---- interfaces ---- */

static bool has_iface(const struct vx6_lan *l, unsigned index)
{
	for (unsigned i = 0; i < l->ifaces_n; i++)
		if (l->iface[i] == index)
			return true;
	return false;
}

static void leave_all(struct vx6_lan *l)
{
	for (unsigned i = 0; i < l->ifaces_n; i++) {
		struct ipv6_mreq m = {.ipv6mr_multiaddr = group, .ipv6mr_interface = l->iface[i]};

		/* fails when the interface is gone, and the membership with it */
		(void)setsockopt(l->fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m);
	}
	l->ifaces_n = 0;
}

static void join(struct vx6_lan *l, const struct ifaddrs *ifa)
{
	struct ipv6_mreq m = {.ipv6mr_multiaddr = group};

	if (!(ifa->ifa_flags & IFF_UP) || !(ifa->ifa_flags & IFF_MULTICAST) ||
	    (ifa->ifa_flags & IFF_LOOPBACK) || l->ifaces_n == INTERFACES_MAX)
		return;
	m.ipv6mr_interface = if_nametoindex(ifa->ifa_name);
	if (m.ipv6mr_interface == 0 || has_iface(l, m.ipv6mr_interface))
		return;
	if (setsockopt(l->fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m) == 0)
		l->iface[l->ifaces_n++] = m.ipv6mr_interface;
}

static void join_all(struct vx6_lan *l)
{
	struct ifaddrs *list;

	leave_all(l);
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *ifa = list; ifa; ifa = ifa->ifa_next)
		join(l, ifa);
	freeifaddrs(list);
}

/* ---- sending ---- */

static void send_on(struct vx6_lan *l, unsigned index, const uint8_t *b, size_t n)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6,
				  .sin6_addr = group,
				  .sin6_port = htons(l->cfg.port),
				  .sin6_scope_id = index};

	/* an interface without an address cannot send; the next change may give it one */
	if (sendto(l->fd, b, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) == (ssize_t)n)
		l->stats.sent++;
}

/* @param on an interface; 0: all */
static void send_beacon(struct vx6_lan *l, enum vx6_beacon_kind kind, unsigned on)
{
	uint8_t record[VX6_BEACON_RECORD_MAX], out[VX6_BEACON_MAX];
	struct vx6_beacon b = {.kind = (uint8_t)kind, .record = record};
	size_t n;

	b.record_n = l->cfg.own(l->cfg.user, record, sizeof record);
	if (b.record_n == 0)
		return;
	memcpy(b.network, l->network, sizeof b.network);
	if (!vx6_is_ok(vx6_beacon_encode(&b, out, &n)))
		return;
	for (unsigned i = 0; i < l->ifaces_n; i++)
		if (on == 0 || on == l->iface[i])
			send_on(l, l->iface[i], out, n);
}

static void on_beacon_due(struct vx6_timer *timer)
{
	struct vx6_lan *l = timer->user;
	uint32_t spread = EVERY_MS / 5;

	l->sent_ms = vx6_loop_now_ms(l->cfg.loop);
	send_beacon(l, VX6_BEACON_HERE, 0);
	if (l->again < VX6_ARRAY_N(again_ms))
		vx6_timer_in_ms(timer, again_ms[l->again++]);
	else
		vx6_timer_in_ms(timer, EVERY_MS - spread / 2 + vx6_random_u32() % spread);
}

void vx6_lan_changed(struct vx6_lan *l)
{
	uint64_t now = vx6_loop_now_ms(l->cfg.loop), next = l->sent_ms + PAUSE_MS;

	join_all(l);
	l->again = 0;
	vx6_timer_in_ms(&l->beacon, l->sent_ms != 0 && next > now ? next - now : 0);
}

static void on_answer_due(struct vx6_timer *timer)
{
	struct vx6_lan *l = timer->user;

	l->answered_ms = vx6_loop_now_ms(l->cfg.loop);
	send_beacon(l, VX6_BEACON_HERE_TOO, l->answer_on);
}

/* Soon, and not when the newcomer will hear our own beacon anyway. */
static void plan_answer(struct vx6_lan *l, unsigned on)
{
	uint64_t now = vx6_loop_now_ms(l->cfg.loop);

	if (vx6_timer_is_armed(&l->answer)) {
		if (l->answer_on != on)
			l->answer_on = 0;
		return;
	}
	if (l->answered_ms != 0 && now - l->answered_ms < ANSWER_EVERY_MS)
		return;
	l->answer_on = on;
	vx6_timer_in_ms(&l->answer, vx6_random_u32() % ANSWER_SPREAD_MS);
}

/* ---- hearing ---- */

static bool is_one_more(struct vx6_lan *l)
{
	uint64_t second = vx6_loop_now_ms(l->cfg.loop) / 1000;

	if (second != l->second) {
		l->second = second;
		l->looked_at = 0;
	}
	if (l->looked_at < LOOKED_AT_MAX) {
		l->looked_at++;
		return true;
	}
	if (vx6_log_allow(&l->log, "lan", 1, 600 * 1000))
		VX6_WARN("lan", "more than %d beacons a second; the rest is not looked at",
			 LOOKED_AT_MAX);
	return false;
}

static bool is_own(const struct vx6_lan *l, const struct vx6_beacon *b)
{
	uint8_t own[VX6_BEACON_RECORD_MAX];
	size_t n = l->cfg.own(l->cfg.user, own, sizeof own);

	return n == b->record_n && memcmp(own, b->record, n) == 0;
}

static void take(struct vx6_lan *l, const uint8_t *p, size_t n, unsigned on)
{
	struct vx6_beacon b;

	if (!is_one_more(l) || !vx6_is_ok(vx6_beacon_decode(p, n, &b)) ||
	    memcmp(b.network, l->network, sizeof b.network) != 0) {
		l->stats.dropped++;
		return;
	}
	if (is_own(l, &b))
		return;
	l->stats.heard++;
	if (l->cfg.heard(l->cfg.user, b.record, b.record_n) && b.kind == VX6_BEACON_HERE)
		plan_answer(l, on);
}

/* The interface it came in by, when it was sent to the group; 0: to an address of this host, as nobody on the local network has reason to. */
static unsigned came_by(struct msghdr *msg)
{
	struct in6_pktinfo info;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
		    c->cmsg_len < CMSG_LEN(sizeof info))
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof info);
		return memcmp(&info.ipi6_addr, &group, sizeof group) == 0 ? info.ipi6_ifindex : 0;
	}
	return 0;
}

static void on_readable(struct vx6_io *io, int events)
{
	struct vx6_lan *l = io->user;

	(void)events;
	for (int i = 0; i < BURST; i++) {
		uint8_t buf[VX6_BEACON_MAX + 1]; /* one that is too long shows */
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct iovec iov = {buf, sizeof buf};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof control};
		ssize_t n = recvmsg(l->fd, &msg, MSG_DONTWAIT);
		unsigned on;

		if (n < 0)
			return;
		on = came_by(&msg);
		if (on != 0)
			take(l, buf, (size_t)n, on);
		else
			l->stats.dropped++;
	}
}

/* ---- life ---- */

static void network_tag(const struct vx6_net *net, uint8_t out[static VX6_BEACON_NETWORK_BYTES])
{
	struct vx6_hash h;

	vx6_hash_personal("VX6-beacon", net->b, sizeof net->b, &h);
	memcpy(out, h.b, VX6_BEACON_NETWORK_BYTES);
}

static bool set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* Several agents of a host share the port: each gets what is sent to the group. */
static vx6_err open_socket(struct vx6_lan *l)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(l->cfg.port)};

	l->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || !set(l->fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    !set(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) ||
	    !set(l->fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1) ||
	    !set(l->fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1) ||
	    !set(l->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) ||
	    bind(l->fd, (struct sockaddr *)&any, sizeof any) < 0)
		return vx6_err_from_errno(errno);
	return vx6_io_start(l->cfg.loop, &l->io, l->fd, VX6_IO_READ, on_readable, l);
}

vx6_err vx6_lan_new(const struct vx6_lan_config *cfg, struct vx6_lan **out)
{
	struct vx6_lan *l = vx6_zalloc(sizeof *l);
	vx6_err err;

	l->cfg = *cfg;
	if (l->cfg.port == 0)
		l->cfg.port = VX6_BEACON_PORT;
	network_tag(&cfg->net, l->network);
	vx6_timer_init(cfg->loop, &l->beacon, on_beacon_due, l);
	vx6_timer_init(cfg->loop, &l->answer, on_answer_due, l);
	err = open_socket(l);
	if (!vx6_is_ok(err)) {
		vx6_lan_free(l);
		*out = NULL;
		return err;
	}
	vx6_lan_changed(l);
	*out = l;
	return VX6_OK;
}

void vx6_lan_free(struct vx6_lan *l)
{
	if (!l)
		return;
	vx6_timer_stop(&l->beacon);
	vx6_timer_stop(&l->answer);
	vx6_io_stop(&l->io);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

void vx6_lan_stats(const struct vx6_lan *l, struct vx6_lan_stats *out)
{
	*out = l->stats;
	out->interfaces = l->ifaces_n;
}
