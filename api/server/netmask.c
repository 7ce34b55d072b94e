#include "api/server/netmask.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { V4_AT = 12, V4_BITS = 32, BITS = 128 };

/* @param most bits that the address has */
static bool parse_bits(const char *text, unsigned most, uint8_t *out)
{
	size_t n = strspn(text, "0123456789");
	unsigned long bits = strtoul(text, NULL, 10);

	if (n == 0 || n > 3 || text[n] || bits > most)
		return false;
	*out = (uint8_t)(bits + BITS - most);
	return true;
}

bool vx6_netmask_parse(const char *text, struct vx6_netmask *out)
{
	char address[INET6_ADDRSTRLEN];
	size_t n = strcspn(text, "/");
	unsigned most = BITS;

	*out = (struct vx6_netmask){.bits = BITS};
	out->is_unix = strcmp(text, "unix") == 0;
	if (out->is_unix)
		return true;
	if (n >= sizeof address)
		return false;
	memcpy(address, text, n);
	address[n] = 0;
	if (inet_pton(AF_INET, address, out->ip + V4_AT) == 1) {
		memset(out->ip + V4_AT - 2, 0xff, 2);
		most = V4_BITS;
	} else if (inet_pton(AF_INET6, address, out->ip) != 1) {
		return false;
	}
	return !text[n] || parse_bits(text + n + 1, most, &out->bits);
}

bool vx6_netmask_has(const struct vx6_netmask *m, const struct vx6_addr *from)
{
	unsigned whole = m->bits / 8, rest = m->bits % 8;

	if (m->is_unix || !from)
		return m->is_unix && !from;
	if (from->family != VX6_ADDR_IP || memcmp(m->ip, from->ip, whole) != 0)
		return false;
	return rest == 0 || ((m->ip[whole] ^ from->ip[whole]) & (0xff00U >> rest) & 0xff) == 0;
}
