#include "tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE_PACKETS = 10000 };

/* The kernel's struct in6_ifreq; <linux/ipv6.h> does not go together with <netinet/in.h>. */
struct addr6_request {
	struct in6_addr addr;
	uint32_t prefix;
	int ifindex;
};

void wanem_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("wanem: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

bool wanem_endpoint_parse(struct wanem_endpoint *e, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;
	bool ok = copy != NULL;

	memset(e, 0, sizeof *e);
	for (int i = 0; ok && (word = strsep(&rest, ",")) != NULL; i++) {
		char *to = i == 0 ? e->netns : i == 1 ? e->dev : NULL;
		size_t cap = i == 0 ? sizeof e->netns : sizeof e->dev;

		if (i >= 2 && e->addrs < WANEM_MAX_ADDRS) {
			to = e->addr[e->addrs++];
			cap = sizeof e->addr[0];
		}
		ok = to && strlen(word) < cap;
		if (ok)
			memcpy(to, word, strlen(word) + 1);
	}
	free(copy);
	return ok && e->dev[0];
}

static void device_ioctl(int sock, const char *dev, unsigned long request, struct ifreq *req)
{
	snprintf(req->ifr_name, sizeof req->ifr_name, "%s", dev);
	if (ioctl(sock, request, req) < 0)
		wanem_die("%s: ioctl %#lx: %s", dev, request, strerror(errno));
}

static void device_up(const char *dev, int mtu)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq mtu_req = {.ifr_mtu = mtu}, queue_req = {.ifr_qlen = QUEUE_PACKETS};
	struct ifreq flags_req = {.ifr_flags = 0};

	if (s < 0)
		wanem_die("socket: %s", strerror(errno));
	device_ioctl(s, dev, SIOCSIFMTU, &mtu_req);
	device_ioctl(s, dev, SIOCSIFTXQLEN, &queue_req);
	device_ioctl(s, dev, SIOCGIFFLAGS, &flags_req);
	flags_req.ifr_flags |= IFF_UP;
	device_ioctl(s, dev, SIOCSIFFLAGS, &flags_req);
	close(s);
}

static void device_add_ipv6(const char *dev, const char *addr, unsigned prefix)
{
	int s = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct addr6_request req = {.prefix = prefix, .ifindex = (int)if_nametoindex(dev)};

	if (s < 0 || prefix > 128 || inet_pton(AF_INET6, addr, &req.addr) != 1)
		wanem_die("bad IPv6 address %s/%u", addr, prefix);
	if (ioctl(s, SIOCSIFADDR, &req) < 0 && errno != EEXIST)
		wanem_die("%s: cannot add %s: %s", dev, addr, strerror(errno));
	close(s);
}

static void device_add_ipv4(const char *dev, const char *addr, unsigned prefix)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = {.sin_family = AF_INET}, mask = {.sin_family = AF_INET};
	struct ifreq addr_req = {.ifr_flags = 0}, mask_req = {.ifr_flags = 0};

	if (s < 0 || prefix < 1 || prefix > 32 || inet_pton(AF_INET, addr, &in.sin_addr) != 1)
		wanem_die("bad IPv4 address %s/%u", addr, prefix);
	mask.sin_addr.s_addr = htonl(UINT32_MAX << (32 - prefix));
	memcpy(&addr_req.ifr_addr, &in, sizeof in);
	memcpy(&mask_req.ifr_netmask, &mask, sizeof mask);
	device_ioctl(s, dev, SIOCSIFADDR, &addr_req);
	device_ioctl(s, dev, SIOCSIFNETMASK, &mask_req);
	close(s);
}

static void device_add_address(const char *dev, const char *text)
{
	char addr[64];
	const char *slash = strchr(text, '/');
	unsigned prefix;

	if (!slash || sscanf(slash, "/%u", &prefix) != 1)
		wanem_die("address needs /PREFIX: %s", text);
	snprintf(addr, sizeof addr, "%.*s", (int)(slash - text), text);
	if (strchr(addr, ':'))
		device_add_ipv6(dev, addr, prefix);
	else
		device_add_ipv4(dev, addr, prefix);
}

int wanem_endpoint_open(const struct wanem_endpoint *e, int mtu)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	char path[128];

	if (e->netns[0]) {
		snprintf(path, sizeof path, "/run/netns/%s", e->netns);
		int ns = open(path, O_RDONLY | O_CLOEXEC);

		if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
			wanem_die("cannot enter network namespace %s: %s", e->netns,
				  strerror(errno));
		close(ns);
	}
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	memcpy(req.ifr_name, e->dev, sizeof req.ifr_name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0)
		wanem_die("cannot create %s: %s", e->dev, strerror(errno));
	device_up(e->dev, mtu);
	for (int i = 0; i < e->addrs; i++)
		device_add_address(e->dev, e->addr[i]);
	if (setns(home, CLONE_NEWNET) < 0)
		wanem_die("cannot return to own namespace: %s", strerror(errno));
	close(home);
	return fd;
}
