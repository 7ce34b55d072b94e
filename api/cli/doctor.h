/**
 * @file doctor.h
 * What `vx6 doctor` looks at, and what its checks make of it.
 *
 * Layer:   api
 * Trust:   answers of the agent may hold text of peers: it is cleaned where it is printed
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_DOCTOR_H
#define VX6_API_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/cli/cli.h"
#include "api/json/tree.h"

enum { VX6_DOCTOR_PATH = 256, VX6_DOCTOR_TEXT = 320 };

enum vx6_verdict {
	VX6_VERDICT_OK,
	VX6_VERDICT_UNKNOWN, /* it cannot be seen from here */
	VX6_VERDICT_WARN,
	VX6_VERDICT_FAIL,
};

struct vx6_finding {
	enum vx6_verdict verdict;
	char detail[VX6_DOCTOR_TEXT];
	char advice[VX6_DOCTOR_TEXT]; /* what to do about it; empty: nothing */
};

struct vx6_doctor_file {
	int err;       /* errno of looking at it; 0: it is there */
	unsigned mode; /* permission bits */
};

enum vx6_seen {
	VX6_SEEN_NOT, /* could not be asked */
	VX6_SEEN_YES,
	VX6_SEEN_NO,
};

/** Zero-initialise; vx6_doctor_fini(). Answers of the agent are NULL when it gave none. */
struct vx6_facts {
	uint64_t wall_ms;
	char state_dir[VX6_DOCTOR_PATH]; /* empty: not known */
	struct vx6_doctor_file state, identity, token;
	uint64_t disk_free_bytes; /* UINT64_MAX: not known */
	uint64_t files_max;       /* descriptors; 0: not known */
	uint64_t rmem_max_bytes;  /* 0: not known */
	enum vx6_seen clock_synced, ipv6, dns;
	bool root;       /* who asks */
	char *rules;     /* of the firewall; NULL: not readable */
	char *udp, *tcp; /* tables of /proc/net; NULL: not readable */
	struct vx6_value *version, *node, *peers, *relays, *nodes; /* nodes: of the registry */
};

struct vx6_check {
	const char *name;
	void (*run)(const struct vx6_facts *f, struct vx6_finding *out); /* pure */
};

extern const struct vx6_check vx6_checks[];
extern const size_t vx6_checks_n;

/** Looks at this machine. @param f its state_dir, and its node when the agent answered, are read */
void vx6_doctor_look(struct vx6_facts *f);
void vx6_doctor_fini(struct vx6_facts *f);

/** Whether a table of /proc/net has a socket on that port. @param listening only one in the state LISTEN (TCP) */
bool vx6_doctor_bound(const char *table, uint16_t port, bool listening);
/** The soft limit of "Max open files" in the text of /proc/PID/limits; 0: it is not there. */
uint64_t vx6_doctor_files(const char *limits);

#endif
