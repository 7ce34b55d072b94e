/**
 * @file agent.h
 * `vx6 agent`: an agent with its API, in the foreground.
 *
 * Layer:   api
 * Threads: the main thread becomes the loop's
 */
#ifndef VX6_API_AGENT_AGENT_H
#define VX6_API_AGENT_AGENT_H

/** @return exit status: 0 after an orderly stop, 2 for a wrong setting, 1 when the agent cannot start */
int vx6_agent_main(int argc, char **argv);

#endif
