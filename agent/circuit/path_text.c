/* Reasons and failures as text for people. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/path.h"

struct text {
	char *p;
	size_t n;
};

static void say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, VX6_PATH_WHY - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n = VX6_MIN(t->n + (size_t)n, (size_t)VX6_PATH_WHY - 1);
}

static void say_ms(struct text *t, uint32_t us)
{
	if (us < 10000)
		say(t, "%.1f ms", us / 1000.0);
	else
		say(t, "%.0f ms", us / 1000.0);
}

static void say_guard(struct text *t, const struct vx6_path_reason *why)
{
	char day[VX6_TIME_TEXT];

	if (why->primary)
		say(t, "guard %u of %d", why->place, VX6_GUARDS_PRIMARY);
	else
		say(t, "guard %u, as the first %d are down or do not fit", why->place,
		    VX6_GUARDS_PRIMARY);
	vx6_time_format(why->since_s * 1000, day);
	say(t, why->confirmed ? ", kept since %.10s" : ", not used before, chosen on %.10s", day);
}

static void say_vanguard(struct text *t, const struct vx6_path_reason *why)
{
	char day[VX6_TIME_TEXT];

	vx6_time_format(why->since_s * 1000, day);
	say(t, "vanguard %u of %" PRIu32 ", kept since %.10s", why->place, why->candidates, day);
}

static void say_drawn(struct text *t, const struct vx6_path_reason *why)
{
	static const char *const words[] = {"", "", "better of two", "best of three",
					    "best of four"};

	if (why->draws > 1 && why->draws < VX6_ARRAY_N(words) && why->other_rtt_us) {
		say(t, "%s draws: ", words[why->draws]);
		say_ms(t, why->rtt_us);
		say(t, " against ");
		say_ms(t, why->other_rtt_us);
	} else if (why->rtt_us) {
		say(t, "drawn: ");
		say_ms(t, why->rtt_us);
	} else {
		say(t, "drawn, not measured yet");
	}
	say(t, "; weight %.*f %% of %" PRIu32 " relay%s", why->share < 0.1 ? 1 : 0,
	    why->share * 100, why->candidates, why->candidates == 1 ? "" : "s");
	if (!why->has_history)
		say(t, "; hardly used before");
}

char *vx6_path_reason_format(const struct vx6_path_reason *why, char out[static VX6_PATH_WHY])
{
	struct text t = {out, 0};

	out[0] = '\0';
	switch (why->pick) {
	case VX6_PATH_FIXED:
		say(&t, "asked for");
		break;
	case VX6_PATH_GUARD:
		say_guard(&t, why);
		break;
	case VX6_PATH_VANGUARD:
		say_vanguard(&t, why);
		break;
	case VX6_PATH_DRAWN:
		say_drawn(&t, why);
		break;
	}
	if (why->relaxed & VX6_PATH_RELAXED_NEW)
		say(&t, "; new, few are older");
	else if (why->relaxed & VX6_PATH_RELAXED_YOUNG)
		say(&t, "; known for less than 48 h, few are older");
	if (why->relaxed & VX6_PATH_RELAXED_AVOID)
		say(&t, "; to be avoided, but no other is left");
	if (why->relaxed & VX6_PATH_RELAXED_ENDS)
		say(&t, "; both ends new to us");
	if (why->relaxed & VX6_PATH_RELAXED_FAILING)
		say(&t, "; failed lately, no other is left");
	if (why->relaxed & VX6_PATH_RELAXED_DIVERSITY)
		say(&t, "; shares a network");
	return out;
}

static const char *rule_text(enum vx6_path_rule rule)
{
	switch (rule) {
	case VX6_PATH_RULE_SELF:
		return "it is this node";
	case VX6_PATH_RULE_TARGET:
		return "it is the target";
	case VX6_PATH_RULE_TWICE:
		return "it is named twice";
	case VX6_PATH_RULE_FAMILY:
		return "one operator would have two nodes of the path";
	case VX6_PATH_RULE_PREFIX:
		return "two nodes of the path would be in one network";
	case VX6_PATH_RULE_ASN:
		return "two nodes of the path would be in one autonomous system";
	case VX6_PATH_RULE_EXCLUDED:
		return "it is excluded";
	case VX6_PATH_RULE_POLICY:
	case VX6_PATH_RULE_NONE:
		break;
	}
	return "it does not fit";
}

char *vx6_path_lack_format(vx6_err err, const struct vx6_path_lack *lack,
			   char out[static VX6_PATH_WHY])
{
	char node[VX6_NODE_ID_SHORT];
	struct text t = {out, 0};

	out[0] = '\0';
	if (lack->place)
		vx6_node_id_format_short(&lack->node, node);
	if (err.code == VX6_E_NOT_FOUND)
		say(&t, "hop %u, %s, is not known as a relay", lack->place, node);
	else if (err.code == VX6_E_UNSUPPORTED)
		say(&t, "hop %u, %s, takes no such circuits now", lack->place, node);
	else if (err.code == VX6_E_CONFLICT)
		say(&t, "hop %u, %s: %s", lack->place, node, rule_text(lack->rule));
	else if (err.code == VX6_E_NO_RELAYS)
		say(&t,
		    "%u wanted; %" PRIu32 " relays listed, %" PRIu32 " ready, %" PRIu32
		    " willing, %" PRIu32 " allowed here, %" PRIu32 "%s in networks of their own%s",
		    lack->wanted, lack->listed, lack->with_key, lack->willing, lack->allowed,
		    lack->differing, lack->differing >= VX6_PATH_MAX * 2 ? " or more" : "",
		    lack->no_guard ? "; no guard fits" : "");
	else
		say(&t, "%s", vx6_err_text(err));
	return out;
}
