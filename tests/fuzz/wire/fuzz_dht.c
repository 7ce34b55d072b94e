#include "tests/fuzz/fuzz.h"
#include "wire/dht.h"

static void request(const uint8_t *data, size_t n)
{
	static uint8_t out[VX6_DHT_REQ_MAX];
	struct vx6_dht_req req;
	struct vx6_wr w;

	if (!vx6_is_ok(vx6_dht_req_decode(data, n, &req)))
		return;
	FUZZ_CHECK(n <= VX6_DHT_REQ_MAX && req.limit > 0 && req.limit <= VX6_DHT_NODES_MAX);
	vx6_wr_init(&w, out, sizeof out);
	vx6_dht_req_encode(&w, &req);
	FUZZ_CHECK(vx6_is_ok(w.err));
	out[2] = data[2]; /* a limit that says "all" comes back as the number it stands for */
	fuzz_same(out, w.len, data, n);
}

static void answer(const uint8_t *data, size_t n)
{
	static uint8_t out[16384];
	struct vx6_dht_resp resp;
	struct vx6_dht_resp_wr b;
	struct vx6_dht_node node;
	const uint8_t *record;
	struct vx6_wr w;
	uint32_t age_s;
	size_t record_n;

	if (!vx6_is_ok(vx6_dht_resp_decode(data, n, &resp)))
		return;
	vx6_wr_init(&w, out, sizeof out);
	vx6_dht_resp_begin(&b, &w, resp.op, resp.status, resp.token);
	while (vx6_dht_resp_node(&resp, &node))
		vx6_dht_resp_add_node(&b, &node);
	while (vx6_dht_resp_value(&resp, &age_s, &record, &record_n))
		FUZZ_CHECK(vx6_dht_resp_add_value(&b, age_s, record, record_n));
	vx6_dht_resp_end(&b);
	FUZZ_CHECK(vx6_is_ok(w.err) && b.nodes_n == resp.nodes_n && b.values_n == resp.values_n);
	fuzz_same(out, w.len, data, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	request(data, n);
	answer(data, n);
	return 0;
}
