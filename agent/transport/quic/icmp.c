/*
 * What routers and hosts answer to the packets of a dial: nobody listens there, or there is no way. Without it a dial into the void
 * takes the whole handshake timeout. Anyone can forge such an answer, so it counts only where it quotes the connection id that the
 * dial drew, names the address that was dialled, and nothing of the peer has come yet; a link that is up never ends by it.
 */
#include <time.h> /* the kernel header below does not bring what it uses */

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/quic/quic_internal.h"

enum {
	ERRORS_MAX = 16,   /* a wake-up; the rest comes with the next */
	QUOTE_BYTES = 128, /* the first bytes of our packet: its header */
	CONTROL_BYTES = 256,
};

/* @return VX6_OK: none that ends a dial */
static vx6_err meaning(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		bool v6 = c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR;
		struct sock_extended_err e;

		if (!v6 && !(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof e);
		if (e.ee_origin != SO_EE_ORIGIN_ICMP && e.ee_origin != SO_EE_ORIGIN_ICMP6)
			continue;
		switch (e.ee_errno) {
		case ECONNREFUSED:
			return VX6_ERR(REFUSED);
		case EHOSTUNREACH:
		case ENETUNREACH:
		case EACCES: /* forbidden on the way */
			return VX6_ERR(UNREACHABLE);
		default:
			break;
		}
	}
	return VX6_OK;
}

/* The dial that sent the quoted packet, from its source connection id. */
static struct quic_conn *dial_of(const struct quic_socket *s, const uint8_t *p, size_t n,
				 union quic_sockaddr *to, size_t to_len)
{
	ngtcp2_version_cid vc;
	struct quic_conn *c;
	ngtcp2_conn_info info;
	const ngtcp2_path *path;
	ngtcp2_path dialled;

	if (n == 0 || !(p[0] & 0x80) ||
	    ngtcp2_pkt_decode_version_cid(&vc, p, n, QUIC_CID_BYTES) != 0 ||
	    vc.scidlen != QUIC_CID_BYTES)
		return NULL;
	c = quic_cid_find(&s->t->cids, quic_cid_key(vc.scid));
	if (!c || !c->initiator || c->sock != s || c->state != QUIC_HANDSHAKE || c->handshake_done)
		return NULL;
	ngtcp2_conn_get_conn_info2(c->q, &info);
	path = ngtcp2_conn_get_path2(c->q);
	dialled = (ngtcp2_path){.local = path->local,
				.remote = {.addr = &to->sa, .addrlen = (ngtcp2_socklen)to_len}};
	return info.bytes_recv == 0 && path->remote.addrlen == to_len &&
			       ngtcp2_path_eq(path, &dialled)
		       ? c
		       : NULL;
}

static bool read_error(struct quic_socket *s)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
	uint8_t quote[QUOTE_BYTES];
	union quic_sockaddr to = {0};
	struct iovec iov = {.iov_base = quote, .iov_len = sizeof quote};
	struct msghdr msg = {.msg_name = &to,
			     .msg_namelen = sizeof to,
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof control};
	ssize_t n = recvmsg(s->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
	struct quic_conn *c;
	vx6_err why;

	if (n < 0)
		return false;
	why = meaning(&msg);
	if (vx6_is_ok(why))
		return true;
	c = dial_of(s, quote, (size_t)n, &to, msg.msg_namelen);
	if (c)
		quic_conn_end(c, why, NULL);
	return true;
}

void quic_socket_errors(struct quic_socket *s)
{
	for (int i = 0; i < ERRORS_MAX && read_error(s); i++)
		;
}
