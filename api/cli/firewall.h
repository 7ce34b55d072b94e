/**
 * @file firewall.h
 * Whether the rules of a firewall seem to drop what comes in for a port.
 *
 * Layer:   api
 * Shape:   the text of `nft -n list ruleset`, or of iptables-save
 * Limits:  rules are read by themselves: what is let in of some only, sets by name and jumps are taken as letting it in
 * Trust:   any text; lines above 512 bytes are cut there
 * Threads: pure, any thread
 */
#ifndef VX6_API_CLI_FIREWALL_H
#define VX6_API_CLI_FIREWALL_H

#include <stdbool.h>
#include <stdint.h>

/** @param protocol "udp" or "tcp" */
bool vx6_firewall_drops(const char *rules, const char *protocol, uint16_t port);

#endif
