/**
 * @file contract.h
 * The API contract as constant tables: routes, parameters, schemas, problems, event types, documents.
 *
 * Spec:    schemas/openapi.json, schemas/api/, schemas/problems.json, schemas/events.json
 * Layer:   api
 * Shape:   made at build time by schemas/gen/gen_contract.py; server, CLI and tests read the same tables
 * Threads: constant, any thread
 */
#ifndef VX6_API_CONTRACT_CONTRACT_H
#define VX6_API_CONTRACT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json/types.h"
#include "api/contract/ids.h" /* generated: enum vx6_op, enum vx6_problem_code, VX6_CONTRACT_VERSION */

enum vx6_schema_flags {
	VX6_SF_CLOSED = 1,     /* additionalProperties: false */
	VX6_SF_UNIQUE = 2,     /* uniqueItems */
	VX6_SF_MIN = 4,        /* min counts */
	VX6_SF_MAX = 8,        /* max counts */
	VX6_SF_DATE_TIME = 16, /* format: date-time */
	VX6_SF_CONST = 32,     /* the one value of values came from `const` */
	VX6_SF_NEVER = 64,     /* the schema `false` */
};

enum { VX6_SCHEMA_NO_MAX = UINT32_MAX };

/* A byte automaton: state 1 starts, state 0 is dead. */
struct vx6_pattern {
	const char *text;        /* the regular expression, for messages */
	const uint8_t *class_of; /* [256] */
	const uint16_t *next;    /* [state * classes_n + class] */
	const uint8_t *accept;   /* [state] */
	uint16_t classes_n;
};

struct vx6_schema_value {
	uint8_t type; /* one of enum vx6_json_types; INTEGER never, numbers are NUMBER, bools are 0 or 1 in number */
	double number;
	const char *text; /* the value as JSON */
	const char *string;
};

struct vx6_schema;

struct vx6_schema_prop {
	const char *name;
	const struct vx6_schema *schema; /* NULL: a field that only the server writes */
	const char *description;
	const char *fallback; /* default as JSON, or NULL */
	bool required;
};

struct vx6_schema {
	const char *name; /* component name, or NULL */
	uint8_t types;    /* accepted, enum vx6_json_types */
	uint8_t flags;    /* enum vx6_schema_flags */
	uint16_t props_n, values_n;
	uint32_t min_length, max_length; /* code points */
	uint32_t min_items, max_items;
	uint32_t min_props, max_props;
	double min, max;
	const struct vx6_schema_prop *props;
	const struct vx6_schema_value *values; /* enum */
	const struct vx6_pattern *pattern;
	const struct vx6_schema *items, *extra,
		*key; /* items, additionalProperties, propertyNames; NULL: anything */
};

enum vx6_api_role {
	VX6_API_ROLE_PUBLIC, /* no credential needed */
	VX6_API_ROLE_VIEWER,
	VX6_API_ROLE_OPERATOR,
	VX6_API_ROLE_ADMIN,
};

enum vx6_param_place {
	VX6_PARAM_PATH,
	VX6_PARAM_QUERY,
	VX6_PARAM_HEADER,
};

struct vx6_param {
	const char *name;
	enum vx6_param_place place;
	const struct vx6_schema *schema;
	const char *description;
	const char *fallback; /* default as JSON, or NULL */
};

struct vx6_route {
	enum vx6_op op;
	const char *id; /* operationId */
	const char *method;
	const char *path; /* template: "/v1/services/{id}" */
	enum vx6_api_role role;
	uint32_t max_body; /* bytes; 0: takes no body */
	bool merge_patch;  /* body is application/merge-patch+json, else application/json */
	uint16_t params_n, problems_n;
	const struct vx6_param *params;
	const struct vx6_schema *body; /* NULL without body */
	const uint8_t *problems;       /* enum vx6_problem_code: every one this route may answer */
	const char *cli;               /* command that calls it, or NULL */
	const char *summary;
};

struct vx6_problem_info {
	const char *code;
	uint16_t status;
	bool retryable;
	const char *title;
	const char *detail;
};

struct vx6_event_info {
	const char *type;
	const char *subject;
	const char *detail;
};

/* A document that the server hands out as it is. */
struct vx6_document {
	const char *name;
	const uint8_t *bytes;
	size_t n;
};

extern const struct vx6_route vx6_routes[VX6_OP_N]; /* indexed by enum vx6_op */
extern const struct vx6_problem_info vx6_problems[VX6_PROBLEM_N];
extern const struct vx6_event_info vx6_event_types[];
extern const size_t vx6_event_types_n;
extern const struct vx6_document vx6_openapi;
extern const struct vx6_document vx6_schema_docs[];
extern const size_t vx6_schema_docs_n;

/** @return the schema of that component name ("ServiceInput"); NULL: none that requests use */
const struct vx6_schema *vx6_schema_find(const char *name);

#endif
