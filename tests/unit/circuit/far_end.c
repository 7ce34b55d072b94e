#include "far_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "tests/unit/circuit/tnode.h"
#include "wire/code.h"

struct far_end far_end;
static struct tnode echoes;

static struct far_circuit *of_leg(uint64_t leg)
{
	for (int i = 0; i < far_end.circuits_n; i++)
		if (far_end.circuit[i].leg == leg)
			return &far_end.circuit[i];
	return NULL;
}

/* ---- its node ---- */

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	tnode_echo(&echoes, stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.incoming = on_incoming};

void far_start(void)
{
	memset(&far_end, 0, sizeof far_end);
	memset(&echoes, 0, sizeof echoes);
	node_start_at(&far_end.n, "[2001:db8:200::1]:0");
	far_end.n.hooks = &hooks;
	far_end.sched = vx6_hop_sched_new(test_loop, 64 << 20);
	far_end.origin = vx6_origin_new(&(struct vx6_origin_config){.loop = test_loop,
								    .sessions = far_end.n.m,
								    .sched = far_end.sched,
								    .net = &vx6_net_default});
}

void far_stop(void)
{
	vx6_origin_free(far_end.origin);
	node_stop(&far_end.n);
	vx6_hop_sched_free(far_end.sched);
}

/* ---- circuits ---- */

static void adopt(struct far_circuit *f)
{
	const struct vx6_node_id *far = f->is_owner ? &rig.me.id.id : &far_end.peer;
	const struct vx6_circuit_join j = {.keys = f->keys,
					   .kh = f->kh,
					   .far = far,
					   .acceptor = f->is_owner};
	const struct vx6_adopt how = {.initiator = !f->is_owner,
				      .anonymous = !f->is_owner,
				      .proven = !f->is_owner,
				      .expect_node = !f->is_owner,
				      .hidden = !f->is_owner,
				      .node = *far,
				      .route = 1,
				      .as = f->is_owner ? &far_end.n.id : NULL,
				      .scope = f->is_owner};

	f->is_joined = true;
	assert_true(vx6_is_ok(vx6_circuit_join(f->c, &j)));
	assert_true(
		vx6_is_ok(vx6_sessions_adopt(far_end.n.m, vx6_circuit_link(f->c), &how, &f->s)));
}

static void on_built(void *user, struct vx6_circuit *c)
{
	struct far_circuit *f = user;
	uint8_t data[VX6_RENDEZVOUS1_BYTES] = {0};

	f->is_built = true;
	memcpy(data, f->cookie, sizeof f->cookie);
	if (!f->is_owner) {
		assert_true(vx6_is_ok(vx6_circuit_say(c, VX6_PAYLOAD_ESTABLISH_REND, f->cookie,
						      sizeof f->cookie)));
		return;
	}
	assert_true(vx6_is_ok(vx6_circuit_say(c, VX6_PAYLOAD_RENDEZVOUS1, data, sizeof data)));
	adopt(f);
}

static void on_said(void *user, struct vx6_circuit *c, uint8_t type, const uint8_t *data, size_t n)
{
	struct far_circuit *f = user;

	if (type == VX6_PAYLOAD_REND_ESTABLISHED)
		f->waits = true;
	if (type == VX6_PAYLOAD_RENDEZVOUS2)
		adopt(f);
}

static void on_down(void *user, struct vx6_circuit *c, vx6_err why, int hop)
{
	struct far_circuit *f = user;

	f->c = NULL;
	f->s = NULL;
	f->down++;
}

static const struct vx6_circuit_events events = {.built = on_built,
						 .said = on_said,
						 .down = on_down};

/* Through the one that no path of the rig is drawn from. */
static void begin(struct far_circuit *f)
{
	struct vx6_circuit_plan p = {.anonymous = true, .timeout_ms = 3000};

	p.hop[p.hops_n++] = rig.as_known[RIG_END];
	p.hop[p.hops_n++] = rig.as_known[rig_index(&f->x)];
	assert_true(vx6_is_ok(vx6_circuit_build(far_end.origin, &p, &events, f, &f->c)));
}

static struct far_circuit *circuit_new(const struct vx6_node_id *x)
{
	struct far_circuit *f = &far_end.circuit[far_end.circuits_n++];

	assert_true(far_end.circuits_n <= FAR_ENDS);
	*f = (struct far_circuit){.x = *x};
	vx6_random_bytes(f->cookie, sizeof f->cookie);
	vx6_random_bytes(f->keys, sizeof f->keys);
	vx6_random_bytes(f->kh, sizeof f->kh);
	return f;
}

void far_meets(uint64_t leg, const struct vx6_node_id *service, struct vx6_circuit *circuit,
	       const struct vx6_node_id *x)
{
	struct far_circuit *f = circuit_new(x);

	assert_true(vx6_node_id_eq(service, &far_end.n.id.id));
	f->leg = leg;
	f->is_owner = true;
	assert_true(vx6_is_ok(
		vx6_circuit_say(circuit, VX6_PAYLOAD_ESTABLISH_REND, f->cookie, sizeof f->cookie)));
}

void far_hears(uint64_t leg, uint8_t type, const uint8_t *data, size_t n)
{
	struct far_circuit *f = of_leg(leg);
	uint16_t code;

	assert_non_null(f);
	if (type == VX6_PAYLOAD_REND_ESTABLISHED) {
		assert_true(vx6_is_ok(vx6_hs_code_decode(data, n, &code)));
		assert_int_equal(code, VX6_CODE_OK);
		begin(f);
		return;
	}
	assert_int_equal(type, VX6_PAYLOAD_RENDEZVOUS2);
	vx6_circuits_joined(rig.circuits, leg,
			    &(struct vx6_circuit_join){.keys = f->keys,
						       .kh = f->kh,
						       .far = &far_end.n.id.id});
}

static bool waits(void *arg)
{
	return ((struct far_circuit *)arg)->waits;
}

struct far_circuit *far_waits_at(const struct vx6_node_id *x)
{
	struct far_circuit *f = circuit_new(x);

	begin(f);
	rig_until(waits, f, 5000);
	return f;
}
