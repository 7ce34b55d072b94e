/* A service that is hosted and visited over relays in memory: both by the same node, as a host does itself to see whether it can be reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/kx.h"
#include "crypto/secret.h"
#include "hidden/guests.h"
#include "hidden/host_internal.h"
#include "tests/unit/circuit/circuits_rig.h"
#include "tests/unit/circuit/tnode.h"

enum { SCOPE = 3, FETCHES = 64 };

struct fetch {
	bool used;
	vx6_guest_fetched_cb *cb;
	void *user;
	struct vx6_timer timer;
};

static struct {
	struct vx6_host *host;
	struct vx6_guests *guests;
	struct vx6_host_spec spec;
	struct vx6_node_id service;
	uint8_t record[VX6_HS_DESC_BYTES];
	size_t record_n;
	int published_n, ready_n, sessions_n;
	struct fetch fetch[FETCHES];
	struct tnode echoes;
	struct vx6_guest_access access; /* as last told */
} both;
static struct talk talk;

/* ---- one hand to the other ---- */

static void publish(void *user, uint64_t scope, const struct vx6_host_record *rec, size_t n)
{
	if (n == 0)
		return;
	memcpy(both.record, rec[0].bytes, rec[0].n);
	both.record_n = rec[0].n;
	both.published_n++;
}

static void on_fetched(struct vx6_timer *timer)
{
	struct fetch *f = timer->user;
	const struct vx6_guest_fetched got = {
		.err = both.record_n ? VX6_OK : VX6_ERR(NOT_FOUND),
		.record = both.record,
		.record_n = both.record_n,
		.sources = 2,
		.asked = 2,
		.confirmed = true,
	};

	f->used = false;
	f->cb(f->user, &got);
}

static void *fetch(void *user, const struct vx6_node_id *service, bool strict,
		   const struct vx6_guest_seen *seen, size_t seen_n, vx6_guest_fetched_cb *cb,
		   void *cb_user)
{
	for (int k = 0; k < FETCHES; k++) {
		struct fetch *f = &both.fetch[k];

		if (f->used)
			continue;
		*f = (struct fetch){.used = true, .cb = cb, .user = cb_user};
		vx6_timer_init(test_loop, &f->timer, on_fetched, f);
		vx6_timer_in_ms(&f->timer, 20);
		return f;
	}
	return NULL;
}

static void fetch_cancel(void *user, void *fetch)
{
	struct fetch *f = fetch;

	f->used = false;
	vx6_timer_stop(&f->timer);
}

static void dial(void *user, uint64_t scope, const struct vx6_node_id *service,
		 const uint8_t *client_sk)
{
}

static size_t relays(void *user)
{
	return RIG_RELAYS;
}

static void event(void *user, uint64_t scope, enum vx6_host_news what, const char *text)
{
	both.ready_n += what == VX6_HOST_READY;
}

static void session(void *user, uint64_t scope, struct vx6_session *s, bool up)
{
	both.sessions_n += up ? 1 : -1;
}

static void access_changed(void *user, const struct vx6_node_id *service,
			   const struct vx6_guest_access *access)
{
	both.access = *access;
}

static void rendezvous(uint64_t leg, const struct vx6_node_id *service, struct vx6_circuit *circuit,
		       const struct vx6_node_id *x)
{
	vx6_guests_rendezvous(both.guests, leg, service, circuit, x);
}

static void said(uint64_t leg, uint8_t type, const uint8_t *data, size_t n)
{
	vx6_guests_said(both.guests, leg, type, data, n);
}

static void leg_gone(uint64_t leg)
{
	vx6_guests_gone(both.guests, leg);
}

/* ---- the node ---- */

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	assert_int_equal(vx6_session_scope(s), SCOPE);
	assert_null(vx6_session_node(s));
	tnode_echo(&both.echoes, stream, rest, rest_n, fin);
}

static void on_adrift(struct test_node *n, const struct vx6_node_id *node, unsigned bits,
		      uint64_t route)
{
	if (route && rig.circuits)
		vx6_circuits_adrift(rig.circuits, route);
}

static void on_doubt(struct test_node *n, uint64_t route)
{
	if (rig.circuits)
		vx6_circuits_doubt(rig.circuits, route);
}

static const struct test_hooks hooks = {.incoming = on_incoming,
					.adrift = on_adrift,
					.doubt = on_doubt};

static void host_start(void)
{
	both.host = vx6_host_new(&(struct vx6_host_config){
		.loop = test_loop,
		.circuits = rig.circuits,
		.sessions = rig.me.m,
		.net = &vx6_net_default,
		.relays = relays,
		.publish = publish,
		.dial = dial,
		.event = event,
		.session = session,
	});
	assert_true(vx6_is_ok(vx6_host_add(both.host, &both.spec)));
}

static void guests_start(void)
{
	both.guests = vx6_guests_new(&(struct vx6_guests_config){
		.loop = test_loop,
		.circuits = rig.circuits,
		.net = &vx6_net_default,
		.fetch = fetch,
		.fetch_cancel = fetch_cancel,
		.access_changed = access_changed,
	});
}

static int setup(void **state)
{
	bool closed = both.spec.closed, fast = both.spec.fast;
	struct vx6_sign_keypair key;
	struct vx6_sign_seed seed;

	rig_setup(state);
	memset(&both, 0, sizeof both);
	rig.me.hooks = &hooks;
	rig.rendezvous = rendezvous;
	rig.said = said;
	rig.leg_gone = leg_gone;
	both.spec = (struct vx6_host_spec){.scope = SCOPE,
					   .alias = "ghost",
					   .closed = closed,
					   .fast = fast};
	vx6_random_bytes(both.spec.seed, sizeof both.spec.seed);
	memcpy(seed.b, both.spec.seed, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &key);
	memcpy(both.service.b, key.pk.b, sizeof both.service.b);
	host_start();
	guests_start();
	return 0;
}

static int setup_closed(void **state)
{
	both.spec.closed = true;
	return setup(state);
}

static int setup_fast(void **state)
{
	both.spec.fast = true;
	return setup(state);
}

/* Circuits first: whoever waits is told. */
static int teardown(void **state)
{
	rig_free_circuits();
	vx6_guests_free(both.guests);
	vx6_host_free(both.host);
	memset(&both, 0, sizeof both);
	return rig_teardown(state);
}

/* ---- what is looked at ---- */

static const struct vx6_host_info *info(void)
{
	static struct vx6_host_info now;

	assert_true(vx6_is_ok(vx6_host_info(both.host, SCOPE, &now)));
	return &now;
}

static bool is_published(void *least)
{
	return both.published_n >= *(int *)least;
}

static void wait_published(int least)
{
	rig_until(is_published, &least, 60000);
}

static uint64_t route(void)
{
	struct vx6_routing how = rig_how(both.spec.fast ? 2 : 3, true);

	how.hidden = true;
	return vx6_circuits_route(rig.circuits, &both.service, &how);
}

static uint64_t route_apart(uint32_t apart)
{
	struct vx6_routing how = rig_how(3, true);

	how.hidden = true;
	how.apart = apart;
	return vx6_circuits_route(rig.circuits, &both.service, &how);
}

static bool two_are_met(void *arg)
{
	return both.sessions_n >= 2;
}

/* ---- a visit ---- */

static void together__open_service__visited_and_answered(void **state)
{
	wait_published(1);
	assert_true(info()->intros_n >= 2);
	talk_run(&talk, route());
	assert_talks(&talk, 500);
	assert_true(both.sessions_n >= 1);
	assert_true(info()->rendezvous_up >= 1);
	for (int k = 1; k < VX6_HOST_REFUSALS; k++)
		assert_int_equal(info()->refused[k], 0);
	talk_end(&talk);
}

static void together__fast__two_relays_on_either_side(void **state)
{
	wait_published(1);
	talk_run(&talk, route());
	assert_int_equal(rig_busy()->hops_n, 4);
	talk_end(&talk);
}

static void together__every_place__another_circuit(void **state)
{
	wait_published(1);
	for (uint32_t k = 1; k <= 3; k++)
		(void)rig_session(route_apart(k));
	assert_true(both.sessions_n >= 3);
	assert_true(info()->accepted >= 3);
}

/* More than what was under way. */
static bool goes_on(void *before)
{
	return talk.rx > *(uint64_t *)before + 50;
}

static void together__meeting_place_dies__goes_on(void **state)
{
	uint64_t before;
	int hop;

	wait_published(1);
	talk_run(&talk, route());
	rig_until(two_are_met, NULL, 10000);
	hop = (int)rig_busy()->hops_n - 2;
	assert_true(rig_busy()->hop[hop].is_rendezvous);
	rig_silence(rig_index(&rig_busy()->hop[hop].node));
	before = talk.rx;
	/* it may be in the path of the spare as well, on either side: then a third one is needed */
	rig_until(goes_on, &before, 20000);
	assert_int_equal(talk.closed, 0);
	talk_end(&talk);
}

static void together__introduction_point_dies__new_clients_still_come(void **state)
{
	wait_published(1);
	rig_pass(5000);
	rig_silence(rig_index(&info()->intro[0].node));
	(void)rig_session(route_apart(1));
	rig_pass(60000);
	(void)rig_session(route_apart(2));
	for (int i = 0; i < info()->intros_n; i++)
		if (info()->intro[i].state == VX6_HOST_INTRO_ACTIVE)
			assert_true(info()->intro[i].path[0].up || info()->intro[i].path[1].up);
}

/* Whoever has the old descriptor finds that out and fetches another one. */
static void together__owner_starts_anew__reachable_again(void **state)
{
	int before;

	wait_published(1);
	(void)rig_session(route_apart(1));
	before = both.published_n;
	assert_true(vx6_is_ok(vx6_host_remove(both.host, SCOPE)));
	assert_true(vx6_is_ok(vx6_host_add(both.host, &both.spec)));
	wait_published(before + 1);
	(void)rig_session(route_apart(2));
	assert_int_equal(info()->state, VX6_HOST_CHECKING);
}

static void together__service_is_removed__its_sessions_end(void **state)
{
	wait_published(1);
	talk_run(&talk, route());
	assert_true(vx6_is_ok(vx6_host_remove(both.host, SCOPE)));
	rig_pass(1000);
	assert_int_equal(both.sessions_n, 0);
	talk_end(&talk);
}

/* ---- clients ---- */

static void give(const uint8_t *invite, const uint8_t *key, bool enrolled)
{
	struct vx6_guest_access access = {.has_key = key != NULL, .enrolled = enrolled};

	if (invite) {
		access.has_invite = true;
		memcpy(access.invite, invite, sizeof access.invite);
	}
	if (key)
		memcpy(access.key, key, sizeof access.key);
	vx6_guests_access(both.guests, &both.service, &access);
}

static vx6_err refused(uint32_t apart)
{
	struct rig_wait w = {0};

	rig_want(&w, route_apart(apart));
	assert_non_null(w.w);
	rig_until(rig_told, &w, 25000);
	assert_false(vx6_is_ok(w.err));
	return w.err;
}

static void closed__no_key__not_even_tried(void **state)
{
	wait_published(1);
	assert_int_equal(refused(1).code, VX6_E_HS_AUTH);
	assert_int_equal(info()->introductions, 0);
}

static void closed__invite__exchanged_for_a_key_that_stays(void **state)
{
	uint8_t secret[32];

	wait_published(1);
	assert_true(vx6_is_ok(vx6_host_invite(both.host, SCOPE, "bob", 0, 1, secret, NULL)));
	wait_published(2);
	give(secret, NULL, false);
	talk_run(&talk, route());
	assert_talks(&talk, 500);
	talk_end(&talk);
	assert_int_equal(info()->clients, 1);
	assert_int_equal(info()->invites, 0); /* used up */
	wait_published(3);
	/* and with the key alone */
	assert_true(both.access.has_key);
	give(NULL, both.access.key, true);
	(void)rig_session(route_apart(7));
}

static void closed__client_is_revoked__sessions_end_and_no_new_ones(void **state)
{
	struct vx6_host_client c;
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;

	vx6_kx_keypair(&pk, &sk);
	assert_true(vx6_is_ok(vx6_host_client_add(both.host, SCOPE, "bob", pk.b, 0, &c)));
	wait_published(1);
	give(NULL, sk.b, true);
	talk_run(&talk, route());
	assert_true(vx6_is_ok(vx6_host_revoke(both.host, SCOPE, c.id)));
	rig_pass(500);
	assert_int_equal(both.sessions_n, 0);
	talk_end(&talk);
	(void)refused(9);
	assert_true(info()->refused[VX6_HOST_REFUSED_REVOKED] > 0);
	assert_int_equal(both.sessions_n, 0);
}

static void closed__dial_with_the_own_key__let_in(void **state)
{
	wait_published(1);
	give(NULL, host_find(both.host, SCOPE)->own_sk.b, true);
	(void)rig_session(route_apart(1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_CLOSED(f) cmocka_unit_test_setup_teardown(f, setup_closed, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(together__open_service__visited_and_answered),
		cmocka_unit_test_setup_teardown(together__fast__two_relays_on_either_side,
						setup_fast, teardown),
		TEST(together__every_place__another_circuit),
		TEST(together__meeting_place_dies__goes_on),
		TEST(together__introduction_point_dies__new_clients_still_come),
		TEST(together__owner_starts_anew__reachable_again),
		TEST(together__service_is_removed__its_sessions_end),
		TEST_CLOSED(closed__no_key__not_even_tried),
		TEST_CLOSED(closed__invite__exchanged_for_a_key_that_stays),
		TEST_CLOSED(closed__client_is_revoked__sessions_end_and_no_new_ones),
		TEST_CLOSED(closed__dial_with_the_own_key__let_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
