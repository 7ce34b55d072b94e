/**
 * @file validate.h
 * Checks values against the contract's schemas and tells everything that is wrong at once.
 *
 * Spec:    docs/api-conventions.md (the profile of JSON Schema 2020-12)
 * Layer:   api
 * Trust:   values are hostile, schemas are ours
 * Threads: pure, any thread
 */
#ifndef VX6_API_CONTRACT_VALIDATE_H
#define VX6_API_CONTRACT_VALIDATE_H

#include <stdbool.h>

#include "api/contract/contract.h"
#include "api/json/tree.h"

enum {
	VX6_FAULTS_MAX = 32,     /* more than these are only counted */
	VX6_FAULT_POINTER = 192, /* bytes; a longer pointer is cut */
	VX6_FAULT_DETAIL = 192,
	VX6_UNIQUE_MAX = 1024, /* items that uniqueItems compares; more are a fault */
};

struct vx6_fault {
	char pointer[VX6_FAULT_POINTER]; /* JSON pointer, "" is the whole value */
	const char *code;                /* the keyword that failed; static */
	char detail[VX6_FAULT_DETAIL];
};

/** Zero-initialise the counter. */
struct vx6_faults {
	size_t n; /* all of them, also those that did not fit */
	struct vx6_fault items[VX6_FAULTS_MAX];
};

/** Adds to @p faults. @return whether @p v matches */
bool vx6_validate(const struct vx6_schema *schema, const struct vx6_value *v,
		  struct vx6_faults *faults);

/** The same for the text of a parameter; its pointer is "?name". Numbers are whole and decimal. */
bool vx6_validate_param(const struct vx6_param *param, const char *text, struct vx6_faults *faults);

/** Adds a fault that no schema expresses. @param code static */
void vx6_fault_add(struct vx6_faults *faults, const char *pointer, const char *code,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** Whether all of @p text matches. */
bool vx6_pattern_match(const struct vx6_pattern *pattern, const char *text);

#endif
