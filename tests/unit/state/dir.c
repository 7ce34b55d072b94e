#include "tests/unit/state/dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

void dir_make(struct dir *d)
{
	memset(d, 0, sizeof *d);
	vx6_strlcpy(d->path, "/tmp/vx6-state-XXXXXX", sizeof d->path);
	VX6_ASSERT(mkdtemp(d->path) != NULL);
	VX6_ASSERT(vx6_is_ok(vx6_loop_new(&d->loop)));
}

vx6_err dir_open(struct dir *d)
{
	return vx6_state_open(&(struct vx6_state_config){.dir = d->path,
							 .loop = d->loop,
							 .events_keep = 1000},
			      &d->st, d->detail);
}

void dir_close(struct dir *d)
{
	vx6_state_close(d->st);
	d->st = NULL;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

void dir_remove(struct dir *d)
{
	dir_close(d);
	vx6_loop_free(d->loop);
	nftw(d->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void on_done(void *user, const struct vx6_write_result *r)
{
	struct dir *d = user;

	d->results[d->answered++ % VX6_ARRAY_N(d->results)] = *r;
	if (d->answered == d->sent)
		vx6_loop_stop(d->loop);
}

void dir_submit(struct dir *d, struct vx6_write *w)
{
	vx6_err err = vx6_state_submit(d->st, w, on_done, d);

	VX6_ASSERT(vx6_is_ok(err));
	d->sent++;
}

void dir_wait(struct dir *d)
{
	if (d->answered < d->sent)
		vx6_loop_run(d->loop);
	VX6_ASSERT(d->answered == d->sent);
}

struct vx6_write_result dir_write(struct dir *d, struct vx6_write *w)
{
	dir_submit(d, w);
	dir_wait(d);
	return d->results[(d->answered - 1) % VX6_ARRAY_N(d->results)];
}

struct vx6_meta dir_meta(const char *id, uint64_t generation)
{
	struct vx6_meta m = {.generation = generation,
			     .created_ms = 1000,
			     .updated_ms = 2000,
			     .labels = (char *)"{\"a\":\"b\"}"};

	vx6_strlcpy(m.id, id, sizeof m.id);
	vx6_strlcpy(m.managed_by, "api", sizeof m.managed_by);
	return m;
}

struct vx6_write *dir_service(const char *id, const char *name)
{
	struct vx6_write *w = vx6_write_new();
	struct vx6_meta meta = dir_meta(id, 1);
	struct vx6_service_spec spec = {.enabled = true};

	vx6_strlcpy(spec.name, name, sizeof spec.name);
	VX6_ASSERT(vx6_is_ok(vx6_addr_parse("127.0.0.1:80", &spec.target)));
	vx6_write_put_service(w, &meta, &spec);
	return w;
}

struct vx6_write *dir_event(unsigned number)
{
	struct vx6_write *w = vx6_write_new();
	char data[32];
	struct vx6_event ev = {.wall_ms = 5,
			       .type = "peer.up",
			       .subject_kind = "peer",
			       .subject_id = "peer_1",
			       .data = data};

	snprintf(data, sizeof data, "{\"n\":%u}", number);
	vx6_write_event(w, &ev);
	return w;
}
