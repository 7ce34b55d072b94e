/* From the alias of a hidden service, or its key, to an open stream: over circuits that its owner's are joined to, and in no other way. Virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "discovery/names.h"
#include "discovery/peers.h"
#include "discovery/reach.h"
#include "discovery/registry.h"
#include "discovery/resolve.h"
#include "tests/unit/circuit/far_end.h"
#include "tests/unit/circuit/tnode.h"

enum { TOLD_MS = 60000 };

static struct vx6_registry *registry;
static struct vx6_peers *peers;
static struct vx6_names *names;
static struct vx6_resolver *resolver;
static struct vx6_reach *reach;
static struct tnode echoes;
static bool is_fast;
static struct {
	struct vx6_reaching *r;
	struct talk talk;
	int outcomes, opened;
	vx6_err err;
	char how[VX6_DIAL_DETAIL_MAX], asked[VX6_LABEL_TEXT];
} attempt;

/* ---- the service ---- */

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	attempt.opened++;
	strcpy(attempt.asked, what->name);
	assert_int_not_equal(vx6_session_scope(s), 0);
	assert_null(vx6_session_node(s));
	tnode_echo(&echoes, stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.incoming = on_incoming};

static bool alias_of(void *user, const char *alias, struct vx6_hidden_alias *out)
{
	*out = (struct vx6_hidden_alias){.service = far_end.n.id.id, .fast = is_fast};
	return strcmp(alias, "ghost") == 0;
}

static int setup(void **state)
{
	static const struct vx6_registry_events nobody;

	rig_setup(state);
	far_start();
	far_end.n.hooks = &hooks;
	rig.rendezvous = far_meets;
	rig.said = far_hears;
	is_fast = false;
	memset(&attempt, 0, sizeof attempt);
	memset(&echoes, 0, sizeof echoes);
	registry = vx6_registry_new(&vx6_net_default, &nobody, NULL);
	peers = vx6_peers_new(&(struct vx6_peers_config){.loop = test_loop, .sessions = rig.me.m});
	names = vx6_names_new(&rig.me.id.id, NULL, NULL);
	resolver = vx6_resolver_new(&(struct vx6_resolver_config){.loop = test_loop,
								  .registry = registry,
								  .names = names,
								  .peers = peers,
								  .net = vx6_net_default});
	reach = vx6_reach_new(&(struct vx6_reach_config){.loop = test_loop,
							 .sessions = rig.me.m,
							 .registry = registry,
							 .names = names,
							 .resolver = resolver,
							 .peers = peers,
							 .circuits = rig.circuits,
							 .hidden_alias = alias_of});
	return 0;
}

static int teardown(void **state)
{
	vx6_reach_free(reach);
	vx6_resolver_free(resolver);
	rig_free_circuits();
	far_stop();
	rig_teardown(state);
	vx6_peers_free(peers);
	vx6_registry_free(registry);
	vx6_names_free(names);
	return 0;
}

/* ---- attempts ---- */

static void on_outcome(void *user, vx6_err err, const char *how, struct vx6_stream *stream,
		       const struct iovec *rest, int rest_n, bool fin)
{
	attempt.r = NULL;
	attempt.outcomes++;
	attempt.err = err;
	strcpy(attempt.how, how);
	if (stream)
		talk_take(&attempt.talk, stream);
}

static bool is_told(void *arg)
{
	return attempt.outcomes > 0;
}

static vx6_err try(const char *text)
{
	static const struct vx6_reach_events events = {.outcome = on_outcome};
	struct vx6_target to = {.is_hidden = false};
	struct vx6_stream *early;

	assert_true(vx6_is_ok(vx6_target_parse(text, &to)));
	attempt.outcomes = 0;
	attempt.r = vx6_reach_open(reach, &to, &events, NULL, &early);
	assert_int_equal(attempt.outcomes, 0); /* never inside the call */
	rig_until(is_told, NULL, TOLD_MS);
	return attempt.err;
}

static void assert_nobody_heard_of_it(void)
{
	assert_int_equal(rig.asks_n, 0);
	assert_null(vx6_sessions_find(rig.me.m, &far_end.n.id.id, VX6_DIAL_ANY));
}

/* ---- tests ---- */

static void hidden__by_alias__over_joined_circuits_only(void **state)
{
	assert_int_equal(try("ghost").code, VX6_E_OK);
	assert_talks(&attempt.talk, 500);
	assert_string_equal(attempt.asked, "hidden");
	assert_int_equal(rig_busy()->hops_n, 5);
	assert_true(rig_busy()->is_hidden && rig_busy()->anonymous);
	assert_nobody_heard_of_it();
	talk_end(&attempt.talk);
}

static void hidden__by_key__the_same(void **state)
{
	char key[VX6_NODE_ID_TEXT];

	vx6_key_format(VX6_KEY_HIDDEN, far_end.n.id.id.b, key);
	assert_int_equal(try(key).code, VX6_E_OK);
	assert_talks(&attempt.talk, 500);
	assert_int_equal(rig_busy()->hops_n, 5);
	assert_nobody_heard_of_it();
	talk_end(&attempt.talk);
}

static void hidden__alias_of_a_fast_one__one_relay_less(void **state)
{
	is_fast = true;
	assert_int_equal(try("ghost").code, VX6_E_OK);
	assert_int_equal(rig_busy()->hops_n, 4);
	talk_end(&attempt.talk);
}

static void hidden__again__over_the_session_that_is_up(void **state)
{
	assert_int_equal(try("ghost").code, VX6_E_OK);
	talk_end(&attempt.talk);
	memset(&attempt.talk, 0, sizeof attempt.talk);
	rig.met_n = 0;
	assert_int_equal(try("ghost").code, VX6_E_OK);
	assert_int_equal(attempt.opened, 2);
	assert_int_equal(rig.met_n, 0);
	talk_end(&attempt.talk);
}

static void say_no(uint64_t leg, uint8_t type, const uint8_t *data, size_t n)
{
	vx6_circuits_not_joined(rig.circuits, leg, VX6_ERR(REVOKED), "this client was revoked",
				true);
}

static void hidden__owner_has_revoked_it__key_is_not_let_in(void **state)
{
	rig.said = say_no;
	assert_int_equal(try("ghost").code, VX6_E_HS_AUTH);
	assert_string_equal(attempt.how, "this client was revoked");
	assert_nobody_heard_of_it();
}

static struct vx6_timer forgetting;

static void on_forget(struct vx6_timer *timer)
{
	vx6_circuits_abandon(rig.circuits, &far_end.n.id.id, VX6_ERR(CONFLICT),
			     "the alias was forgotten");
}

static void forget_soon(uint64_t leg, uint8_t type, const uint8_t *data, size_t n)
{
	vx6_timer_init(test_loop, &forgetting, on_forget, NULL);
	vx6_timer_in_ms(&forgetting, 1);
}

static void hidden__alias_is_forgotten_meanwhile__unknown(void **state)
{
	rig.said = forget_soon;
	assert_int_equal(try("ghost").code, VX6_E_PEER_UNKNOWN);
	assert_string_equal(attempt.how, "the alias was forgotten");
}

static void hear_nothing(uint64_t leg, uint8_t type, const uint8_t *data, size_t n)
{
}

static void hidden__owner_does_not_come__says_so(void **state)
{
	rig.said = hear_nothing;
	assert_false(vx6_is_ok(try("ghost")));
	assert_int_not_equal(attempt.err.code, VX6_E_PEER_UNREACHABLE);
	assert_int_not_equal(attempt.how[0], 0);
	assert_nobody_heard_of_it();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(hidden__by_alias__over_joined_circuits_only),
		T(hidden__by_key__the_same),
		T(hidden__alias_of_a_fast_one__one_relay_less),
		T(hidden__again__over_the_session_that_is_up),
		T(hidden__owner_has_revoked_it__key_is_not_let_in),
		T(hidden__alias_is_forgotten_meanwhile__unknown),
		T(hidden__owner_does_not_come__says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
