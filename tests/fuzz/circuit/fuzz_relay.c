/*
 * A relay against a client that says anything. Steps, each with a first byte that says which, a second one for details and, for those that send
 * something, a length and bytes:
 *   0 a raw cell, `details` its command · 1 a message for the relay, `details` its type, encrypted as it must be · 2 CREATE that is right ·
 *   3 EXTEND that is right, to the second relay · 4 a message for the second · 5 a turn of the loop · 6 the client reads no more, or again ·
 *   7 ESTABLISH_INTRO that is right, `details` its handle; above 127 INTRODUCE1 for it · 8 from here on it is the other one of two clients that speaks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/util.h"
#include "circuit/establish.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/circuit/relay_rig.h"

enum { TURN_MS = 1 };

static struct relay_node near, far;
static struct test_node from;
static struct client clients[2];
static struct client *c;
static struct vx6_sign_keypair auth;

static const uint8_t *at;
static size_t left;
static int creates_n[2];

static uint8_t next(void)
{
	if (left == 0)
		return 0;
	left--;
	return *at++;
}

static size_t take(uint8_t *out, size_t cap)
{
	size_t n = next() * 4u;

	n = VX6_MIN(VX6_MIN(n, left), cap);
	if (n)
		memcpy(out, at, n);
	at += n;
	left -= n;
	return n;
}

static void raw(uint8_t cmd)
{
	uint8_t cell[VX6_CELL_BYTES] = {cmd};

	take(cell + 1, VX6_CELL_BODY);
	if (vx6_hop_room(c->hop))
		client_cell(c, cell);
}

static void message(int to, uint8_t type)
{
	uint8_t payload[VX6_CELL_PAYLOAD] = {type};
	size_t n = take(payload + VX6_PAYLOAD_HEADER, VX6_PAYLOAD_MAX);

	payload[1] = (uint8_t)(n >> 8);
	payload[2] = (uint8_t)n;
	if (c->layers_n > to && vx6_hop_room(c->hop))
		client_payload(c, to, payload);
}

static void create(void)
{
	uint8_t cell[VX6_CELL_BYTES] = {0}, sm[VX6_SM_MAX];
	struct vx6_create msg;
	struct handshake *h = handshake_begin(&near, NULL, 0, &msg);
	struct vx6_created created;
	size_t n;

	FUZZ_CHECK(vx6_is_ok(vx6_cell_put_create(cell, &msg, &n)));
	if (vx6_hop_room(c->hop))
		client_cell(c, cell);
	for (int i = 0; i < 5 && !c->created && !c->closed; i++)
		test_run_ms(TURN_MS);
	created = (struct vx6_created){.hs = c->created_hs, .hs_n = c->created_n};
	if (creates_n[c - clients]++ == 0 &&
	    c->created) /* the answer to another one proves nothing here */
		FUZZ_CHECK(client_layer(c, h, &created, sm) == 0);
	else
		handshake_free(h);
}

static void establish(uint8_t handle)
{
	struct vx6_establish_intro e = {.handle = {handle}};
	uint8_t data[VX6_ESTABLISH_INTRO_BYTES];

	if (c->layers_n != 1 || !vx6_hop_room(c->hop))
		return;
	vx6_establish_intro_prove(&auth, &vx6_net_default, c->binding, &e);
	vx6_establish_intro_encode(&e, data);
	client_send(c, 0, VX6_PAYLOAD_ESTABLISH_INTRO, data, sizeof data);
}

static void introduce(uint8_t handle)
{
	const uint8_t name[VX6_INTRO_HANDLE] = {handle}, sealed[VX6_HS_SEALED] = {0};
	const struct vx6_introduce1 m = {.auth_key = auth.pk.b, .handle = name, .sealed = sealed};
	uint8_t data[VX6_HS_INTRODUCE];

	if (c->layers_n != 1 || !vx6_hop_room(c->hop))
		return;
	vx6_introduce1_encode(&m, data);
	client_send(c, 0, VX6_PAYLOAD_INTRODUCE1, data, sizeof data);
}

static void turn_to_other(void)
{
	c = c == clients ? clients + 1 : clients;
	if (!c->hop && !c->closed)
		client_open(c, from.session);
}

static void step(uint8_t which, uint8_t details)
{
	switch (which % 9) {
	case 0:
		raw(details);
		break;
	case 1:
		message(0, details);
		break;
	case 2:
		create();
		break;
	case 3:
		if (c->layers_n == 1 && !c->stopped && relay_stats(&near).resting == 1)
			client_extend(c, &far);
		break;
	case 4:
		message(1, details);
		break;
	case 5:
		test_run_ms(TURN_MS);
		break;
	case 7:
		if (details > 127)
			introduce(details - 128);
		else
			establish(details);
		break;
	case 8:
		turn_to_other();
		break;
	default:
		c->stopped = !c->stopped;
		if (!c->stopped)
			vx6_hop_resume(c->hop);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	vx6_log_set_level(VX6_LOG_ERROR);
	at = data;
	left = n;
	creates_n[0] = creates_n[1] = 0;
	c = clients;
	vx6_sign_keypair_from_seed(&(const struct vx6_sign_seed){{1}}, &auth);
	test_loop_start();
	node_start_at(&from, "[2001:db8:1::1]:0");
	relay_start(&near, "[2001:db8:2::1]:0", NULL);
	relay_start(&far, "[2001:db8:3::1]:0", NULL);
	FUZZ_CHECK(vx6_is_ok(node_dial(&from, &near.n, NULL, false, detail)));
	client_init(&clients[0]);
	client_init(&clients[1]);
	client_open(c, from.session);
	while (left > 0 && c->hop) {
		uint8_t which = next();

		step(which, next());
		if (!c->hop)
			turn_to_other();
	}
	test_run_ms(TURN_MS);
	for (int i = 0; i < 2; i++) { /* however it went: nothing of it is left */
		if (clients[i].hop)
			vx6_hop_close(clients[i].hop, 0);
		clients[i].hop = NULL;
	}
	test_run_ms(2 * TURN_MS);
	FUZZ_CHECK(relay_stats(&near).circuits == 0 && relay_stats(&near).introductions == 0);
	FUZZ_CHECK(relay_stats(&near).cookies == 0);
	client_free(&clients[0]);
	client_free(&clients[1]);
	relay_stop(&near);
	relay_stop(&far);
	node_stop(&from);
	test_loop_end();
	return 0;
}
