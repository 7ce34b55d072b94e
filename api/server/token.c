#include "api/server/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "crypto/secret.h"

static const char prefix[] = "vx6_";

enum { ID_AT = 4, SECRET_AT = 17, CRC_AT = 70, CRC_CHARS = 6 };

/* Character of five bits without a table that the secret would index. */
static char base32_char(unsigned v)
{
	unsigned letter = ((v - 26u) >> 8) & 1; /* 1 for 0..25 */

	return (char)(letter * ('a' + v) + (1 - letter) * ('2' + v - 26));
}

static void base32(const uint8_t *in, size_t chars, char *out)
{
	for (size_t i = 0; i < chars; i++) {
		size_t bit = i * 5, byte = bit / 8;
		unsigned two = (unsigned)in[byte] << 8 | in[byte + 1];

		out[i] = base32_char(two >> (11 - bit % 8) & 31);
	}
}

static uint32_t crc32(const char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	while (n-- > 0) {
		crc ^= (uint8_t)*p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (UINT32_C(0xedb88320) & (0u - (crc & 1)));
	}
	return ~crc;
}

static void checksum(const char *text, char out[CRC_CHARS])
{
	uint32_t crc = crc32(text, CRC_AT - 1);
	uint8_t bytes[5] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
			    (uint8_t)crc};

	base32(bytes, CRC_CHARS, out);
}

void vx6_token_make(char out[static VX6_TOKEN_TEXT])
{
	uint8_t random[8 + 1 + 33 + 1] = {0}; /* base32() looks one byte ahead */

	vx6_random_bytes(random, sizeof random);
	memcpy(out, prefix, ID_AT);
	base32(random, 12, out + ID_AT);
	out[SECRET_AT - 1] = '_';
	random[9 + 32] = 0; /* 52 characters hold 256 bits and four zeroes */
	base32(random + 9, 52, out + SECRET_AT);
	out[CRC_AT - 1] = '_';
	checksum(out, out + CRC_AT);
	out[VX6_TOKEN_TEXT - 1] = 0;
	vx6_wipe(random, sizeof random);
}

static bool all_base32(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '2' && p[i] <= '7')))
			return false;
	return true;
}

bool vx6_token_is_valid(const char *text)
{
	char crc[CRC_CHARS];

	if (strnlen(text, VX6_TOKEN_TEXT) != VX6_TOKEN_TEXT - 1 ||
	    strncmp(text, prefix, ID_AT) != 0)
		return false;
	if (!all_base32(text + ID_AT, 12) || text[SECRET_AT - 1] != '_' ||
	    !all_base32(text + SECRET_AT, 52) || text[CRC_AT - 1] != '_' ||
	    !all_base32(text + CRC_AT, CRC_CHARS))
		return false;
	checksum(text, crc);
	return vx6_ct_eq(crc, text + CRC_AT, CRC_CHARS);
}

void vx6_token_hash(const uint8_t key[static 32], const char *text, struct vx6_hash *out)
{
	struct vx6_hash_state st;

	vx6_hash_init(&st, "vx6 api token");
	vx6_hash_update(&st, key, 32);
	vx6_hash_update(&st, text, strlen(text));
	vx6_hash_final(&st, out);
	vx6_wipe(&st, sizeof st);
}

void vx6_token_stored_hash(const char *text, struct vx6_hash *out)
{
	vx6_hash_personal("VX6-token", text, strlen(text), out);
}

static vx6_err file_read(int fd, char out[static VX6_TOKEN_TEXT])
{
	char text[VX6_TOKEN_TEXT + 2];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0)
		return vx6_err_from_errno(errno);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		return VX6_ERR(LOOSE_MODE);
	n = read(fd, text, sizeof text - 1);
	if (n < 0)
		return vx6_err_from_errno(errno);
	text[n] = 0;
	text[strcspn(text, "\r\n")] = 0;
	if (!vx6_token_is_valid(text)) {
		vx6_wipe(text, sizeof text);
		return VX6_ERR(FORMAT);
	}
	vx6_strlcpy(out, text, VX6_TOKEN_TEXT);
	vx6_wipe(text, sizeof text);
	return VX6_OK;
}

static vx6_err file_make(const char *path, char out[static VX6_TOKEN_TEXT])
{
	char text[VX6_TOKEN_TEXT + 1];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	vx6_err err = VX6_OK;

	if (fd < 0)
		return vx6_err_from_errno(errno);
	vx6_token_make(out);
	memcpy(text, out, VX6_TOKEN_TEXT - 1);
	text[VX6_TOKEN_TEXT - 1] = '\n';
	if (write(fd, text, VX6_TOKEN_TEXT) != VX6_TOKEN_TEXT || fsync(fd) != 0)
		err = vx6_err_from_errno(errno);
	if (close(fd) != 0 && vx6_is_ok(err))
		err = vx6_err_from_errno(errno);
	if (!vx6_is_ok(err))
		unlink(path);
	vx6_wipe(text, sizeof text);
	return err;
}

vx6_err vx6_token_file(const char *path, char out[static VX6_TOKEN_TEXT])
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	vx6_err err;

	if (fd < 0 && errno == ENOENT)
		return file_make(path, out);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	err = file_read(fd, out);
	close(fd);
	return err;
}
