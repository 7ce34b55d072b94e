/* Prints vx6(1), for the build. */
#include "api/cli/cli.h"

int main(void)
{
	vx6_cli_manual();
	return 0;
}
