/**
 * @file redact.h
 * Text without the ids and addresses that are in it. What is the same stays the same: `[address 3]` is one address wherever it stands.
 *
 * Layer:   api
 * Shape:   node ids, keys of hidden services, secrets and invites in bech32m (vx1…, vxh1…, vxs1…, vxc1…), keys and hashes in hexadecimal,
 *          IP addresses with and without a port. Those of this host alone (loopback, [::], 0.0.0.0) are left, as they tell nothing.
 * Threads: none of its own
 */
#ifndef VX6_API_SERVER_REDACT_H
#define VX6_API_SERVER_REDACT_H

#include <stddef.h>

struct api_redact;

/** @return owned, api_redact_free() */
struct api_redact *api_redact_new(void);
void api_redact_free(struct api_redact *r);
/** @param text @p n bytes @param out_n of what is returned @return owned, free(); a NUL follows */
char *api_redact(struct api_redact *r, const char *text, size_t n, size_t *out_n);

#endif
