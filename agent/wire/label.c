#include "wire/label.h"

#include <string.h>

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* "vx1…", "vxh1…", "vxs1…", "vxc1…": a name that could be taken for a key that was cut short. */
static bool looks_like_key(const char *s, size_t n)
{
	if (n < 3 || s[0] != 'v' || s[1] != 'x')
		return false;
	return s[2] == '1' || (n > 3 && (s[2] == 'h' || s[2] == 's' || s[2] == 'c') && s[3] == '1');
}

bool vx6_label_is_valid(const char *s, size_t n)
{
	if (n < 1 || n > VX6_LABEL_MAX || !is_alnum(s[0]) || !is_alnum(s[n - 1]) ||
	    looks_like_key(s, n))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_alnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

void vx6_rd_label(struct vx6_rd *r, char out[VX6_LABEL_TEXT])
{
	size_t n = r->left;
	const char *s;

	memset(out, 0, VX6_LABEL_TEXT);
	if (n > VX6_LABEL_MAX) {
		vx6_rd_fail(r, VX6_ERR(LIMIT));
		return;
	}
	s = (const char *)vx6_rd_bytes(r, n);
	if (!s || !vx6_label_is_valid(s, n)) {
		vx6_rd_fail(r, VX6_ERR(FORMAT));
		return;
	}
	memcpy(out, s, n);
}

vx6_err vx6_label_split(const char *text, char user[VX6_USER_TEXT], char service[VX6_LABEL_TEXT])
{
	const char *dot = strchr(text, '.');
	size_t user_n, service_n;

	user[0] = service[0] = '\0';
	if (!dot)
		return VX6_ERR(FORMAT);
	user_n = (size_t)(dot - text);
	service_n = strnlen(dot + 1, VX6_LABEL_MAX + 1);
	if (user_n >= VX6_USER_TEXT || service_n > VX6_LABEL_MAX)
		return VX6_ERR(LIMIT);
	if (user_n == 0 || !vx6_label_is_valid(dot + 1, service_n))
		return VX6_ERR(FORMAT);
	/* a node id is longer than a label, of the same characters */
	for (size_t i = 0; i < user_n; i++)
		if (!is_alnum(text[i]) && text[i] != '-')
			return VX6_ERR(FORMAT);
	memcpy(user, text, user_n);
	user[user_n] = '\0';
	memcpy(service, dot + 1, service_n + 1);
	return VX6_OK;
}
