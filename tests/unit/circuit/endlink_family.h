/* A family for the conformance tests: each link is a pair of endlinks whose payloads wait in two queues of the test. */
#ifndef VX6_TESTS_CIRCUIT_ENDLINK_FAMILY_H
#define VX6_TESTS_CIRCUIT_ENDLINK_FAMILY_H

#include "transport/transport.h"

extern const struct vx6_transport_ops endlink_family;

#endif
