/* Circuits and sessions, as a host needs them. */
#include "base/util.h"
#include "hidden/host_internal.h"

static vx6_err begin(const struct vx6_host_config *cfg, const struct vx6_bare_want *want,
		     const struct vx6_bare_events *ev, void *user, struct vx6_bare **out,
		     char detail[static VX6_CIRCUIT_WHY])
{
	return vx6_bare_begin(cfg->circuits, want, ev, user, out, detail);
}

static bool binding(struct vx6_bare *b, uint8_t out[static VX6_CB_BYTES])
{
	struct vx6_circuit *c = vx6_bare_circuit(b);

	return c && vx6_circuit_binding(c, out);
}

static vx6_err meet(const struct vx6_host_config *cfg, struct vx6_bare *b,
		    const struct vx6_circuit_join *join, const struct vx6_adopt *how,
		    struct vx6_session **out)
{
	struct vx6_circuit *c = vx6_bare_circuit(b);
	struct vx6_link *link;

	if (!c)
		return VX6_ERR(CLOSED);
	VX6_TRY(vx6_circuit_join(c, join));
	link = vx6_circuit_link(c);
	if (!link)
		return VX6_ERR(CLOSED);
	return vx6_sessions_adopt(cfg->sessions, link, how, out);
}

const struct vx6_host_ops host_circuit_ops = {
	.begin = begin,
	.say = vx6_bare_say,
	.binding = binding,
	.last = vx6_bare_last,
	.guard = vx6_bare_guard,
	.id = vx6_bare_id,
	.first_lost = vx6_bare_first_lost,
	.close = vx6_bare_close,
	.accept = meet,
	.disown = vx6_session_disown,
	.streams = vx6_session_streams,
	.hang_up = vx6_session_close,
};
