/**
 * @file hs_dht.h
 * Descriptors of hidden services in the DHT: published and fetched over circuits.
 *
 * Spec:    schemas/wire/dht.md#descriptors
 * Layer:   discovery
 * Shape:   a descriptor lies under two keys, K1 and K2. Each of them is dealt with in a hidden DHT of its own, made for one upload or one fetch and
 *          gone after it (dht_circuit.h): no proxy sees both keys, two periods, two services, or twice the same one but by chance.
 *          Published: put and read back from each holder; again after a random 60 to 120 minutes, or as soon as there is a newer one.
 *          Fetched: both keys at once; what the two have found is weighed together
 * Trust:   holders and proxies can withhold a descriptor or bring an older one, never make one: two sources, each reached through a proxy of its
 *          own, have to agree on (seq, hash) of the newest that any of them has brought. Nothing below a remembered seq is taken
 * Memory:  a publisher holds its records (4 KiB each) and, while it uploads, two hidden DHTs for each; so does a fetch
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_HS_DHT_H
#define VX6_DISCOVERY_HS_DHT_H

#include "discovery/dht_circuit.h"
#include "record/hs_desc.h"

enum {
	VX6_HS_INDEXES = 2, /* keys of a descriptor: K1, K2 */
	VX6_HS_PUBLISH_PERIODS =
		3, /* that a publisher keeps at once: the present one and its neighbours */
	VX6_HS_PUBLISH_MIN_MS = 60 * 60 * 1000,
	VX6_HS_PUBLISH_MAX_MS = 120 * 60 * 1000,
	VX6_HS_AGREE = 2,      /* sources that bring the same descriptor: it is confirmed */
	VX6_HS_REFETCH_S = 60, /* after one that is not confirmed */
	VX6_HS_FETCH_DETAIL = 160,
};

struct vx6_hs_dht_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_circuits *circuits;
	const struct vx6_dht_circuit_ways *ways; /* NULL: anonymous circuits */
	struct vx6_net net;
	/* as in struct vx6_dht_circuit_config */
	bool (*pick)(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out);
	const struct vx6_dht *(*other)(void *user);
	void (*heard)(void *user, vx6_dht_circuit_met *met, void *met_user);
	void *user;
};

/** What all publishers and fetches of a node share. */
struct vx6_hs_dht;
/** @return owned; vx6_hs_dht_free() */
struct vx6_hs_dht *vx6_hs_dht_new(const struct vx6_hs_dht_config *cfg);
/** After its publishers; fetches that are under way end without a callback. Before the circuits. Accepts NULL. */
void vx6_hs_dht_free(struct vx6_hs_dht *h);

/* ---- publishing ---- */

/** Keeps the descriptors of one service where clients find them. */
struct vx6_hs_publisher;

struct vx6_hs_publisher_events {
	/** Optional: vx6_hs_publisher_info() is worth a look. */
	void (*changed)(void *user);
	/**
	 * Optional: that of @p period is to be published again. Whoever gives a newer one now, from inside or soon, has it published instead: what
	 * lies there goes out once more when none has come within a minute.
	 */
	void (*renew)(void *user, uint64_t period);
	/**
	 * Optional: a holder has one of the same blinded key that is newer than ours, or another one of the same seq: an earlier life of this
	 * service, or somebody else has its key. @p record borrowed, verified
	 */
	void (*newer)(void *user, const uint8_t *record, size_t n);
};

/** @return owned; vx6_hs_publisher_free() */
struct vx6_hs_publisher *vx6_hs_publisher_new(struct vx6_hs_dht *h,
					      const struct vx6_hs_publisher_events *ev, void *user);
/** What lies at holders stays there until it expires. Accepts NULL. */
void vx6_hs_publisher_free(struct vx6_hs_publisher *p);
/**
 * Publishes a descriptor under both keys, at once; replaces the one of its blinded key. That of another period stays beside it, until it expires.
 * @param record copied
 * @return VX6_OK | STALE (not newer than what is there) | FULL (too many periods) | errors of vx6_record_parse() and vx6_hs_desc_check()
 */
VX6_RES vx6_hs_publish(struct vx6_hs_publisher *p, const uint8_t *record, size_t n);

/** One descriptor under one of its keys. */
struct vx6_hs_publish_index {
	bool busy; /* an upload is under way */
	uint32_t
		wanted; /* holders, of the last upload or the one under way; 0: none was found yet */
	uint32_t stored; /* took it */
	uint32_t proved; /* and gave it back when asked afterwards */
	uint32_t took_ms;
	uint64_t proved_ms; /* vx6_loop_now_ms() when an upload last went well; 0: never */
	vx6_err last_err;
	struct vx6_dht_contact holder[VX6_DHT_HOLDERS_REGION];
	uint8_t holder_state[VX6_DHT_HOLDERS_REGION]; /* as in struct vx6_dht_kept_info */
	uint32_t holders_n;
};
struct vx6_hs_publish_row {
	uint64_t period, seq, expires_s;
	uint64_t next_ms; /* vx6_loop_now_ms() of the next upload, or of `renew` */
	struct vx6_hs_publish_index index[VX6_HS_INDEXES];
};
struct vx6_hs_publish_info {
	size_t rows_n; /* oldest period first */
	struct vx6_hs_publish_row row[VX6_HS_PUBLISH_PERIODS];
};
void vx6_hs_publisher_info(const struct vx6_hs_publisher *p, struct vx6_hs_publish_info *out);

/* ---- fetching ---- */

/** The newest descriptor of a period that was taken before. */
struct vx6_hs_seen {
	uint64_t period, seq;
};

struct vx6_hs_fetched;
struct vx6_hs_fetch_ask {
	struct vx6_sign_pk service;     /* A */
	bool strict;                    /* what is not confirmed is not taken */
	const struct vx6_hs_seen *seen; /* copied */
	size_t seen_n; /* VX6_HS_PUBLISH_PERIODS at most; those beyond are ignored */
	/**
	 * Optional: VX6_HS_AGREE sources have brought the same one, and others are being heard still, who may know of a newer one. Once at most, before
	 * `done`, with the same user; not confirmed. May cancel. Not when strict
	 */
	void (*early)(void *user, const struct vx6_hs_fetched *f);
};

struct vx6_hs_fetched {
	/*
	 * OK | NOT_FOUND (both keys, as far as holders can be told to have been asked) | STALE (only what is older than `seen`) | NO_QUORUM (strict: it
	 * is not confirmed) | NO_RELAYS (nobody to ask through) | UNREACHABLE | TIMEOUT
	 */
	vx6_err err;
	const uint8_t *
		record; /* OK only; checked as holders do, its key and time too; borrowed for the callback */
	size_t n;
	uint64_t period, seq;
	unsigned sources; /* OK, NO_QUORUM: proxies that brought exactly this one, of both keys */
	unsigned asked;   /* proxies that brought any answer */
	unsigned holders; /* nodes that gave exactly this one, as the proxies say */
	bool confirmed; /* VX6_HS_AGREE sources, and the holders' majority was heard under one key at least */
	uint32_t refetch_s; /* not confirmed: to be asked for again after that; 0: need not be */
	uint32_t queries, ms;
	char detail
		[VX6_HS_FETCH_DETAIL]; /* for people, when err is not OK or it is not confirmed */
};
typedef void vx6_hs_fetched_cb(void *user, const struct vx6_hs_fetched *f);

struct vx6_hs_fetch;
/**
 * Looks for the descriptor of the present period, then, near its edges, for that of the neighbour.
 * @param done fires once, never inside this call, unless cancelled @return owned until then
 */
struct vx6_hs_fetch *vx6_hs_fetch(struct vx6_hs_dht *h, const struct vx6_hs_fetch_ask *ask,
				  vx6_hs_fetched_cb *done, void *user);
/** Accepts NULL. */
void vx6_hs_fetch_cancel(struct vx6_hs_fetch *f);

#endif
