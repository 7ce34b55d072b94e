/**
 * @file load.h
 * Load generator and sink for tests and benchmarks: cheap enough that what lies between the two
 * is what gets measured. Bulk data leaves by sendfile and is discarded inside the kernel.
 *
 * A connection says in its first byte what it wants of the server:
 *   'P'  every byte sent is answered by one byte
 *   'S'  bytes until FIN are counted; the count (8 bytes, big-endian) is the answer
 *   'R'  8 bytes n follow; n bytes and FIN are the answer
 */
#ifndef LOAD_H
#define LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { LOAD_CHUNK = 256 << 10, LOAD_MAX_CONNS = 60000 };

struct load_target {
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

_Noreturn void load_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t load_now_ns(void);
void load_put_u64(uint8_t out[static 8], uint64_t v);
uint64_t load_get_u64(const uint8_t in[static 8]);
/** A file in memory to send from. */
int load_memory_file(size_t bytes);
/** @return a connected blocking socket; ends the program on failure */
int load_connect(const struct load_target *to);

/** The server; never returns. */
_Noreturn void load_serve(const struct load_target *at);

/** Streams that send (or receive) as fast as they can for a while; prints one JSON line. */
void load_bulk(const struct load_target *to, int streams, double seconds, char kind);
/** New connections one after another, time to the first byte of each; prints one JSON line. */
void load_ttfb(const struct load_target *to, int count, unsigned gap_us);
/** Many connections opened, proved by one byte each way, then held until standard input ends. */
void load_hold(const struct load_target *to, int count, int parallel);
/** Many connections opened, proved and closed; prints one JSON line. */
void load_churn(const struct load_target *to, int count, int parallel);

#endif
