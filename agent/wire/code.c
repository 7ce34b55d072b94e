#include "wire/code.h"

#include <stddef.h>

#include "base/util.h"

static const struct code {
	uint16_t number;
	bool retryable;
	int err; /* enum vx6_err_code */
	const char *text;
} codes[] = {
#define X(symbol, number, err, retryable, text) {number, retryable, VX6_E_##err, text},
	VX6_CODE_MAP(X)
#undef X
};

static const struct code *code_find(uint32_t number)
{
	for (size_t i = 0; i < VX6_ARRAY_N(codes); i++)
		if (codes[i].number == number)
			return &codes[i];
	return NULL;
}

uint16_t vx6_code_from_err(vx6_err e)
{
	switch (e.code) { /* where the table's lowest match would say too little or too much */
	case VX6_E_KEY:
		return VX6_CODE_AUTH;
	case VX6_E_MISMATCH:
		return VX6_CODE_WRONG_PEER;
	case VX6_E_MEMORY:
	case VX6_E_AGAIN:
		return VX6_CODE_LIMIT;
	case VX6_E_LIMIT:
		return VX6_CODE_TOO_BIG;
	case VX6_E_REFUSED:
		return VX6_CODE_STREAM_REFUSED;
	case VX6_E_CLOSED:
		return VX6_CODE_RESET;
	default:
		break;
	}
	for (size_t i = 0; i < VX6_ARRAY_N(codes); i++)
		if (codes[i].err == e.code)
			return codes[i].number;
	return e.code >= VX6_E_SHORT && e.code < VX6_E_WRONG_PEER ? VX6_CODE_BAD_FORMAT
								  : VX6_CODE_INTERNAL;
}

vx6_err vx6_code_to_err(uint32_t number)
{
	const struct code *c = code_find(number);

	return c ? (vx6_err){c->err} : VX6_ERR(PROTOCOL);
}

bool vx6_code_is_retryable(uint32_t number)
{
	const struct code *c = code_find(number);

	return c && c->retryable;
}

const char *vx6_code_text(uint32_t number)
{
	const struct code *c = code_find(number);

	return c ? c->text : "unknown code";
}
