/**
 * @file io.h
 * The whole outside world of the DHT: who sends, what time it is, where randomness comes from. Sessions, a circuit and the simulator each
 * bind one.
 *
 * Layer:   dht
 * Threads: all slots are called on the thread that drives the DHT, and must not call back into it before they return
 */
#ifndef VX6_DHT_IO_H
#define VX6_DHT_IO_H

#include "base/err.h"
#include "dht/contact.h"
#include "record/record.h"

#define VX6_DHT_IO_ABI 2

enum { VX6_DHT_NO_PATH = 255 };

struct vx6_dht_now {
	uint64_t ms;     /* monotonic */
	uint64_t wall_s; /* unix seconds, for lifetimes of records only */
};

/** Those who lead paths. */
struct vx6_dht_guides {
	/** How many paths can be led. */
	uint8_t (*count)(void *user);
	/**
	 * Who leads @p path now: a number, another one when somebody else does. Whom the one before has brought no answer of is asked again.
	 * @return VX6_DHT_GUIDE_NONE | VX6_DHT_GUIDE_SOON: vx6_dht_led() is called when there is one
	 */
	uint64_t (*guide)(void *user, uint8_t path);
	/** Whether @p path may lead to @p to. */
	bool (*may_ask)(void *user, uint8_t path, const struct vx6_dht_contact *to);
};
enum { VX6_DHT_GUIDE_NONE, VX6_DHT_GUIDE_SOON, VX6_DHT_GUIDE_FIRST };

struct vx6_dht_io {
	uint32_t abi; /* VX6_DHT_IO_ABI */
	/**
	 * Sends a request. The answer comes later as vx6_dht_answered() or vx6_dht_failed() with the same @p query, unless cancelled.
	 * The sender makes sure that whoever answers has proved to be to->node, at to's address.
	 * @param path of the lookup that asks; VX6_DHT_NO_PATH: it is none's
	 * @param req  borrowed for the call
	 */
	void (*query)(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		      const uint8_t *req, size_t n);
	void (*cancel)(void *user, uint64_t query);
	/** Whether a request would go at once: a session is up. Another one costs a round trip more. */
	bool (*is_warm)(void *user, const struct vx6_dht_contact *to);
	void (*random)(void *user, void *out, size_t n);
	/** When vx6_dht_step() wants to be called next, in vx6_dht_now.ms; replaces what was asked before. UINT64_MAX: not at all. */
	void (*wake_at)(void *user, uint64_t ms);
	/**
	 * Parses and verifies a record that came from the network: framing, certificate, signature, time. The simulator remembers
	 * verdicts here; NULL: vx6_record_parse() and vx6_record_verify().
	 * @param out borrows @p record
	 */
	vx6_err (*verify)(void *user, const uint8_t *record, size_t n, uint64_t wall_s,
			  struct vx6_record *out);
	/** Optional: the number of the autonomous system an address belongs to. @return 0: not known */
	uint32_t (*asn)(void *user, const uint8_t ip[static 16]);
	/**
	 * Optional: each path of a lookup leads through somebody else, who could answer in the name of all whom it asks. Then paths share
	 * nothing, neither whom they asked nor what they heard; what answers say is not kept beyond their lookup; and nothing is asked or put
	 * but what a lookup wants. NULL: we ask ourselves.
	 */
	const struct vx6_dht_guides *guides;
};

#endif
