/**
 * @file mem_internal.h
 * What the files of the in-memory family share.
 *
 * Layer:   transport
 * Threads: the loop's thread
 *
 *   link: CONNECT (dialling) -> UP -> DYING -> gone, the last step always by the link's task
 */
#ifndef VX6_TRANSPORT_MEM_MEM_INTERNAL_H
#define VX6_TRANSPORT_MEM_MEM_INTERNAL_H

#include "loop/loop.h"
#include "transport/mem/mem.h"
#include "transport/mux/mux.h"

struct vx6_transport {
	struct vx6_loop *loop;
	struct vx6_transport_limits limits;
	struct vx6_sign_pk pk;
	struct vx6_list links, listeners;
	uint32_t links_n;
	uint64_t delay_ns;
	bool dead, keyless;
	struct vx6_addr source;
	struct mux_batch batch;
};

struct vx6_listener {
	struct vx6_transport *t;
	struct vx6_list node, everywhere;
	struct vx6_addr at;
	const struct vx6_accept_events *ev;
	void *user;
};

struct mem_frame {
	struct vx6_list node;
	uint64_t due_ns;
	size_t n; /* 0: the end */
	uint8_t b[];
};

enum mem_state { MEM_CONNECT, MEM_UP, MEM_DYING };

struct vx6_link {
	struct vx6_link_base base;
	struct vx6_transport *t;
	struct vx6_link *peer; /* NULL: gone, or not there yet */
	struct vx6_list node;
	const struct vx6_link_events *ev;
	void *user;
	enum mem_state state;
	struct vx6_dial how;
	bool initiator, was_up, has_peer_key, keyless;
	bool polite; /* we end it: tell the peer why */
	struct vx6_sign_pk peer_key, own_key;
	uint8_t channel_binding[VX6_CB_BYTES];
	struct vx6_addr local, remote;
	vx6_err why;
	struct vx6_task task;
	struct vx6_timer arrival, watch;
	struct vx6_list inbox; /* frames on their way to us, in order */
	size_t inbox_bytes;
	uint8_t *scratch; /* where the next frame is composed */
	struct mux mux;
	uint64_t rx_ns, rx_bytes, tx_bytes;
};

struct vx6_link *mem_link_new(struct vx6_transport *t);
void mem_link_fail(struct vx6_link *link, vx6_err why);
void mem_link_finish(struct vx6_link *link);
/** The handshake of @p link with whoever listens at how.to: in mem.c. */
void mem_link_connect(struct vx6_link *link);
void mem_link_up(struct vx6_link *link);

#endif
