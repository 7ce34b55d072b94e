/* A TLS peer made with the library directly, so that it can do what our own code never would: forge, offer the wrong things, send
 * any bytes as frames. It runs on the test's thread, in turns with the rig's loop. */
#ifndef VX6_TESTS_TRANSPORT_RAW_H
#define VX6_TESTS_TRANSPORT_RAW_H

#include "rig.h"

struct WOLFSSL;
struct WOLFSSL_CTX;

struct raw_how {
	const char *alpn;                   /* NULL: none offered */
	const struct vx6_sign_keypair *key; /* signs with this; NULL: anonymous */
	const struct vx6_sign_pk *claim;    /* presents this public key instead of its own */
	const char *suites;                 /* NULL: as ours */
	int group;                          /* 0: X25519 */
};

struct raw {
	struct WOLFSSL_CTX *ctx;
	struct WOLFSSL *ssl;
	int fd;
};

/** Connects to the rig's listener. @return whether the handshake went well as the raw side sees it */
bool raw_dial(struct raw *raw, struct rig *r, const struct raw_how *how);
/** Takes one connection on @p listen_fd and plays the acceptor. */
bool raw_accept(struct raw *raw, struct rig *r, int listen_fd, const struct raw_how *how);
/** Sends @p p as one record. */
void raw_send(struct raw *raw, struct rig *r, const void *p, size_t n);
/** Reads one record. @return its bytes; 0: none came in @p ms; -1: the end */
int raw_recv(struct raw *raw, struct rig *r, void *p, int cap, int ms);
/** Changes the keys of both directions. */
void raw_update_keys(struct raw *raw);
void raw_end(struct raw *raw);

/** A plain TCP connection to the rig's listener, and a plain listener. */
int plain_connect(struct rig *r);
int plain_listen(struct vx6_addr *at);

#endif
