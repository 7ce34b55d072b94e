#include "tests/fuzz/fuzz.h"
#include "wire/hs.h"

/* Input: type of the payload u8, 0: what is inside of a seal | bytes. The latter are filled up with zeroes. */

static void establish(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_ESTABLISH_INTRO_BYTES];
	struct vx6_establish_intro m;

	if (!vx6_is_ok(vx6_establish_intro_decode(in, n, &m)))
		return;
	vx6_establish_intro_encode(&m, out);
	fuzz_same(out, sizeof out, in, n);
}

static void introduce1(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_HS_INTRODUCE];
	struct vx6_introduce1 m;

	if (!vx6_is_ok(vx6_introduce1_decode(in, n, &m)))
		return;
	vx6_introduce1_encode(&m, out);
	fuzz_same(out, sizeof out, in, n);
}

static void introduce2(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_INTRODUCE2_BYTES];
	struct vx6_introduce2 m;

	if (!vx6_is_ok(vx6_introduce2_decode(in, n, &m)))
		return;
	vx6_introduce2_encode(&m, out);
	fuzz_same(out, sizeof out, in, n);
}

static void introduced(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_INTRODUCED_BYTES];
	uint32_t serial;

	if (!vx6_is_ok(vx6_introduced_decode(in, n, &serial)))
		return;
	vx6_introduced_encode(serial, out);
	fuzz_same(out, sizeof out, in, n);
}

static void code(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_HS_CODE_BYTES];
	uint16_t v;

	if (!vx6_is_ok(vx6_hs_code_decode(in, n, &v)))
		return;
	vx6_hs_code_encode(v, out);
	fuzz_same(out, sizeof out, in, n);
}

static void rendezvous1(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_RENDEZVOUS1_BYTES];
	struct vx6_rendezvous1 m;

	if (!vx6_is_ok(vx6_rendezvous1_decode(in, n, &m)))
		return;
	vx6_rendezvous1_encode(&m, out);
	fuzz_same(out, sizeof out, in, n);
}

static void introduce(const uint8_t *in, size_t n)
{
	uint8_t bytes[VX6_HS_PLAIN] = {0}, out[VX6_HS_PLAIN];
	struct vx6_introduce m;
	size_t at, again;

	memcpy(bytes, in, n < sizeof bytes ? n : sizeof bytes);
	if (!vx6_is_ok(vx6_introduce_decode(bytes, &m, &at)))
		return;
	FUZZ_CHECK(m.rends_n >= 1 && m.rends_n <= VX6_HS_RENDS_MAX);
	FUZZ_CHECK((at != 0) == (m.client != VX6_HS_CLIENT_NONE));
	FUZZ_CHECK(vx6_is_ok(vx6_introduce_encode(&m, out, &again)) && again == at);
	fuzz_same(out, sizeof out, bytes, sizeof bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const target[])(const uint8_t *, size_t) = {
		[0] = introduce,
		[VX6_PAYLOAD_ESTABLISH_INTRO] = establish,
		[VX6_PAYLOAD_INTRO_ESTABLISHED] = code,
		[VX6_PAYLOAD_INTRODUCE1] = introduce1,
		[VX6_PAYLOAD_INTRODUCE2] = introduce2,
		[VX6_PAYLOAD_INTRODUCED] = introduced,
		[VX6_PAYLOAD_INTRODUCE_ACK] = code,
		[VX6_PAYLOAD_REND_ESTABLISHED] = code,
		[VX6_PAYLOAD_RENDEZVOUS1] = rendezvous1,
	};

	if (n > 0 && data[0] < sizeof target / sizeof *target && target[data[0]])
		target[data[0]](data + 1, n - 1);
	return 0;
}
