/*
 * Virtual time for a test whose program is linked with the wraps of vx6_virtual_time(): the loop's clock stands still while anything is being done,
 * and jumps to the next timer when the loop would sleep. For whatever has no descriptors, such as links in memory.
 */
#include "vtime.h"

#include <sys/timerfd.h>

#include "base/clock.h"

static uint64_t now_ns = 1000 * VX6_NS_PER_S;

uint64_t __wrap_vx6_now_ns(void);
uint64_t __wrap_vx6_now_ms(void);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);

uint64_t __wrap_vx6_now_ns(void)
{
	return now_ns;
}

uint64_t __wrap_vx6_now_ms(void)
{
	return now_ns / VX6_NS_PER_MS;
}

/* The last thing before the loop sleeps. */
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
	uint64_t due_ns =
		(uint64_t)at->it_value.tv_sec * VX6_NS_PER_S + (uint64_t)at->it_value.tv_nsec;
	struct itimerspec past = {.it_value = {.tv_nsec = 1}};

	if (due_ns == 0)
		return __real_timerfd_settime(fd, flags, at, old);
	if (due_ns > now_ns)
		now_ns = due_ns;
	return __real_timerfd_settime(fd, flags, &past, old);
}

uint64_t vtime_ms(void)
{
	return now_ns / VX6_NS_PER_MS;
}
