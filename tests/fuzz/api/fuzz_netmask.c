/* Any text as a network: taken or refused, and what is taken holds the address that it was made of. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/netmask.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_addr from = {.family = VX6_ADDR_IP};
	struct vx6_netmask mask;
	char *text;

	if (n > 64 || memchr(data, 0, n))
		return 0;
	text = vx6_zalloc(n + 1);
	if (n)
		memcpy(text, data, n);
	if (vx6_netmask_parse(text, &mask)) {
		VX6_ASSERT(mask.bits <= 128);
		memcpy(from.ip, mask.ip, sizeof from.ip);
		VX6_ASSERT(vx6_netmask_has(&mask, &from) == !mask.is_unix);
		VX6_ASSERT(vx6_netmask_has(&mask, NULL) == mask.is_unix);
	}
	free(text);
	return 0;
}
