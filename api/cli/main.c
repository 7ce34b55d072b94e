/* The program: the commands of the command line. */
#include "api/cli/cli.h"

int main(int argc, char **argv)
{
	return vx6_cli_main(argc, argv);
}
