/*
 * HELLO: what we say, and what must be right in what the peer says. Spec: schemas/wire/hello.md
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "session/session_internal.h"

/* what this program speaks; what the peer speaks as well is in force */
#define FEATURES                                                                                   \
	(VX6_FEAT_SERVICE | VX6_FEAT_RECORDS | VX6_FEAT_EXCHANGE | VX6_FEAT_RESUME |               \
	 VX6_FEAT_CIRCUIT)

/* and over a circuit, which is for streams. Resumable ones are never in doubt there: who opens one early has not heard yet what the peer speaks */
#define CIRCUIT_FEATURES (VX6_FEAT_SERVICE | VX6_FEAT_RESUME)

enum { SKEW_WARN_MS = VX6_CLOCK_SKEW_S * 1000 };

static uint64_t own_features(const struct vx6_session *s)
{
	return s->circuit ? CIRCUIT_FEATURES : FEATURES;
}

/* ---- what a circuit has in place of TLS keys ---- */

static const char proof_label[] = "VX6 hello proof v1";

enum { PROOF_MSG = 1 + VX6_CB_BYTES };

static void proof_message(bool initiator, const uint8_t binding[static VX6_CB_BYTES],
			  uint8_t out[static PROOF_MSG])
{
	out[0] = initiator ? 1 : 2;
	memcpy(out + 1, binding, VX6_CB_BYTES);
}

vx6_err hello_proof_make(const struct vx6_sign_keypair *key, const struct vx6_net *net,
			 bool initiator, const uint8_t binding[static VX6_CB_BYTES],
			 struct vx6_sig *out)
{
	uint8_t msg[PROOF_MSG];

	proof_message(initiator, binding, msg);
	return vx6_sign(key, proof_label, net, msg, sizeof msg, out);
}

vx6_err hello_proof_check(const struct vx6_sign_pk *key, const struct vx6_net *net, bool initiator,
			  const uint8_t binding[static VX6_CB_BYTES],
			  const uint8_t proof[static VX6_HELLO_PROOF_BYTES])
{
	uint8_t msg[PROOF_MSG];
	struct vx6_sig sig;

	proof_message(initiator, binding, msg);
	memcpy(sig.b, proof, sizeof sig.b);
	return vx6_verify(key, proof_label, net, msg, sizeof msg, &sig);
}

_Static_assert((int)VX6_HELLO_PROOF_BYTES == (int)VX6_SIG_BYTES, "an Ed25519 signature");

/* ---- ours ---- */

/* The certificate of the key that the link presented: a renewal may have come in between. @return NULL: of neither key we know */
static const uint8_t *own_certificate(const struct vx6_session *s, const struct vx6_sign_pk *key)
{
	const struct vx6_subkey *now = &s->m->cfg.identity->subkey;

	if (vx6_ct_eq(key->b, now->key.pk.b, sizeof key->b))
		return now->cert_bytes;
	if (vx6_ct_eq(key->b, s->m->retired_key.b, sizeof key->b))
		return s->m->retired_cert;
	return NULL;
}

/* Who we are, on a link whose keys say so. @return false: the session has failed */
static bool put_named(struct vx6_session *s, struct vx6_hello *h,
		      uint8_t endpoint[static VX6_RECORD_MAX])
{
	const struct vx6_identity *id = s->m->cfg.identity;
	struct vx6_link_info info;

	vx6_link_info(s->link, &info);
	h->observed = info.remote;
	h->node_id = id->id.b;
	h->subkey_cert = own_certificate(s, &info.own_key);
	if (!h->subkey_cert) {
		session_fail(s, VX6_ERR(KEY), "our key was renewed twice in one handshake");
		return false;
	}
	if (s->m->cfg.events->own_endpoint)
		h->endpoint_n =
			s->m->cfg.events->own_endpoint(s->m->cfg.user, endpoint, VX6_RECORD_MAX);
	if (h->endpoint_n > 0)
		h->endpoint = endpoint;
	return true;
}

/* The same on a circuit, which has none: the key in use signs what only its two ends know. */
static bool put_proven(struct vx6_session *s, struct vx6_hello *h, struct vx6_sig *proof)
{
	const struct vx6_identity *id = s->as;

	h->node_id = id->id.b;
	h->subkey_cert = id->subkey.cert_bytes;
	h->proof = proof->b;
	if (vx6_is_ok(hello_proof_make(&id->subkey.key, &id->net, s->initiator, s->binding, proof)))
		return true;
	session_fail(s, VX6_ERR(KEY), "cannot sign for a circuit");
	return false;
}

void session_send_hello(struct vx6_session *s)
{
	uint8_t buf[VX6_HELLO_MAX + VX6_CTL_HEADER], endpoint[VX6_RECORD_MAX];
	struct vx6_hello h = {
		.version = VX6_HELLO_VERSION,
		.min_version = VX6_HELLO_VERSION,
		.features = own_features(s),
		.role = s->anonymous ? VX6_ROLE_ANON : VX6_ROLE_NODE,
	};
	struct vx6_sig proof;
	struct vx6_wr w;
	size_t n;

	if (!s->anonymous) {
		/* by its clock a hidden service could be told to be on the same host as a node */
		h.clock_ms = s->scope ? 0 : vx6_wall_ms();
		if (s->circuit ? !put_proven(s, &h, &proof) : !put_named(s, &h, endpoint))
			return;
	}
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_hello_encode(&w, &h);
	if (!vx6_is_ok(vx6_wr_done(&w, &n))) {
		session_fail(s, VX6_ERR(BUG), "own HELLO does not fit");
		return;
	}
	control_send(s, buf, n);
}

/* ---- the peer's ---- */

/* TLS proved the key; or nothing did, and the peer has to show here that it has it. */
static vx6_err check_key(struct vx6_session *s, const struct vx6_hello *h,
			 const struct vx6_subkey_cert *cert, char *detail)
{
	struct vx6_link_info info;
	const char *what = NULL;

	vx6_link_info(s->link, &info);
	if (!s->circuit && h->proof)
		what = "peer proves itself to a link that has done so";
	else if (!s->circuit && (!info.has_peer_key || !vx6_ct_eq(cert->subject.b, info.peer_key.b,
								  sizeof cert->subject.b)))
		what = "peer's certificate is for another key than the link's";
	else if (s->circuit && !h->proof)
		what = "peer does not prove that the key is its own";
	else if (s->circuit &&
		 !vx6_is_ok(hello_proof_check(&cert->subject, &s->m->cfg.identity->net,
					      !s->initiator, s->binding, h->proof)))
		what = "peer's proof is not of this circuit, or not by the key of its certificate";
	if (!what)
		return VX6_OK;
	vx6_strlcpy(detail, what, VX6_DIAL_DETAIL_MAX);
	return VX6_ERR(WRONG_PEER);
}

/* The certificate must come from the master key that is the node id, and speak for the key that the link or the peer proved. */
static vx6_err check_certificate(struct vx6_session *s, const struct vx6_hello *h, char *detail)
{
	/* to whom circuits of others lead is kept nowhere, nor which hidden services are visited */
	struct vx6_hwm_store reading = vx6_hwm_reading(s->m->cfg.hwm);
	struct vx6_admit ctx = {
		.net = &s->m->cfg.identity->net,
		.store = s->for_others || s->hidden ? &reading : s->m->cfg.hwm,
		.now_s = vx6_wall_s(),
	};
	struct vx6_subkey_cert cert;
	vx6_err err = vx6_cert_admit(&ctx, &s->node, h->subkey_cert, VX6_SUBKEY_CERT_BYTES,
				     VX6_PURPOSE_TLS, &cert);

	if (!vx6_is_ok(err)) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "peer's certificate: %s", vx6_err_text(err));
		return err;
	}
	return check_key(s, h, &cert, detail);
}

static vx6_err check_node(struct vx6_session *s, char *detail)
{
	char expected[VX6_NODE_ID_SHORT], found[VX6_NODE_ID_SHORT];

	if (vx6_node_id_eq(&s->node, &s->m->cfg.identity->id)) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "that is this node itself");
		return VX6_ERR(WRONG_PEER);
	}
	if (s->expect_node && !vx6_node_id_eq(&s->node, &s->expected)) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "expected node %s, found %s",
			 vx6_node_id_format_short(&s->expected, expected),
			 vx6_node_id_format_short(&s->node, found));
		return VX6_ERR(WRONG_PEER);
	}
	return VX6_OK;
}

/* Both ends of a link have the same channel binding, and nobody else has it: a node that dialled itself knows it by that. */
static bool is_dialed_by_us(const struct vx6_session *s)
{
	for (size_t i = 0; i < VX6_ARRAY_N(s->m->dialed); i++)
		if (vx6_ct_eq(s->m->dialed[i], s->binding, sizeof s->binding))
			return true;
	return false;
}

static void tell_own_key(const struct vx6_session *s)
{
	struct vx6_link_info info;

	if (s->initiator || !s->m->cfg.events->own_key || is_dialed_by_us(s))
		return;
	vx6_link_info(s->link, &info);
	s->m->cfg.events->own_key(s->m->cfg.user, &info.remote);
}

static vx6_err take_named(struct vx6_session *s, const struct vx6_hello *h, char *detail)
{
	int64_t skew = 0;

	memcpy(s->node.b, h->node_id, sizeof s->node.b);
	/* not on circuits: the time that it takes would tell whoever names one node after the other which it is */
	if (!s->circuit && vx6_node_id_eq(&s->node, &s->m->cfg.identity->id) &&
	    vx6_is_ok(check_certificate(s, h, detail)))
		tell_own_key(s);
	VX6_TRY(check_node(s, detail));
	VX6_TRY(check_certificate(s, h, detail));
	s->has_node = true;
	if (h->clock_ms > 0 && h->clock_ms < INT64_MAX)
		skew = (int64_t)h->clock_ms - (int64_t)vx6_wall_ms();
	if (llabs(skew) > SKEW_WARN_MS && vx6_log_allow(&s->m->complaints, "session", 20, 10000))
		VX6_WARN("session",
			 "a peer's clock differs from ours by %lld s; records may be refused until "
			 "clocks agree",
			 (long long)(skew / 1000));
	return VX6_OK;
}

vx6_err session_take_hello(struct vx6_session *s, const uint8_t *body, size_t n, char *detail)
{
	struct vx6_hello h;
	vx6_err err = vx6_hello_decode(body, n, &h);

	if (!vx6_is_ok(err)) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "peer's HELLO is malformed: %s",
			 vx6_err_text(err));
		return err;
	}
	if (vx6_hello_common_version(&h) == 0) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX,
			 "peer speaks protocol %u and later, this node %u", h.min_version,
			 VX6_HELLO_VERSION);
		return VX6_ERR(UNSUPPORTED);
	}
	s->features = h.features & own_features(s);
	if (s->circuit && !(s->features & VX6_FEAT_RESUME)) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "peer has no resumable streams");
		return VX6_ERR(UNSUPPORTED);
	}
	/* what is known here of the one named would show in the answer: whether it is this very node, or one that has dealt with it */
	if (s->scope && h.role != VX6_ROLE_ANON) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "a hidden service takes nobody by name");
		return VX6_ERR(WRONG_PEER);
	}
	if (h.role != VX6_ROLE_ANON) {
		VX6_TRY(take_named(s, &h, detail));
	} else if (s->initiator) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "a node that is dialled must say who it is");
		return VX6_ERR(WRONG_PEER);
	}
	session_hello_done(s);
	if (s->circuit) {
		s->m->circuit_ignored += (h.revocation != NULL) + (h.endpoint != NULL);
		h.revocation = h.endpoint = NULL;
	}
	if (h.revocation && s->state != SESSION_DEAD && s->m->cfg.events->record)
		s->m->cfg.events->record(s->m->cfg.user, s, h.revocation, h.revocation_n);
	if (h.endpoint && s->state != SESSION_DEAD && s->m->cfg.events->record)
		s->m->cfg.events->record(s->m->cfg.user, s, h.endpoint, h.endpoint_n);
	if (s->state != SESSION_DEAD)
		arrivals_resume(s);
	return VX6_OK;
}
