#include "state/resource.h"

#include "base/util.h"

void vx6_meta_fini(struct vx6_meta *m)
{
	VX6_FREE(m->labels);
}

void vx6_meta_copy(struct vx6_meta *dst, const struct vx6_meta *src)
{
	*dst = *src;
	dst->labels = vx6_strdup(src->labels ? src->labels : "{}");
}

void vx6_events_free(struct vx6_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(events[i].data);
	free(events);
}
