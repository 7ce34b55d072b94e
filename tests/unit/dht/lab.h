/**
 * @file lab.h
 * Several DHT nodes in one process that answer each other on virtual time.
 */
#ifndef VX6_TESTS_UNIT_DHT_LAB_H
#define VX6_TESTS_UNIT_DHT_LAB_H

#include "tests/unit/vectors.h"

#include "dht/dht.h"
#include "dht/key.h"
#include "identity/identity.h"
#include "wire/dht.h"

enum { LAB_HOSTS_MAX = 128, LAB_WALL = 1790000000, LAB_RTT_MS = 20 };

struct lab;
struct lab_host {
	struct lab *lab;
	struct vx6_dht *d;
	struct vx6_identity id;
	struct vx6_dht_contact contact;
	uint64_t wake_ms;
	uint32_t requests; /* that came in */
	bool is_down;      /* nothing comes, nothing goes */
	bool forgets;      /* says OK to a PUT, keeps nothing */
	bool is_full;      /* says QUOTA to a PUT */
};
struct lab_msg;
struct lab {
	struct lab_host host[LAB_HOSTS_MAX];
	size_t n;
	struct vx6_dht_now now;
	struct lab_msg *first, *last; /* all take as long, so they arrive in order */
	uint64_t bytes, msgs;
};

/** @p n hosts on fd00::1, fd00::2 and so on (@p global: 2001:db8:N::1, one prefix each); each knows the host before it, and serves. */
void lab_init(struct lab *l, size_t n, bool global);
void lab_fini(struct lab *l);
/** Lets @p ms pass. */
void lab_run(struct lab *l, uint64_t ms);
/** Meets everybody with everybody. */
void lab_mesh(struct lab *l);
/** Forgets all it held and knew; knows host @p friend. */
void lab_restart(struct lab *l, size_t host, size_t friend);
/** Sends a request as @p from would, and gets the answer at once. @return bytes */
size_t lab_ask(struct lab *l, size_t from, size_t to, const struct vx6_dht_req *req,
	       uint8_t out[static VX6_DHT_RESPONSE_MAX]);

struct lab_record {
	uint8_t b[VX6_RECORD_MAX];
	size_t n;
	struct vx6_dht_key key;
};
void lab_endpoint(struct lab *l, size_t host, uint64_t seq, struct lab_record *out);
void lab_service(struct lab *l, size_t host, const char *name, uint64_t seq, bool withdrawn,
		 struct lab_record *out);
/** Of the same key as the endpoint record. */
void lab_relay(struct lab *l, size_t host, uint64_t seq, struct lab_record *out);
/** With enough work, which takes a moment. */
void lab_claim(struct lab *l, size_t host, const char *name, uint64_t seq, struct lab_record *out);
/** Of a hidden service that is none of the hosts, under its first or second key. @param i 1 or 2 */
void lab_descriptor(struct lab *l, uint8_t service, uint64_t period, uint64_t seq, unsigned i,
		    struct lab_record *out);
/** How many of the hosts that are up hold exactly that record. */
unsigned lab_holders(struct lab *l, const struct lab_record *r);

#endif
