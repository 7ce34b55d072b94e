/**
 * @file link.h
 * One direction of an emulated path: delay, jitter, loss, bit rate, bounded queue, filters.
 *
 * Pure model: no sockets and no clock inside. The caller brings packets with the time they
 * arrived and takes out those that are due.
 *
 * Threads: a link belongs to one thread
 */
#ifndef WANEM_LINK_H
#define WANEM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WANEM_MAX_PACKET = 65536 };

struct wanem_link {
	const char *name; /* borrowed, for statistics lines */

	/* The model; changed through wanem_link_set(). */
	double delay_ms, jitter_ms, loss_pct, burst, rate_mbit, queue_ms, corrupt_pct, max_bytes;
	bool down, block_udp, block_tcp;

	bool bad_state;     /* of the two-state loss model */
	uint64_t line_free; /* when the bottleneck has sent all it holds */
	uint64_t last_due;  /* keeps packets in order under jitter */

	uint8_t *ring; /* owned */
	size_t head, tail, used;

	uint64_t in, out, lost, overflow, blocked, corrupted, out_bytes;
};

/** @param name borrowed. @return false when there is no memory for the queue */
bool wanem_link_init(struct wanem_link *l, const char *name);
void wanem_link_fini(struct wanem_link *l);

/** Makes the losses that follow repeatable. */
void wanem_seed(uint64_t seed);

/** @return false for an unknown key or a negative value */
bool wanem_link_set(struct wanem_link *l, const char *key, double value);
/** Switches: "down", "up", "block-udp", "block-tcp", "unblock". @return false when unknown */
bool wanem_link_switch(struct wanem_link *l, const char *word);

/** Puts one packet through the model. @param pkt may be changed (corruption) */
void wanem_link_accept(struct wanem_link *l, uint8_t *pkt, size_t len, uint64_t now_ns);

/**
 * The packet at the head of the queue.
 * @param due when it leaves the link; UINT64_MAX when the queue is empty
 * @return the packet, valid until wanem_link_pop() or the next accept; NULL when empty
 */
const uint8_t *wanem_link_peek(struct wanem_link *l, size_t *len, uint64_t *due);
void wanem_link_pop(struct wanem_link *l);

#endif
