/**
 * @file names.h
 * What names stand for here: petnames the user gave, pins of first use, claims that nodes published, and the conflicts among them.
 *
 * Spec:    schemas/wire/names.md
 * Layer:   discovery
 * Trust:   claims are hostile; only a petname is the user's word, only a pin is his habit
 * Memory:  at most VX6_PINS_MAX pins and petnames, VX6_CONFLICTS_MAX conflicts of VX6_CLAIMS_MAX claims
 * Threads: the thread that drives it; no I/O
 */
#ifndef VX6_DISCOVERY_NAMES_H
#define VX6_DISCOVERY_NAMES_H

#include "base/err.h"
#include "identity/node_id.h"
#include "wire/label.h"

enum {
	VX6_PINS_MAX = 65536,
	VX6_CONFLICTS_MAX = 256,
	VX6_CLAIMS_MAX = 16, /* of one name */
};

enum vx6_binding_kind { VX6_BINDING_PETNAME, VX6_BINDING_PIN };

struct vx6_name_binding {
	enum vx6_binding_kind kind;
	char name[VX6_LABEL_TEXT];
	struct vx6_node_id node;
	uint64_t since_ms; /* wall clock */
};

/** One claim to a name, as evidence. */
struct vx6_name_claim_seen {
	struct vx6_node_id node;
	uint64_t claimed_at_s; /* its author's word */
	uint32_t median_age_s; /* the holders' */
	uint32_t holders, prefixes;
	uint8_t work_bits; /* leading zero bits of its proof of work; 0: it did none */
	bool direct;       /* it calls itself so in a session of ours, now or earlier */
	bool configured;   /* a peer that the operator configured */
	bool introduced;   /* a peer passed its record on: */
	struct vx6_node_id by;
	char record_hash
		[65]; /* hex, of the signed claim; without work of the endpoint record that says so */
};

struct vx6_name_conflict {
	char name[VX6_LABEL_TEXT];
	bool ours;   /* it is our own name */
	bool pinned; /* so it has no effect on us but the notice */
	struct vx6_node_id pin;
	struct vx6_name_claim_seen claim[VX6_CLAIMS_MAX];
	size_t claims_n;
	uint32_t more;              /* claims that found no place; those that weigh most are kept */
	uint64_t first_ms, last_ms; /* wall clock */
};

struct vx6_names;

struct vx6_names_events {
	/** A name was used for the first time and stands for that node from now on: to be stored, and told as name.new. */
	void (*pinned)(void *user, const struct vx6_name_binding *pin);
	/** Somebody claims a name that others claim, or that is pinned to another: name.conflict. Once for each claimant. */
	void (*conflict)(void *user, const struct vx6_name_conflict *c,
			 const struct vx6_name_claim_seen *newcomer);
	/** Somebody else goes by our own name: name.clash. Once for each; the other is to be told. */
	void (*clash)(void *user, const struct vx6_name_conflict *c,
		      const struct vx6_name_claim_seen *other);
	/** A name was asked for whose pin and only claim differ: name.pin_mismatch. Once for each claimant. */
	void (*mismatch)(void *user, const struct vx6_name_conflict *c);
};

/** @param self borrowed for the call @param ev borrowed @return owned; vx6_names_free() */
struct vx6_names *vx6_names_new(const struct vx6_node_id *self, const struct vx6_names_events *ev,
				void *user);
void vx6_names_free(struct vx6_names *n);
/** The name that this node goes by. @param name "" : none */
void vx6_names_set_own(struct vx6_names *n, const char *name);
/** @return borrowed; "" : none */
const char *vx6_names_own(const struct vx6_names *n);

/* ---- bindings ---- */

/** Sets or replaces; no event: at start, and after a change of the user's was stored. @return VX6_OK | INVALID (label) | FULL */
VX6_RES vx6_names_bind(struct vx6_names *n, const struct vx6_name_binding *b);
/** @return VX6_OK | NOT_FOUND */
VX6_RES vx6_names_unbind(struct vx6_names *n, enum vx6_binding_kind kind, const char *name);
/** Whether there is room for another one, before the user's change is stored. */
bool vx6_names_is_full(const struct vx6_names *n);
/** @param out optional @return false: not bound */
bool vx6_names_find(const struct vx6_names *n, enum vx6_binding_kind kind, const char *name,
		    struct vx6_name_binding *out);
/** A connection by that name worked: pins it unless it is pinned. */
void vx6_names_used(struct vx6_names *n, const char *name, const struct vx6_node_id *node,
		    uint64_t now_ms);
/** Whether any pin or petname stands for @p node. */
bool vx6_names_has_node(const struct vx6_names *n, const struct vx6_node_id *node);
/** In the order of names, a petname before a pin. @param after NULL: from the first; its name and kind count @param q NULL or "": all; part of a name, or the beginning of an id's text */
size_t vx6_names_page(const struct vx6_names *n, const struct vx6_name_binding *after,
		      const char *q, struct vx6_name_binding *out, size_t max);

/* ---- claims and conflicts ---- */

/** Claims to one name, one for each node; a claim too many takes the place of one that weighs less. */
struct vx6_claims {
	struct vx6_name_claim_seen claim[VX6_CLAIMS_MAX];
	size_t n;
	uint32_t more; /* found no place */
	bool has_keep; /* the claim of `keep`, if it makes one, is never pushed out: a pinned node's */
	struct vx6_node_id keep;
};
/** Adds a claim, or what it says beyond what is known of that node's. @return true: the node is new among them */
bool vx6_claims_add(struct vx6_claims *c, const struct vx6_name_claim_seen *seen);
/** @return NULL: it does not claim the name */
const struct vx6_name_claim_seen *vx6_claims_find(const struct vx6_claims *c,
						  const struct vx6_node_id *node);

/** How many holders a lookup reached: what "two sources" can mean. */
struct vx6_claims_asked {
	bool network; /* a lookup has ended; false: there is nobody to ask */
	uint32_t holders, prefixes;
};
enum vx6_verdict {
	VX6_VERDICT_NONE,     /* nobody claims it */
	VX6_VERDICT_ONE,      /* one node, well attested */
	VX6_VERDICT_WEAK,     /* one node, but fewer sources say so than should */
	VX6_VERDICT_SEVERAL,  /* never a pick */
	VX6_VERDICT_PIN,      /* the pinned one */
	VX6_VERDICT_MISMATCH, /* pinned to one that does not claim it, while another does */
};
/**
 * What @p c says. Configured peers go before strangers; claims with work, or made to our face, before mere words.
 * @param pin NULL: not pinned @param out the node of ONE, WEAK, PIN, and the one that claims it of MISMATCH
 */
enum vx6_verdict vx6_claims_judge(const struct vx6_claims *c, const struct vx6_node_id *pin,
				  const struct vx6_claims_asked *asked, struct vx6_node_id *out);

/** To be told of each admitted record in which a node claims a name. Cheap where the name is neither ours nor pinned. */
void vx6_names_claimed(struct vx6_names *n, const char *name,
		       const struct vx6_name_claim_seen *seen, uint64_t now_ms);
/** Keeps what a resolution found to be in conflict. @param out the whole of it, as it is known now */
void vx6_names_disputed(struct vx6_names *n, const char *name, const struct vx6_claims *c,
			bool mismatch, uint64_t now_ms, struct vx6_name_conflict *out);
/** @return false: none known */
bool vx6_names_conflict(const struct vx6_names *n, const char *name, struct vx6_name_conflict *out);
/** The user has seen it. @return VX6_OK | NOT_FOUND */
VX6_RES vx6_names_conflict_forget(struct vx6_names *n, const char *name);
/** In the order of names. @param after NULL: from the first @param q as vx6_names_page() */
size_t vx6_names_page_conflicts(const struct vx6_names *n, const char *after, const char *q,
				struct vx6_name_conflict *out, size_t max);

#endif
