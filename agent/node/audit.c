/* The audit, as the API reads it, and what it says of commands that write none themselves. */
#include "base/util.h"
#include "node/node_internal.h"

static void on_read(void *user, vx6_err err, struct vx6_audit_page *page)
{
	struct request *rq = user;
	struct vx6_answer answer = {.err = err, .audit = page};

	vx6_list_remove(&rq->node);
	if (!vx6_is_ok(err))
		vx6_strlcpy(answer.detail, vx6_err_text(err), sizeof answer.detail);
	request_answer(rq, &answer);
}

static void on_written(void *user, const struct vx6_write_result *r)
{
	struct request *rq = user;
	struct vx6_answer answer = {.err = r->err, .audited = vx6_is_ok(r->err)};

	vx6_list_remove(&rq->node);
	request_answer(rq, &answer);
}

static vx6_err submit(struct request *rq)
{
	struct vx6_write *w;

	if (rq->cmd->kind == VX6_CMD_AUDIT_READ)
		return vx6_state_read_audit(rq->owner->state, &rq->cmd->u.audit, on_read, rq);
	w = vx6_write_new();
	vx6_write_audit(w, rq->cmd->audit);
	return vx6_state_submit(rq->owner->state, w, on_written, rq);
}

void audit_command(struct request *rq)
{
	vx6_err err = submit(rq);

	if (vx6_is_ok(err))
		vx6_list_push(&rq->owner->reads, &rq->node);
	else
		request_fail(rq, err, NULL, NULL);
}
