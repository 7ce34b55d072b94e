/**
 * @file list.h
 * Intrusive doubly linked list. A node is in at most one list; a zeroed node is in none.
 *
 * Layer:   base
 * Threads: none of its own; the owner's thread
 */
#ifndef VX6_BASE_LIST_H
#define VX6_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct vx6_list {
	struct vx6_list *next, *prev;
};

static inline void vx6_list_init(struct vx6_list *head)
{
	head->next = head->prev = head;
}

static inline bool vx6_list_is_empty(const struct vx6_list *head)
{
	return head->next == head;
}

static inline bool vx6_list_is_linked(const struct vx6_list *node)
{
	return node->next != NULL;
}

/** Puts @p node at the end. */
static inline void vx6_list_push(struct vx6_list *head, struct vx6_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/** Takes @p node out of its list, if it is in one. */
static inline void vx6_list_remove(struct vx6_list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}

/** Takes the first node out. @return NULL when empty */
static inline struct vx6_list *vx6_list_pop(struct vx6_list *head)
{
	struct vx6_list *node = head->next;

	if (node == head)
		return NULL;
	vx6_list_remove(node);
	return node;
}

/** Moves all of @p from to the end of @p to. */
static inline void vx6_list_splice(struct vx6_list *to, struct vx6_list *from)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(from)) != NULL)
		vx6_list_push(to, node);
}

/** Iterates; the body may remove the current node only. */
#define VX6_LIST_EACH(node, head)                                                                  \
	for (struct vx6_list *node = (head)->next, *node##_next = node->next; node != (head);      \
	     node = node##_next, node##_next = node->next)

#endif
