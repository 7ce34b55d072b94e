/* Properties: whatever is cut and whenever, each end gets exactly what the other wrote, in order, once; or learns that it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/util.h"
#include "wire/code.h"
#include "world.h"

enum { SEEDS = 60, CUTS = 400 };

static void assert_all_there(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		struct app *a = &w->end[i].app;

		assert_int_equal(a->closed, 1);
		assert_int_equal(a->why.code, VX6_E_OK);
		assert_true(a->fin_got);
		assert_int_equal(a->got, w->end[!i].app.total);
	}
}

static bool nothing_left(struct world *w)
{
	return vx6_vxs_count(w->end[0].vxs) == 0 && vx6_vxs_count(w->end[1].vxs) == 0;
}

static bool over(struct world *w)
{
	return w->end[0].app.closed && (w->end[1].app.closed || w->end[1].app.accepted == 0);
}

/* ---- one cut, at each event of a short transfer ---- */

static void cut_at(unsigned event, bool silent, bool *finished)
{
	struct world w;
	struct app *a = &w.end[0].app, *b = &w.end[1].app;

	world_start(&w, event, 0, 0);
	a->piece_max = b->piece_max = 3000;
	w.fuse = event;
	w.fuse_silent = silent;
	world_open(&w, 700000, 500000);
	while (w.fuse > 0 && !apps_done(&w))
		world_turn(&w);
	*finished = apps_done(&w);
	world_cut(&w, false);
	world_link(&w);
	world_attach(&w, false);
	if (!world_until(&w, over))
		fail_msg("event %u: %llu up, %llu down", event, (unsigned long long)b->got,
			 (unsigned long long)a->got);
	if (a->why.code != VX6_E_OK) {
		/* the one way out: it had not been answered */
		assert_int_equal(a->got, 0);
		assert_int_equal(a->code, VX6_CODE_RESET);
		assert_true(b->accepted == 0 || b->why.code == VX6_E_RESET);
	} else {
		assert_all_there(&w);
	}
	if (!world_until(&w, nothing_left))
		fail_msg("event %u: %zu and %zu streams are left", event,
			 vx6_vxs_count(w.end[0].vxs), vx6_vxs_count(w.end[1].vxs));
	world_end(&w);
}

static void resume__cut_at_every_event__all_there_or_not_answered(void **state)
{
	for (int silent = 0; silent < 2; silent++) {
		bool finished = false;
		unsigned event = 1;

		for (; event < CUTS && !finished; event++)
			cut_at(event, silent, &finished);
		print_message("%u cuts\n", event);
		assert_true(event > 10);
	}
}

/* ---- many cuts ---- */

static bool one_done(struct world *w)
{
	return w->end[0].app.closed || w->end[1].app.closed;
}

static void random_step(struct world *w)
{
	switch (world_random(w, 12)) {
	case 0:
		world_cut(w, world_random(w, 2));
		break;
	case 1: /* while the old one lives */
		world_link(w);
		world_attach(w, true);
		break;
	case 2: /* two at once: the answer of the first may come after the second was asked for */
		world_link(w);
		world_attach(w, true);
		world_link(w);
		world_attach(w, true);
		break;
	case 3:
		if (w->end[0].link && w->end[1].link)
			world_attach(w, true);
		break;
	case 4:
		app_read(&w->end[0].app, world_random(w, 300000));
		app_read(&w->end[1].app, world_random(w, 300000));
		break;
	default:
		for (uint32_t n = world_random(w, 6); n > 0; n--)
			world_turn(w);
	}
	if (!w->end[0].link || !w->end[1].link) {
		world_link(w);
		world_attach(w, false);
	}
}

static void random_run(uint64_t seed)
{
	struct world w;

	world_start(&w, seed, 0, 0);
	for (int i = 0; i < 2; i++)
		w.end[i].app.lazy = world_random(&w, 2);
	world_open(&w, world_random(&w, 1500000), world_random(&w, 1500000));
	while (w.end[0].app.got == 0 && !w.end[0].app.fin_got)
		world_turn(&w); /* answered: from here on no cut may be seen */
	for (int i = 0; i < 200 && !one_done(&w); i++)
		random_step(&w);
	for (int i = 0; i < 2; i++) {
		w.end[i].app.lazy = false;
		app_read(&w.end[i].app, UINT64_MAX);
	}
	if (!world_until(&w, apps_done))
		fail_msg("seed %llu: %llu of %llu up, %llu of %llu down", (unsigned long long)seed,
			 (unsigned long long)w.end[1].app.got,
			 (unsigned long long)w.end[0].app.total,
			 (unsigned long long)w.end[0].app.got,
			 (unsigned long long)w.end[1].app.total);
	assert_all_there(&w);
	assert_int_equal(vx6_vxs_kept(w.end[0].vxs) + vx6_vxs_kept(w.end[1].vxs), 0);
	world_end(&w);
}

static void resume__random_cuts_and_attaches__exactly_once_in_order(void **state)
{
	const char *given = getenv("VX6_SEED");

	if (given) {
		random_run(strtoull(given, NULL, 0));
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		random_run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resume__cut_at_every_event__all_there_or_not_answered),
		cmocka_unit_test(resume__random_cuts_and_attaches__exactly_once_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
