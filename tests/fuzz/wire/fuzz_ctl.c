#include "tests/fuzz/fuzz.h"
#include "wire/ctl.h"
#include "wire/hello.h"

static void records(const struct vx6_ctl *m)
{
	const uint8_t *record;
	struct vx6_rd r;
	size_t n, sum = 0;

	if (!vx6_is_ok(vx6_ctl_decode_records(m, &r)))
		return;
	while (vx6_ctl_records_next(&r, &record, &n)) {
		FUZZ_CHECK(record >= m->body && n <= m->body_len);
		sum += n + 2;
	}
	FUZZ_CHECK(sum == m->body_len);
}

static void exchange(const struct vx6_ctl *m)
{
	size_t each = m->type == VX6_CTL_HAVE ? 16 : 8, n = 0;
	struct vx6_have e;
	struct vx6_rd r;
	uint64_t tag;

	if (!vx6_is_ok(m->type == VX6_CTL_HAVE ? vx6_ctl_decode_have(m, &r)
					       : vx6_ctl_decode_get(m, &r)))
		return;
	while (m->type == VX6_CTL_HAVE ? vx6_ctl_have_next(&r, &e) : vx6_ctl_get_next(&r, &tag))
		n++;
	FUZZ_CHECK(n * each == m->body_len);
}

static void body(const struct vx6_ctl *m)
{
	struct vx6_goaway g;
	struct vx6_hello h;
	uint64_t token;
	uint8_t id[32];

	switch (m->type) {
	case VX6_CTL_HELLO:
		(void)vx6_is_ok(vx6_hello_decode(m->body, m->body_len, &h));
		break;
	case VX6_CTL_RECORDS:
		records(m);
		break;
	case VX6_CTL_RECORDS_WANT:
		FUZZ_CHECK(vx6_is_ok(vx6_ctl_decode_records_want(m, id)) == (m->body_len == 32));
		break;
	case VX6_CTL_HAVE:
	case VX6_CTL_GET:
		exchange(m);
		break;
	case VX6_CTL_GOAWAY:
		if (vx6_is_ok(vx6_ctl_decode_goaway(m, &g)))
			FUZZ_CHECK(strlen(g.reason) + 2 == m->body_len);
		break;
	default:
		FUZZ_CHECK(vx6_is_ok(vx6_ctl_decode_ping(m, &token)) == (m->body_len == 8));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_ctl m;
	size_t used;
	vx6_err err;

	while (vx6_is_ok(err = vx6_ctl_decode(data, n, &m, &used))) {
		FUZZ_CHECK(used <= n && used == VX6_CTL_HEADER + (size_t)m.body_len);
		body(&m);
		data += used;
		n -= used;
	}
	FUZZ_CHECK(err.code != VX6_E_SHORT || n < VX6_CTL_MAX);
	return 0;
}
