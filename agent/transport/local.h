/**
 * @file local.h
 * Whether an address is still one of this host's.
 *
 * Layer:   transport
 * Threads: any thread
 */
#ifndef VX6_TRANSPORT_LOCAL_H
#define VX6_TRANSPORT_LOCAL_H

#include <stdbool.h>

#include "base/addr.h"

/** @return false: the host has it no more, so nothing that is sent there arrives. The port does not matter. */
bool vx6_local_addr_is_there(const struct vx6_addr *a);

#endif
