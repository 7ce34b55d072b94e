/**
 * @file suggest.h
 * "Did you mean": the nearest of a few words.
 *
 * Layer:   api
 * Threads: pure, any thread
 */
#ifndef VX6_API_CLI_SUGGEST_H
#define VX6_API_CLI_SUGGEST_H

#include <stddef.h>

/** @return one of @p words that is a slip or two away from @p word; NULL: none is near */
const char *vx6_cli_nearest(const char *word, const char *const *words, size_t n);
const char *vx6_cli_nearest_noun(const char *word);
const char *vx6_cli_nearest_verb(const char *noun, const char *word);

#endif
