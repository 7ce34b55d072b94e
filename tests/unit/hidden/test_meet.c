/*
 * A guest and a host that find each other: both with circuits of their own, over relays in memory that introduce them and join their circuits. The DHT
 * is the test: what the host publishes is what the guest finds, a moment later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/guests.h"
#include "hidden/host.h"
#include "record/hs_desc.h"
#include "tests/unit/circuit/circuits_rig.h"
#include "tests/unit/circuit/tnode.h"

enum { SCOPE = 7, FETCH_MS = 30, READY_MS = 20000, MEET_MS = 25000 };

static struct owner {
	struct test_node n; /* first: hooks are given it */
	struct vx6_hop_sched *sched;
	struct vx6_origin *origin;
	struct vx6_relays *relays;
	struct vx6_guards *guards;
	struct vx6_vanguards *vanguards;
	struct vx6_build_times *times;
	struct vx6_circuits *circuits;
	struct vx6_host *host;
	struct vx6_sign_keypair service;
	struct vx6_node_id id;
	struct vx6_host_spec spec;
	struct vx6_host_seq seq[VX6_HOST_SEQS]; /* as it is stored */
	struct vx6_host_info info;
} owner;
static struct tnode echoes;

/* The DHT. */
static struct {
	uint8_t record[VX6_HS_DESC_BYTES];
	size_t n; /* 0: there is none */
	bool empty, frozen;
	struct vx6_timer timer;
	vx6_guest_fetched_cb *cb;
	void *user;
	int fetches;
} dht;

static struct vx6_guests *guests;
static struct vx6_guest_access access_told;
static struct talk talk;

/* ---- the DHT ---- */

static void on_found(struct vx6_timer *timer)
{
	struct vx6_guest_fetched f = {.err = VX6_ERR(NOT_FOUND),
				      .asked = 3,
				      .detail = "nobody has it"};
	vx6_guest_fetched_cb *cb = dht.cb;

	if (dht.n > 0)
		f = (struct vx6_guest_fetched){.record = dht.record,
					       .record_n = dht.n,
					       .sources = 2,
					       .asked = 3,
					       .confirmed = true};
	dht.cb = NULL;
	cb(dht.user, &f);
}

static void *fetch(void *user, const struct vx6_node_id *service, bool strict,
		   const struct vx6_guest_seen *seen, size_t seen_n, vx6_guest_fetched_cb *cb,
		   void *cb_user)
{
	dht.fetches++;
	dht.cb = cb;
	dht.user = cb_user;
	vx6_timer_in_ms(&dht.timer, FETCH_MS);
	return &dht;
}

static void fetch_cancel(void *user, void *f)
{
	dht.cb = NULL;
	vx6_timer_stop(&dht.timer);
}

static void publish(void *user, uint64_t scope, const struct vx6_host_record *rec, size_t n)
{
	if (n == 0 || dht.frozen)
		return;
	assert_true(rec[0].n <= sizeof dht.record);
	memcpy(dht.record, rec[0].bytes, rec[0].n);
	dht.n = rec[0].n;
}

/* ---- the owner's node ---- */

static bool on_node(void *user, const struct vx6_node_id *node, struct vx6_circuits_node *out)
{
	int i = rig_index(node);
	const struct vx6_circuit_hop *hop = i >= 0 ? &rig.as_known[i] : NULL;

	if (!hop)
		return false;
	*out = (struct vx6_circuits_node){
		.info = {.policy = VX6_RELAY_MIDDLE | VX6_RELAY_INTRO | VX6_RELAY_REND,
			 .keys_n = 1},
		.endpoint = hop->record,
		.endpoint_n = hop->record_n,
	};
	memcpy(out->info.keys[0].pk, hop->onion_key, sizeof hop->onion_key);
	out->info.keys[0].not_after_s = (uint32_t)vx6_wall_s() + 86400;
	return true;
}

static bool on_ask(void *user, const struct vx6_node_id *node, bool anonymous)
{
	return false;
}

static void on_direct(void *user, const struct vx6_node_id *node)
{
}

static void on_view(void *user, struct vx6_path_view *out)
{
	*out = (struct vx6_path_view){.now_s = vx6_wall_s(),
				      .self = owner.n.id.id,
				      .diversity = VX6_PATH_DIVERSITY_OFF};
}

static void on_end(void *user, const struct vx6_node_id *node, struct vx6_path_end *out)
{
	*out = (struct vx6_path_end){.node = *node};
}

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	assert_int_equal(vx6_session_scope(s), SCOPE);
	tnode_echo(&echoes, stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.incoming = on_incoming};

static void learn_relays(void)
{
	for (int i = 0; i < RIG_RELAYS; i++) {
		const struct vx6_relay_entry *e = rig_entry(i);
		struct vx6_relay_facts f = {
			.node = rig.node[i].n.id.id,
			.until_s = vx6_wall_s() + 86400,
			.onion_until_s = vx6_wall_s() + 86400,
			.policy = e->policy,
			.addrs = {rig.node[i].n.at},
			.addrs_n = 1,
		};

		memcpy(f.onion_key, rig.as_known[i].onion_key, sizeof f.onion_key);
		assert_true(vx6_is_ok(vx6_relays_put(owner.relays, &f, vx6_wall_s())));
	}
}

/* ---- the owner's service ---- */

static size_t relays_known(void *user)
{
	return RIG_RELAYS;
}

static void on_changed(void *user, const struct vx6_host_change *what)
{
	if (what->seq)
		memcpy(owner.seq, what->seq, sizeof owner.seq);
}

static void host_start(void)
{
	owner.host = vx6_host_new(&(struct vx6_host_config){
		.loop = test_loop,
		.circuits = owner.circuits,
		.sessions = owner.n.m,
		.net = &vx6_net_default,
		.relays = relays_known,
		.publish = publish,
		.changed = on_changed,
	});
	memcpy(owner.spec.seq, owner.seq, sizeof owner.seq);
	assert_true(vx6_is_ok(vx6_host_add(owner.host, &owner.spec)));
}

static void owner_start(void)
{
	memset(&echoes, 0, sizeof echoes);
	node_start_at(&owner.n, "[2001:db8:200::1]:0");
	owner.n.hooks = &hooks;
	owner.relays = vx6_relays_new();
	owner.guards = vx6_guards_new();
	owner.vanguards = vx6_vanguards_new();
	owner.times = vx6_build_times_new();
	owner.sched = vx6_hop_sched_new(test_loop, 64 << 20);
	owner.origin = vx6_origin_new(&(struct vx6_origin_config){.loop = test_loop,
								  .sessions = owner.n.m,
								  .sched = owner.sched,
								  .net = &vx6_net_default});
	learn_relays();
	owner.circuits = vx6_circuits_new(&(struct vx6_circuits_config){
		.loop = test_loop,
		.sessions = owner.n.m,
		.origin = owner.origin,
		.relays = owner.relays,
		.guards = owner.guards,
		.vanguards = owner.vanguards,
		.times = owner.times,
		.self = owner.n.id.id,
		.node = on_node,
		.ask = on_ask,
		.direct = on_direct,
		.view = on_view,
		.end = on_end,
	});
	host_start();
}

static void owner_stop(void)
{
	vx6_circuits_free(owner.circuits);
	vx6_origin_free(owner.origin);
	node_stop(&owner.n);
	vx6_host_free(owner.host);
	vx6_hop_sched_free(owner.sched);
	vx6_build_times_free(owner.times);
	vx6_vanguards_free(owner.vanguards);
	vx6_guards_free(owner.guards);
	vx6_relays_free(owner.relays);
}

static bool is_ready(void *arg)
{
	assert_true(vx6_is_ok(vx6_host_info(owner.host, SCOPE, &owner.info)));
	return owner.info.state == VX6_HOST_IS_READY && dht.n > 0;
}

/* ---- the guest ---- */

static void rendezvous(uint64_t leg, const struct vx6_node_id *service, struct vx6_circuit *circuit,
		       const struct vx6_node_id *x)
{
	vx6_guests_rendezvous(guests, leg, service, circuit, x);
}

static void said(uint64_t leg, uint8_t type, const uint8_t *data, size_t n)
{
	vx6_guests_said(guests, leg, type, data, n);
}

static void begins(uint64_t leg, const struct vx6_node_id *service, const struct vx6_node_id *x)
{
	vx6_guests_begin(guests, leg, service, x);
}

static void left(uint64_t leg)
{
	vx6_guests_gone(guests, leg);
}

static void access_changed(void *user, const struct vx6_node_id *service,
			   const struct vx6_guest_access *access)
{
	access_told = *access;
}

static void on_step(void *user, const struct vx6_node_id *service, uint64_t attempt,
		    const struct vx6_guest_step *s)
{
	/* what went on, when a test fails */
	printf("  %llu %6u ms %-16s %s\n", (unsigned long long)attempt, s->ms,
	       vx6_guest_step_text(s->kind), s->detail);
}

static int setup(void **state)
{
	rig_setup(state);
	memset(&owner, 0, sizeof owner);
	memset(&dht, 0, sizeof dht);
	memset(&access_told, 0, sizeof access_told);
	vx6_timer_init(test_loop, &dht.timer, on_found, NULL);
	rig.rendezvous = rendezvous;
	rig.said = said;
	rig.rendezvous_begins = begins;
	rig.leg_gone = left;
	guests = vx6_guests_new(&(struct vx6_guests_config){
		.loop = test_loop,
		.circuits = rig.circuits,
		.net = &vx6_net_default,
		.fetch = fetch,
		.fetch_cancel = fetch_cancel,
		.access_changed = access_changed,
		.step = on_step,
	});
	vx6_sign_keypair_random(&owner.service);
	vx6_node_id_from_pk(&owner.service.pk, &owner.id);
	owner.spec = (struct vx6_host_spec){.scope = SCOPE, .alias = "ghost"};
	memcpy(owner.spec.seed, owner.service.seed.b, sizeof owner.spec.seed);
	owner_start();
	return 0;
}

static int teardown(void **state)
{
	rig_free_circuits();
	vx6_guests_free(guests);
	owner_stop();
	return rig_teardown(state);
}

static uint64_t route_there(void)
{
	struct vx6_routing how = rig_how(3, true);

	how.hidden = true;
	return vx6_circuits_route(rig.circuits, &owner.id, &how);
}

/* Goes there, and is told. */
static void assert_refused(int code, const char *detail)
{
	struct rig_wait w = {0};

	rig_want(&w, route_there());
	rig_until(rig_told, &w, MEET_MS);
	if (w.err.code != code)
		fail_msg("%s (%s), not %s", vx6_err_name(w.err), w.detail,
			 vx6_err_name((vx6_err){code}));
	if (!strstr(w.detail, detail))
		fail_msg("\"%s\" does not say \"%s\"", w.detail, detail);
}

static bool spare_is_there(void *arg)
{
	return rig_live(VX6_PURPOSE_ROUTE, true) == 1 && rig_live(VX6_PURPOSE_SPARE, true) == 1;
}

static const struct vx6_node_id *x_of(const struct vx6_circuit_show *row)
{
	for (uint32_t i = 0; i < row->hops_n; i++)
		if (row->hop[i].is_rendezvous)
			return &row->hop[i].node;
	fail_msg("a leg without a rendezvous");
	return NULL;
}

/* No leg of ours is left. */
static void hang_up(void)
{
	talk_end(&talk);
	rig_pass(40000); /* a route that was in use a moment ago gets another leg */
	for (int i = rig_rows() - 1; i >= 0; i--)
		if (!rig_row[i].is_closed)
			assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, rig_row[i].id)));
	rig_pass(100);
}

/* ---- they meet ---- */

static void meet__open_service__stream_there_and_back(void **state)
{
	rig_until(is_ready, NULL, READY_MS);
	talk_run(&talk, route_there());
	assert_true(vx6_node_id_eq(&rig_busy()->target, &owner.id));
	assert_talks(&talk, 500);
	assert_true(is_ready(NULL));
	assert_int_equal(owner.info.sessions, 1);
	assert_int_equal(owner.info.accepted, 1);
	assert_int_equal(dht.fetches, 1);
	talk_end(&talk);
}

static void meet__fast_profile__stream_there_and_back(void **state)
{
	owner.spec.fast = true;
	assert_true(vx6_is_ok(vx6_host_set(owner.host, &owner.spec)));
	rig_until(is_ready, NULL, READY_MS);
	talk_run(&talk, route_there());
	assert_talks(&talk, 500);
	talk_end(&talk);
}

static void meet__streams__spare_by_a_meeting_of_its_own_and_it_takes_over(void **state)
{
	int x;

	rig_until(is_ready, NULL, READY_MS);
	talk_run(&talk, route_there());
	rig_until(spare_is_there, NULL, 10000);
	x = rig_index(x_of(rig_busy()));
	for (int i = rig_rows() - 1; i >= 0; i--)
		if (rig_row[i].purpose == VX6_PURPOSE_SPARE && !rig_row[i].is_closed)
			assert_int_not_equal(rig_index(x_of(&rig_row[i])), x);
	rig_cut(x);
	rig_pass(3000);
	assert_talks(&talk, 500);
	talk_end(&talk);
}

static void meet__introduction_point_dies__those_that_stand_by_introduce(void **state)
{
	rig_until(is_ready, NULL, READY_MS);
	rig_silence(rig_index(&owner.info.intro[0].node));
	talk_run(&talk, route_there());
	assert_talks(&talk, 500);
	talk_end(&talk);
}

static void meet__owner_begins_anew__found_again(void **state)
{
	rig_until(is_ready, NULL, READY_MS);
	talk_run(&talk, route_there());
	talk_end(&talk);
	rig_pass(1000);
	owner_stop();
	rig_pass(1000);
	owner_start();
	/* the guest still has what was published before: it leads nowhere by now */
	talk_run(&talk, route_there());
	assert_talks(&talk, 500);
	talk_end(&talk);
}

static void meet__nothing_published__told(void **state)
{
	dht.frozen = true;
	assert_refused(VX6_E_NOT_FOUND, "nobody has it");
}

/* ---- clients ---- */

static void close_it(void)
{
	owner.spec.closed = true;
	assert_true(vx6_is_ok(vx6_host_set(owner.host, &owner.spec)));
}

static void client__closed_service__only_with_the_key(void **state)
{
	struct vx6_guest_access a = {.has_key = true};
	struct vx6_host_client client;
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;

	vx6_kx_keypair(&pk, &sk);
	close_it();
	assert_true(vx6_is_ok(vx6_host_client_add(owner.host, SCOPE, "carol", pk.b, 0, &client)));
	rig_until(is_ready, NULL, READY_MS);
	assert_refused(VX6_E_HS_AUTH, "there is none here");
	vx6_random_bytes(a.key, sizeof a.key);
	vx6_guests_access(guests, &owner.id, &a);
	assert_refused(VX6_E_HS_AUTH, "none of those");
	memcpy(a.key, sk.b, sizeof a.key);
	vx6_guests_access(guests, &owner.id, &a);
	talk_run(&talk, route_there());
	assert_talks(&talk, 500);
	talk_end(&talk);
}

static void client__invite__enrols_once_and_is_known_by_its_own_key(void **state)
{
	struct vx6_guest_access a = {.has_invite = true}, known;
	struct vx6_host_client invite;

	close_it();
	assert_true(vx6_is_ok(vx6_host_invite(owner.host, SCOPE, "dave", 0, 1, a.invite, &invite)));
	rig_until(is_ready, NULL, READY_MS);
	vx6_guests_access(guests, &owner.id, &a);
	talk_run(&talk, route_there());
	assert_talks(&talk, 500);
	assert_true(access_told.enrolled && access_told.has_key);
	assert_true(is_ready(NULL));
	assert_int_equal(owner.info.clients, 1);
	assert_int_equal(owner.info.invites, 0);
	rig_pass(60000);
	assert_talks(&talk, 500);
	known = access_told;
	/* a second one comes too late */
	hang_up();
	vx6_guests_access(guests, &owner.id, &a);
	assert_refused(VX6_E_INVITE_SPENT, "used up");
	/* the first does not need it any more */
	vx6_guests_access(guests, &owner.id, &known);
	talk_run(&talk, route_there());
	assert_talks(&talk, 500);
	talk_end(&talk);
}

static void client__revoked__told_by_what_is_published(void **state)
{
	struct vx6_guest_access a = {.has_key = true};
	struct vx6_host_client client;
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;

	vx6_kx_keypair(&pk, &sk);
	close_it();
	assert_true(vx6_is_ok(vx6_host_client_add(owner.host, SCOPE, "eve", pk.b, 0, &client)));
	rig_until(is_ready, NULL, READY_MS);
	memcpy(a.key, sk.b, sizeof a.key);
	vx6_guests_access(guests, &owner.id, &a);
	talk_run(&talk, route_there());
	rig_pass(40000); /* past the least time between two descriptors */
	assert_true(vx6_is_ok(vx6_host_revoke(owner.host, SCOPE, client.id)));
	rig_pass(1000);
	hang_up();
	assert_refused(VX6_E_REVOKED, "revoked");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(meet__open_service__stream_there_and_back),
		T(meet__fast_profile__stream_there_and_back),
		T(meet__streams__spare_by_a_meeting_of_its_own_and_it_takes_over),
		T(meet__introduction_point_dies__those_that_stand_by_introduce),
		T(meet__owner_begins_anew__found_again),
		T(meet__nothing_published__told),
		T(client__closed_service__only_with_the_key),
		T(client__invite__enrols_once_and_is_known_by_its_own_key),
		T(client__revoked__told_by_what_is_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
