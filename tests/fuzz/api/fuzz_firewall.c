/* What a firewall and the kernel print: any text is read to its end. */
#include "api/cli/doctor.h"
#include "api/cli/firewall.h"
#include "base/util.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = vx6_zalloc(n + 1);

	if (n > 0)
		memcpy(text, data, n);
	vx6_firewall_drops(text, "udp", 4242);
	vx6_firewall_drops(text, "tcp", 0);
	vx6_doctor_bound(text, 4242, false);
	vx6_doctor_files(text);
	free(text);
	return 0;
}
