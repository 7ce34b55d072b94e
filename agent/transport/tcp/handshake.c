/* From a connected socket to a link that is up. */
#include "transport/tcp/tcp_internal.h"

#include <sys/socket.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "base/util.h"

static vx6_err session_make(struct vx6_link *link)
{
	enum vx6_tls_role role = !link->initiator  ? VX6_TLS_ACCEPT
				 : link->anonymous ? VX6_TLS_DIAL_ANON
						   : VX6_TLS_DIAL;

	VX6_TRY(vx6_tls_session_new(link->t->tls, role, &link->peer, &link->ssl));
	record_bind(link);
	return VX6_OK;
}

void handshake_step(struct vx6_link *link)
{
	vx6_err err = VX6_OK;
	int rc, why;

	if (!link->ssl)
		err = session_make(link);
	if (!vx6_is_ok(err)) {
		link_fail(link, err);
		return;
	}
	rc = link->initiator ? wolfSSL_connect(link->ssl) : wolfSSL_accept(link->ssl);
	link_wake(link); /* there may be something to send, if only an alert */
	if (rc == WOLFSSL_SUCCESS) {
		err = vx6_tls_session_check(link->ssl, &link->peer, link->channel_binding);
		if (vx6_is_ok(err))
			link_up(link);
		else
			link_fail(link, err);
		return;
	}
	why = wolfSSL_get_error(link->ssl, rc);
	if (why != WOLFSSL_ERROR_WANT_READ)
		link_fail(link, vx6_tls_failure(&link->peer));
}

void handshake_connected(struct vx6_link *link)
{
	socklen_t n = sizeof(int);
	int errnum = 0;

	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &errnum, &n) < 0 || errnum != 0) {
		link_fail(link, errnum ? vx6_err_from_errno(errnum) : VX6_ERR(IO));
		return;
	}
	link->state = LINK_TLS;
	link->t->feed_n = 0;
	handshake_step(link);
}
