#include "service/spec.h"

#include <string.h>

#include "base/util.h"

void vx6_service_spec_fini(struct vx6_service_spec *s)
{
	VX6_FREE(s->allow);
	s->allow_n = 0;
}

void vx6_service_spec_copy(struct vx6_service_spec *dst, const struct vx6_service_spec *src)
{
	*dst = *src;
	dst->allow = NULL;
	if (src->allow_n) {
		dst->allow = vx6_realloc_array(NULL, src->allow_n, sizeof *src->allow);
		memcpy(dst->allow, src->allow, src->allow_n * sizeof *src->allow);
	}
}
