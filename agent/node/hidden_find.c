/* Who claims an alias: a lookup over circuits, for whoever asks. What is found is shown, and nothing of it is kept. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "node/discovery_internal.h"
#include "node/hidden_internal.h"

enum { FINDS_MAX = 16 };

struct find {
	struct vx6_list node; /* hidden.finds */
	struct request *rq;
	struct vx6_hs_alias_find *f;
};

static const char *why_none(vx6_err err)
{
	if (err.code == VX6_E_NO_RELAYS)
		return "no node is known to look it up through";
	return err.code == VX6_E_TIMEOUT ? "nobody answered in time" : "nobody could be asked";
}

static void answer(struct request *rq, const struct vx6_hs_alias_found *f)
{
	struct vx6_page *page = page_new(VX6_PAGE_HIDDEN_FOUND, 1);
	struct vx6_hidden_found_row *row = page->u.hidden_found;
	const struct hidden_visit *v = hidden_visit_find(rq->owner, rq->cmd->u.hidden.name);

	page->n = 1;
	vx6_strlcpy(row->alias, rq->cmd->u.hidden.name, sizeof row->alias);
	row->claims = *f->claims;
	row->asked = f->asked;
	row->queries = f->queries;
	row->ms = f->ms;
	row->is_known = v != NULL;
	if (v)
		row->known = v->data.service;
	row->verdict =
		vx6_claims_judge(f->claims, v ? &v->data.service : NULL, &f->asked, &row->chosen);
	page_answer(rq, page);
}

static void on_found(void *user, const struct vx6_hs_alias_found *f)
{
	struct find *mine = user;
	struct request *rq = mine->rq;

	vx6_list_remove(&mine->node);
	rq->owner->hidden->finds_n--;
	free(mine);
	/* that nobody claims it is an answer */
	if (vx6_is_ok(f->err) || f->err.code == VX6_E_NOT_FOUND)
		answer(rq, f);
	else
		request_fail(rq, f->err.code == VX6_E_UNREACHABLE ? VX6_ERR(NO_RELAYS) : f->err,
			     NULL, why_none(f->err));
}

void hidden_find_alias(struct request *rq)
{
	struct hidden *h = rq->owner->hidden;
	struct find *mine;

	if (!h->dht || rq->owner->draining) {
		request_fail(rq, h->dht ? VX6_ERR(DRAINING) : VX6_ERR(AGAIN), NULL, NULL);
		return;
	}
	if (h->finds_n == FINDS_MAX) {
		request_fail(rq, VX6_ERR(FULL), NULL, "too many are being looked for");
		return;
	}
	mine = vx6_zalloc(sizeof *mine);
	mine->rq = rq;
	mine->f = vx6_hs_alias_find(h->dht, rq->cmd->u.hidden.name, on_found, mine);
	vx6_list_push(&h->finds, &mine->node);
	h->finds_n++;
}

void hidden_finds_stop(struct vx6_node *node)
{
	struct vx6_list *first;

	while ((first = vx6_list_pop(&node->hidden->finds)) != NULL) {
		struct find *mine = VX6_CONTAINER_OF(first, struct find, node);

		vx6_hs_alias_find_cancel(mine->f);
		request_fail(mine->rq, VX6_ERR(DRAINING), NULL, NULL);
		free(mine);
	}
	node->hidden->finds_n = 0;
}
