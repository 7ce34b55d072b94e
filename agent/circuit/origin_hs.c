/* What is said to the last hop of a circuit beyond the circuit itself, and the end that is added when that hop joins it with another one. */
#include "base/util.h"
#include "circuit/origin_internal.h"

vx6_err vx6_circuit_say(struct vx6_circuit *c, uint8_t type, const void *data, size_t n)
{
	(void)c;
	(void)type;
	(void)data;
	(void)n;
	return VX6_ERR(CONFLICT);
}

vx6_err vx6_circuit_join(struct vx6_circuit *c, const struct vx6_circuit_join *j)
{
	(void)c;
	(void)j;
	return VX6_ERR(CONFLICT);
}
