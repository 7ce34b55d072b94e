/* From names to nodes: by what the registry knows alone, and with a DHT of several nodes in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "discovery/registry.h"
#include "discovery/resolve.h"
#include "loop/loop.h"
#include "record/name_claim.h"
#include "tests/unit/discovery/dht_net.h"

static struct vx6_loop *loop;
static struct vx6_registry *reg;
static struct vx6_names *names;
static struct vx6_resolver *resolver;
static struct vx6_identity alice, mallory, heir, me;
static uint64_t alice_nonce, mallory_nonce;
static struct vx6_node_id configured; /* all zero: none */
static int news, conflicts, mismatches;
static const struct vx6_source from_subject = {.kind = VX6_SOURCE_SUBJECT};
static const struct vx6_source from_peer = {.kind = VX6_SOURCE_PEER, .by = {{9}}};

static void on_pinned(void *user, const struct vx6_name_binding *pin)
{
	news++;
}

static void on_conflict(void *user, const struct vx6_name_conflict *c,
			const struct vx6_name_claim_seen *newcomer)
{
	conflicts++;
}

static void on_mismatch(void *user, const struct vx6_name_conflict *c)
{
	mismatches++;
}

static const struct vx6_names_events names_events = {.pinned = on_pinned,
						     .conflict = on_conflict,
						     .mismatch = on_mismatch};

static bool is_configured(void *user, const struct vx6_node_id *node)
{
	return vx6_node_id_eq(node, &configured);
}

static const struct vx6_registry_events registry_events = {.is_configured = is_configured};

/* The work for "alice" is done once for all tests. */
static int group_setup(void **state)
{
	uint64_t now_s = vx6_wall_s();

	if (!vx6_is_ok(vx6_crypto_init()))
		return -1;
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now_s, &alice)));
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now_s, &mallory)));
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now_s, &heir)));
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, now_s, &me)));
	assert_true(vx6_name_work_solve(&vx6_net_default, "alice", &alice.id, VX6_NAME_WORK_BITS, 0,
					UINT64_MAX, &alice_nonce));
	assert_true(vx6_name_work_solve(&vx6_net_default, "alice", &mallory.id, VX6_NAME_WORK_BITS,
					0, UINT64_MAX, &mallory_nonce));
	return 0;
}

static int setup(void **state)
{
	assert_true(vx6_is_ok(vx6_loop_new(&loop)));
	reg = vx6_registry_new(&vx6_net_default, &registry_events, NULL);
	names = vx6_names_new(&me.id, &names_events, NULL);
	resolver = vx6_resolver_new(&(struct vx6_resolver_config){
		.loop = loop, .registry = reg, .names = names, .net = vx6_net_default});
	news = conflicts = mismatches = 0;
	configured = (struct vx6_node_id){{0}};
	return 0;
}

static int teardown(void **state)
{
	vx6_resolver_free(resolver);
	dht_net_stop();
	vx6_names_free(names);
	vx6_registry_free(reg);
	vx6_loop_free(loop);
	return 0;
}

/* ---- records ---- */

static size_t make_endpoint(const struct vx6_identity *id, const char *name, uint64_t seq,
			    uint8_t out[static VX6_ENDPOINT_MAX])
{
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .n_addrs = 1};
	size_t n;

	strcpy(e.name, name);
	e.addrs[0].via = VX6_VIA_QUIC;
	assert_true(vx6_is_ok(vx6_addr_parse("[fd00::1]:4242", &e.addrs[0].addr)));
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, id, out, &n)));
	return n;
}

static size_t make_claim(const struct vx6_identity *id, uint64_t nonce,
			 uint8_t out[static VX6_NAME_CLAIM_MAX])
{
	struct vx6_name_claim c = {.seq = 1,
				   .issued_s = vx6_wall_s(),
				   .lifetime_s = VX6_NAME_CLAIM_LIFETIME_S,
				   .name = "alice",
				   .nonce = nonce};
	size_t n;

	assert_true(vx6_is_ok(vx6_name_claim_build(&c, id, out, &n)));
	return n;
}

static void admit(const uint8_t *bytes, size_t n, const struct vx6_source *from)
{
	assert_true(vx6_is_ok(vx6_registry_admit(reg, bytes, n, from, vx6_wall_s(), NULL)));
}

static void give_endpoint(const struct vx6_identity *id, const char *name,
			  const struct vx6_source *from)
{
	uint8_t bytes[VX6_ENDPOINT_MAX];

	admit(bytes, make_endpoint(id, name, 1, bytes), from);
}

static void give_claim(const struct vx6_identity *id, uint64_t nonce, const struct vx6_source *from)
{
	uint8_t bytes[VX6_NAME_CLAIM_MAX];

	admit(bytes, make_claim(id, nonce, bytes), from);
}

static void pin_to(const struct vx6_identity *id)
{
	struct vx6_name_binding b = {.kind = VX6_BINDING_PIN,
				     .name = "alice",
				     .node = id->id,
				     .since_ms = 1};

	assert_true(vx6_is_ok(vx6_names_bind(names, &b)));
}

/* ---- asking ---- */

static struct vx6_resolve_ask ask_of(const char *text)
{
	struct vx6_resolve_ask ask = {.local_only = false};

	assert_true(vx6_is_ok(vx6_target_parse(text, &ask.target)));
	return ask;
}

static struct vx6_resolution got;
static struct vx6_name_conflict got_conflict;
static int answers;

static void on_resolved(void *user, const struct vx6_resolution *r)
{
	answers++;
	got = *r;
	if (r->conflict)
		got_conflict = *r->conflict;
	if (user)
		*(int *)user += 1;
}

static bool is_answered(void *user)
{
	return answers > 0;
}

static vx6_err resolve(const struct vx6_resolve_ask *ask)
{
	answers = 0;
	memset(&got, 0, sizeof got);
	assert_non_null(vx6_resolve(resolver, ask, on_resolved, NULL));
	assert_int_equal(answers, 0); /* never inside the call */
	dht_net_run(loop, is_answered, NULL);
	assert_int_equal(answers, 1);
	return got.err;
}

static vx6_err known(const char *text)
{
	struct vx6_resolve_ask ask = ask_of(text);
	vx6_err err = vx6_resolve_known(resolver, &ask, &got);

	if (got.conflict)
		got_conflict = *got.conflict;
	return err;
}

static bool is_node(const struct vx6_identity *id)
{
	return got.has_node && vx6_node_id_eq(&got.node, &id->id);
}

/* ---- with nobody to ask ---- */

static void known__one_claim__that_node(void **state)
{
	assert_int_equal(known("alice.web").code, VX6_E_PEER_UNKNOWN);
	assert_non_null(strstr(got.detail, "vx6 peer add"));
	give_endpoint(&alice, "alice", &from_subject);
	assert_int_equal(known("alice.web").code, VX6_E_OK);
	assert_true(is_node(&alice));
	assert_true(got.to_pin && got.has_endpoint && got.from_registry);
	assert_int_equal(got.by, VX6_BY_CLAIM);
}

static void known__two_claims__lists_both_and_picks_none(void **state)
{
	give_endpoint(&alice, "alice", &from_subject);
	give_endpoint(&mallory, "alice", &from_subject);
	assert_int_equal(known("alice.web").code, VX6_E_AMBIGUOUS);
	assert_false(got.has_node);
	assert_int_equal(got_conflict.claims_n, 2);
	assert_int_equal(known("alice.web").code, VX6_E_AMBIGUOUS);
	assert_int_equal(conflicts, 1); /* told once */
}

static void known__word_of_a_stranger__does_not_stand_beside_a_claim(void **state)
{
	give_endpoint(&mallory, "alice", &from_peer);
	assert_int_equal(known("alice.web").code, VX6_E_OK); /* nothing else is known */
	assert_true(is_node(&mallory));
	give_claim(&alice, alice_nonce, &from_peer);
	assert_int_equal(known("alice.web").code, VX6_E_OK);
	assert_true(is_node(&alice));
}

static void known__pinned__other_claims_do_not_matter(void **state)
{
	struct vx6_name_claim_seen seen = {.node = mallory.id};

	give_endpoint(&alice, "alice", &from_subject);
	pin_to(&alice);
	give_endpoint(&mallory, "alice", &from_subject);
	vx6_names_claimed(names, "alice", &seen, 1);
	vx6_names_claimed(names, "alice", &seen, 2);
	assert_int_equal(conflicts, 1);
	assert_int_equal(known("alice.web").code, VX6_E_OK);
	assert_true(is_node(&alice));
	assert_int_equal(got.by, VX6_BY_PIN);
	assert_false(got.to_pin);
}

static void known__pinned_to_one_that_is_gone_and_taken_by_another__mismatch(void **state)
{
	pin_to(&alice);
	assert_int_equal(known("alice.web").code,
			 VX6_E_OK); /* not seen now; it may still be dialled */
	assert_true(is_node(&alice));
	give_endpoint(&mallory, "alice", &from_subject);
	assert_int_equal(known("alice.web").code, VX6_E_MISMATCH);
	assert_int_equal(mismatches, 1);
	assert_false(got.has_node);
	assert_int_equal(got_conflict.claims_n, 1);
	give_endpoint(&alice, "alice", &from_subject);
	assert_int_equal(known("alice.web").code, VX6_E_OK);
	assert_true(is_node(&alice));
}

static void known__petname__goes_before_everything(void **state)
{
	struct vx6_name_binding b = {.kind = VX6_BINDING_PETNAME,
				     .name = "alice",
				     .node = heir.id,
				     .since_ms = 1};

	pin_to(&alice);
	give_endpoint(&mallory, "alice", &from_subject);
	assert_true(vx6_is_ok(vx6_names_bind(names, &b)));
	assert_int_equal(known("alice.web").code, VX6_E_OK);
	assert_true(is_node(&heir));
	assert_int_equal(got.by, VX6_BY_PETNAME);
	assert_false(got.has_endpoint);
}

static void known__expired__not_given(void **state)
{
	struct vx6_endpoint e;

	give_endpoint(&alice, "alice", &from_subject);
	assert_false(vx6_registry_endpoint(reg, &alice.id,
					   vx6_wall_s() + VX6_ENDPOINT_LIFETIME_S + 1, &e));
}

static void resolve__local_only_or_nobody_to_ask__ends_at_once(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	assert_int_equal(resolve(&ask).code, VX6_E_PEER_UNKNOWN);
	ask.local_only = true;
	assert_int_equal(resolve(&ask).code, VX6_E_PEER_UNKNOWN);
	assert_true(got.from_registry);
	ask.target.has_node_id = true;
	ask.target.node_id = alice.id;
	assert_int_equal(resolve(&ask).code, VX6_E_UNREACHABLE); /* no address, nobody to ask */
	assert_true(is_node(&alice));
}

static void resolve__freed_while_under_way__told(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	answers = 0;
	assert_non_null(vx6_resolve(resolver, &ask, on_resolved, NULL));
	vx6_resolver_free(resolver);
	resolver = NULL;
	assert_int_equal(answers, 1);
	assert_int_equal(got.err.code, VX6_E_DRAINING);
}

/* ---- with a DHT ---- */

static void network(void)
{
	dht_net_start(loop, 6);
	vx6_resolver_set_dht(resolver, dht_net_node(0), dht_net_now, NULL);
}

static void publish(const uint8_t *bytes, size_t n)
{
	dht_net_publish(loop, 1, bytes, n);
}

static void publish_endpoint(const struct vx6_identity *id, const char *name, uint64_t seq)
{
	uint8_t bytes[VX6_ENDPOINT_MAX];

	publish(bytes, make_endpoint(id, name, seq, bytes));
}

static void publish_claim(const struct vx6_identity *id, uint64_t nonce)
{
	uint8_t bytes[VX6_NAME_CLAIM_MAX];

	publish(bytes, make_claim(id, nonce, bytes));
}

static void dht__one_claim__found_with_its_address(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	network();
	assert_int_equal(known("alice.web").code, VX6_E_AGAIN);
	publish_claim(&alice, alice_nonce);
	publish_endpoint(&alice, "alice", 1);
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_true(is_node(&alice));
	assert_true(got.to_pin && got.has_endpoint && !got.from_registry);
	assert_int_equal(got.by, VX6_BY_CLAIM);
	assert_true(got.queries > 0);
	/* once used and pinned, it is known */
	vx6_names_used(names, "alice", &got.node, 1);
	assert_int_equal(news, 1);
	assert_int_equal(known("alice.web").code, VX6_E_OK);
	assert_true(got.has_endpoint && got.from_registry);
}

static void dht__nobody_claims_it__final(void **state)
{
	struct vx6_resolve_ask ask = ask_of("nobody.web");

	network();
	assert_int_equal(resolve(&ask).code, VX6_E_PEER_UNKNOWN);
	assert_false(got.from_registry);
}

static void dht__two_claims__both_ids_and_evidence(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");
	bool seen_alice = false, seen_mallory = false;

	network();
	/* even where one of them is there and the other only heard of */
	give_endpoint(&mallory, "alice", &from_subject);
	publish_claim(&alice, alice_nonce);
	publish_claim(&mallory, mallory_nonce);
	assert_int_equal(known("alice.web").code, VX6_E_AGAIN);
	assert_int_equal(resolve(&ask).code, VX6_E_AMBIGUOUS);
	assert_false(got.has_node);
	assert_int_equal(got_conflict.claims_n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct vx6_name_claim_seen *s = &got_conflict.claim[i];

		seen_alice |= vx6_node_id_eq(&s->node, &alice.id);
		seen_mallory |= vx6_node_id_eq(&s->node, &mallory.id);
		assert_int_equal(strlen(s->record_hash), 64);
		assert_true(s->holders >= 2);
		assert_true(s->work_bits >= VX6_NAME_WORK_BITS);
	}
	assert_true(seen_alice && seen_mallory);
	assert_int_equal(conflicts, 1);
}

static void dht__pinned_and_claimed_by_another_too__pin_holds_and_is_noticed(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	network();
	pin_to(&alice);
	publish_claim(&alice, alice_nonce);
	publish_claim(&mallory, mallory_nonce);
	publish_endpoint(&alice, "alice", 1);
	ask.fresh = true;
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_true(is_node(&alice));
	assert_true(got.has_endpoint);
	assert_int_equal(conflicts, 1);
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_int_equal(conflicts, 1);
}

/* The pinned node's own endpoint record says its name, so a name claim that was crowded out does no harm. */
static void dht__pinned_ones_claim_is_gone_but_its_record_is_there__pin_holds(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	network();
	pin_to(&alice);
	give_endpoint(&mallory, "alice", &from_subject);
	publish_claim(&mallory, mallory_nonce);
	publish_endpoint(&alice, "alice", 1);
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_true(is_node(&alice));
}

static void dht__pinned_to_another_than_the_only_claim__hard_stop(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	network();
	pin_to(&alice);
	publish_claim(&mallory, mallory_nonce);
	publish_endpoint(&mallory, "alice", 1);
	ask.fresh = true;
	assert_int_equal(resolve(&ask).code, VX6_E_MISMATCH);
	assert_false(got.has_endpoint || got.has_successor);
	assert_int_equal(mismatches, 1);
	assert_true(got_conflict.pinned);
}

/* ---- revocation ---- */

static size_t make_revocation(const struct vx6_sign_keypair *of, const struct vx6_sign_keypair *to,
			      uint8_t reason, uint8_t out[static VX6_REVOCATION_MAX])
{
	struct vx6_revocation r = {.seq = 1,
				   .issued_s = vx6_wall_s(),
				   .reason = reason,
				   .min_cert_seq = 1};
	size_t n;

	assert_true(vx6_is_ok(vx6_revocation_build(&r, of, to, &vx6_net_default, out, &n)));
	return n;
}

static void pin_to_key(const struct vx6_sign_keypair *kp)
{
	struct vx6_identity id = {.master = VX6_MASTER_ABSENT};

	vx6_node_id_from_pk(&kp->pk, &id.id);
	pin_to(&id);
}

static void known__pinned_node_is_revoked__its_heirs_heir_is_reported_and_not_used(void **state)
{
	struct vx6_sign_keypair key[3];
	uint8_t bytes[VX6_REVOCATION_MAX];
	struct vx6_node_id last;

	for (int i = 0; i < 3; i++)
		vx6_sign_keypair_random(&key[i]);
	pin_to_key(&key[0]);
	admit(bytes, make_revocation(&key[0], &key[1], VX6_REVOKE_SUPERSEDED, bytes), &from_peer);
	admit(bytes, make_revocation(&key[1], &key[2], VX6_REVOKE_SUPERSEDED, bytes), &from_peer);
	assert_int_equal(known("alice.web").code, VX6_E_REVOKED);
	assert_true(got.has_successor);
	vx6_node_id_from_pk(&key[2].pk, &last);
	assert_true(vx6_node_id_eq(&got.successor, &last));
	/* a ring of heirs leads nowhere, and the walk ends */
	admit(bytes, make_revocation(&key[2], &key[0], VX6_REVOKE_SUPERSEDED, bytes), &from_peer);
	assert_int_equal(known("alice.web").code, VX6_E_REVOKED);
}

static void known__only_older_subkeys_revoked__still_that_node(void **state)
{
	struct vx6_sign_keypair key;
	uint8_t bytes[VX6_REVOCATION_MAX];

	vx6_sign_keypair_random(&key);
	pin_to_key(&key);
	admit(bytes, make_revocation(&key, NULL, VX6_REVOKE_SUBKEY, bytes), &from_peer);
	assert_int_equal(known("alice.web").code, VX6_E_OK);
}

static void dht__pinned_node_was_revoked_meanwhile__found_out_with_its_heir(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");
	struct vx6_sign_keypair gone, next;
	uint8_t bytes[VX6_REVOCATION_MAX];
	struct vx6_node_id next_id;

	network();
	vx6_sign_keypair_random(&gone);
	vx6_sign_keypair_random(&next);
	vx6_node_id_from_pk(&next.pk, &next_id);
	pin_to_key(&gone);
	publish_claim(&mallory, mallory_nonce); /* who may or may not be the heir */
	publish(bytes, make_revocation(&gone, &next, VX6_REVOKE_SUPERSEDED, bytes));
	assert_int_equal(resolve(&ask).code, VX6_E_REVOKED);
	assert_true(got.has_successor && vx6_node_id_eq(&got.successor, &next_id));
	assert_false(got.has_endpoint);
	assert_int_equal(known("alice.web").code, VX6_E_REVOKED); /* kept */
}

static void dht__address_changed__fresh_brings_the_newer_one(void **state)
{
	struct vx6_resolve_ask ask = {.fresh = false};

	network();
	ask.target.has_node_id = true;
	ask.target.node_id = alice.id;
	give_endpoint(&alice, "alice", &from_peer); /* seq 1 */
	publish_endpoint(&alice, "alice", 2);
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_true(got.from_registry && got.endpoint.seq == 1);
	ask.fresh = true;
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_true(!got.from_registry && got.endpoint.seq == 2);
}

static void dht__id_without_address__has_node_alone(void **state)
{
	struct vx6_resolve_ask ask = {.fresh = false};

	network();
	ask.target.has_node_id = true;
	ask.target.node_id = alice.id;
	assert_int_equal(resolve(&ask).code, VX6_E_PEER_UNKNOWN);
	assert_true(is_node(&alice));
	assert_false(got.has_endpoint);
}

static void dht__service__asked_for_and_missing(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");
	struct vx6_service_record s = {.seq = 1,
				       .issued_s = vx6_wall_s(),
				       .lifetime_s = VX6_SERVICE_LIFETIME_S,
				       .name = "web",
				       .kind = VX6_SERVICE_TCP};
	uint8_t bytes[VX6_SERVICE_MAX];
	size_t n;

	network();
	publish_claim(&alice, alice_nonce);
	publish_endpoint(&alice, "alice", 1);
	ask.want_service = true;
	assert_int_equal(resolve(&ask).code, VX6_E_SERVICE_UNKNOWN);
	assert_true(is_node(&alice) && got.has_endpoint && !got.service_known);
	assert_true(vx6_is_ok(vx6_service_build(&s, &alice, bytes, &n)));
	publish(bytes, n);
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_true(got.service_known);
}

static bool both_answered(void *user)
{
	return answers == 2;
}

static void dht__same_question_twice__one_lookup_and_each_may_leave(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");
	struct vx6_resolving *g[3];
	struct vx6_dht_info info;
	int told[3] = {0};

	network();
	publish_claim(&alice, alice_nonce);
	publish_endpoint(&alice, "alice", 1);
	answers = 0;
	for (int i = 0; i < 3; i++)
		g[i] = vx6_resolve(resolver, &ask, on_resolved, &told[i]);
	vx6_dht_info(dht_net_node(0), &info);
	assert_int_equal(info.lookups, 1);
	vx6_resolve_cancel(g[1]);
	dht_net_run(loop, both_answered, NULL);
	assert_int_equal(got.err.code, VX6_E_OK);
	assert_true(told[0] == 1 && told[1] == 0 && told[2] == 1);
	g[0] = vx6_resolve(resolver, &ask, on_resolved, NULL);
	vx6_resolve_cancel(g[0]);
	vx6_dht_info(dht_net_node(0), &info);
	assert_int_equal(info.lookups, 0);
}

static bool all_answered(void *user)
{
	return answers == 60;
}

static void dht__many_questions__wait_their_turn_and_all_end(void **state)
{
	network();
	answers = 0;
	for (int i = 0; i < 60; i++) {
		struct vx6_resolve_ask ask = ask_of("alice.web");

		snprintf(ask.target.node, sizeof ask.target.node, "n%d", i);
		assert_non_null(vx6_resolve(resolver, &ask, on_resolved, NULL));
	}
	dht_net_run(loop, all_answered, NULL);
	assert_int_equal(got.err.code, VX6_E_PEER_UNKNOWN);
}

static void dht__taken_away_while_asked__ends(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	network();
	answers = 0;
	assert_non_null(vx6_resolve(resolver, &ask, on_resolved, NULL));
	vx6_resolver_set_dht(resolver, NULL, NULL, NULL);
	dht_net_run(loop, is_answered, NULL);
	assert_int_equal(got.err.code, VX6_E_PEER_UNKNOWN);
}

static int steps;
static bool traced_name;

static void on_trace(void *user, const char *what, const struct vx6_dht_trace *t)
{
	steps++;
	traced_name |= strcmp(what, "name") == 0;
}

static void dht__trace__tells_each_step(void **state)
{
	struct vx6_resolve_ask ask = ask_of("alice.web");

	network();
	publish_claim(&alice, alice_nonce);
	publish_endpoint(&alice, "alice", 1);
	ask.trace = on_trace;
	steps = 0;
	assert_int_equal(resolve(&ask).code, VX6_E_OK);
	assert_true(steps >= (int)got.queries && traced_name);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(known__one_claim__that_node),
		TEST(known__two_claims__lists_both_and_picks_none),
		TEST(known__word_of_a_stranger__does_not_stand_beside_a_claim),
		TEST(known__pinned__other_claims_do_not_matter),
		TEST(known__pinned_to_one_that_is_gone_and_taken_by_another__mismatch),
		TEST(known__petname__goes_before_everything),
		TEST(known__expired__not_given),
		TEST(resolve__local_only_or_nobody_to_ask__ends_at_once),
		TEST(resolve__freed_while_under_way__told),
		TEST(dht__one_claim__found_with_its_address),
		TEST(dht__nobody_claims_it__final),
		TEST(dht__two_claims__both_ids_and_evidence),
		TEST(dht__pinned_and_claimed_by_another_too__pin_holds_and_is_noticed),
		TEST(dht__pinned_ones_claim_is_gone_but_its_record_is_there__pin_holds),
		TEST(dht__pinned_to_another_than_the_only_claim__hard_stop),
		TEST(known__pinned_node_is_revoked__its_heirs_heir_is_reported_and_not_used),
		TEST(known__only_older_subkeys_revoked__still_that_node),
		TEST(dht__pinned_node_was_revoked_meanwhile__found_out_with_its_heir),
		TEST(dht__address_changed__fresh_brings_the_newer_one),
		TEST(dht__id_without_address__has_node_alone),
		TEST(dht__service__asked_for_and_missing),
		TEST(dht__same_question_twice__one_lookup_and_each_may_leave),
		TEST(dht__many_questions__wait_their_turn_and_all_end),
		TEST(dht__taken_away_while_asked__ends),
		TEST(dht__trace__tells_each_step),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
