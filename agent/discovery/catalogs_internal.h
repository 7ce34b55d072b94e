/**
 * @file catalogs_internal.h
 * What the files about catalogs share.
 *
 * Layer:   discovery
 * Threads: the loop's thread, but for the file functions
 */
#ifndef VX6_DISCOVERY_CATALOGS_INTERNAL_H
#define VX6_DISCOVERY_CATALOGS_INTERNAL_H

#include "discovery/catalogs.h"

enum { CATALOG_FILE_MAX = 4400, CATALOG_PATH = 256, CATALOG_FILE_NAME = VX6_LABEL_TEXT + 8 };

/** A catalog as its file has it. Secret: wipe. */
struct catalog_data {
	char name[VX6_LABEL_TEXT];
	bool owner;
	struct vx6_catalog_key key;
	struct vx6_sign_seed seed; /* owner */
	uint64_t created_ms, updated_ms;
	struct vx6_catalog
		list; /* not ours: as fetched, not in the file; seq: the last one used or seen */
};

/* The record of one period, kept in the DHT. */
struct catalog_slot {
	uint64_t period; /* 0: none */
	struct vx6_dht_kept *kept;
};

struct catalog {
	struct vx6_catalogs *c;
	struct catalog_data data;
	/* ours */
	struct catalog_slot slot[2]; /* the present period's, and a neighbour's near the edge */
	uint64_t renew_ms;           /* loop clock */
	/* others' */
	struct vx6_dht_lookup *lookup;
	uint64_t asking;   /* the period that `lookup` is about */
	uint64_t fetch_ms; /* loop clock: when it is due next */
	uint32_t backoff_ms;
	uint64_t fetched_ms, expires_s;
	vx6_err last_err;
	uint64_t last_err_ms;
};

struct vx6_catalogs {
	struct vx6_catalogs_config cfg;
	char dir[CATALOG_PATH];
	struct catalog *row[VX6_CATALOGS_MAX]; /* sorted by name */
	size_t n;
	struct change *change; /* under way */
	struct vx6_timer tick;
	struct vx6_dht *dht;
	void (*dht_now)(void *user, struct vx6_dht_now *out);
	void *dht_user;
};

/* ---- catalogs.c ---- */

struct catalog *catalog_named(const struct vx6_catalogs *c, const char *name);
struct catalog *catalog_add(struct vx6_catalogs *c, const struct catalog_data *data);

/* ---- catalogs_file.c: any thread, blocking ---- */

/** Reads the files of @p dir. @param each for every catalog; its data is borrowed */
void catalog_files_read(const char *dir, void (*each)(void *user, const struct catalog_data *data),
			void *user);
vx6_err catalog_file_write(const char *dir, const struct catalog_data *data);
vx6_err catalog_file_remove(const char *dir, const char *name);
/** For tests and fuzzing too. */
vx6_err catalog_file_encode(const struct catalog_data *data, uint8_t out[static CATALOG_FILE_MAX],
			    size_t *n);
vx6_err catalog_file_decode(const uint8_t *in, size_t n, struct catalog_data *out);

/* ---- catalogs_net.c ---- */

/** Publishes or fetches what is due, and asks for the next call. */
void catalogs_tick(struct vx6_catalogs *c);
/** Its list has changed: a new record at once. */
void catalog_renew(struct catalog *k);
/** Nothing of it is under way any more. */
void catalog_stop(struct catalog *k);
/** Takes what the registry holds of it. @return whether its list is another now */
bool catalog_from_registry(struct catalog *k);

#endif
