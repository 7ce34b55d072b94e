#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ed25519.h>

#include "base/util.h"

int plain_connect(struct rig *r)
{
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(&r->at, false, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, n), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

int plain_listen(struct vx6_addr *at)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t n = sizeof sin6;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin6, n), 0);
	assert_int_equal(listen(fd, 10), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin6, &n), 0);
	assert_true(vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&sin6, n, at)));
	return fd;
}

static int anyone(int preverify, WOLFSSL_X509_STORE_CTX *store)
{
	return 1;
}

static void load_key(WOLFSSL_CTX *ctx, const struct raw_how *how)
{
	uint8_t spki[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00},
		der[128];
	ed25519_key key;
	int n;

	memcpy(spki + 12, how->claim ? how->claim->b : how->key->pk.b, 32);
	assert_int_equal(wc_ed25519_init(&key), 0);
	assert_int_equal(wc_ed25519_import_private_key(how->key->seed.b, 32, how->key->pk.b, 32,
						       &key),
			 0);
	n = wc_Ed25519KeyToDer(&key, der, sizeof der);
	assert_true(n > 0);
	assert_int_equal(wolfSSL_CTX_use_certificate_buffer(ctx, spki, sizeof spki,
							    WOLFSSL_FILETYPE_ASN1),
			 WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CTX_use_PrivateKey_buffer(ctx, der, n, WOLFSSL_FILETYPE_ASN1),
			 WOLFSSL_SUCCESS);
	wc_ed25519_free(&key);
}

static void raw_make(struct raw *raw, bool server, const struct raw_how *how)
{
	static const char type[] = {WOLFSSL_CERT_TYPE_RPK};
	int group = how->group ? how->group : WOLFSSL_ECC_X25519;

	assert_int_equal(wolfSSL_Init(), WOLFSSL_SUCCESS);
	raw->ctx =
		wolfSSL_CTX_new(server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method());
	assert_non_null(raw->ctx);
	wolfSSL_CTX_set_verify(raw->ctx, WOLFSSL_VERIFY_PEER, anyone);
	assert_int_equal(wolfSSL_CTX_set_client_cert_type(raw->ctx, type, 1), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CTX_set_server_cert_type(raw->ctx, type, 1), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_CTX_set_groups(raw->ctx, &group, 1), WOLFSSL_SUCCESS);
	if (how->suites)
		assert_int_equal(wolfSSL_CTX_set_cipher_list(raw->ctx, how->suites),
				 WOLFSSL_SUCCESS);
	if (how->key)
		load_key(raw->ctx, how);
	raw->ssl = wolfSSL_new(raw->ctx);
	assert_non_null(raw->ssl);
	if (how->alpn) {
		char alpn[16];
		unsigned n = (unsigned)vx6_strlcpy(alpn, how->alpn, sizeof alpn);

		assert_int_equal(wolfSSL_UseALPN(raw->ssl, alpn, n,
						 WOLFSSL_ALPN_CONTINUE_ON_MISMATCH),
				 WOLFSSL_SUCCESS);
	}
	wolfSSL_set_fd(raw->ssl, raw->fd);
	wolfSSL_set_using_nonblock(raw->ssl, 1);
}

static bool raw_shake(struct raw *raw, struct rig *r, bool server)
{
	for (int i = 0; i < 2000; i++) {
		int rc = server ? wolfSSL_accept(raw->ssl) : wolfSSL_connect(raw->ssl);

		if (rc == WOLFSSL_SUCCESS)
			return true;
		if (wolfSSL_get_error(raw->ssl, rc) != WOLFSSL_ERROR_WANT_READ)
			return false;
		rig_run_ms(r, 1);
	}
	return false;
}

bool raw_dial(struct raw *raw, struct rig *r, const struct raw_how *how)
{
	*raw = (struct raw){.fd = plain_connect(r)};
	raw_make(raw, false, how);
	return raw_shake(raw, r, false);
}

bool raw_accept(struct raw *raw, struct rig *r, int listen_fd, const struct raw_how *how)
{
	*raw = (struct raw){.fd = -1};
	for (int i = 0; i < 1000 && raw->fd < 0; i++) {
		rig_run_ms(r, 1);
		raw->fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	assert_true(raw->fd >= 0);
	raw_make(raw, true, how);
	return raw_shake(raw, r, true);
}

void raw_send(struct raw *raw, struct rig *r, const void *p, size_t n)
{
	for (int i = 0; i < 1000; i++) {
		int rc = wolfSSL_write(raw->ssl, p, (int)n);

		if (rc == (int)n || wolfSSL_get_error(raw->ssl, rc) != WOLFSSL_ERROR_WANT_WRITE)
			return; /* the other side may have hung up already: the test looks at that */
		rig_run_ms(r, 1);
	}
}

int raw_recv(struct raw *raw, struct rig *r, void *p, int cap, int ms)
{
	for (int i = 0; i < ms; i++) {
		int rc = wolfSSL_read(raw->ssl, p, cap);

		if (rc > 0)
			return rc;
		if (wolfSSL_get_error(raw->ssl, rc) != WOLFSSL_ERROR_WANT_READ)
			return -1;
		rig_run_ms(r, 1);
	}
	return 0;
}

void raw_update_keys(struct raw *raw)
{
	assert_int_equal(wolfSSL_update_keys(raw->ssl), WOLFSSL_SUCCESS);
}

void raw_end(struct raw *raw)
{
	wolfSSL_free(raw->ssl);
	wolfSSL_CTX_free(raw->ctx);
	wolfSSL_Cleanup();
	close(raw->fd);
}
