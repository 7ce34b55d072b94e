#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuits.h"
#include "transport/mem/mem.h"

/* ---- ends that are sessions ---- */

static int side_of(const struct circuit *c, const struct vx6_session *s)
{
	return c->s[CLIENT] == s ? CLIENT : SERVER;
}

static void on_up(void *user, struct vx6_session *s)
{
	struct circuit *c = user;

	c->ups[side_of(c, s)]++;
}

static void on_down(void *user, struct vx6_session *s, vx6_err why)
{
	struct circuit *c = user;
	int side = side_of(c, s);

	assert_ptr_equal(c->s[side], s);
	c->downs[side]++;
	c->why[side] = why;
	c->s[side] = NULL;
	c->link[side] = NULL;
}

static const struct vx6_adopt_events adopt_events = {.up = on_up, .down = on_down};

/* ---- ends that are not ---- */

static void raw_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct circuit *c = user;

	for (int i = 0; i < n; i++) {
		size_t part = VX6_MIN(iov[i].iov_len, sizeof c->heard - c->heard_n);

		if (s == c->control) {
			memcpy(c->heard + c->heard_n, iov[i].iov_base, part);
			c->heard_n += part;
		}
		vx6_stream_consume(s, iov[i].iov_len);
	}
}

static void raw_writable(struct vx6_stream *s, void *user)
{
}

static void raw_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct circuit *c = user;

	c->raw_closed++;
	if (c->control == s)
		c->control = NULL;
}

static const struct vx6_stream_events raw_events = {raw_data, raw_writable, raw_closed};

static void raw_say(struct circuit *c)
{
	size_t cap = 0;
	uint8_t *room = c->hello_n ? vx6_stream_reserve(c->control, &cap) : NULL;

	if (!c->hello_n)
		return;
	assert_true(cap >= c->hello_n);
	memcpy(room, c->hello, c->hello_n);
	vx6_stream_commit(c->control, c->hello_n, false);
}

static void raw_up(struct vx6_link *link, void *user)
{
	struct circuit *c = user;

	if (link != c->link[CLIENT])
		return;
	if (c->at_up) {
		c->at_up(c);
		return;
	}
	assert_true(vx6_is_ok(vx6_stream_open(link, &raw_events, c, &c->control)));
	raw_say(c);
}

static void raw_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	struct circuit *c = user;

	vx6_stream_set_events(s, &raw_events, c);
	if (link != c->link[SERVER] || c->control)
		return;
	c->control = s;
	raw_say(c);
}

static void raw_down(struct vx6_link *link, vx6_err why, void *user)
{
	struct circuit *c = user;
	int side = c->link[CLIENT] == link ? CLIENT : SERVER;

	c->link[side] = NULL;
	c->downs[side]++;
	c->why[side] = why;
}

static const struct vx6_link_events raw_link = {.up = raw_up,
						.stream = raw_stream,
						.down = raw_down};

/* ---- both ---- */

static void take(struct circuit *c, int side, struct vx6_link *link, struct vx6_adopt how)
{
	c->link[side] = link;
	how.ev = &adopt_events;
	how.user = c;
	if (c->raw[side])
		vx6_link_set_events(link, &raw_link, c);
	else
		assert_true(
			vx6_is_ok(vx6_sessions_adopt(c->node[side]->m, link, &how, &c->s[side])));
}

void circuit_adopt(struct circuit *c, struct vx6_adopt how)
{
	c->raw[CLIENT] = false;
	take(c, CLIENT, c->link[CLIENT], how);
}

static void on_accept(struct vx6_listener *l, struct vx6_link *link, void *user)
{
	take(user, SERVER, link, ((struct circuit *)user)->accept);
}

static const struct vx6_accept_events accept_events = {.accept = on_accept};

void circuit_start(struct circuit *c, struct test_node *client, struct test_node *server)
{
	struct vx6_transport_config cfg = {.loop = test_loop, .key = &client->id.subkey.key};
	struct vx6_addr any;

	memset(c, 0, sizeof *c);
	c->node[CLIENT] = client;
	c->node[SERVER] = server;
	vx6_transport_limits_default(&cfg.limits);
	for (int i = 0; i < 2; i++) {
		assert_true(vx6_is_ok(vx6_transport_mem.new(&cfg, &c->t[i])));
		vx6_mem_set_keyless(c->t[i], true);
	}
	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:0", &any)));
	assert_true(vx6_is_ok(
		vx6_transport_mem.listen(c->t[SERVER], &any, &accept_events, c, &c->listener)));
	vx6_transport_mem.listener_addr(c->listener, &c->at);
}

struct vx6_adopt circuit_how(const struct test_node *server, uint64_t route)
{
	return (struct vx6_adopt){.initiator = true,
				  .proven = true,
				  .expect_node = true,
				  .node = server->id.id,
				  .route = route};
}

void circuit_dial(struct circuit *c, struct vx6_adopt how)
{
	struct vx6_dial dial = {.to = c->at, .anonymous = true};
	struct vx6_link *link;

	assert_true(vx6_is_ok(vx6_transport_mem.dial(c->t[CLIENT], &dial, &raw_link, c, &link)));
	take(c, CLIENT, link, how);
}

bool circuit_is_up(void *circuit)
{
	struct circuit *c = circuit;

	return c->ups[CLIENT] && c->ups[SERVER];
}

bool circuit_is_down(void *circuit)
{
	struct circuit *c = circuit;

	return c->downs[CLIENT] && c->downs[SERVER];
}

void circuit_open(struct circuit *c, struct test_node *client, struct test_node *server,
		  struct vx6_adopt how)
{
	circuit_start(c, client, server);
	circuit_dial(c, how);
	test_run(circuit_is_up, c);
}

void circuit_delay(struct circuit *c, unsigned one_way_ms)
{
	for (int i = 0; i < 2; i++)
		vx6_mem_set_delay(c->t[i], one_way_ms * VX6_NS_PER_MS);
}

void circuit_silence(struct circuit *c, bool silent)
{
	for (int i = 0; i < 2; i++)
		vx6_mem_set_dead(c->t[i], silent);
}

void circuit_cut(struct circuit *c)
{
	vx6_link_close(c->link[CLIENT], VX6_ERR(CLOSED));
}

void circuit_end(struct circuit *c)
{
	for (int i = 0; i < 2; i++)
		vx6_transport_mem.free(c->t[i]);
	assert_null(c->s[CLIENT]);
	assert_null(c->s[SERVER]);
}
