/* What the API asks of discovery and circuits, by kind. */
#include "node/circuits_internal.h"
#include "node/discovery_internal.h"
#include "node/hidden_internal.h"

static void read_page(struct request *rq)
{
	switch (rq->cmd->u.page.kind) {
	case VX6_PAGE_OPERATIONS:
		operations_read(rq);
		break;
	case VX6_PAGE_CATALOGS:
		catalogs_read(rq);
		break;
	case VX6_PAGE_RELAYS:
	case VX6_PAGE_CIRCUITS:
	case VX6_PAGE_DECISIONS:
		circuits_read(rq);
		break;
	case VX6_PAGE_HIDDEN:
	case VX6_PAGE_HIDDEN_CLIENTS:
	case VX6_PAGE_HIDDEN_ALIASES:
	case VX6_PAGE_HIDDEN_ATTEMPTS:
		hidden_read(rq);
		break;
	default:
		page_answer(rq, discovery_page(rq->owner, &rq->cmd->u.page));
	}
}

void discovery_command(struct request *rq)
{
	bool change = rq->cmd->kind != VX6_CMD_READ;

	if (change && rq->owner->draining) {
		request_fail(rq, VX6_ERR(DRAINING), NULL, NULL);
		return;
	}
	switch (rq->cmd->kind) {
	case VX6_CMD_READ:
		read_page(rq);
		break;
	case VX6_CMD_LOOKUP:
		operation_begin(rq);
		break;
	case VX6_CMD_OP_CANCEL:
		operation_cancel(rq);
		break;
	case VX6_CMD_BINDING_PUT:
	case VX6_CMD_BINDING_DELETE:
		binding_change(rq);
		break;
	case VX6_CMD_CIRCUIT_BUILD:
	case VX6_CMD_CIRCUIT_REBUILD:
	case VX6_CMD_CIRCUIT_CLOSE:
		circuits_change(rq);
		break;
	case VX6_CMD_HIDDEN_INVITE:
	case VX6_CMD_HIDDEN_REVOKE:
	case VX6_CMD_HIDDEN_ROTATE:
	case VX6_CMD_ALIAS_ADD:
	case VX6_CMD_ALIAS_SET:
	case VX6_CMD_ALIAS_DELETE:
	case VX6_CMD_ALIAS_FIND:
		hidden_change(rq);
		break;
	case VX6_CMD_IDENTITY_ROTATE:
	case VX6_CMD_IDENTITY_REVOKE:
	case VX6_CMD_IDENTITY_EXPORT:
		identity_change(rq);
		break;
	case VX6_CMD_BACKUP:
		backup_make(rq);
		break;
	default:
		catalog_change(rq);
	}
}
