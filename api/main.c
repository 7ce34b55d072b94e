/*
 * The program: `vx6 agent` is the agent, everything else asks one.
 */
#include <string.h>

#include "api/agent/agent.h"
#include "api/cli/cli.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		if (strcmp(argv[i], "agent") == 0)
			return vx6_agent_main(argc, argv);
		break;
	}
	return vx6_cli_main(argc, argv);
}
