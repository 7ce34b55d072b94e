/*
 * What comes in: sessions with their records and streams, and what the registry makes of them. Here is said who is told of what.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/stats_internal.h"
#include "record/name_claim.h"
#include "wire/record.h"

/* ---- sessions ---- */

static void note_met(struct vx6_node *node, const struct vx6_session *s)
{
	struct vx6_endpoint_addr at = {0};
	struct vx6_link_info info;

	vx6_session_info(s, &info);
	at.addr = info.remote;
	at.via = strcmp(info.transport, "tcp") == 0 ? VX6_VIA_TCP : VX6_VIA_QUIC;
	/* where a session that came to us came from says nothing of where its node listens */
	vx6_registry_met(node->registry, vx6_session_node(s), info.initiator ? &at : NULL,
			 vx6_wall_s());
}

/*
 * A session that was made because a circuit leads there is for circuits: whom it is with is told to nobody and kept nowhere, and nothing else
 * comes of it. Unless it is with a configured peer: that is to be one in any case.
 */
static bool is_for_circuits(struct vx6_node *node, struct vx6_session *s)
{
	if (vx6_session_is_for_others(s) && vx6_peers_has_node(node->peers, vx6_session_node(s)))
		vx6_session_claim(s);
	return vx6_session_is_for_others(s);
}

static void on_session_up(void *user, struct vx6_session *s)
{
	struct vx6_node *node = user;

	node->snapshot_dirty = true;
	if (is_for_circuits(node, s))
		return;
	if (node->dht_link)
		vx6_dht_link_session_up(node->dht_link, s);
	if (!vx6_session_node(s) || vx6_session_is_anonymous(s))
		return;
	vx6_peers_session_up(node->peers, s);
	vx6_publisher_greet(node->publisher, s);
	vx6_exchange_session_up(node->exchange, s);
	vx6_entry_session_up(node->entry, s);
	note_met(node, s);
	tell_learned(node, "peer.up", s, VX6_OK);
	claim_want(node);
}

static void on_session_down(void *user, struct vx6_session *s, vx6_err why)
{
	struct vx6_node *node = user;

	node->snapshot_dirty = true;
	stats_session_down(node, s);
	if (node->stopping || vx6_session_is_for_others(s))
		return;
	if (node->dht_link)
		vx6_dht_link_session_down(node->dht_link, s, why);
	if (!vx6_session_node(s) || vx6_session_is_anonymous(s))
		return;
	vx6_exchange_session_down(node->exchange, s);
	tell_learned(node, "peer.down", s, why);
	vx6_peers_session_down(node->peers, s, why);
	vx6_entry_session_down(node->entry, s);
}

/* A refusal is never AGAIN: it is a reset. */
static void refuse_kind(struct vx6_stream *stream)
{
	(void)!vx6_is_ok(vx6_session_answer(stream, VX6_ERR(UNSUPPORTED)));
}

static void on_incoming(void *user, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct vx6_node *node = user;
	uint64_t scope = vx6_session_scope(s);

	if (scope && what->kind == VX6_OPEN_SERVICE)
		vx6_services_incoming_hidden(node->services, scope, stream, what, rest, rest_n,
					     fin);
	else if (
		scope) /* what this node is besides is no matter of those who come to a hidden service */
		refuse_kind(stream);
	else if (what->kind == VX6_OPEN_SERVICE)
		vx6_services_incoming(node->services, stream, vx6_session_node(s), what, rest,
				      rest_n, fin);
	else if (what->kind == VX6_OPEN_CIRCUIT)
		vx6_relay_incoming(node->relay, s, stream, rest, rest_n, fin);
	else if (what->kind == VX6_OPEN_DHT_VIA && node->dht_link && circuits_is_proxy(node))
		vx6_dht_link_via(node->dht_link, s, stream, &what->ask, rest, rest_n, fin);
	else if (what->kind == VX6_OPEN_DHT && node->dht_link && !vx6_session_is_circuit(s))
		vx6_dht_link_incoming(node->dht_link, s, stream, rest, rest_n, fin);
	else
		refuse_kind(stream);
}

static size_t own_endpoint(void *user, uint8_t *out, size_t cap)
{
	struct vx6_node *node = user;

	return vx6_publisher_endpoint(node->publisher, out, cap);
}

/* ---- records ---- */

vx6_err hear_record(struct vx6_node *node, struct vx6_session *s, const uint8_t *record, size_t n,
		    const struct vx6_source *from)
{
	struct vx6_record_view view;
	vx6_err err = vx6_record_decode(record, n, &view);
	struct vx6_admitted got = {0};

	if (vx6_is_ok(err) && memcmp(view.subject, node->identity.id.b, sizeof view.subject) == 0) {
		clone_seen(node, record, n);
		return VX6_OK; /* nobody tells us of ourselves */
	}
	node->hearing = s;
	if (vx6_is_ok(err))
		err = vx6_registry_admit(node->registry, record, n, from, vx6_wall_s(), &got);
	node->hearing = NULL;
	/* its own author is behind: of what else can it learn that its state, or its key, is not what it believes */
	if (err.code == VX6_E_STALE && s && from->kind == VX6_SOURCE_SUBJECT && got.newer)
		(void)vx6_is_ok(vx6_session_send_record(s, got.newer, got.newer_n));
	if (!vx6_is_ok(err) && err.code != VX6_E_STALE &&
	    vx6_log_allow(&node->complaints, "node", 10, 10000))
		VX6_INFO("node", "a record from a peer was refused: %s", vx6_err_text(err));
	return err;
}

void hear_exchanged(void *user, struct vx6_session *from, const uint8_t *record, size_t n,
		    bool about_itself)
{
	struct vx6_source source = {.kind = about_itself ? VX6_SOURCE_SUBJECT : VX6_SOURCE_PEER,
				    .by = *vx6_session_node(from)};
	struct vx6_record_view v;

	/* that a key is void is for everybody to know */
	if (is_for_circuits(user, from) && vx6_is_ok(vx6_record_decode(record, n, &v)) &&
	    v.type != VX6_RTYPE_REVOCATION)
		return;
	(void)vx6_is_ok(hear_record(user, from, record, n, &source));
}

bool hear_beacon(void *user, const uint8_t *record, size_t n)
{
	static const struct vx6_source from = {.kind = VX6_SOURCE_LAN};
	struct vx6_node *node = user;
	struct vx6_record_view view;
	struct vx6_node_id who;
	struct vx6_endpoint e;
	bool known;

	if (!vx6_is_ok(vx6_record_decode(record, n, &view)) || view.type != VX6_RTYPE_ENDPOINT)
		return false;
	memcpy(who.b, view.subject, sizeof who.b);
	known = vx6_registry_endpoint(node->registry, &who, vx6_wall_s(), &e);
	if (!vx6_is_ok(hear_record(node, NULL, record, n, &from)) ||
	    !vx6_registry_endpoint(node->registry, &who, vx6_wall_s(), &e))
		return false;
	if (!known)
		tell_node(node, "lan.heard", &who, NULL);
	vx6_entry_heard(node->entry, &e);
	return !known;
}

static void on_record(void *user, struct vx6_session *s, const uint8_t *record, size_t n)
{
	vx6_exchange_record(((struct vx6_node *)user)->exchange, s, record, n);
}

static void on_have(void *user, struct vx6_session *s, const struct vx6_have *e)
{
	vx6_exchange_have(((struct vx6_node *)user)->exchange, s, e);
}

static void on_get(void *user, struct vx6_session *s, uint64_t tag)
{
	vx6_exchange_get(((struct vx6_node *)user)->exchange, s, tag);
}

/* Own records are given by the publisher, which knows who may see what. */
static void on_wanted(void *user, struct vx6_session *s, const struct vx6_node_id *who)
{
	struct vx6_node *node = user;

	if (!vx6_node_id_eq(who, &node->identity.id))
		vx6_exchange_wanted(node->exchange, s, who);
	else if (vx6_session_node(s))
		vx6_publisher_greet(node->publisher, s);
}

/* Streams wait for a session with a node that there is none with. */
static void on_adrift(void *user, const struct vx6_node_id *who, unsigned bits, uint64_t route)
{
	struct vx6_node *node = user;

	if (node->stopping || node->draining)
		return;
	if (route)
		vx6_circuits_adrift(node->circuits, route);
	if (!route || vx6_circuits_may_direct(node->circuits, route))
		vx6_reattach_wanted(node->reattach, who, bits, route);
}

static void on_doubt(void *user, const struct vx6_node_id *who, uint64_t route)
{
	struct vx6_node *node = user;

	(void)who;
	if (!node->stopping && !node->draining)
		vx6_circuits_doubt(node->circuits, route);
}

const struct vx6_sessions_events hear_session_events = {
	.up = on_session_up,
	.down = on_session_down,
	.adrift = on_adrift,
	.doubt = on_doubt,
	.record = on_record,
	.have = on_have,
	.get = on_get,
	.wanted = on_wanted,
	.incoming = on_incoming,
	.own_key = clone_met,
	.own_endpoint = own_endpoint,
};

/* ---- what the registry makes of it ---- */

static bool is_configured(void *user, const struct vx6_node_id *id)
{
	const struct vx6_node *node = user;

	return (node->peers && vx6_peers_has_node(node->peers, id)) ||
	       (node->names && vx6_names_has_node(node->names, id));
}

static void on_changed(void *user, const struct vx6_registry_change *c)
{
	struct vx6_node *node = user;
	struct vx6_endpoint e;

	if (node->stopping)
		return;
	node->snapshot_dirty = true;
	vx6_exchange_changed(node->exchange, c->record, node->hearing);
	/* whom we looked for is dialled when somebody wants to go there, and as he wants to: not for the sake of the network */
	if (!vx6_known_is_confidential(c->record)) {
		if (c->record->key.type == VX6_RTYPE_ENDPOINT && node->dht_link &&
		    vx6_registry_endpoint(node->registry, &c->subject, vx6_wall_s(), &e))
			vx6_dht_link_endpoint(node->dht_link, &e);
		if (c->moved)
			vx6_entry_learned(node->entry);
	}
	naming_heard(node, c);
	circuits_heard(node, c);
	if (c->new_node && c->record->key.type != VX6_RTYPE_CATALOG)
		tell_node(node, "registry.node_new", &c->subject, NULL);
}

static void close_revoked(struct vx6_session *s, void *user)
{
	if (vx6_session_node(s) && vx6_node_id_eq(vx6_session_node(s), user))
		vx6_session_close(s, VX6_ERR(REVOKED));
}

/*
 * A revocation of a node that we have dealings with must outlive the registry's file, which may be set aside. Those of strangers are as
 * cheap as strangers are, and stay out of the database.
 */
static void on_revoked(void *user, const struct vx6_node_id *id, const struct vx6_revocation *r,
		       const struct vx6_registry_change *c)
{
	struct vx6_node_id who = *id;
	struct vx6_node *node = user;
	struct vx6_known_node known;

	if (node->stopping)
		return;
	node->snapshot_dirty = true;
	if (is_configured(node, id) ||
	    (vx6_registry_node(node->registry, id, vx6_wall_s(), &known) && known.contact.met_s)) {
		struct vx6_write *w = vx6_write_new();

		vx6_write_put_revocation(w, &c->record->key, c->record->bytes, c->record->n);
		if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
			VX6_WARN("node", "a revocation could not be stored");
	}
	vx6_exchange_changed(node->exchange, c->record, node->hearing);
	if (node->dht_link)
		vx6_dht_link_revoked(node->dht_link, id);
	circuits_revoked(node, id);
	/* with new subkeys it may come back: what is cut now are sessions that the old ones opened */
	vx6_sessions_each(node->sessions, close_revoked, &who);
	vx6_sessions_each_circuit(node->sessions, close_revoked, &who);
	tell_node(node, "node.revoked", &who,
		  r->reason == VX6_REVOKE_SUBKEY ? "older subkeys" : "the node");
}

const struct vx6_registry_events hear_registry_events = {
	.is_configured = is_configured,
	.changed = on_changed,
	.revoked = on_revoked,
};
