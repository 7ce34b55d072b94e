/* What the API asks of discovery. */
#include "node/node_internal.h"

void discovery_command(struct request *rq)
{
	request_fail(rq, VX6_ERR(AGAIN), NULL, "discovery is not running");
}
