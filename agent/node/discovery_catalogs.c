/* Catalogs, as the API asks for them. */
#include "node/discovery_internal.h"

void catalogs_read(struct request *rq)
{
	page_answer(rq, page_new(VX6_PAGE_CATALOGS, 0));
}

void catalog_change(struct request *rq)
{
	request_fail(rq, VX6_ERR(AGAIN), NULL, "catalogs are not there yet");
}
