#include "discovery/asn.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

#ifdef VX6_HAVE_MAXMINDDB

#include <maxminddb.h>

struct vx6_asn {
	MMDB_s db;
};

/* Numbers come as such (GeoLite2, DB-IP) or as "AS64500" (IPinfo). */
static uint32_t read_number(MMDB_entry_s *entry)
{
	MMDB_entry_data_s d;
	uint32_t n = 0;

	if (MMDB_get_value(entry, &d, "autonomous_system_number", NULL) == MMDB_SUCCESS &&
	    d.has_data && d.type == MMDB_DATA_TYPE_UINT32)
		return d.uint32;
	if (MMDB_get_value(entry, &d, "asn", NULL) != MMDB_SUCCESS || !d.has_data ||
	    d.type != MMDB_DATA_TYPE_UTF8_STRING || d.data_size < 3 || d.data_size > 12 ||
	    memcmp(d.utf8_string, "AS", 2) != 0)
		return 0;
	for (uint32_t i = 2; i < d.data_size; i++) {
		unsigned digit = (unsigned)(unsigned char)d.utf8_string[i] - '0';

		if (digit > 9 || n > (UINT32_MAX - digit) / 10)
			return 0;
		n = n * 10 + digit;
	}
	return n;
}

/* @return an error of the library: the map is damaged where this address leads */
static int look(const MMDB_s *db, const struct vx6_addr *addr, uint32_t *out)
{
	struct sockaddr_storage ss;
	MMDB_lookup_result_s r;
	int err = MMDB_SUCCESS;

	*out = 0;
	if (vx6_addr_to_sockaddr(addr, false, &ss) == 0 || addr->family != VX6_ADDR_IP)
		return MMDB_SUCCESS;
	r = MMDB_lookup_sockaddr(db, (struct sockaddr *)&ss, &err);
	if (err == MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR)
		return MMDB_SUCCESS;
	if (err == MMDB_SUCCESS && r.found_entry)
		*out = read_number(&r.entry);
	return err;
}

/* The library checks the file's end only. A look along the whole space finds trees that are cut or overwritten. */
static int probe(const MMDB_s *db)
{
	struct vx6_addr v4 = {.family = VX6_ADDR_IP, .ip = {[10] = 0xff, [11] = 0xff}},
			v6 = {.family = VX6_ADDR_IP};
	uint32_t number;
	int err = MMDB_SUCCESS;

	for (unsigned i = 0; i < 256 && err == MMDB_SUCCESS; i++) {
		v4.ip[12] = v6.ip[0] = (uint8_t)i;
		err = look(db, &v4, &number);
		if (err == MMDB_SUCCESS)
			err = look(db, &v6, &number);
	}
	return err;
}

static vx6_err err_of(int status)
{
	switch (status) {
	case MMDB_SUCCESS:
		return VX6_OK;
	case MMDB_FILE_OPEN_ERROR:
		return VX6_ERR(NOT_FOUND);
	case MMDB_IO_ERROR:
	case MMDB_OUT_OF_MEMORY_ERROR:
		return VX6_ERR(IO);
	default:
		return VX6_ERR(CORRUPT);
	}
}

vx6_err vx6_asn_open(const char *path, struct vx6_asn **out, char *detail, size_t detail_n)
{
	struct vx6_asn *a = vx6_zalloc(sizeof *a);
	int status = MMDB_open(path, MMDB_MODE_MMAP, &a->db);

	if (status != MMDB_SUCCESS) {
		free(a);
		snprintf(detail, detail_n, "cannot use %s as a map of autonomous systems: %s", path,
			 MMDB_strerror(status));
		return err_of(status);
	}
	if (!strcasestr(a->db.metadata.database_type, "asn")) {
		snprintf(detail, detail_n, "%s is no map of autonomous systems but one of type %s",
			 path, a->db.metadata.database_type);
		vx6_asn_free(a);
		return VX6_ERR(MISMATCH);
	}
	status = probe(&a->db);
	if (status != MMDB_SUCCESS) {
		snprintf(detail, detail_n, "%s is damaged: %s", path, MMDB_strerror(status));
		vx6_asn_free(a);
		return err_of(status);
	}
	*out = a;
	return VX6_OK;
}

void vx6_asn_free(struct vx6_asn *a)
{
	if (!a)
		return;
	MMDB_close(&a->db);
	free(a);
}

uint32_t vx6_asn_lookup(const struct vx6_asn *a, const struct vx6_addr *addr)
{
	uint32_t number;

	return look(&a->db, addr, &number) == MMDB_SUCCESS ? number : 0;
}

#else

vx6_err vx6_asn_open(const char *path, struct vx6_asn **out, char *detail, size_t detail_n)
{
	*out = NULL;
	snprintf(detail, detail_n, "cannot use %s: this program was built without libmaxminddb",
		 path);
	return VX6_ERR(UNSUPPORTED);
}

void vx6_asn_free(struct vx6_asn *a)
{
}

uint32_t vx6_asn_lookup(const struct vx6_asn *a, const struct vx6_addr *addr)
{
	return 0;
}

#endif
