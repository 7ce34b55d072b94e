/* An application at the client's end of a stream: it sends a pattern, and checks that what comes back is the same. */
#ifndef VX6_TESTS_CIRCUIT_TAPP_H
#define VX6_TESTS_CIRCUIT_TAPP_H

#include <stdbool.h>

#include "circuit/origin.h"
#include "crypto/hash.h"
#include "session/session.h"

struct app {
	struct vx6_stream *s;
	uint64_t goal, tx, rx;
	struct vx6_hash_state tx_hash, rx_hash;
	bool fin, corrupt;
	bool freeze; /* take bytes and give no credit back */
	uint64_t owed;
	int closed, down;
	vx6_err why, down_why;
};

/** On a stream of the circuit's own link. */
void app_start(struct app *a, struct vx6_circuit *c, uint64_t goal);
/** On a stream of a session, to its service "echo". */
void app_open(struct app *a, struct vx6_session *s, uint64_t goal);
/** Condition for test_run(): all has come back, and the stream is closed. */
bool app_has_all(void *app);
void assert_echoed(struct app *a);

#endif
