/*
 * UDP sockets: one per listener, one more for dialling. Unconnected, so that a packet from a new address of a peer still arrives and
 * our own address may change under a connection; which of our addresses a packet came to and leaves from travels with each packet
 * (IPV6_PKTINFO). Dual-stack wherever the kernel has IPv6.
 *
 * Receiving: batches of super-packets (recvmmsg, UDP_GRO) into buffers of the instance. Sending: one batch a call (UDP_SEGMENT), plain
 * datagrams where the device refuses that. The Don't Fragment bit is always set: ngtcp2 finds the path MTU itself.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/quic/quic_internal.h"

enum {
	SOCKET_BUFFER = 16 * 1024 * 1024,
	CONTROL_BYTES = 128,
	READS_MAX = 2, /* recvmmsg calls a wake-up: at most 1 MiB, then everybody else has a turn */
};

bool quic_path_is_loopback(const struct quic_path *p)
{
	struct vx6_addr a;

	return vx6_is_ok(vx6_addr_from_sockaddr(&p->remote.sa, p->len, &a)) &&
	       vx6_addr_is_loopback(&a);
}

void quic_path_view(struct quic_path *p, ngtcp2_path *out)
{
	*out = (ngtcp2_path){.local = {.addr = &p->local.sa, .addrlen = p->len},
			     .remote = {.addr = &p->remote.sa, .addrlen = p->len}};
}

/* ---- opening ---- */

static void set_flag(int fd, int level, int name, int value)
{
	/* options that make it faster or nicer: a kernel without them still works */
	if (setsockopt(fd, level, name, &value, sizeof value) < 0)
		VX6_DEBUG("quic", "socket option %d/%d: %s", level, name, strerror(errno));
}

static void set_buffer(int fd, int forced, int plain)
{
	int value = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, forced, &value, sizeof value) < 0)
		set_flag(fd, SOL_SOCKET, plain, value);
}

static void set_options(int fd, int family)
{
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (family == AF_INET6) {
		set_flag(fd, SOL_IPV6, IPV6_V6ONLY, 0);
		set_flag(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
		set_flag(fd, SOL_IPV6, IPV6_RECVTCLASS, 1);
		set_flag(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
		set_flag(fd, SOL_IPV6, IPV6_DONTFRAG, 1);
	}
	if (family == AF_INET)
		set_flag(fd, SOL_IP, IP_PKTINFO, 1);
	set_flag(fd, SOL_IP, IP_RECVTOS, 1);
	set_flag(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	set_flag(fd, SOL_UDP, UDP_GRO, 1);
}

static int wanted(const struct quic_socket *s)
{
	return VX6_IO_READ | (s->hears_errors ? VX6_IO_ERROR : 0) |
	       (s->held_n > 0 ? VX6_IO_WRITE : 0);
}

static void hear_errors(struct quic_socket *s)
{
	set_flag(s->fd, SOL_IP, IP_RECVERR, 1);
	if (s->family == AF_INET6)
		set_flag(s->fd, SOL_IPV6, IPV6_RECVERR, 1);
	s->hears_errors = true;
}

static vx6_err bind_at(int fd, int family, const struct vx6_addr *at, union quic_sockaddr *bound)
{
	struct vx6_addr any = {.family = VX6_ADDR_IP};
	struct sockaddr_storage ss;
	socklen_t n;

	if (family == AF_INET && (!at || (vx6_addr_is_any(at) && !vx6_addr_is_v4(at)))) {
		/* a kernel without IPv6: the wildcard is IPv4's */
		any.ip[10] = any.ip[11] = 0xff;
		any.port = at ? at->port : 0;
		at = &any;
	}
	n = vx6_addr_to_sockaddr(at ? at : &any, family == AF_INET6, &ss);
	if (n == 0 || ss.ss_family != family)
		return VX6_ERR(INVALID);
	if (bind(fd, (struct sockaddr *)&ss, n) < 0)
		return vx6_err_from_errno(errno);
	n = sizeof *bound;
	if (getsockname(fd, &bound->sa, &n) < 0)
		return vx6_err_from_errno(errno);
	return VX6_OK;
}

static void on_io(struct vx6_io *io, int events);

static void buffers_make(struct vx6_transport *t)
{
	if (t->rx)
		return;
	/* mapped: pages that no packet has touched cost nothing */
	t->rx = mmap(NULL, QUIC_RX_SLOTS * QUIC_SLOT_BYTES + QUIC_SLOT_BYTES,
		     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	VX6_ASSERT(t->rx != MAP_FAILED);
	t->tx = t->rx + QUIC_RX_SLOTS * QUIC_SLOT_BYTES;
}

vx6_err quic_socket_open(struct vx6_transport *t, const struct vx6_addr *at,
			 struct quic_socket **out)
{
	struct quic_socket *s = vx6_zalloc(sizeof *s);
	vx6_err err;

	s->t = t;
	s->refs = 1;
	vx6_list_init(&s->waiting);
	s->family = AF_INET6;
	s->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 && errno == EAFNOSUPPORT) {
		s->family = AF_INET;
		s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (s->fd < 0) {
		err = vx6_err_from_errno(errno);
		goto out;
	}
	set_options(s->fd, s->family);
	if (!at)
		hear_errors(s); /* only of dials: a link that is up does not believe them */
	err = bind_at(s->fd, s->family, at, &s->bound);
	if (!vx6_is_ok(err))
		goto out;
	buffers_make(t);
	err = vx6_io_start(t->loop, &s->io, s->fd, wanted(s), on_io, s);
	if (!vx6_is_ok(err))
		goto out;
	vx6_list_push(&t->sockets, &s->node);
	*out = s;
	return VX6_OK;
out:
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return err;
}

void quic_socket_unref(struct quic_socket *s)
{
	if (!s || --s->refs > 0)
		return;
	if (s->t->dial_socket == s)
		s->t->dial_socket = NULL;
	vx6_list_remove(&s->node);
	vx6_io_stop(&s->io);
	close(s->fd);
	free(s->held);
	free(s);
}

vx6_err quic_socket_route(const struct quic_socket *s, struct quic_path *path, uint32_t *mtu)
{
	int fd = socket(s->family, SOCK_DGRAM | SOCK_CLOEXEC, 0), value = 0;
	bool v4 = s->family == AF_INET || IN6_IS_ADDR_V4MAPPED(&path->remote.in6.sin6_addr);
	socklen_t n = sizeof path->local;
	vx6_err err = VX6_OK;

	*mtu = 0;
	if (fd < 0)
		return vx6_err_from_errno(errno);
	/* connecting a datagram socket sends nothing; it asks the routing table */
	if (connect(fd, &path->remote.sa, path->len) < 0 ||
	    getsockname(fd, &path->local.sa, &n) < 0) {
		err = vx6_err_from_errno(errno);
		goto out;
	}
	path->local.in6.sin6_port = s->bound.in6.sin6_port; /* at the same place in sockaddr_in */
	n = sizeof value;
	if (getsockopt(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_MTU : IPV6_MTU, &value, &n) == 0 &&
	    value > 0)
		*mtu = (uint32_t)value;
out:
	close(fd);
	return err;
}

/* ---- receiving ---- */

struct rx_meta {
	struct quic_path path;
	uint8_t ecn;
	size_t segment; /* 0: one datagram */
};

static void read_control(struct msghdr *msg, const struct quic_socket *s, struct rx_meta *m)
{
	m->path.local = s->bound;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int value = 0;

		if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			m->path.local.in6.sin6_addr = info.ipi6_addr;
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			m->path.local.in.sin_addr = info.ipi_addr;
		} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&value, CMSG_DATA(c), sizeof value);
			m->ecn = (uint8_t)value & NGTCP2_ECN_MASK;
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
			m->ecn = *CMSG_DATA(c) & NGTCP2_ECN_MASK;
		} else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(c), sizeof value);
			m->segment = value > 0 ? (size_t)value : 0;
		}
	}
}

static void read_super_packet(struct quic_socket *s, struct msghdr *msg, const uint8_t *p, size_t n)
{
	struct rx_meta m = {.path.len = msg->msg_namelen};

	if (msg->msg_namelen !=
	    (s->family == AF_INET6 ? sizeof m.path.remote.in6 : sizeof m.path.remote.in))
		return;
	memcpy(&m.path.remote, msg->msg_name, msg->msg_namelen);
	read_control(msg, s, &m);
	if (m.segment == 0)
		m.segment = n;
	while (n > 0) {
		size_t take = VX6_MIN(n, m.segment);

		quic_datagram(s, &m.path, m.ecn, p, take);
		p += take;
		n -= take;
	}
}

/* @return whether there may be more */
static bool read_batch(struct quic_socket *s)
{
	struct mmsghdr msgs[QUIC_RX_SLOTS];
	struct iovec iov[QUIC_RX_SLOTS];
	union quic_sockaddr names[QUIC_RX_SLOTS];
	_Alignas(struct cmsghdr) uint8_t control[QUIC_RX_SLOTS][CONTROL_BYTES];
	int n;

	memset(msgs, 0, sizeof msgs);
	for (int i = 0; i < QUIC_RX_SLOTS; i++) {
		iov[i] = (struct iovec){.iov_base = s->t->rx + (size_t)i * QUIC_SLOT_BYTES,
					.iov_len = QUIC_SLOT_BYTES};
		msgs[i].msg_hdr = (struct msghdr){.msg_name = &names[i],
						  .msg_namelen = sizeof names[i],
						  .msg_iov = &iov[i],
						  .msg_iovlen = 1,
						  .msg_control = control[i],
						  .msg_controllen = CONTROL_BYTES};
	}
	n = recvmmsg(s->fd, msgs, QUIC_RX_SLOTS, 0, NULL);
	for (int i = 0; i < n; i++)
		if (!(msgs[i].msg_hdr.msg_flags & MSG_TRUNC))
			read_super_packet(s, &msgs[i].msg_hdr, iov[i].iov_base, msgs[i].msg_len);
	return n == QUIC_RX_SLOTS;
}

/* ---- sending ---- */

static void put_control(struct msghdr *msg, size_t *used, int level, int type, const void *value,
			size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)msg->msg_control + *used);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), value, n);
	*used += CMSG_SPACE(n);
}

static void put_source(struct msghdr *msg, size_t *used, int family, const struct quic_path *path)
{
	if (family == AF_INET6) {
		struct in6_pktinfo info = {.ipi6_addr = path->local.in6.sin6_addr};

		if (!IN6_IS_ADDR_UNSPECIFIED(&info.ipi6_addr))
			put_control(msg, used, SOL_IPV6, IPV6_PKTINFO, &info, sizeof info);
	} else {
		struct in_pktinfo info = {.ipi_spec_dst = path->local.in.sin_addr};

		if (info.ipi_spec_dst.s_addr != INADDR_ANY)
			put_control(msg, used, SOL_IP, IP_PKTINFO, &info, sizeof info);
	}
}

static int send_message(const struct quic_socket *s, const struct msghdr *msg)
{
	ssize_t rc;

	do
		rc = sendmsg(s->fd, msg, 0);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? errno : 0;
}

static bool is_blocked(int err)
{
	return err == EAGAIN || err == ENOBUFS;
}

static int send_batch(const struct quic_socket *s, const struct quic_path *path, uint8_t ecn,
		      const uint8_t *p, size_t n, size_t segment)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
	struct iovec iov = {.iov_base = (uint8_t *)(uintptr_t)p, .iov_len = n};
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)&path->remote,
			     .msg_namelen = path->len,
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control};
	bool v4 = s->family == AF_INET || IN6_IS_ADDR_V4MAPPED(&path->remote.in6.sin6_addr);
	size_t used = 0;
	int err;

	memset(control, 0, sizeof control);
	put_source(&msg, &used, s->family, path);
	if (ecn) {
		int tos = ecn;

		put_control(&msg, &used, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos,
			    sizeof tos);
	}
	if (n > segment) {
		uint16_t size = (uint16_t)segment;

		put_control(&msg, &used, SOL_UDP, UDP_SEGMENT, &size, sizeof size);
	}
	msg.msg_controllen = used;
	if (used == 0)
		msg.msg_control = NULL;
	err = send_message(s, &msg);
	/* the error may be one that an earlier packet met, of any connection, and this one has not been sent for it */
	if (err && s->hears_errors && !is_blocked(err))
		err = send_message(s, &msg);
	return err;
}

/* Datagram by datagram. @return bytes dealt with; less than @p n when the kernel takes no more now */
static size_t send_plain(struct quic_socket *s, const struct quic_path *path, uint8_t ecn,
			 const uint8_t *p, size_t n, size_t segment, int *last)
{
	size_t done = 0;

	*last = 0;
	while (done < n) {
		size_t take = VX6_MIN(n - done, segment);
		int err = send_batch(s, path, ecn, p + done, take, take);

		if (is_blocked(err))
			break;
		if (err)
			*last = err;
		done += take;
	}
	return done;
}

static void hold(struct quic_socket *s, const struct quic_path *path, uint8_t ecn, const uint8_t *p,
		 size_t n, size_t segment)
{
	if (!s->held)
		s->held = vx6_zalloc(QUIC_SLOT_BYTES);
	memmove(s->held, p, n);
	s->held_n = n;
	s->held_segment = segment;
	s->held_path = *path;
	s->held_ecn = ecn;
	vx6_io_want(&s->io, wanted(s));
}

enum quic_sent quic_socket_send(struct quic_socket *s, const struct quic_path *path, uint8_t ecn,
				const uint8_t *p, size_t n, size_t segment)
{
	int err = 0;
	size_t done;

	if (s->held_n > 0)
		return QUIC_SENT_BLOCKED; /* lost: callers look first; a reply to a stranger may be */
	if (n > segment && !s->no_gso) {
		err = send_batch(s, path, ecn, p, n, segment);
		if (err == 0)
			return QUIC_SENT;
		if (is_blocked(err)) {
			hold(s, path, ecn, p, n, segment);
			return QUIC_SENT_BLOCKED;
		}
	}
	done = send_plain(s, path, ecn, p, n, segment, &err);
	if (done < n) {
		hold(s, path, ecn, p + done, n - done, segment);
		return QUIC_SENT_BLOCKED;
	}
	if (err == 0 && n > segment && !s->no_gso) {
		/* the device refuses segmentation (EIO, EINVAL) but takes the packets: it is asked no more */
		VX6_DEBUG("quic",
			  "no UDP segmentation offload on this path: plain datagrams from now on");
		s->no_gso = true;
	}
	if (err == EMSGSIZE)
		return QUIC_SENT_TOO_BIG;
	if (err == EINVAL || err == EADDRNOTAVAIL || err == ENETUNREACH || err == ENODEV)
		return QUIC_SENT_NO_ROUTE;
	return QUIC_SENT;
}

static void send_held(struct quic_socket *s)
{
	struct vx6_list *node;
	size_t n = s->held_n, done;
	int err;

	done = send_plain(s, &s->held_path, s->held_ecn, s->held, n, s->held_segment, &err);
	s->held_n = 0;
	if (done < n) {
		hold(s, &s->held_path, s->held_ecn, s->held + done, n - done, s->held_segment);
		return;
	}
	vx6_io_want(&s->io, wanted(s));
	while ((node = vx6_list_pop(&s->waiting)) != NULL)
		quic_conn_dirty(VX6_CONTAINER_OF(node, struct quic_conn, dirty_node));
}

static void on_io(struct vx6_io *io, int events)
{
	struct quic_socket *s = io->user;

	/* nothing below frees the socket: connections end in the deferred task */
	if (events & VX6_IO_ERROR)
		quic_socket_errors(s);
	if ((events & VX6_IO_WRITE) && s->held_n > 0)
		send_held(s);
	if (events & VX6_IO_READ)
		for (int i = 0; i < READS_MAX && read_batch(s); i++)
			;
}
