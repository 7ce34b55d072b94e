/**
 * @file holder_internal.h
 * The holder: records kept for others, who may put them there, and how much of the room one source may use.
 *
 * Spec:    schemas/wire/dht.md#holders
 * Layer:   dht
 * Trust:   every record here has been verified, and every one is somebody else's: nothing is believed, all of it is bounded
 * Threads: one thread drives it
 *
 * A source is who a record is charged to: the IPv6 /48 or IPv4 /24 it came from, or the whole address when that is private, where prefixes tell
 * nobody apart. Room is taken from the source that uses the most, so a flood pushes out its own records and nobody else's.
 */
#ifndef VX6_DHT_HOLDER_INTERNAL_H
#define VX6_DHT_HOLDER_INTERNAL_H

#include "base/list.h"
#include "crypto/siphash.h"
#include "crypto/table.h"
#include "dht/dht.h"
#include "wire/dht.h"

enum {
	DHT_TOKEN_MS =
		5 * 60 *
		1000, /* for how long a secret makes tokens; it is accepted for as long again */
	DHT_PUTS_A_MINUTE = 32, /* of a source */
	DHT_RECORDS_LIVE = 256, /* of a source */
	DHT_QUOTA_FACTOR =
		4, /* once when the requester is identified, once more when its address is private */
	DHT_SOURCES_IDLE = 1024, /* without records, remembered for their rate */
	DHT_CLAIMS_MAX = 16,     /* to one name, or alias */
	DHT_CLAIMS_FIRST = 8,    /* of these, the oldest: no later claim takes their place */
	DHT_CACHE_S = 300, /* a copy from somebody who looked it up is kept for that long at most */
	DHT_NEAR =
		2 *
		VX6_DHT_K, /* we are a holder for keys that fewer nodes than these are nearer to */
};

/** Several subjects' lie under one key, and work is their price. */
static inline bool vx6_dht_is_claim(uint8_t type)
{
	return type == VX6_RTYPE_NAME || type == VX6_RTYPE_ALIAS;
}

/* ---- admission.c: tokens ---- */

/** Zero-initialise. */
struct dht_tokens {
	struct vx6_siphash_key secret[2]; /* in use, and the one before */
	uint64_t epoch;                   /* of secret[0]; 0: none drawn yet */
};
/** What a requester at @p ip must show to put something under @p key. */
void vx6_dht_token_make(struct dht_tokens *t, const struct vx6_dht *d, const uint8_t ip[static 16],
			const uint8_t key[static VX6_DHT_KEY_BYTES],
			uint8_t out[static VX6_DHT_TOKEN_BYTES]);
bool vx6_dht_token_is_valid(struct dht_tokens *t, const struct vx6_dht *d,
			    const uint8_t ip[static 16],
			    const uint8_t key[static VX6_DHT_KEY_BYTES],
			    const uint8_t token[static VX6_DHT_TOKEN_BYTES]);

/* ---- admission.c: sources ---- */

enum { DHT_SOURCE_BYTES = 17, DHT_LOADS = 32 };

struct dht_source {
	uint8_t id[DHT_SOURCE_BYTES];
	uint32_t live,
		revocations; /* records charged to it, and how many of them are revocations */
	uint64_t bytes;
	bool is_idle;
	uint64_t put_ms;         /* when the puts of the past are paid for; may lie ahead */
	struct vx6_list records; /* dht_stored.of_source */
	struct vx6_list in_load; /* of those that have about as many, or of the idle ones */
	UT_hash_handle hh;
};
/** Zero-initialise, then vx6_dht_sources_init(). */
struct dht_sources {
	struct dht_source *table;
	struct vx6_list idle;            /* live 0, longest idle first */
	struct vx6_list load[DHT_LOADS]; /* by the power of two that `bytes` reaches */
	uint32_t idle_n, n;
};
/** How much of one source's traffic is taken. */
struct dht_quota {
	uint32_t puts_a_minute, live;
};

void vx6_dht_sources_init(struct dht_sources *s);
void vx6_dht_sources_fini(struct dht_sources *s);
/** Made when there is none. @return borrowed; stays while records are charged to it, or until the next call of this */
struct dht_source *vx6_dht_source_of(struct dht_sources *s, const uint8_t ip[static 16]);
struct dht_quota vx6_dht_quota_of(const struct vx6_dht_requester *from);
/** One more put. @return false: too many of late, not counted */
bool vx6_dht_source_may_put(struct dht_source *src, const struct dht_quota *q, uint64_t now_ms);
/** `live` and `bytes` of it have changed: sorts it in anew. */
void vx6_dht_source_sort(struct dht_sources *s, struct dht_source *src);
/** One of those that use the most, to within a factor of two. @return NULL: nobody has any record */
struct dht_source *vx6_dht_source_heaviest(const struct dht_sources *s);
/** Whether @p a uses at least twice as much as @p b would with @p more bytes, roughly. */
bool vx6_dht_source_is_heavier(const struct dht_source *a, const struct dht_source *b,
			       uint64_t more);

/* ---- store.c: the records ---- */

struct dht_shelf; /* all subjects' records under one key */

struct dht_stored {
	struct dht_shelf *shelf;
	struct dht_source *source;
	struct vx6_list of_source, of_shelf; /* of_shelf: oldest first */
	uint8_t subject[VX6_NODE_ID_BYTES];
	uint64_t seq, expires_s; /* expires_s: of the record, or of the copy */
	uint64_t first_ms;       /* since when this subject is here without a gap */
	uint32_t heap_i;         /* place in the heap of expiry */
	uint16_t n;
	uint8_t type;
	uint8_t work; /* claims: leading zero bits */
	bool cached, withdrawn;
	uint8_t record[];
};

struct dht_shelf {
	struct vx6_dht_key key;
	struct vx6_list records;
	uint32_t n;
	UT_hash_handle hh;
};

/** Zero-initialise, then vx6_dht_store_init(). */
struct dht_store {
	struct dht_shelf *shelves;
	struct dht_sources sources;
	struct dht_stored **heap; /* first to expire at 0 */
	uint32_t heap_room, n, n_max, cached;
	uint64_t bytes, bytes_max;
	uint64_t
		equivocations; /* records refused since another one of the same seq is here: provable lies of their subjects */
	uint64_t evicted; /* live records that had to make room */
};

void vx6_dht_store_init(struct dht_store *s, uint32_t n_max, uint64_t bytes_max);
void vx6_dht_store_fini(struct dht_store *s);
/** Drops what has expired, a bounded number at a time. */
void vx6_dht_store_expire(struct dht_store *s, uint64_t wall_s);
/** @return unix seconds; UINT64_MAX: nothing will */
uint64_t vx6_dht_store_expires_s(const struct dht_store *s);
/** @return NULL: nothing under that key. Borrowed until the store changes */
const struct dht_shelf *vx6_dht_store_shelf(const struct dht_store *s,
					    const uint8_t key[static VX6_DHT_KEY_BYTES]);
struct dht_stored *vx6_dht_shelf_find(const struct dht_shelf *shelf, uint8_t type,
				      const uint8_t subject[static VX6_NODE_ID_BYTES]);

/** A record that is to be stored: verified, and newer than what is there, or the same of which there is only a copy. */
struct dht_put {
	const struct vx6_dht_key *key;
	const struct vx6_dht_key *pos; /* ours: what is far from it makes room first */
	const struct vx6_record_view *view;
	struct dht_source *source;
	uint32_t live_max; /* of that source */
	uint8_t work;      /* claims */
	bool cache;
	struct vx6_dht_now now;
};
/** @return VX6_OK | FULL (no room, for this source or among the claims to the name) */
VX6_RES vx6_dht_store_put(struct dht_store *s, const struct dht_put *p);

/* ---- holder.c ---- */

struct dht_holder {
	struct dht_tokens tokens;
	struct dht_store store;
};

#endif
