/**
 * @file types.h
 * The JSON types as bits, shared by the value tree and the contract tables.
 *
 * Layer:   api
 */
#ifndef VX6_API_JSON_TYPES_H
#define VX6_API_JSON_TYPES_H

/* A whole number is INTEGER and NUMBER at once. */
enum vx6_json_types {
	VX6_JT_NULL = 1,
	VX6_JT_BOOL = 2,
	VX6_JT_INTEGER = 4,
	VX6_JT_NUMBER = 8,
	VX6_JT_STRING = 16,
	VX6_JT_ARRAY = 32,
	VX6_JT_OBJECT = 64,
	VX6_JT_ANY = 127,
};

#endif
