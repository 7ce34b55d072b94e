#include "transport/transport.h"

void vx6_transport_limits_default(struct vx6_transport_limits *out)
{
	*out = (struct vx6_transport_limits){
		.handshake_ms = 5000,
		.idle_ms = 60000,
		.keepalive_ms = 15000,
		.stream_window = 256 * 1024,
		.stream_window_max = 16 * 1024 * 1024,
		.link_window = 1024 * 1024,
		.link_window_max = 64 * 1024 * 1024,
		.streams_max = 65536,
		.streams_max_anon = 1024,
		.links_max = 4096,
		.handshakes_max = 512,
		.handshakes_per_s = 20,
	};
}
