/**
 * @file dht_internal.h
 * What the files of the DHT share: its parts, and what each offers to the others.
 *
 * Layer:   dht
 * Threads: one thread drives it
 *
 * Every public function begins with vx6_dht_enter() and ends with vx6_dht_leave(): in between `now` is the time of the call, and the next
 * wake-up is asked for once, at the end. Callbacks of users fire in vx6_dht_step() only; they may call anything of dht.h.
 */
#ifndef VX6_DHT_DHT_INTERNAL_H
#define VX6_DHT_DHT_INTERNAL_H

#include "dht/dht.h"
#include "dht/key.h"
#include "wire/dht.h"

enum {
	HARD_TIMEOUT_MS = 2000,      /* of a query; then it counts as failed */
	QUERIES_MAX = 4096,          /* under way, of all lookups and kept records */
	LOOKUPS_MAX = 64,            /* under way */
	ASN_MAX = 2,                 /* contacts of one autonomous system among holders */
	DEMOTED_MS = 10 * 60 * 1000, /* for how long a contact that failed or lied is not used */
};

struct vx6_dht {
	struct vx6_net net;
	struct vx6_node_id self;
	const struct vx6_dht_io *io;
	void *user;
	enum vx6_diversity diversity; /* as configured; in force: vx6_dht_diversity() */
	uint32_t stored_max, stored_bytes_max;

	struct vx6_dht_now now;
	unsigned entered;
	uint64_t wake_ms; /* asked of io.wake_at */

	bool serving;
	struct vx6_dht_contact me; /* when serving */
	struct vx6_dht_key pos;    /* of `me`, else from the id alone */

	struct dht_table *table;
	struct dht_queries *queries;
	struct dht_lookups *lookups;
	struct dht_senses *senses;
	struct dht_upkeep *upkeep;
	struct dht_holder *holder;
	struct dht_keeper *keeper;

	uint64_t served, refused;
	uint64_t asked, answered, failed;
};

/* ---- dht.c ---- */

void vx6_dht_enter(struct vx6_dht *d, const struct vx6_dht_now *now);
void vx6_dht_leave(struct vx6_dht *d);
/** Paths are led by others: io.guides. */
static inline bool vx6_dht_is_led(const struct vx6_dht *d)
{
	return d->io->guides != NULL;
}
/** The caps in force: OFF or PREFIX or ASN. */
enum vx6_diversity vx6_dht_diversity(const struct vx6_dht *d);
/**
 * Whether a contact that somebody named may be used at all: sane, not we, and with diversity on neither private nor in no network.
 */
bool vx6_dht_is_usable(const struct vx6_dht *d, const struct vx6_dht_contact *c);
/**
 * Parses and verifies (io.verify or the default) a record that is said to lie under @p key, and that it belongs there.
 * @param out borrows @p record @return VX6_OK | MISMATCH (another key's) | errors of vx6_record_parse(), _verify(), vx6_dht_key_check()
 */
VX6_RES vx6_dht_check_record(const struct vx6_dht *d, const struct vx6_dht_key *key,
			     const uint8_t *record, size_t n, struct vx6_record *out);
/** The first 64 bits of the distance of two points: who shares more than that with a key is as near as can be. */
uint64_t vx6_dht_distance64(const struct vx6_dht_key *a, const struct vx6_dht_key *b);
uint64_t vx6_dht_random64(const struct vx6_dht *d);
/** @p ms, or up to a tenth more or less. */
uint64_t vx6_dht_jitter(const struct vx6_dht *d, uint64_t ms);

/* ---- caps.c: who may be used beside whom ---- */

/** Writes the prefix of @p c to seen[n]. @return whether none of the @p n before it is the same */
bool vx6_dht_add_prefix(uint8_t (*seen)[VX6_DHT_PREFIX_BYTES], size_t n,
			const struct vx6_dht_contact *c);

enum { CAPS_MAX = 64 };
/** Zero-initialise. The contacts taken so far. */
struct dht_caps {
	size_t n;
	uint8_t prefix[CAPS_MAX][VX6_DHT_PREFIX_BYTES];
	uint32_t asn[CAPS_MAX]; /* 0: not known */
};
/** Whether @p c may stand beside those taken. */
bool vx6_dht_caps_allow(const struct dht_caps *caps, const struct vx6_dht *d,
			const struct vx6_dht_contact *c);
/** The same, and takes it. @return false: not allowed, or CAPS_MAX are taken */
bool vx6_dht_caps_take(struct dht_caps *caps, const struct vx6_dht *d,
		       const struct vx6_dht_contact *c);

/* ---- table.c, closest.c: who is there ---- */

enum {
	CLOSEST_MAX = 128,      /* contacts that vx6_dht_closest() gives at most */
	REPLACEMENTS_MAX = 20,  /* candidates of a bucket */
	SILENT_MS = 15 * 60000, /* without a sign of life: worth a ping */
	FAILURES_MAX = 2,       /* in a row; then it is replaced */
};

/** One contact. Seconds count from the table's birth. */
struct dht_entry {
	struct vx6_dht_contact contact;
	struct vx6_dht_key pos;
	uint32_t heard_s;   /* last sign of life; HEARD: when we were told of it */
	uint32_t known_s;   /* first proof */
	uint32_t demoted_s; /* not used before: it failed again and again, or lied */
	uint16_t rtt_ms;    /* 0: not measured */
	uint8_t failures;   /* in a row */
	bool proved;
};

struct dht_bucket {
	struct dht_entry *entry; /* proved when they came in */
	struct dht_entry *
		spare; /* candidates: proved ones that found it full, and those that were only heard of */
	uint16_t n, room;
	uint8_t spare_n, spare_room;
	uint32_t touched_s; /* last lookup that went there */
};

/** Grows with the nearest contact; a bucket holds those that share exactly as many leading bits with us as its index says. */
struct dht_table {
	uint64_t born_ms;
	struct dht_bucket *bucket;
	unsigned buckets_n;
	uint32_t contacts, candidates;
	uint32_t globals; /* proved ones, candidates included, whose address is not private */
};

struct dht_table *vx6_dht_table_new(uint64_t now_ms);
void vx6_dht_table_free(struct dht_table *t);
/** Seconds since the table's birth. */
uint32_t vx6_dht_table_s(const struct vx6_dht *d);
/** The bucket of a point, whether or not it exists. */
unsigned vx6_dht_bucket_of(const struct vx6_dht *d, const struct vx6_dht_key *pos);
unsigned vx6_dht_bucket_capacity(unsigned bucket);
/** It proved its id at that address (PROVED), or somebody said that it is there (HEARD: a candidate at most). */
void vx6_dht_table_met(struct vx6_dht *d, const struct vx6_dht_contact *c,
		       enum vx6_dht_knowledge how);
/** It answered us. @param rtt_ms 0: not measured */
void vx6_dht_table_alive(struct vx6_dht *d, const struct vx6_dht_contact *c, uint32_t rtt_ms);
enum dht_blame {
	BLAME_DOUBT, /* no answer, but nobody else answered meanwhile either: our own network may be down */
	BLAME_SILENT, /* no answer, while others answered */
	BLAME_LIED,   /* garbage, or records that do not verify */
};
/** Nothing happens when it is not in the table. */
void vx6_dht_table_failed(struct vx6_dht *d, const struct vx6_dht_contact *c, enum dht_blame blame);
/** It sent us something: a sign of life of a contact, nothing to anybody else. */
void vx6_dht_table_heard(struct vx6_dht *d, const struct vx6_node_id *node,
			 const uint8_t ip[static 16]);
/** A lookup or a ping went to that bucket. */
void vx6_dht_table_touch(struct vx6_dht *d, const struct vx6_dht_key *key);
void vx6_dht_table_remove(struct vx6_dht *d, const struct vx6_node_id *node);
/** Our position has changed: every contact finds its new bucket. */
void vx6_dht_table_rebase(struct vx6_dht *d);
/** @return NULL: neither a contact nor a candidate. Valid until the table changes */
struct dht_entry *vx6_dht_table_find(const struct vx6_dht *d, const struct vx6_dht_contact *c);

enum dht_choose {
	CHOOSE_PROVED =
		1, /* only those that have answered, and did not fail since: what others are told */
	CHOOSE_SOUND =
		4, /* those that did not fail since they were last heard of, or are only hearsay */
	CHOOSE_CAPPED = 2, /* at most one of a prefix, unless diversity is off */
};
/**
 * The contacts nearest to @p key, nearest first.
 * @param flags bits of enum dht_choose @param not_node left out; NULL: nobody @param max CLOSEST_MAX at most @return how many
 */
size_t vx6_dht_closest(const struct vx6_dht *d, const struct vx6_dht_key *key, unsigned flags,
		       const struct vx6_node_id *not_node, struct dht_entry *out, size_t max);
/** How many nodes could hold a record: proved contacts within the caps, ourselves not among them; counting stops at @p max. */
size_t vx6_dht_eligible(const struct vx6_dht *d, size_t max);
/** Of the contacts known, fewer than @p n are nearer to @p key than we are. */
bool vx6_dht_is_near(const struct vx6_dht *d, const struct vx6_dht_key *key, size_t n);

/* ---- query.c: one request to one contact ---- */

/** What came of a query; borrowed for the callback. */
struct dht_outcome {
	uint64_t query;
	const struct vx6_dht_contact *peer;
	vx6_err err;               /* OK | TIMEOUT (hard) | FORMAT… (it answered garbage) | io's */
	struct vx6_dht_resp *resp; /* OK: decoded, of the right op; else NULL */
	uint32_t rtt_ms, bytes_out, bytes_in;
	bool warm; /* a session was up when it was asked */
};
typedef void dht_outcome_cb(void *user, const struct dht_outcome *o);

struct dht_queries *vx6_dht_queries_new(void);
/** Without callbacks. */
void vx6_dht_queries_free(struct vx6_dht *d);
/**
 * Sends @p req and keeps the table informed of how it went. @p cb fires once, never inside this call, unless cancelled.
 * @param path VX6_DHT_NO_PATH: of no lookup
 * @return the query's id; 0: QUERIES_MAX are under way, nothing was sent
 */
uint64_t vx6_dht_ask_one(struct vx6_dht *d, uint8_t path, const struct vx6_dht_contact *to,
			 const struct vx6_dht_req *req, dht_outcome_cb *cb, void *user);
/** The callback will not fire; the table still learns from the answer, or from the lack of one. Ids that are not under way are ignored. */
void vx6_dht_ask_forget(struct vx6_dht *d, uint64_t query);
/** What a lookup found to be false in an answer. */
void vx6_dht_blame(struct vx6_dht *d, const struct vx6_dht_contact *c);
/** Share of the latest queries that nobody answered. */
double vx6_dht_query_failures(const struct vx6_dht *d);
void vx6_dht_queries_step(struct vx6_dht *d);
/** @return vx6_dht_now.ms; UINT64_MAX: nothing is due */
uint64_t vx6_dht_queries_due(const struct vx6_dht *d);
/** After how long another one should be asked: the 90th percentile of what was observed, and some. */
uint32_t vx6_dht_soft_ms(const struct vx6_dht *d, uint8_t path, bool warm);

/* ---- lookup*.c ---- */

struct dht_lookups *vx6_dht_lookups_new(void);
void vx6_dht_lookups_free(struct vx6_dht *d);
void vx6_dht_lookups_step(struct vx6_dht *d);
void vx6_dht_lookups_led(struct vx6_dht *d);
uint64_t vx6_dht_lookups_due(const struct vx6_dht *d);
uint32_t vx6_dht_lookups_n(const struct vx6_dht *d);
/** In the callback of a lookup, WANT_NODES: what a PUT to r->closest[i] under this key must carry. */
const uint8_t *vx6_dht_result_token(const struct vx6_dht_result *r, size_t i);
/** And the path it has to go by, for tokens are given to whoever leads it; VX6_DHT_NO_PATH: we ask ourselves. */
uint8_t vx6_dht_result_path(const struct vx6_dht_result *r, size_t i);
/** How many paths others can lead now, VX6_DHT_PATHS at most. */
uint8_t vx6_dht_led_paths(const struct vx6_dht *d);

/* ---- senses.c: how large the network is, whether it is under attack, whether lookups fail ---- */

/** A lookup has found all of the neighbourhood of @p key: the nodes there, nearest first, those that the caps kept out included. */
void vx6_dht_sense_region(struct vx6_dht *d, const struct vx6_dht_key *key,
			  const struct vx6_dht_key *pos, size_t n);
/** A lookup for a record ended. @param failed it gave up, or needed more paths than it began with */
void vx6_dht_sense_lookup(struct vx6_dht *d, bool failed);
double vx6_dht_failure_rate(const struct vx6_dht *d);
/** Paths that a lookup should take now. */
uint8_t vx6_dht_paths(const struct vx6_dht *d);

struct dht_senses *vx6_dht_senses_new(void);
void vx6_dht_senses_free(struct dht_senses *s);
/** 0: not known. */
double vx6_dht_network_size(const struct vx6_dht *d);
/** More nodes crowd around @p key than chance explains. */
bool vx6_dht_alarm_at(const struct vx6_dht *d, const struct vx6_dht_key *key);
/** Around any key we used lately. */
bool vx6_dht_alarm(const struct vx6_dht *d);
/** Holders a record under @p key should have: 8 (20 under alarm), or as many as there are within the caps. */
uint32_t vx6_dht_holders_wanted(const struct vx6_dht *d, const struct vx6_dht_key *key);

/* ---- upkeep.c: the table in good order ---- */

struct dht_upkeep *vx6_dht_upkeep_new(void);
void vx6_dht_upkeep_free(struct dht_upkeep *u);
void vx6_dht_upkeep_step(struct vx6_dht *d);
/** Our position has changed: others have to learn of it, and we of our new neighbours. */
void vx6_dht_upkeep_moved(struct vx6_dht *d);
uint64_t vx6_dht_upkeep_due(const struct vx6_dht *d);
/** From @p calm when nearly all queries are answered to @p churn when many fail. */
uint32_t vx6_dht_by_churn(const struct vx6_dht *d, uint32_t calm, uint32_t churn);

/* ---- holder.c: records of others ---- */

struct dht_holder *vx6_dht_holder_new(struct vx6_dht *d);
void vx6_dht_holder_free(struct dht_holder *h);
/** Expiry, secrets of tokens. */
void vx6_dht_holder_step(struct vx6_dht *d);
uint64_t vx6_dht_holder_due(const struct vx6_dht *d);
void vx6_dht_holder_info(const struct vx6_dht *d, uint32_t *records, uint64_t *bytes);
/** Calls @p fn for each valid record that we hold under @p key ourselves. @param record borrowed */
void vx6_dht_holder_get(struct vx6_dht *d, const struct vx6_dht_key *key,
			void (*fn)(void *user, uint32_t age_s, const uint8_t *record, size_t n),
			void *user);

/* ---- keep.c: records of our own ---- */

struct dht_keeper *vx6_dht_keeper_new(struct vx6_dht *d);
void vx6_dht_keeper_free(struct dht_keeper *k);
void vx6_dht_keeper_step(struct vx6_dht *d);
uint64_t vx6_dht_keeper_due(const struct vx6_dht *d);
uint32_t vx6_dht_keeper_n(const struct vx6_dht *d);
/** Calls @p fn for each record of our own that lies under @p key. @param record borrowed */
void vx6_dht_keeper_get(struct vx6_dht *d, const struct vx6_dht_key *key,
			void (*fn)(void *user, uint32_t age_s, const uint8_t *record, size_t n),
			void *user);
/** That node serves the DHT no longer: what it held is looked after. */
void vx6_dht_keeper_lost(struct vx6_dht *d, const struct vx6_node_id *node);

#endif
