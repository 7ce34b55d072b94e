/* The contexts belong to a transport instance, sessions to their links. A raw public key on the wire is the constant head below and
 * 32 bytes, so comparing keys is one fixed-length compare and no certificate is ever parsed by us.
 * wolfSSL asks no certificate authority about a raw key: what the verify callback says is the whole decision, which is why the
 * build must have WOLFSSL_ALWAYS_VERIFY_CB and why the check after the handshake does not trust the callback to have run. */
#include "transport/tls.h"

#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ed25519.h>

#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"

#if !defined(HAVE_RPK) || !defined(WOLFSSL_ALWAYS_VERIFY_CB) || !defined(HAVE_KEYING_MATERIAL)
#error "wolfSSL was built without raw public keys, the verify callback for them, or the exporter"
#endif

enum {
	SPKI_HEAD = 12,
	SPKI_BYTES = SPKI_HEAD + VX6_SIGN_PK_BYTES,
	PKCS8_MAX = 128,
};

static const uint8_t spki_head[SPKI_HEAD] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					     0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

static const char tls_suites[] = "TLS13-AES128-GCM-SHA256:TLS13-CHACHA20-POLY1305-SHA256";
static const char exporter_label[] = "EXPERIMENTAL-vx6-cb";

struct vx6_tls {
	WOLFSSL_CTX *ctx[VX6_TLS_ROLES];
	struct vx6_sign_pk pk;
};

/* ---- the peer's key ---- */

static bool spki_read(const uint8_t *der, size_t n, struct vx6_sign_pk *out)
{
	if (n != SPKI_BYTES || !vx6_ct_eq(der, spki_head, SPKI_HEAD))
		return false;
	memcpy(out->b, der + SPKI_HEAD, sizeof out->b);
	return true;
}

static vx6_err peer_judge(struct vx6_tls_peer *peer, const WOLFSSL_X509_STORE_CTX *store)
{
	struct vx6_sign_pk key;

	if (store->totalCerts == 0) /* anonymous; the library lets only a dialler be so */
		return peer->expect_key ? VX6_ERR(WRONG_PEER) : VX6_OK;
	if (store->totalCerts != 1 ||
	    !spki_read(store->certs[0].buffer, store->certs[0].length, &key))
		return VX6_ERR(KEY);
	if (peer->expect_key && !vx6_ct_eq(key.b, peer->expected.b, sizeof key.b))
		return VX6_ERR(WRONG_PEER);
	if (!vx6_sign_pk_is_valid(&key))
		return VX6_ERR(KEY);
	peer->key = key;
	peer->has_key = true;
	return VX6_OK;
}

/* wolfSSL's verify callback: 1 accepts. `preverify` is the library's own opinion, which for a raw key says only that it parsed. */
static int on_verify(int preverify, WOLFSSL_X509_STORE_CTX *store)
{
	struct vx6_tls_peer *peer = store->userCtx;

	if (!peer)
		return 0;
	peer->callback_ran = true;
	peer->has_key = false;
	peer->refused = preverify ? peer_judge(peer, store) : VX6_ERR(TLS);
	return vx6_is_ok(peer->refused);
}

/* ---- contexts ---- */

static vx6_err key_load(WOLFSSL_CTX *ctx, const struct vx6_sign_keypair *key)
{
	uint8_t spki[SPKI_BYTES], pkcs8[PKCS8_MAX];
	ed25519_key ed;
	vx6_err err = VX6_ERR(TLS);
	int n;

	memcpy(spki, spki_head, SPKI_HEAD);
	memcpy(spki + SPKI_HEAD, key->pk.b, VX6_SIGN_PK_BYTES);
	if (wc_ed25519_init(&ed) != 0)
		return err;
	/* The private key without its public half makes CertificateVerify fail: hence PKCS#8 version 2. */
	if (wc_ed25519_import_private_key(key->seed.b, ED25519_KEY_SIZE, key->pk.b,
					  ED25519_PUB_KEY_SIZE, &ed) != 0)
		goto out;
	n = wc_Ed25519KeyToDer(&ed, pkcs8, sizeof pkcs8);
	if (n <= 0)
		goto out;
	if (wolfSSL_CTX_use_certificate_buffer(ctx, spki, sizeof spki, WOLFSSL_FILETYPE_ASN1) !=
		    WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_use_PrivateKey_buffer(ctx, pkcs8, n, WOLFSSL_FILETYPE_ASN1) !=
		    WOLFSSL_SUCCESS)
		goto out;
	err = VX6_OK;
out:
	vx6_wipe(pkcs8, sizeof pkcs8);
	wc_ed25519_free(&ed);
	return err;
}

static bool ctx_configure(WOLFSSL_CTX *ctx, enum vx6_tls_role role)
{
	static const char raw[] = {WOLFSSL_CERT_TYPE_RPK};
	int groups[] = {WOLFSSL_ECC_X25519};

	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, on_verify);
	wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
	if (role == VX6_TLS_ACCEPT && wolfSSL_CTX_no_ticket_TLSv13(ctx) != 0)
		return false;
	return wolfSSL_CTX_set_cipher_list(ctx, tls_suites) == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_set_groups(ctx, groups, VX6_ARRAY_N(groups)) == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_set1_sigalgs_list(ctx, "ED25519") == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_set_client_cert_type(ctx, raw, sizeof raw) == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_set_server_cert_type(ctx, raw, sizeof raw) == WOLFSSL_SUCCESS;
}

static vx6_err ctx_new(const struct vx6_sign_keypair *key, enum vx6_tls_role role,
		       WOLFSSL_CTX **out)
{
	WOLFSSL_METHOD *method =
		role == VX6_TLS_ACCEPT ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(method);
	vx6_err err = VX6_ERR(TLS);

	if (!ctx)
		return VX6_ERR(MEMORY);
	if (!ctx_configure(ctx, role))
		goto out;
	err = role == VX6_TLS_DIAL_ANON ? VX6_OK : key_load(ctx, key);
	if (!vx6_is_ok(err))
		goto out;
	*out = ctx;
	return VX6_OK;
out:
	wolfSSL_CTX_free(ctx);
	return err;
}

vx6_err vx6_tls_new(const struct vx6_sign_keypair *key, struct vx6_tls **out)
{
	struct vx6_tls *tls;
	vx6_err err = VX6_OK;

	if (wolfSSL_Init() != WOLFSSL_SUCCESS)
		return VX6_ERR(TLS);
	tls = vx6_zalloc(sizeof *tls);
	tls->pk = key->pk;
	for (int role = 0; role < VX6_TLS_ROLES && vx6_is_ok(err); role++)
		err = ctx_new(key, role, &tls->ctx[role]);
	if (!vx6_is_ok(err)) {
		VX6_ERROR("transport", "TLS: contexts could not be set up");
		vx6_tls_free(tls);
		return err;
	}
	*out = tls;
	return VX6_OK;
}

void vx6_tls_free(struct vx6_tls *tls)
{
	if (!tls)
		return;
	for (int role = 0; role < VX6_TLS_ROLES; role++)
		wolfSSL_CTX_free(
			tls->ctx[role]); /* the last holder of a context wipes its private key */
	free(tls);
	wolfSSL_Cleanup();
}

WOLFSSL_CTX *vx6_tls_ctx(struct vx6_tls *tls, enum vx6_tls_role role)
{
	return tls->ctx[role];
}

/* ---- sessions ---- */

vx6_err vx6_tls_session_new(struct vx6_tls *tls, enum vx6_tls_role role, struct vx6_tls_peer *peer,
			    WOLFSSL **out)
{
	char alpn[] = VX6_ALPN;
	WOLFSSL *ssl = wolfSSL_new(tls->ctx[role]);

	if (!ssl)
		return VX6_ERR(MEMORY);
	peer->own = role == VX6_TLS_DIAL_ANON ? (struct vx6_sign_pk){0} : tls->pk;
	wolfSSL_SetCertCbCtx(ssl, peer);
	wolfSSL_KeepArrays(ssl); /* else the exporter fails after the handshake */
	if (wolfSSL_UseALPN(ssl, alpn, sizeof alpn - 1, WOLFSSL_ALPN_FAILED_ON_MISMATCH) !=
	    WOLFSSL_SUCCESS) {
		wolfSSL_free(ssl);
		return VX6_ERR(TLS);
	}
	*out = ssl;
	return VX6_OK;
}

void vx6_tls_session_free(WOLFSSL *ssl)
{
	if (ssl)
		wolfSSL_free(ssl);
}

/* What the library itself remembers of the peer's key. @return false: something that is no raw Ed25519 key */
static bool session_peer_key(WOLFSSL *ssl, bool *has_key, struct vx6_sign_pk *key)
{
	WOLFSSL_X509 *cert = wolfSSL_get_peer_certificate(ssl);
	const uint8_t *der;
	bool ok = true;
	int n = 0;

	*has_key = false;
	if (!cert)
		return true;
	der = wolfSSL_X509_get_der(cert, &n);
	if (der && n > 0)
		ok = *has_key = spki_read(der, (size_t)n, key);
	wolfSSL_X509_free(cert);
	return ok;
}

static vx6_err session_check_key(WOLFSSL *ssl, const struct vx6_tls_peer *peer)
{
	struct vx6_sign_pk key;
	bool has_key;

	if (!session_peer_key(ssl, &has_key, &key) || has_key != peer->has_key)
		return VX6_ERR(TLS);
	if (has_key && (!peer->callback_ran || !vx6_ct_eq(key.b, peer->key.b, sizeof key.b)))
		return VX6_ERR(TLS);
	if (!has_key && !wolfSSL_is_server(ssl))
		return VX6_ERR(WRONG_PEER); /* only a dialler may be anonymous */
	if (peer->expect_key && (!has_key || !vx6_ct_eq(key.b, peer->expected.b, sizeof key.b)))
		return VX6_ERR(WRONG_PEER);
	return VX6_OK;
}

vx6_err vx6_tls_session_check(WOLFSSL *ssl, const struct vx6_tls_peer *peer,
			      uint8_t channel_binding[VX6_CB_BYTES])
{
	char *alpn = NULL;
	unsigned short alpn_n = 0;

	if (wolfSSL_version(ssl) != TLS1_3_VERSION || wolfSSL_session_reused(ssl))
		return VX6_ERR(TLS);
	if (wolfSSL_ALPN_GetProtocol(ssl, &alpn, &alpn_n) != WOLFSSL_SUCCESS ||
	    alpn_n != sizeof VX6_ALPN - 1 || strncmp(alpn, VX6_ALPN, alpn_n) != 0)
		return VX6_ERR(TLS);
	VX6_TRY(session_check_key(ssl, peer));
	if (wolfSSL_export_keying_material(ssl, channel_binding, VX6_CB_BYTES, exporter_label,
					   sizeof exporter_label - 1, NULL, 0,
					   0) != WOLFSSL_SUCCESS)
		return VX6_ERR(TLS);
	wolfSSL_FreeArrays(ssl);
	return VX6_OK;
}

vx6_err vx6_tls_failure(const struct vx6_tls_peer *peer)
{
	return vx6_is_ok(peer->refused) ? VX6_ERR(TLS) : peer->refused;
}
