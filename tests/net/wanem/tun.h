/**
 * @file tun.h
 * A TUN device inside a network namespace, with its addresses, brought up.
 */
#ifndef WANEM_TUN_H
#define WANEM_TUN_H

#include <net/if.h>
#include <stdbool.h>

enum { WANEM_MAX_ADDRS = 4 };

struct wanem_endpoint {
	char netns[64]; /* empty: the namespace wanem runs in */
	char dev[IFNAMSIZ];
	char addr[WANEM_MAX_ADDRS][64]; /* ADDRESS/PREFIX, IPv6 or IPv4 */
	int addrs;
};

/** NETNS,DEV[,ADDR/LEN]...; an empty NETNS is the caller's own. @return false on bad syntax */
bool wanem_endpoint_parse(struct wanem_endpoint *e, const char *text);

/** Creates the device and brings it up. @return its non-blocking descriptor; ends the program on failure */
int wanem_endpoint_open(const struct wanem_endpoint *e, int mtu);

_Noreturn void wanem_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
