/* Nodes that relay circuits and end them, over the sessions of tests/unit/session/fixture.h: as small as the protocol allows, and able to
 * do every wrong thing that a hop can. */
#ifndef VX6_TESTS_CIRCUIT_TNODE_H
#define VX6_TESTS_CIRCUIT_TNODE_H

#include "circuit/endlink.h"
#include "circuit/hop.h"
#include "circuit/origin.h"
#include "record/endpoint.h"
#include "tests/unit/circuit/tonion.h"
#include "tests/unit/session/fixture.h"

enum twrong {
	T_HONEST,
	T_FLIP_FWD,       /* changes a byte of a RELAY cell that came from the client's side */
	T_FLIP_BACK,      /* changes a byte of a RELAY cell that goes to the client's side */
	T_FLIP_CMD,       /* changes the command of a cell that goes to the client's side */
	T_DUP_BACK,       /* sends a cell to the client's side twice */
	T_SWAP_BACK,      /* sends two of them in the wrong order */
	T_AUTH,           /* proves another key */
	T_REPLAY,         /* answers with what it said the time before */
	T_DEAF,           /* does not answer CREATE */
	T_DEAF_EXTEND,    /* does not answer EXTEND */
	T_REFUSE,         /* answers EXTEND and NEXT with REFUSED */
	T_NO_NEST,        /* knows nothing of NEXT */
	T_LIE_INNER,      /* sends an INNER that was not asked for */
	T_CREATED_TWICE,  /* says CREATED again behind it */
	T_EXTENDED_TWICE, /* says EXTENDED again behind it */
	T_SAY_STREAMS,    /* says STREAMS once it was extended */
	T_SAY_EXTEND,     /* says EXTEND to the client */
	T_SAY_PONG,       /* answers what was not asked */
	T_SAY_JUNK,       /* a payload of no known type */
	T_RESET_CREATE,   /* resets instead of answering CREATE */
	T_RESET_EXTEND,   /* resets instead of answering EXTEND */
	T_LINK_CREATE,    /* closes the session instead of answering CREATE */
	T_LINK_EXTEND,    /* closes the session instead of answering EXTEND */
	T_NO_OPEN,        /* refuses OPEN */
};

struct tnode {
	struct test_node n;
	struct vx6_hop_sched *sched;
	struct tonion_key key;
	uint8_t record[VX6_ENDPOINT_MAX];
	size_t record_n;
	enum twrong wrong;
	int wrong_at; /* of which cell, from 0 */
	struct vx6_list circuits;
	int circuits_n;
	int fwd_n, back_n; /* RELAY cells that came from the client's side, that went there */
	int crossings;     /* cells that came here over a link, either way */
	int refused_n;     /* cells that nobody recognised */
	int nobody_n;      /* sessions with somebody who has no name */
	uint8_t said[VX6_CREATED_HS_MAX]; /* its latest half of a handshake */
	size_t said_n;
	bool peer_known;          /* the latest circuit came from somebody with a name */
	uint8_t kh[VX6_CB_BYTES]; /* of the latest circuit */
	/* streams that end here */
	bool adopt;  /* the link becomes a session */
	bool freeze; /* take bytes and give no credit back */
	uint64_t rx;
	int streams_n, ends_n, extends;
	vx6_err end_why; /* of the latest link that ended here */
};

enum { TNODES_MAX = 9 };
extern struct tnode tnodes[TNODES_MAX];
extern int tnodes_n;

void tnodes_start(int n);
void tnodes_stop(void);
/** Says DRAIN, PING and the like on every circuit of @p t. */
void tnode_say(struct tnode *t, uint8_t type, const void *data, size_t n);
int tnode_crossings(void);
/** Answers a stream that a session brought, and sends back what comes on it. */
void tnode_echo(struct tnode *t, struct vx6_stream *s, const struct iovec *rest, int n, bool fin);

#endif
