/*
 * Cells that fill the silence of a link. It is padded while one of its circuits asks for it: its end here waits for a random while in which no cell
 * came or went, and then sends one over any such circuit. What moves is only noted; the timer finds out when it fires.
 */
#include "base/util.h"
#include "circuit/hop_internal.h"
#include "crypto/secret.h"

static uint32_t draw(void)
{
	return VX6_HOP_PAD_MIN_MS + vx6_random_below(VX6_HOP_PAD_MAX_MS - VX6_HOP_PAD_MIN_MS + 1);
}

/* The longer of two: both ends wait, and the one that draws less speaks for both. */
static void wait_anew(struct hop_link *l)
{
	uint32_t a = draw(), b = draw();

	l->moved_ms = vx6_loop_now_ms(l->pad.loop);
	l->pad_ms = VX6_MAX(a, b);
	vx6_timer_in_ms(&l->pad, l->pad_ms);
}

/* One that can send now. Where cells wait there is no silence; and what waits for credit is not to grow. */
static struct vx6_hop *quiet_one(const struct hop_link *l)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&l->hops)
	{
		struct vx6_hop *hop = VX6_CONTAINER_OF(node, struct vx6_hop, on_link);

		if (hop->padded && !hop_has_output(hop) && !hop->asked)
			return hop;
	}
	return NULL;
}

static void on_pad(struct vx6_timer *timer)
{
	struct hop_link *l = timer->user;
	uint64_t silent_ms = vx6_loop_now_ms(timer->loop) - l->moved_ms;
	struct vx6_hop *hop;

	if (silent_ms < l->pad_ms) {
		vx6_timer_in_ms(timer, l->pad_ms - silent_ms);
		return;
	}
	hop = quiet_one(l);
	if (hop)
		hop_send_pad(hop);
	wait_anew(l);
}

void pad_init(struct hop_link *l, struct vx6_loop *loop)
{
	vx6_timer_init(loop, &l->pad, on_pad, l);
}

void vx6_hop_pad(struct vx6_hop *hop, bool on)
{
	struct hop_link *l = hop->l;

	if (hop->padded == on)
		return;
	hop->padded = on;
	if (!on && --l->padded_n == 0)
		vx6_timer_stop(&l->pad);
	if (on && l->padded_n++ == 0)
		wait_anew(l);
}

void vx6_hop_pad_came(struct vx6_hop *hop)
{
	if (hop->padded)
		wait_anew(hop->l);
}
