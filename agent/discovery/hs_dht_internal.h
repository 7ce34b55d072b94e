/**
 * @file hs_dht_internal.h
 * What publishing, fetching and claiming for hidden services share: a hidden DHT for one key.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_HS_DHT_INTERNAL_H
#define VX6_DISCOVERY_HS_DHT_INTERNAL_H

#include "base/list.h"
#include "crypto/hash.h"
#include "discovery/hs_dht.h"

/** A hidden DHT for one of the two keys. Zero-initialise. */
struct hs_side {
	struct vx6_hs_dht *h;
	struct vx6_dht_circuit *circuit; /* NULL: closed */
	const struct hs_side *sibling;   /* of the other key: its proxies are not taken */
	bool may_share;                  /* they are, where there are no others */
};

struct vx6_hs_dht {
	struct vx6_hs_dht_config cfg;
	uint32_t apart; /* the last number that was given to a hidden DHT */
	struct vx6_list fetches;
	unsigned publishers;
	/*
	 * Fetches come in groups, of people who go from one service to the next: for a while after each, the proxies of the next one stand
	 * ready, which saves it a round trip over circuits and the work of two sessions. They were drawn before it was known what for, and
	 * serve one fetch alone, as others do.
	 */
	struct hs_side ready;
	struct vx6_timer ready_timer;
	uint64_t fetched_ms;
};

/** The one that stands ready, if there is one; else as hs_side_open(). */
struct vx6_dht *hs_side_take(struct hs_side *s);
/** A fetch has ended. */
void hs_side_make_ready(struct vx6_hs_dht *h);

enum { HS_FETCH_PROXIES = 2 /* for each key */ };

/** Opens it with @p proxies of its own. @return NULL: there is no DHT here whose contacts it could begin with; it is closed then */
struct vx6_dht *hs_side_open(struct hs_side *s, uint8_t proxies);
/** With all that is under way in it, without callbacks. Never from inside one of the DHT's. */
void hs_side_close(struct hs_side *s);
/** Its time. */
struct vx6_dht_now hs_side_now(const struct hs_side *s);

/* ---- hs_upload.c: a record that is taken to one of its keys, and read back from there ---- */

struct hs_upload_events {
	/** Its info is worth a look. Whoever is told must not end it from inside. */
	void (*changed)(void *user);
	/** A holder has another one there; as `clash` of vx6_dht_keep_at(), and from inside it. */
	void (*clash)(void *user, const uint8_t *record, size_t n);
};

struct hs_upload {
	struct hs_side side;
	struct vx6_dht_key key;
	const struct hs_upload_events *ev;
	void *user;
	const uint8_t *record; /* its owner's */
	size_t n;
	struct vx6_dht_kept *kept; /* NULL: not under way */
	struct vx6_timer timer;    /* under way: its limit; else when it begins */
	struct vx6_task over;
	unsigned tries; /* that went wrong, in a row */
	struct vx6_hs_publish_index info;
};

/** @param sibling of the record's other key: shares no proxy with it; NULL: it has one key @param ev borrowed */
void hs_upload_init(struct hs_upload *u, struct vx6_hs_dht *h, const struct vx6_dht_key *key,
		    const struct hs_upload *sibling, const struct hs_upload_events *ev, void *user);
/** @param record borrowed until the next one or the end, whatever comes of it; not under way, it begins after @p delay_ms */
void hs_upload_begin(struct hs_upload *u, const uint8_t *record, size_t n, uint32_t delay_ms);
/** It may be begun again. */
void hs_upload_end(struct hs_upload *u);

/* ---- hs_weigh.c: what was found under both keys, no matter how ---- */

/** Under one of them. Zero-initialise. */
struct hs_heard {
	bool ended, found;
	vx6_err err; /* of the lookup */
	uint8_t record[VX6_HS_DESC_BYTES];
	size_t n;
	uint64_t seq;
	struct vx6_hash hash;
	/* of the lookup: paths and holders that brought just this one, paths that brought anything, and those that heard all who should have it */
	uint32_t paths, holders, heard, whole;
};
/** Ends it with what a lookup (WANT_NEWEST) has brought. @param blinded whose descriptor it is */
void hs_heard_take(struct hs_heard *h, const struct vx6_sign_pk *blinded,
		   const struct vx6_dht_result *r);
/** Fills in what a lookup has brought so far. */
void hs_heard_so_far(struct hs_heard *h, const struct vx6_sign_pk *blinded,
		     const struct vx6_dht_value *v);
/**
 * The newest that is not below @p least, and whether it is confirmed.
 * @param out err, record (borrows @p heard), n, seq, sources, asked, holders, confirmed; the rest is left as it is
 */
void hs_weigh(const struct hs_heard heard[static VX6_HS_INDEXES], uint64_t least,
	      struct vx6_hs_fetched *out);

/** Ends all fetches, without callbacks. */
void hs_fetches_end(struct vx6_hs_dht *h);

#endif
