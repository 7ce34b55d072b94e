/* A state directory of a test, a loop, and writes that are waited for. */
#ifndef TESTS_UNIT_STATE_DIR_H
#define TESTS_UNIT_STATE_DIR_H

#include "state/state.h"

struct dir {
	char path[64];
	struct vx6_loop *loop;
	struct vx6_state *st;
	char detail[VX6_STATE_DETAIL_MAX];
	/* the answers to dir_submit(), in order */
	struct vx6_write_result results[4096];
	size_t sent, answered;
};

/* A fresh directory under /tmp and a loop; nothing open yet. */
void dir_make(struct dir *d);
vx6_err dir_open(struct dir *d);
void dir_close(struct dir *d);
/* Closes, removes everything. */
void dir_remove(struct dir *d);

/* Queues; dir_wait() runs the loop until all are answered. */
void dir_submit(struct dir *d, struct vx6_write *w);
void dir_wait(struct dir *d);
/* Submits one and waits. */
struct vx6_write_result dir_write(struct dir *d, struct vx6_write *w);

struct vx6_meta dir_meta(const char *id, uint64_t generation);
/* A write that puts one service of that name and id. */
struct vx6_write *dir_service(const char *id, const char *name);
/* A write with one event whose data holds @p number. */
struct vx6_write *dir_event(unsigned number);

#endif
