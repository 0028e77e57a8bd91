"""Evidence that a journal stands in the sealed log, and that the log only grew."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request, Text
from fenxiao.ledger.evidence import ConsistencyProof, InclusionProof, SignedCheckpoint
from fenxiao.ledger.prove import SIZES_QUERY

api = Api("evidence")


@api.route("GET", "/evidence/{journal}", "账务记录的存证证明", Auth.SIGNED_IN, returns=InclusionProof)
def prove_journal(request: Request[None]) -> InclusionProof:
    """Answer the proof of a journal; a member sees only journals that move their own money."""
    principal = request.principal
    member_id = principal.id if principal.kind is Auth.MEMBER else None
    return wiring.prover().journal(request.path["journal"], member_id)


@api.route(
    "GET", "/evidence/consistency", "存证日志的一致性证明", Auth.PUBLIC, returns=ConsistencyProof, query=SIZES_QUERY
)
def prove_consistency(request: Request[None]) -> ConsistencyProof:
    """Answer the proof that a longer log begins as a shorter one."""
    return wiring.prover().consistency(request.query)


@api.route("GET", "/evidence/checkpoint", "最新的签名检查点", Auth.PUBLIC, returns=SignedCheckpoint)
def latest_checkpoint(_request: Request[None]) -> SignedCheckpoint:
    """Answer what was signed last."""
    return wiring.prover().checkpoint()


@api.route("GET", "/evidence/key", "验证检查点的公钥（PEM）", Auth.PUBLIC, returns=Text)
def public_key(_request: Request[None]) -> Text:
    """Answer the public key."""
    return Text(wiring.prover().public_key(), "application/x-pem-file")


lambda_handler = api.handler
