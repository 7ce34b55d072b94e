/**
 * @file live.h
 * The settings of an agent that runs: what is in force, where each came from, and reading the file again.
 *
 * Spec:    docs/reference/config.md#while-the-agent-runs
 * Layer:   api
 * Reload:  a file that is wrong in any way changes nothing; of one that is right what can change is in force at once, and the rest is kept
 *          apart, as what a restart would bring
 * Threads: any thread
 */
#ifndef VX6_API_AGENT_LIVE_H
#define VX6_API_AGENT_LIVE_H

#include "api/agent/settings.h"
#include "api/cli/args.h"

struct vx6_agent_live;

/**
 * @param p       the command line; borrowed for its life
 * @param started what the agent started with; copied
 * @param file    where those of a file came from, or empty; copied
 * @param dir     the state directory; copied
 */
struct vx6_agent_live *vx6_agent_live_new(const struct vx6_cli_parsed *p,
					  const struct vx6_settings *started, const char *file,
					  const char *dir);
void vx6_agent_live_free(struct vx6_agent_live *live);
/** As the server asks of it; valid as long as @p live. */
const struct vx6_api_settings *vx6_agent_live_api(const struct vx6_agent_live *live);
/** Reads the file again; blocks on disk. What came of it is in the log. @param live a struct vx6_agent_live */
void vx6_agent_live_reload(void *live);

/**
 * Everything the agent is told: the file, the environment, the command line.
 * @param file PATH_MAX bytes: the file that was read; empty: there is none @param detail VX6_SETTINGS_DETAIL bytes
 */
VX6_RES vx6_agent_collect(const struct vx6_cli_parsed *p, struct vx6_settings *s, char *file,
			  char *detail);

#endif
