#include "tests/unit/circuit/tapp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 131 + (at >> 8) * 29 + (at >> 16) * 7);
}

static void app_pump(struct app *a)
{
	size_t cap;
	uint8_t *to;

	while (a->s && a->tx < a->goal && (to = vx6_stream_reserve(a->s, &cap)) != NULL) {
		size_t n = (size_t)VX6_MIN((uint64_t)cap, a->goal - a->tx);

		for (size_t i = 0; i < n; i++)
			to[i] = pattern(a->tx + i);
		vx6_hash_update(&a->tx_hash, to, n);
		a->tx += n;
		vx6_stream_commit(a->s, n, a->tx == a->goal);
	}
}

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct app *a = user;
	size_t bytes = 0;

	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;

		for (size_t j = 0; j < iov[i].iov_len; j++)
			a->corrupt |= p[j] != pattern(a->rx + bytes + j);
		vx6_hash_update(&a->rx_hash, p, iov[i].iov_len);
		bytes += iov[i].iov_len;
	}
	a->rx += bytes;
	a->fin |= fin;
	if (a->freeze)
		a->owed += bytes;
	else
		vx6_stream_consume(s, bytes);
}

static void on_writable(struct vx6_stream *s, void *user)
{
	app_pump(user);
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct app *a = user;

	a->s = NULL;
	a->closed++;
	a->why = why;
}

static const struct vx6_stream_events stream_events = {.data = on_data,
						       .writable = on_writable,
						       .closed = on_closed};

static void on_link_down(struct vx6_link *link, vx6_err why, void *user)
{
	struct app *a = user;

	assert_null(a->s);
	a->down++;
	a->down_why = why;
}

static const struct vx6_link_events link_events = {.down = on_link_down};

static void app_init(struct app *a, uint64_t goal)
{
	memset(a, 0, sizeof *a);
	a->goal = goal;
	vx6_hash_init(&a->tx_hash, "test");
	vx6_hash_init(&a->rx_hash, "test");
}

void app_start(struct app *a, struct vx6_circuit *c, uint64_t goal)
{
	struct vx6_link *link = vx6_circuit_link(c);

	app_init(a, goal);
	assert_non_null(link);
	assert_ptr_equal(vx6_circuit_link(c), link);
	vx6_link_set_events(link, &link_events, a);
	assert_true(vx6_is_ok(vx6_stream_open(link, &stream_events, a, &a->s)));
	app_pump(a);
}

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	struct app *a = user;

	assert_true(vx6_is_ok(err));
	a->s = stream;
	vx6_stream_set_events(stream, &stream_events, a);
	on_data(stream, rest, rest_n, fin, a);
	app_pump(a);
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome};

void app_open(struct app *a, struct vx6_session *s, uint64_t goal)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE,
				.flags = VX6_OPEN_RESUMABLE,
				.name = "echo"};
	struct vx6_opening *opening;

	app_init(a, goal);
	assert_true(vx6_is_ok(vx6_session_open(s, &what, &opening_events, a, &opening)));
}

bool app_has_all(void *arg)
{
	struct app *a = arg;

	return a->rx == a->goal && a->closed;
}

void assert_echoed(struct app *a)
{
	struct vx6_hash tx, rx;

	vx6_hash_final(&a->tx_hash, &tx);
	vx6_hash_final(&a->rx_hash, &rx);
	assert_memory_equal(tx.b, rx.b, sizeof tx.b);
	assert_false(a->corrupt);
	assert_true(a->fin);
}
