/**
 * @file resolve_internal.h
 * What the two halves of the resolver share: what is known at once, and what is asked for.
 *
 * Layer:   discovery
 * Threads: the thread that drives it
 */
#ifndef VX6_DISCOVERY_RESOLVE_INTERNAL_H
#define VX6_DISCOVERY_RESOLVE_INTERNAL_H

#include "base/list.h"
#include "discovery/claims.h"
#include "discovery/resolve.h"

/* A DHT to ask; `dht` NULL: none. */
struct resolver_way {
	struct vx6_dht *dht;
	void (*now)(void *user, struct vx6_dht_now *out);
	void *user;
};

struct vx6_resolver {
	struct vx6_resolver_config cfg;
	struct resolver_way open, hidden; /* the second one for those who do not say who asks */
	struct vx6_list jobs;
	size_t jobs_n, active_n;
	struct vx6_name_conflict conflict; /* what the last resolution lends */
	bool stopping;
};

static inline const struct resolver_way *resolver_way(const struct vx6_resolver *r, bool anonymous)
{
	return anonymous ? &r->hidden : &r->open;
}
/** Somebody is there who could be asked. */
bool resolver_has_network(const struct vx6_resolver *r, bool anonymous);
void resolver_view(const struct vx6_resolver *r, struct vx6_claims_view *out);

/** Who is meant by the user's own word: a catalog, an id, a petname, a configured peer. @return false: nobody by that */
bool resolve_users_word(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
			struct vx6_resolution *out);
/** Claims to @p name that the registry holds, a pinned node's among them whatever else there is. */
void resolve_claims(const struct vx6_resolver *r, const char *name, struct vx6_claims *out);
/**
 * Who is meant by pin and claims. Writes out->err and what goes with it.
 * @param c      claims to the name
 * @param asked  what a lookup of it reached; NULL: none has been made yet
 * @return false: a lookup of the name is needed first
 */
bool resolve_who(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
		 const struct vx6_claims *c, const struct vx6_claims_asked *asked,
		 struct vx6_resolution *out);
/** Where out->node is, whether it is revoked, and whether it has the service, as the registry knows. */
void resolve_where(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
		   struct vx6_resolution *out);
/** Turns what is still missing when nothing is left to ask into the error. */
void resolve_missing(bool anybody_answered, struct vx6_resolution *out);

#endif
