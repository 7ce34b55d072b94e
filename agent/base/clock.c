#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * VX6_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t vx6_now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t vx6_now_ms(void)
{
	return vx6_now_ns() / VX6_NS_PER_MS;
}

uint64_t vx6_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / VX6_NS_PER_MS;
}

uint64_t vx6_wall_s(void)
{
	return read_ns(CLOCK_REALTIME) / VX6_NS_PER_S;
}

char *vx6_time_format(uint64_t wall_ms, char out[VX6_TIME_TEXT])
{
	/* a time beyond the year 9999 has no RFC 3339 form */
	const uint64_t last_ms = UINT64_C(253402300799999);
	uint64_t ms = wall_ms < last_ms ? wall_ms : last_ms;
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, VX6_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, VX6_TIME_TEXT - n, ".%03uZ", (unsigned)(ms % 1000));
	return out;
}
