/**
 * @file files.h
 * What outlives the process of hidden services: keys of those that are hosted here with their clients, and what this node may show to those it
 * visits. One file each, so that a change of one cannot harm another.
 *
 * Spec:    docs/reference/keyfile.md#hidden-services
 * Layer:   hidden
 * Shape:   DIR/ID.hosted and DIR/ALIAS.visit, mode 0600, written whole or not at all; a checksum tells damage
 * Trust:   a file may be damaged, swapped or from a newer program: it is left out and named in the log, and nothing is written over it
 * Threads: blocks on disk: start-up or a worker
 */
#ifndef VX6_HIDDEN_FILES_H
#define VX6_HIDDEN_FILES_H

#include "hidden/guests.h"
#include "hidden/host.h"

enum {
	VX6_HIDDEN_ID = 40,    /* of a service's resource, with its NUL */
	VX6_HIDDEN_PATH = 320, /* of DIR, with its NUL */
	VX6_HIDDEN_HOSTED_CLIENTS = VX6_HOST_CLIENTS_MAX + VX6_HOST_REVOKED_MAX,
	VX6_HIDDEN_FILE_MAX = 16384,
};

/** A service that is hosted here. Secret: wipe. */
struct vx6_hidden_hosted {
	char id[VX6_HIDDEN_ID];
	uint64_t created_ms;
	uint8_t seed[VX6_SIGN_SEED_BYTES];
	struct vx6_host_seq seq[VX6_HOST_SEQS];
	size_t clients_n;
	struct vx6_host_client client[VX6_HIDDEN_HOSTED_CLIENTS];
};

/** A service that this node knows how to visit. Secret: wipe. */
struct vx6_hidden_visit {
	char alias[VX6_LABEL_TEXT];
	uint64_t created_ms;
	struct vx6_node_id service;
	bool fast; /* two relays before the meeting place, not three */
	struct vx6_guest_access access;
	struct vx6_guest_seen
		seen[VX6_HOST_SEQS]; /* the newest descriptor of each period; 0: none */
};

/** @return VX6_OK | LIMIT */
VX6_RES vx6_hidden_hosted_encode(const struct vx6_hidden_hosted *h,
				 uint8_t out[static VX6_HIDDEN_FILE_MAX], size_t *n);
/** @param out wiped on failure @return VX6_OK | CORRUPT | TOO_NEW */
VX6_RES vx6_hidden_hosted_decode(const uint8_t *in, size_t n, struct vx6_hidden_hosted *out);
VX6_RES vx6_hidden_visit_encode(const struct vx6_hidden_visit *v,
				uint8_t out[static VX6_HIDDEN_FILE_MAX], size_t *n);
VX6_RES vx6_hidden_visit_decode(const uint8_t *in, size_t n, struct vx6_hidden_visit *out);

/** @return VX6_OK | LOOSE_MODE | LIMIT | errno's */
VX6_RES vx6_hidden_hosted_write(const char *dir, const struct vx6_hidden_hosted *h);
VX6_RES vx6_hidden_visit_write(const char *dir, const struct vx6_hidden_visit *v);
/** One that is not there is removed already. */
VX6_RES vx6_hidden_hosted_remove(const char *dir, const char *id);
VX6_RES vx6_hidden_visit_remove(const char *dir, const char *alias);

/** Reads one. @return VX6_OK | NOT_FOUND | LOOSE_MODE | CORRUPT | TOO_NEW | MISMATCH (it is another one's) | errno's */
VX6_RES vx6_hidden_hosted_read(const char *dir, const char *id, struct vx6_hidden_hosted *out);
/** Calls @p each for every visit, in no order. @param v borrowed for the call */
void vx6_hidden_visits_read(const char *dir,
			    void (*each)(void *user, const struct vx6_hidden_visit *v), void *user);

#endif
