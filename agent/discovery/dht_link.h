/**
 * @file dht_link.h
 * Binds the DHT to sessions: queries go out as streams of a session that is up or is dialled for it, requests come in the same way.
 *
 * Spec:    schemas/wire/dht.md
 * Layer:   discovery
 * Limits:  VX6_DHT_WARM_MAX sessions are kept for the DHT's sake (least recently used goes first); VX6_DHT_DIALS_MAX dials at once
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_DHT_LINK_H
#define VX6_DISCOVERY_DHT_LINK_H

#include "dht/dht.h"
#include "loop/loop.h"
#include "record/endpoint.h"
#include "session/session.h"

enum { VX6_DHT_WARM_MAX = 128, VX6_DHT_DIALS_MAX = 64 };

enum vx6_dht_mode {
	VX6_DHT_MODE_AUTO,   /* serve once others have reached us */
	VX6_DHT_MODE_SERVER, /* serve from the start */
	VX6_DHT_MODE_CLIENT, /* ask only */
	VX6_DHT_MODE_OFF,    /* neither */
};

struct vx6_dht_link;

struct vx6_dht_link_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_net net;
	struct vx6_node_id self;
	enum vx6_dht_mode mode;
	enum vx6_diversity diversity;
	const char *asn_map; /* a MaxMind file; NULL: none. Borrowed for the call */
	/** Others can reach us now, or no longer: our endpoint record is to say so (VX6_FEAT_DHT). Never inside a call. */
	void (*serving_changed)(void *user, bool serving);
	/** Whether a session is used by anybody else: the pool must not close it. */
	bool (*is_needed)(void *user, const struct vx6_session *s);
	/** The endpoint record of a node, if one is known: for sessions that come up, and the other addresses of whom we dial. */
	bool (*endpoint)(void *user, const struct vx6_node_id *node, struct vx6_endpoint *out);
	void *user;
};

/**
 * @param detail @p detail_n bytes for people, written on failure
 * @param out    returns owned; vx6_dht_link_free()
 * @return VX6_OK | errors of vx6_asn_open()
 */
VX6_RES vx6_dht_link_new(const struct vx6_dht_link_config *cfg, struct vx6_dht_link **out,
			 char *detail, size_t detail_n);
/** Sessions stay up; before or after them. Accepts NULL. */
void vx6_dht_link_free(struct vx6_dht_link *l);

/** Asks only from now on, whatever the mode is; there is no way back. */
void vx6_dht_link_hold_back(struct vx6_dht_link *l);

/** The DHT itself, for lookups and kept records; NULL in mode OFF. Borrowed. */
struct vx6_dht *vx6_dht_link_dht(struct vx6_dht_link *l);
void vx6_dht_link_now(const struct vx6_dht_link *l, struct vx6_dht_now *out);

/** The autonomous system that an address belongs to, by the map. @return 0: not known, or there is no map */
uint32_t vx6_dht_link_asn(const struct vx6_dht_link *l, const struct vx6_addr *a);

/** To be told of every session, anonymous ones included, and of every endpoint record that was admitted (of peers and of others). */
void vx6_dht_link_session_up(struct vx6_dht_link *l, struct vx6_session *s);
void vx6_dht_link_session_down(struct vx6_dht_link *l, struct vx6_session *s, vx6_err why);
void vx6_dht_link_endpoint(struct vx6_dht_link *l, const struct vx6_endpoint *e);
/** A node must not be used any more: revoked. */
void vx6_dht_link_revoked(struct vx6_dht_link *l, const struct vx6_node_id *node);
/** Our own addresses, as the endpoint record gives them. */
void vx6_dht_link_own(struct vx6_dht_link *l, const struct vx6_endpoint_addr *addrs, size_t n);

/** A stream with OPEN of kind DHT came in. */
void vx6_dht_link_incoming(struct vx6_dht_link *l, struct vx6_session *s, struct vx6_stream *stream,
			   const struct iovec *rest, int rest_n, bool fin);

/** One with OPEN of kind DHT_VIA, over a circuit: its request is sent on to @p whom. */
void vx6_dht_link_via(struct vx6_dht_link *l, struct vx6_session *s, struct vx6_stream *stream,
		      const struct vx6_open_via *whom, const struct iovec *rest, int rest_n,
		      bool fin);

/** The contact that an endpoint record makes: its primary address. @return false: it has none that is usable */
bool vx6_dht_contact_of(const struct vx6_endpoint *e, struct vx6_dht_contact *out);

#endif
