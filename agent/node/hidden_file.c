/*
 * One file of hidden services. A worker writes a copy; what changes meanwhile goes with the next write. Whoever asked for a change is answered
 * when the write that holds it is over.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "node/hidden_internal.h"

/* A write under way. Secret: wiped. */
struct hidden_job {
	struct vx6_job job;
	struct hidden_file *file; /* NULL: it is gone */
	char dir[VX6_HIDDEN_PATH];
	bool is_visit, remove;
	struct vx6_hidden_hosted hosted;
	struct vx6_hidden_visit visit;
	struct vx6_list waiting;
	vx6_err err;
};

struct hidden_wait *hidden_wait_new(struct request *rq, struct vx6_answer *answer)
{
	struct hidden_wait *w = vx6_zalloc(sizeof *w);

	w->rq = rq;
	w->owner = rq->owner;
	w->answer = *answer;
	*answer = (struct vx6_answer){.err = VX6_OK};
	return w;
}

static void tell(struct vx6_list *waiting, vx6_err err)
{
	struct vx6_list *first;

	while ((first = vx6_list_pop(waiting)) != NULL) {
		struct hidden_wait *w = VX6_CONTAINER_OF(first, struct hidden_wait, node);

		if (vx6_is_ok(err)) {
			request_answer(w->rq, &w->answer);
		} else {
			if (w->undo)
				w->undo(w);
			vx6_page_free(w->answer.page);
			vx6_wipe_free(w->answer.secret, w->answer.secret_n);
			request_fail(w->rq, err, NULL, "the change could not be stored");
		}
		vx6_wipe_free(w, sizeof *w);
	}
}

static void fill(struct hidden_job *j, const struct hidden_file *f)
{
	j->is_visit = f->visit != NULL;
	j->remove = f->remove;
	if (f->visit)
		j->visit = *f->visit;
	else
		j->hosted = *f->hosted;
}

static void work(struct vx6_job *job)
{
	struct hidden_job *j = VX6_CONTAINER_OF(job, struct hidden_job, job);

	if (j->is_visit)
		j->err = j->remove ? vx6_hidden_visit_remove(j->dir, j->visit.alias)
				   : vx6_hidden_visit_write(j->dir, &j->visit);
	else
		j->err = j->remove ? vx6_hidden_hosted_remove(j->dir, j->hosted.id)
				   : vx6_hidden_hosted_write(j->dir, &j->hosted);
}

static void start(struct hidden_file *f);

static void done(struct vx6_job *job)
{
	struct hidden_job *j = VX6_CONTAINER_OF(job, struct hidden_job, job);
	struct hidden_file *f;

	if (!vx6_is_ok(j->err))
		VX6_ERROR("hidden", "a file of hidden services could not be written: %s",
			  vx6_err_text(j->err));
	/* it is still under way: what those who are told change goes with the next one, and if they free it we hear of that */
	tell(&j->waiting, j->err);
	f = j->file;
	if (f) {
		f->job = NULL;
		if (f->again)
			start(f);
		else if (f->written)
			f->written(f, j->err);
	}
	vx6_wipe_free(j, sizeof *j);
}

static struct hidden_job *job_new(struct hidden_file *f)
{
	struct hidden_job *j = vx6_zalloc(sizeof *j);

	j->job = (struct vx6_job){.work = work, .done = done};
	j->file = f;
	vx6_strlcpy(j->dir, f->node->hidden->dir, sizeof j->dir);
	vx6_list_init(&j->waiting);
	fill(j, f);
	return j;
}

static void start(struct hidden_file *f)
{
	struct hidden_job *j = job_new(f);
	struct vx6_list *first;

	f->again = false;
	while ((first = vx6_list_pop(&f->waiting)) != NULL)
		vx6_list_push(&j->waiting, first);
	f->job = j;
	if (vx6_is_ok(vx6_loop_work(f->node->loop, &j->job)))
		return;
	j->err = VX6_ERR(DRAINING);
	done(&j->job);
}

void hidden_file_init(struct hidden_file *f, struct vx6_node *node)
{
	f->node = node;
	vx6_list_init(&f->waiting);
}

void hidden_file_save(struct hidden_file *f, struct hidden_wait *w)
{
	if (w)
		vx6_list_push(&f->waiting, &w->node);
	f->again = true;
	if (!f->job)
		start(f);
}

void hidden_file_remove(struct hidden_file *f, struct hidden_wait *w)
{
	f->remove = true;
	hidden_file_save(f, w);
}

void hidden_file_fini(struct hidden_file *f)
{
	struct hidden_job *last;

	if (f->job) {
		/* it is in a worker's hands, and may be the older one of two */
		f->job->file = NULL;
		tell(&f->job->waiting, VX6_ERR(DRAINING));
	}
	if (f->again && !f->job) {
		last = job_new(f);
		work(&last->job);
		vx6_wipe_free(last, sizeof *last);
	} else if (f->again) {
		VX6_WARN("hidden", "the last change of a hidden service was not stored");
	}
	f->job = NULL;
	tell(&f->waiting, VX6_ERR(DRAINING));
}
