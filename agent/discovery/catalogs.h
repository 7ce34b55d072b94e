/**
 * @file catalogs.h
 * Private catalogs: lists of services that only those who were invited can find. Ours are kept in the DHT under another key each day; those we
 * joined are fetched from there.
 *
 * Spec:    schemas/wire/catalog.md, names.md#catalogs
 * Layer:   discovery
 * Shape:   one file each, DIR/NAME.catalog, 0600: keys, and the list of a catalog of ours. Lists of others are cached by the registry
 * Trust:   who holds an invitation can read a catalog; only its owner's key writes it. What it lists is its owner's word
 * Limits:  VX6_CATALOGS_MAX catalogs; one change at a time
 * Threads: the loop's thread; files are written by workers, and read at start
 */
#ifndef VX6_DISCOVERY_CATALOGS_H
#define VX6_DISCOVERY_CATALOGS_H

#include "dht/dht.h"
#include "discovery/registry.h"
#include "loop/loop.h"
#include "record/catalog.h"

enum {
	VX6_CATALOGS_MAX = 64,
	VX6_CATALOG_INVITE_TEXT = 2 * VX6_NODE_ID_TEXT, /* "vxc1….vxs1…" and its NUL */
};

struct vx6_catalogs;

struct vx6_catalogs_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_registry *registry;
	struct vx6_net net;
	const char *dir; /* copied; made when the first catalog is */
	/** A record that a lookup has brought: to be admitted to the registry. */
	void (*take)(void *user, const uint8_t *record, size_t n);
	/** Optional: the list of catalog @p name is another now, by our doing or its owner's. */
	void (*changed)(void *user, const char *name);
	void *user;
};

/** Reads all that is in cfg->dir; what cannot be read is left out, and said in the log. @return owned; vx6_catalogs_free() */
struct vx6_catalogs *vx6_catalogs_new(const struct vx6_catalogs_config *cfg);
/** A change under way is still written, and its `done` does not fire. */
void vx6_catalogs_free(struct vx6_catalogs *c);
/** The DHT to publish in and to ask, borrowed, and the time as it wants it; NULL: none. Before the DHT is freed. */
void vx6_catalogs_set_dht(struct vx6_catalogs *c, struct vx6_dht *dht,
			  void (*now)(void *user, struct vx6_dht_now *out), void *user);

/* ---- changes: done on the loop, once, never inside the call ---- */

typedef void vx6_catalog_done(void *user, vx6_err err);

/* All return VX6_OK when `done` will fire, else why it will not: AGAIN (another change is under way) | INVALID | EXISTS | NOT_FOUND | FULL |
   LIMIT (does not fit into a record) | REFUSED (not ours). `done` may still bring errno's. */

/** A new catalog of ours. @param name what it is called here, and its title at first */
VX6_RES vx6_catalogs_create(struct vx6_catalogs *c, const char *name, vx6_catalog_done *done,
			    void *user);
/** @param invite secret text @return also FORMAT, CHECKSUM, KEY, MISMATCH of the invitation; EXISTS: also when it was joined before */
VX6_RES vx6_catalogs_join(struct vx6_catalogs *c, const char *name, const char *invite,
			  vx6_catalog_done *done, void *user);
/** Deletes one of ours (its record runs out within a day), or leaves another's. */
VX6_RES vx6_catalogs_remove(struct vx6_catalogs *c, const char *name, vx6_catalog_done *done,
			    void *user);
/** Adds @p e, or replaces the entry of its alias. */
VX6_RES vx6_catalogs_put(struct vx6_catalogs *c, const char *name,
			 const struct vx6_catalog_entry *e, vx6_catalog_done *done, void *user);
VX6_RES vx6_catalogs_drop(struct vx6_catalogs *c, const char *name, const char *alias,
			  vx6_catalog_done *done, void *user);

/* ---- questions ---- */

struct vx6_catalog_info {
	char name[VX6_LABEL_TEXT];
	struct vx6_sign_pk pk; /* vx6_key_format(VX6_KEY_CATALOG) */
	bool owner;
	uint64_t created_ms, updated_ms; /* wall clock; of the file */
	uint64_t fetched_ms; /* wall clock; not ours: when its list was last had; 0: never */
	uint64_t expires_s;  /* of the record it came with */
	vx6_err last_err;    /* of the last fetch */
	uint64_t last_err_ms;
	bool published; /* ours, and in the DHT: */
	struct vx6_dht_kept_info kept;
	const struct vx6_catalog *list; /* borrowed until the loop goes on */
};
/** @return false: no such catalog */
bool vx6_catalogs_info(const struct vx6_catalogs *c, const char *name,
		       struct vx6_catalog_info *out);
/** Names in their order. @param after NULL: from the first @return how many were written */
size_t vx6_catalogs_page(const struct vx6_catalogs *c, const char *after,
			 char (*out)[VX6_LABEL_TEXT], size_t max);
/** The text that lets others join. Secret. @return false: no such catalog */
bool vx6_catalogs_invite(const struct vx6_catalogs *c, const char *name,
			 char out[static VX6_CATALOG_INVITE_TEXT]);
/**
 * What `alias@name` means. An alias that is not known has the list fetched anew, now and then.
 * @return VX6_OK | PEER_UNKNOWN (no such catalog, or its list was not had yet) | SERVICE_UNKNOWN (not in the list)
 */
VX6_RES vx6_catalogs_find(struct vx6_catalogs *c, const char *name, const char *alias,
			  struct vx6_catalog_entry *out);

#endif
