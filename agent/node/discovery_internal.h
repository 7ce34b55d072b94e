/**
 * @file discovery_internal.h
 * The node's side of node/facade_discovery.h, shared by its sources.
 *
 * Layer:   node
 * Threads: the loop's thread
 */
#ifndef VX6_NODE_DISCOVERY_INTERNAL_H
#define VX6_NODE_DISCOVERY_INTERNAL_H

#include "node/node_internal.h"

/* ---- discovery_read.c ---- */

/** @return a page of @p kind with room for @p rows */
struct vx6_page *page_new(enum vx6_page_kind kind, size_t rows);
/** A page of anything but operations and catalogs. */
struct vx6_page *discovery_page(struct vx6_node *node, const struct vx6_page_ask *ask);
/** @return NULL: this node takes no part in it */
struct vx6_dht *discovery_dht(const struct vx6_node *node);
/** Whether @p text holds @p q, or @p q is empty; @p node's id begins with it counts too. @param node NULL: none */
bool page_matches(const struct vx6_page_ask *ask, const char *text, const struct vx6_node_id *node);
/** Answers @p rq with @p page. Takes both. */
void page_answer(struct request *rq, struct vx6_page *page);

/* ---- discovery_ops.c ---- */

void operation_begin(struct request *rq);
void operation_cancel(struct request *rq);
/** Reads, or waits for the end of one. */
void operations_read(struct request *rq);

/* ---- discovery_names.c ---- */

void binding_change(struct request *rq);

/* ---- discovery_catalogs.c ---- */

void catalogs_read(struct request *rq);
void catalog_change(struct request *rq);

/* ---- discovery_identity.c ---- */

void identity_change(struct request *rq);

#endif
