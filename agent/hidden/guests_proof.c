/*
 * Proof of work for introductions: as much as the descriptor suggests, and more after an introduction that was passed on and had no answer: the owner
 * takes those with the most effort first. It is made on workers, in slices, with a copy of what it is for; whoever wanted it may be gone by then.
 */
#include "hidden/guests_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"

enum { SLICE = 32 }; /* nonces, some ms each, then whoever waits is looked at again */

struct proof {
	struct vx6_job job;
	struct vx6_list of_guests;
	struct vx6_guests *g; /* NULL: gone */
	struct meeting *m;    /* NULL: nobody wants it any more */
	struct vx6_puzzle puzzle;
	struct vx6_puzzle_solver *solver; /* NULL: not begun */
	bool is_running, found;
	uint64_t began_ms;
	uint8_t out[VX6_PUZZLE_BYTES];
};

static void serve(struct vx6_guests *g);

/* ---- how much ---- */

uint32_t proof_effort(const struct service *s)
{
	uint32_t effort = s->desc.pow_effort;

	if (!s->has_desc || !s->desc.pow)
		return 0;
	if (s->effort > effort && guests_now_ms(s->g) - s->effort_ms < EFFORT_MS)
		effort = s->effort;
	return VX6_MIN(effort, (uint32_t)VX6_GUESTS_EFFORT_MAX);
}

void proof_raise(struct service *s, uint32_t made)
{
	uint32_t more = made < EFFORT_DOUBLE_TO ? made * 2 : made / 2 * 3;

	if (!s->has_desc || !s->desc.pow)
		return;
	more = VX6_MAX(more, (uint32_t)EFFORT_RETRY_MIN);
	more = VX6_MIN(more, (uint32_t)VX6_GUESTS_EFFORT_MAX);
	if (more <= proof_effort(s))
		return;
	s->effort = more;
	s->effort_ms = guests_now_ms(s->g);
}

/* ---- on a worker ---- */

static void work(struct vx6_job *job)
{
	struct proof *p = VX6_CONTAINER_OF(job, struct proof, job);
	uint8_t nonce[VX6_PUZZLE_NONCE];

	if (!p->solver) {
		vx6_random_bytes(nonce, sizeof nonce);
		p->solver = vx6_puzzle_solver_new(&p->puzzle, nonce);
	}
	for (int i = 0; p->solver && !p->found && i < SLICE; i++)
		p->found = vx6_is_ok(vx6_puzzle_step(p->solver, p->out));
}

/* ---- on the loop ---- */

static void proof_free(struct proof *p)
{
	vx6_list_remove(&p->of_guests);
	vx6_puzzle_solver_free(p->solver);
	free(p);
}

static void give(struct proof *p)
{
	struct meeting *m = p->m;

	m->proof = NULL;
	m->has_pow = true;
	memcpy(m->pow, p->out, sizeof m->pow);
	step(m, VX6_GUEST_PROOF, "an effort of %u was proved in %llu ms", p->puzzle.effort,
	     (unsigned long long)(guests_now_ms(m->g) - p->began_ms));
	intro_send(m);
	meeting_arm(m);
}

static void on_worked(struct vx6_job *job)
{
	struct proof *p = VX6_CONTAINER_OF(job, struct proof, job);
	struct vx6_guests *g = p->g;

	if (p->m && p->solver && !p->found && vx6_is_ok(vx6_loop_work(g->cfg.loop, &p->job)))
		return;
	if (g)
		g->proofs_n--;
	if (p->m && p->found)
		give(p);
	else if (p->m)
		meeting_fail(p->m, VX6_ERR(MEMORY), true, "no memory for a proof of work");
	proof_free(p);
	if (g)
		serve(g);
}

/* The next that waits for a worker. */
static void serve(struct vx6_guests *g)
{
	VX6_LIST_EACH(node, &g->proofs)
	{
		struct proof *p = VX6_CONTAINER_OF(node, struct proof, of_guests);

		if (g->proofs_n >= VX6_GUESTS_PROOFS_MAX)
			return;
		if (p->is_running)
			continue;
		p->is_running = vx6_is_ok(vx6_loop_work(g->cfg.loop, &p->job));
		g->proofs_n += p->is_running;
	}
}

void proof_begin(struct meeting *m)
{
	struct vx6_guests *g = m->g;
	struct service *s = m->s;
	struct proof *p = vx6_zalloc(sizeof *p);

	p->job = (struct vx6_job){.work = work, .done = on_worked};
	p->g = g;
	p->m = m;
	p->began_ms = guests_now_ms(g);
	memcpy(p->puzzle.seed, s->desc.pow_seed, sizeof p->puzzle.seed);
	memcpy(p->puzzle.blinded, s->names.blinded.b, sizeof p->puzzle.blinded);
	p->puzzle.effort = m->effort;
	m->proof = p;
	step(m, VX6_GUEST_PROOF, "an effort of %u is to be proved", m->effort);
	vx6_list_push(&g->proofs, &p->of_guests);
	serve(g);
}

void proof_cancel(struct meeting *m)
{
	struct proof *p = m->proof;

	m->proof = NULL;
	if (!p)
		return;
	p->m = NULL;
	if (!p->is_running)
		proof_free(p);
}

void proofs_leave(struct vx6_guests *g)
{
	VX6_LIST_EACH(node, &g->proofs)
	{
		struct proof *p = VX6_CONTAINER_OF(node, struct proof, of_guests);

		vx6_list_remove(&p->of_guests);
		p->g = NULL;
	}
}
