#include "tests/fuzz/fuzz.h"
#include "wire/cell.h"

/* Input: what it is u8 | bytes. A bare message of kinds 0 to 3; 4: a payload; others: a cell. Both are filled up with zeroes. */

static void create(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_CREATE_MAX];
	struct vx6_create c;
	struct vx6_wr w;

	if (!vx6_is_ok(vx6_create_decode(in, n, &c)))
		return;
	vx6_wr_init(&w, out, sizeof out);
	vx6_create_encode(&w, &c);
	FUZZ_CHECK(vx6_is_ok(w.err));
	fuzz_same(out, w.len, in, n);
}

static void created(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_CREATED_MAX];
	struct vx6_created c;
	struct vx6_wr w;

	if (!vx6_is_ok(vx6_created_decode(in, n, &c)))
		return;
	vx6_wr_init(&w, out, sizeof out);
	vx6_created_encode(&w, &c);
	FUZZ_CHECK(vx6_is_ok(w.err));
	fuzz_same(out, w.len, in, n);
}

/* Unknown entries are dropped by the reader, so what is written may be less; read again, it says the same. */
static void client_msg(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_CM_MAX];
	struct vx6_client_msg m, again;
	struct vx6_wr w;

	if (!vx6_is_ok(vx6_client_msg_decode(in, n, &m)))
		return;
	vx6_wr_init(&w, out, sizeof out);
	vx6_client_msg_encode(&w, &m);
	FUZZ_CHECK(vx6_is_ok(w.err) && w.len <= n);
	FUZZ_CHECK(vx6_is_ok(vx6_client_msg_decode(out, w.len, &again)));
	FUZZ_CHECK(again.has_next == m.has_next);
	fuzz_same(again.next.hs, again.next.hs_n, m.next.hs, m.next.hs_n);
	FUZZ_CHECK(again.word.type == m.word.type);
	fuzz_same(again.word.data, again.word.n, m.word.data, m.word.n);
}

static void server_msg(const uint8_t *in, size_t n)
{
	uint8_t out[VX6_SM_MAX];
	struct vx6_server_msg m, again;
	struct vx6_wr w;

	if (!vx6_is_ok(vx6_server_msg_decode(in, n, &m)))
		return;
	FUZZ_CHECK(!m.has_inner || !m.refused);
	vx6_wr_init(&w, out, sizeof out);
	vx6_server_msg_encode(&w, &m);
	FUZZ_CHECK(vx6_is_ok(w.err) && w.len <= n);
	FUZZ_CHECK(vx6_is_ok(vx6_server_msg_decode(out, w.len, &again)));
	FUZZ_CHECK(again.has_inner == m.has_inner && again.refused == m.refused);
	fuzz_same(again.inner.hs, again.inner.hs_n, m.inner.hs, m.inner.hs_n);
}

static void payload(const uint8_t *in, size_t n)
{
	uint8_t bytes[VX6_CELL_PAYLOAD] = {0}, out[VX6_CELL_PAYLOAD] = {0};
	size_t used = 0;
	struct vx6_payload p;
	struct vx6_extend e;
	struct vx6_created c;
	uint16_t code;
	uint64_t token;

	memcpy(bytes, in, n < sizeof bytes ? n : sizeof bytes);
	if (!vx6_is_ok(vx6_payload_decode(bytes, &p)))
		return;
	FUZZ_CHECK(p.n <= VX6_PAYLOAD_MAX && p.data + p.n <= bytes + sizeof bytes);
	FUZZ_CHECK(vx6_payload_pad_answers(&p) == (p.n > 0 ? bytes[VX6_PAYLOAD_HEADER] : 0));
	if (vx6_is_ok(vx6_payload_get_extend(&p, &e)))
		FUZZ_CHECK(vx6_is_ok(vx6_payload_put_extend(out, &e, &used)));
	else if (vx6_is_ok(vx6_payload_get_extended(&p, &c)))
		FUZZ_CHECK(vx6_is_ok(vx6_payload_put_extended(out, &c, &used)));
	else if (vx6_is_ok(vx6_payload_get_code(&p, &code)))
		used = vx6_payload_put_code(out, (enum vx6_payload_type)p.type, code);
	else if (vx6_is_ok(vx6_payload_get_token(&p, &token)))
		used = vx6_payload_put_token(out, (enum vx6_payload_type)p.type, token);
	else
		return;
	fuzz_same(out, used, bytes, VX6_PAYLOAD_HEADER + p.n);
}

static void cell(const uint8_t *in, size_t n)
{
	uint8_t bytes[VX6_CELL_BYTES] = {0}, out[VX6_CELL_BYTES];
	struct vx6_create c;
	struct vx6_created d;
	size_t used = 0;

	memcpy(bytes, in, n < sizeof bytes ? n : sizeof bytes);
	if (vx6_is_ok(vx6_cell_get_create(bytes, &c)))
		FUZZ_CHECK(vx6_is_ok(vx6_cell_put_create(out, &c, &used)));
	else if (vx6_is_ok(vx6_cell_get_created(bytes, &d)))
		FUZZ_CHECK(vx6_is_ok(vx6_cell_put_created(out, &d, &used)));
	fuzz_same(out, used, bytes, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const what[])(const uint8_t *, size_t) = {create,     created, client_msg,
								server_msg, payload, cell};

	if (n > 0)
		what[data[0] % (sizeof what / sizeof *what)](data + 1, n - 1);
	return 0;
}
