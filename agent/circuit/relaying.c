#include "circuit/relaying.h"

#include <stddef.h>
#include <string.h>

#include "base/util.h"

static const char *const texts[] = {
	[VX6_RELAYING_PUBLIC] = "public",
	[VX6_RELAYING_PRIVATE] = "private",
	[VX6_RELAYING_OFF] = "off",
};

bool vx6_relaying_parse(const char *text, enum vx6_relaying *out)
{
	for (size_t i = 0; i < VX6_ARRAY_N(texts); i++) {
		if (strcmp(text, texts[i]) != 0)
			continue;
		*out = (enum vx6_relaying)i;
		return true;
	}
	return false;
}

const char *vx6_relaying_text(enum vx6_relaying mode)
{
	return texts[mode];
}

void vx6_relaying_apply(struct vx6_relaying_budget *b, const struct vx6_relaying_change *c)
{
	if (c->has_mode)
		b->mode = c->to.mode;
	if (c->has_circuits)
		b->circuits = c->to.circuits;
	if (c->has_memory)
		b->memory_mb = c->to.memory_mb;
	if (c->has_rate)
		b->rate_mbit = c->to.rate_mbit;
}

bool vx6_relaying_eq(const struct vx6_relaying_budget *a, const struct vx6_relaying_budget *b)
{
	return a->mode == b->mode && a->circuits == b->circuits && a->memory_mb == b->memory_mb &&
	       a->rate_mbit == b->rate_mbit;
}

struct vx6_relaying_budget vx6_relaying_whole(const struct vx6_relaying_budget *b)
{
	struct vx6_relaying_budget whole = *b;

	if (whole.circuits == 0)
		whole.circuits = VX6_RELAYING_CIRCUITS;
	if (whole.memory_mb == 0)
		whole.memory_mb = VX6_RELAYING_MEMORY_MB;
	return whole;
}
