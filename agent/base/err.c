#include "base/err.h"

#include <errno.h>
#include <stddef.h>

static const struct error {
	int code;
	const char *name, *text;
} errors[] = {
#define X(symbol, number, name, text) {VX6_E_##symbol, name, text},
	VX6_ERR_MAP(X)
#undef X
};

static const struct error *error_find(int code)
{
	size_t last = sizeof errors / sizeof *errors -
		      1; /* the last row is BUG: an unknown code is one */

	for (size_t i = 0; i < last; i++)
		if (errors[i].code == code)
			return &errors[i];
	return &errors[last];
}

const char *vx6_err_text(vx6_err e)
{
	return error_find(e.code)->text;
}

const char *vx6_err_name(vx6_err e)
{
	return error_find(e.code)->name;
}

vx6_err vx6_err_from_errno(int errnum)
{
	switch (errnum) {
	case 0:
		return VX6_OK;
	case ENOMEM:
	case ENOBUFS:
		return VX6_ERR(MEMORY);
	case EAGAIN:
	case EINTR:
		return VX6_ERR(AGAIN);
	case ENOSPC:
	case EDQUOT:
		return VX6_ERR(DISK_FULL);
	case EACCES:
	case EPERM:
		return VX6_ERR(PERMISSION);
	case EADDRINUSE:
		return VX6_ERR(ADDRESS_IN_USE);
	case ENOENT:
		return VX6_ERR(NOT_FOUND);
	case EEXIST:
		return VX6_ERR(EXISTS);
	case EINVAL:
		return VX6_ERR(INVALID);
	case ETIMEDOUT:
		return VX6_ERR(TIMEOUT);
	case ECONNREFUSED:
		return VX6_ERR(REFUSED);
	case ECONNRESET:
	case EPIPE:
		return VX6_ERR(CLOSED);
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
		return VX6_ERR(UNREACHABLE);
	default:
		return VX6_ERR(IO);
	}
}
