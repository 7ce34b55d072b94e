/*
 * The circuits of circuit/, as visits see them.
 */
#include "hidden/guests_internal.h"

static vx6_err say(void *user, struct vx6_circuit *circuit, uint8_t type, const void *data,
		   size_t n)
{
	(void)user;
	return vx6_circuit_say(circuit, type, data, n);
}

static void joined(void *user, uint64_t leg, const struct vx6_circuit_join *j)
{
	vx6_circuits_joined(user, leg, j);
}

static void not_joined(void *user, uint64_t leg, vx6_err err, const char *detail, bool x_is_fine)
{
	vx6_circuits_not_joined(user, leg, err, detail, x_is_fine);
}

static vx6_err bare_begin(void *user, const struct vx6_bare_want *want,
			  const struct vx6_bare_events *ev, void *ev_user, struct vx6_bare **out,
			  char detail[static VX6_CIRCUIT_WHY])
{
	return vx6_bare_begin(user, want, ev, ev_user, out, detail);
}

static vx6_err bare_say(void *user, struct vx6_bare *b, uint8_t type, const void *data, size_t n)
{
	(void)user;
	return vx6_bare_say(b, type, data, n);
}

static void bare_close(void *user, struct vx6_bare *b, const char *why)
{
	(void)user;
	vx6_bare_close(b, why);
}

const struct vx6_guests_ways guests_ways = {
	.say = say,
	.joined = joined,
	.not_joined = not_joined,
	.bare_begin = bare_begin,
	.bare_say = bare_say,
	.bare_close = bare_close,
};
