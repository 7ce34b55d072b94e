/*
 * vx6-cipher: what a core does with relay cells, beside other ciphers on messages of 1024 bytes. Every subject is run in turn, several
 * times over; the medians count. Time is that of the processor on this thread, so that what else runs counts little.
 */
#include <getopt.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wolfssl/wolfcrypt/aes.h>

#include "base/util.h"
#include "crypto/cgo_internal.h"
#include "crypto/secret.h"

enum { HOPS = 3, BATCH = 64, MESSAGE = 1024, REPEATS_MAX = 99, SUBJECTS_MAX = 32, AD = 3 };
enum { CELL_MOST = 4096 };

static uint8_t cells[BATCH][CELL_MOST]; /* messages too, with room for a tag */

/* Nearly 4 KiB: as much as the counter's last byte has blocks for. */
static const struct vx6_cgo_shape large = {.payload = 4000, .blocks = 250, .clear_bits = 8};

/* ---- CGO ---- */

struct cgo_run {
	const struct vx6_cgo_shape *shape;
	bool portable;
	int hops;
	struct vx6_cgo client[HOPS], relay[HOPS];
};

static void cgo_begin(struct cgo_run *r)
{
	uint8_t seed[VX6_CGO_SEED_BYTES];

	for (int i = 0; i < HOPS; i++) {
		vx6_random_bytes(seed, sizeof seed);
		vx6_cgo_init_shape(&r->client[i], r->shape, r->portable, seed);
		vx6_cgo_init_shape(&r->relay[i], r->shape, r->portable, seed);
	}
}

static void must(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "vx6-cipher: %s\n", what);
	exit(1);
}

static void relay_pass(void *user)
{
	struct cgo_run *r = user;

	for (int i = 0; i < BATCH; i++)
		must(!vx6_cgo_relay_forward(&r->relay[0], AD, cells[i]), "a stranger's cell");
}

/* The client's part comes before the clock runs. */
static void relay_own_prepare(void *user)
{
	struct cgo_run *r = user;

	for (int i = 0; i < BATCH; i++)
		vx6_cgo_client_forward(r->client, 0, AD, cells[i]);
}

static void relay_own(void *user)
{
	struct cgo_run *r = user;

	for (int i = 0; i < BATCH; i++)
		must(vx6_cgo_relay_forward(&r->relay[0], AD, cells[i]), "not recognised");
}

static void relay_originate(void *user)
{
	struct cgo_run *r = user;

	for (int i = 0; i < BATCH; i++)
		vx6_cgo_relay_originate(&r->relay[0], AD, cells[i]);
}

static void client_out(void *user)
{
	struct cgo_run *r = user;

	for (int i = 0; i < BATCH; i++)
		vx6_cgo_client_forward(r->client, (size_t)r->hops - 1, AD, cells[i]);
}

static void client_in_prepare(void *user)
{
	struct cgo_run *r = user;

	for (int i = 0; i < BATCH; i++) {
		vx6_cgo_relay_originate(&r->relay[r->hops - 1], AD, cells[i]);
		for (int k = r->hops - 2; k >= 0; k--)
			vx6_cgo_relay_backward(&r->relay[k], AD, cells[i]);
	}
}

static void client_in(void *user)
{
	struct cgo_run *r = user;
	size_t n = (size_t)r->hops;

	for (int i = 0; i < BATCH; i++)
		must(vx6_cgo_client_backward(r->client, n, AD, cells[i]) == r->hops - 1,
		     "not recognised");
}

/* ---- others ---- */

static uint8_t key[32], nonce[24];

static void chacha(void *user)
{
	(void)user;
	for (int i = 0; i < BATCH; i++) {
		nonce[0]++;
		crypto_aead_chacha20poly1305_ietf_encrypt(cells[i], NULL, cells[i], MESSAGE, NULL,
							  0, NULL, nonce, key);
	}
}

static void xchacha(void *user)
{
	(void)user;
	for (int i = 0; i < BATCH; i++) {
		nonce[0]++;
		crypto_aead_xchacha20poly1305_ietf_encrypt(cells[i], NULL, cells[i], MESSAGE, NULL,
							   0, NULL, nonce, key);
	}
}

static crypto_aead_aes256gcm_state gcm;

static void sodium_gcm(void *user)
{
	(void)user;
	for (int i = 0; i < BATCH; i++) {
		nonce[0]++;
		crypto_aead_aes256gcm_encrypt_afternm(cells[i], NULL, cells[i], MESSAGE, NULL, 0,
						      NULL, nonce, &gcm);
	}
}

static Aes wolf;

static void wolf_gcm(void *user)
{
	(void)user;
	for (int i = 0; i < BATCH; i++) {
		nonce[0]++;
		must(wc_AesGcmEncrypt(&wolf, cells[i], cells[i], MESSAGE, nonce, 12,
				      cells[i] + MESSAGE, 16, NULL, 0) == 0,
		     "wolfCrypt");
	}
}

/* ---- measuring ---- */

struct subject {
	const char *name;
	void (*run)(void *user);
	void (*prepare)(void *user);
	struct cgo_run *user;
	size_t bytes;           /* of one cell or message */
	double ns[REPEATS_MAX]; /* a cell */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double measure(const struct subject *s, unsigned ms)
{
	uint64_t spent = 0, n = 0;

	if (s->user)
		cgo_begin(s->user);
	while (spent < (uint64_t)ms * 1000000) {
		uint64_t from;

		if (s->prepare)
			s->prepare(s->user);
		from = now_ns();
		s->run(s->user);
		spent += now_ns() - from;
		n += BATCH;
	}
	return (double)spent / (double)n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_one(const struct subject *s, int repeats, bool json, bool first)
{
	double ns = s->ns[repeats / 2], cells_s = 1e9 / ns, mb_s = cells_s * (double)s->bytes / 1e6;

	if (json)
		printf("%s\n {\"name\": \"%s\", \"bytes\": %zu, \"ns\": %.1f, \"ns_min\": %.1f, "
		       "\"ns_max\": %.1f, \"per_s\": %.0f, \"mb_s\": %.1f}",
		       first ? "" : ",", s->name, s->bytes, ns, s->ns[0], s->ns[repeats - 1],
		       cells_s, mb_s);
	else
		printf("%-44s %9.0f ns %11.0f /s %9.1f MB/s\n", s->name, ns, cells_s, mb_s);
}

/* ---- what there is ---- */

static struct subject subjects[SUBJECTS_MAX];
static size_t subjects_n;

static struct subject *add(const char *name, void (*run)(void *), size_t bytes)
{
	struct subject *s = &subjects[subjects_n++];

	must(subjects_n <= SUBJECTS_MAX, "too many subjects");
	s->name = name;
	s->run = run;
	s->bytes = bytes;
	return s;
}

static struct subject *add_cgo(const char *name, void (*run)(void *), void (*prepare)(void *),
			       int hops, bool portable)
{
	struct subject *s = add(name, run, VX6_CGO_BODY);

	s->user = vx6_zalloc(sizeof *s->user);
	s->user->shape = &vx6_cgo_cell;
	s->user->portable = portable;
	s->user->hops = hops;
	s->prepare = prepare;
	return s;
}

/* The same with cells of another size. */
static void add_shape(const char *name, void (*run)(void *), void (*prepare)(void *),
		      const struct vx6_cgo_shape *shape)
{
	struct subject *s = add_cgo(name, run, prepare, 1, false);

	s->user->shape = shape;
	s->bytes = VX6_CGO_TAG + (size_t)shape->payload;
}

static void add_all(void)
{
	add_cgo("cgo relay, passed on", relay_pass, NULL, 1, false);
	add_cgo("cgo relay, recognised", relay_own, relay_own_prepare, 1, false);
	add_cgo("cgo relay, own", relay_originate, NULL, 1, false);
	add_cgo("cgo client, to hop 1", client_out, NULL, 1, false);
	add_cgo("cgo client, to hop 2", client_out, NULL, 2, false);
	add_cgo("cgo client, to hop 3", client_out, NULL, 3, false);
	add_cgo("cgo client, from hop 1", client_in, client_in_prepare, 1, false);
	add_cgo("cgo client, from hop 2", client_in, client_in_prepare, 2, false);
	add_cgo("cgo client, from hop 3", client_in, client_in_prepare, 3, false);
	add_shape("cgo relay, 512 bytes, passed on", relay_pass, NULL, &vx6_cgo_tor);
	add_shape("cgo relay, 512 bytes, recognised", relay_own, relay_own_prepare, &vx6_cgo_tor);
	add_shape("cgo relay, 4 KiB, passed on", relay_pass, NULL, &large);
	add_shape("cgo relay, 4 KiB, recognised", relay_own, relay_own_prepare, &large);
	add_cgo("cgo portable relay, passed on", relay_pass, NULL, 1, true);
	add_cgo("cgo portable relay, recognised", relay_own, relay_own_prepare, 1, true);
	add_cgo("cgo portable client, to hop 3", client_out, NULL, 3, true);
	add_cgo("cgo portable client, from hop 3", client_in, client_in_prepare, 3, true);
	add("libsodium ChaCha20-Poly1305", chacha, MESSAGE);
	add("libsodium XChaCha20-Poly1305", xchacha, MESSAGE);
	if (crypto_aead_aes256gcm_is_available()) {
		crypto_aead_aes256gcm_beforenm(&gcm, key);
		add("libsodium AES-256-GCM", sodium_gcm, MESSAGE);
	}
	must(wc_AesInit(&wolf, NULL, INVALID_DEVID) == 0 && wc_AesGcmSetKey(&wolf, key, 16) == 0,
	     "wolfCrypt");
	add("wolfCrypt AES-128-GCM", wolf_gcm, MESSAGE);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: vx6-cipher [--json] [--repeat N] [--ms N] [--only TEXT]\n"
		"  --repeat  rounds of all subjects, medians count (default 5, at most 99)\n"
		"  --ms      of each subject in each round (default 200)\n"
		"  --only    subjects whose name has TEXT\n");
	exit(2);
}

struct wanted {
	bool json;
	int repeats;
	unsigned ms;
	const char *only;
};

static void read_options(int argc, char **argv, struct wanted *w)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"repeat", required_argument, NULL, 'r'},
						{"ms", required_argument, NULL, 'm'},
						{"only", required_argument, NULL, 'o'},
						{NULL, 0, NULL, 0}};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'j')
			w->json = true;
		else if (c == 'r')
			w->repeats = (int)strtol(optarg, NULL, 10);
		else if (c == 'm')
			w->ms = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'o')
			w->only = optarg;
		else
			usage();
	}
	if (optind != argc || w->repeats < 1 || w->repeats > REPEATS_MAX || w->ms < 1)
		usage();
}

int main(int argc, char **argv)
{
	struct wanted w = {.repeats = 5, .ms = 200, .only = ""};
	bool first = true;

	read_options(argc, argv, &w);
	must(vx6_is_ok(vx6_crypto_init()), "no random numbers");
	vx6_random_bytes(cells, sizeof cells);
	vx6_random_bytes(key, sizeof key);
	add_all();
	for (int i = 0; i < w.repeats; i++)
		for (size_t k = 0; k < subjects_n; k++)
			if (strstr(subjects[k].name, w.only))
				subjects[k].ns[i] = measure(&subjects[k], w.ms);
	if (w.json)
		printf("{\"accelerated\": %s, \"subjects\": [",
		       cgo_accelerated() ? "true" : "false");
	for (size_t k = 0; k < subjects_n; k++) {
		struct subject *s = &subjects[k];

		free(s->user);
		if (!strstr(s->name, w.only))
			continue;
		qsort(s->ns, (size_t)w.repeats, sizeof *s->ns, by_value);
		print_one(s, w.repeats, w.json, first);
		first = false;
	}
	if (w.json)
		printf("\n]}\n");
	wc_AesFree(&wolf);
	return 0;
}
