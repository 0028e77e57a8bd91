"""Reports of audits in DynamoDB (`STATEMENT_TABLE`), newest last."""

from typing import Final

from fenxiao.audit.model import AuditReport
from fenxiao.aws.dynamodb import Item, JsonAttribute, table
from fenxiao.clock import to_millis
from fenxiao.errors import NotFoundError

_AUDIT: Final = "audit"


class AuditNotFoundError(NotFoundError):
    """No audit has run yet."""

    code = "audit_not_found"
    title = "尚无对账结果"


class AuditItem(Item):
    """An audit's report."""

    Meta = table("STATEMENT_TABLE")

    report: JsonAttribute[AuditReport] = JsonAttribute(AuditReport)


class AuditStore:
    """Reports of whole audits."""

    def put(self, report: AuditReport) -> None:
        """Keep a report."""
        AuditItem(pk=_AUDIT, sk=f"{to_millis(report.started_at):014d}", report=report).save()

    def latest(self) -> AuditReport:
        """Return the newest report.

        Raises:
            AuditNotFoundError: there is none.
        """
        for item in AuditItem.query(_AUDIT, scan_index_forward=False, limit=1):
            report: AuditReport = item.report
            return report
        raise AuditNotFoundError
