#include <string.h>

#include "base/util.h"
#include "dht/dht_internal.h"

/*
 * Positions of honest nodes are spread evenly, so the distance of the k-th nearest node to any point tells how many there are: (k - 1) / d_k
 * is an unbiased estimate. The median over several points withstands an attack on some of them; and once the size is known, a point with
 * far more nodes around it than chance puts there is under attack. The thresholds are the means at which a Poisson variable reaches 8, or
 * 20, with probability 1/10,000; the estimate's own error has a margin of a fifth.
 */
enum { SAMPLES = 16, SAMPLES_FOR_ALARM = 4, ALARMS = 8, ALARM_MS = 10 * 60 * 1000, NEAR_N = 8 };
static const double SIZE_MARGIN = 1.2;
static const double CROWDED_NEAR = 1.3, CROWDED_K = 7.3;
static const double LOOKUPS_WEIGHT = 0.18, FAILURES_ALARMING = 0.15;

struct alarm {
	struct vx6_dht_key key;
	uint64_t until_ms;
};

struct dht_senses {
	double size[SAMPLES];
	unsigned samples, next;
	struct alarm alarm[ALARMS];
	unsigned next_alarm;
	double failures;
};

struct dht_senses *vx6_dht_senses_new(void)
{
	return vx6_zalloc(sizeof(struct dht_senses));
}

void vx6_dht_senses_free(struct dht_senses *s)
{
	free(s);
}

/* As a share of the whole space. */
static double distance(const struct vx6_dht_key *a, const struct vx6_dht_key *b)
{
	double v = 0, unit = 1.0 / 256;

	for (size_t i = 0; i < 10; i++, unit /= 256)
		v += unit * (uint8_t)(a->b[i] ^ b->b[i]);
	return v;
}

static double median(const struct dht_senses *s)
{
	double sorted[SAMPLES];

	for (unsigned i = 0; i < s->samples; i++) {
		unsigned at = i;

		while (at > 0 && sorted[at - 1] > s->size[i]) {
			sorted[at] = sorted[at - 1];
			at--;
		}
		sorted[at] = s->size[i];
	}
	return s->samples % 2 ? sorted[s->samples / 2]
			      : (sorted[s->samples / 2 - 1] + sorted[s->samples / 2]) / 2;
}

double vx6_dht_network_size(const struct vx6_dht *d)
{
	double known = d->table->contacts > 0 ? d->table->contacts + 1.0 : 0;

	if (d->senses->samples == 0)
		return d->table->contacts < VX6_DHT_K ? known : 0;
	return VX6_MAX(median(d->senses), known);
}

static bool is_crowded(const struct dht_senses *s, const struct vx6_dht_key *key,
		       const struct vx6_dht_key *pos, size_t n)
{
	double size = s->samples > 0 ? median(s) * SIZE_MARGIN : 0;

	if (s->samples < SAMPLES_FOR_ALARM || n < VX6_DHT_K)
		return false;
	return size * distance(key, &pos[NEAR_N - 1]) < CROWDED_NEAR ||
	       size * distance(key, &pos[VX6_DHT_K - 1]) < CROWDED_K;
}

void vx6_dht_sense_region(struct vx6_dht *d, const struct vx6_dht_key *key,
			  const struct vx6_dht_key *pos, size_t n)
{
	struct dht_senses *s = d->senses;
	double reach;

	if (n < VX6_DHT_K)
		return;
	reach = distance(key, &pos[VX6_DHT_K - 1]);
	if (is_crowded(s, key, pos, n)) {
		s->alarm[s->next_alarm] = (struct alarm){*key, d->now.ms + ALARM_MS};
		s->next_alarm = (s->next_alarm + 1) % ALARMS;
	}
	if (reach <= 0)
		return;
	s->size[s->next] = (VX6_DHT_K - 1) / reach;
	s->next = (s->next + 1) % SAMPLES;
	s->samples += s->samples < SAMPLES;
}

bool vx6_dht_alarm(const struct vx6_dht *d)
{
	for (size_t i = 0; i < ALARMS; i++)
		if (d->senses->alarm[i].until_ms > d->now.ms)
			return true;
	return false;
}

bool vx6_dht_alarm_at(const struct vx6_dht *d, const struct vx6_dht_key *key)
{
	double size = vx6_dht_network_size(d);
	unsigned region = 1; /* leading bits that the k nearest share, roughly */

	for (; size > VX6_DHT_K; size /= 2)
		region++;
	for (size_t i = 0; i < ALARMS; i++) {
		const struct alarm *a = &d->senses->alarm[i];

		if (a->until_ms > d->now.ms && vx6_dht_common_bits(&a->key, key) >= region)
			return true;
	}
	return false;
}

void vx6_dht_sense_lookup(struct vx6_dht *d, bool failed)
{
	d->senses->failures += ((failed ? 1.0 : 0.0) - d->senses->failures) * LOOKUPS_WEIGHT;
}

double vx6_dht_failure_rate(const struct vx6_dht *d)
{
	return d->senses->failures;
}

uint8_t vx6_dht_paths(const struct vx6_dht *d)
{
	uint32_t useful = (d->table->contacts + d->table->candidates + 3) / 4;
	uint32_t paths = d->senses->failures > FAILURES_ALARMING || vx6_dht_alarm(d)
				 ? VX6_DHT_PATHS_MAX
				 : VX6_DHT_PATHS;

	return (uint8_t)VX6_MAX(VX6_MIN(useful, paths), 1U);
}

uint32_t vx6_dht_holders_wanted(const struct vx6_dht *d, const struct vx6_dht_key *key)
{
	size_t most = vx6_dht_alarm_at(d, key) ? VX6_DHT_HOLDERS_REGION : VX6_DHT_HOLDERS;

	return (uint32_t)vx6_dht_eligible(d, most);
}
