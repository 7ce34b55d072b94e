#include "transport/local.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

bool vx6_local_addr_is_there(const struct vx6_addr *a)
{
	struct vx6_addr any_port = *a;
	struct sockaddr_storage ss;
	socklen_t n;
	bool gone;
	int fd;

	if (a->family != VX6_ADDR_IP || vx6_addr_is_any(a))
		return true; /* not known */
	any_port.port = 0;
	n = vx6_addr_to_sockaddr(&any_port, false, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	gone = bind(fd, (struct sockaddr *)&ss, n) < 0 && errno == EADDRNOTAVAIL;
	close(fd);
	return !gone;
}
