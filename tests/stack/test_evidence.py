"""Evidence from the deployed stack: what a promoter fetches, and verifies offline with the public key."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from infra.local.api_client import send, wait_for
from infra.local.emulator import ROOT
from tests.stack.support import DAY, TIMEOUT_SECONDS, Json, Person, World, refusal


def public(world: World, path: str) -> Json:
    answer: Json = send("GET", f"{world.stack.api_url}/evidence/{path}")
    return answer


def logged_sale(world: World, promoter: Person, commission_fen: int) -> str:
    """Let a sale earn so much, wait until its journal is in the log, and return the journal's name."""
    _, order_id = world.sale(promoter, commission_fen)
    wait_for(
        "the journal to be in the log",
        lambda: world.items("StatementTable", f"mark#order#{order_id}") or None,
        TIMEOUT_SECONDS,
    )
    return f"order~{order_id}~0"


class Doubter:
    """Somebody with files and the offline command."""

    def __init__(self, world: World, directory: Path) -> None:
        self.directory = directory
        key = requests.get(f"{world.stack.api_url}/evidence/key", timeout=TIMEOUT_SECONDS)
        assert key.headers["Content-Type"] == "application/x-pem-file"
        (directory / "key.pem").write_text(key.text, encoding="utf-8")

    def verdict(self, proof: Json, **others: Json) -> tuple[int, str]:
        """Run the command, without a network, on what was fetched; its exit code and what it says."""
        arguments = [self._file("proof", proof), "--key", str(self.directory / "key.pem")]
        for name, content in others.items():
            arguments += [f"--{name}", self._file(name, content)]
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "infra.verify_evidence", *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT / "layers" / "fenxiao")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    def _file(self, name: str, content: Json) -> str:
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return str(path)


@pytest.fixture
def doubter(world: World, tmp_path: Path) -> Doubter:
    return Doubter(world, tmp_path)


def test_commission_is_proved_the_day_after_and_the_log_only_grows(world: World, doubter: Doubter) -> None:
    promoter = world.promoter()
    journal = logged_sale(world, promoter, 500)
    assert refusal(promoter.get, f"/evidence/{journal}") == (409, "evidence_pending")

    world.sandbox.advance(DAY)
    proof = promoter.get(f"/evidence/{journal}")
    shown = [one for one in proof["journal"]["postings"] if one["member_id"] == promoter.member_id]
    assert [(one["account"], one["amount_fen"]) for one in shown] == [("held", 500)]
    code, said = doubter.verdict(proof)
    assert (code, said.splitlines()[-1]) == (0, "VERIFIED"), said

    later = logged_sale(world, promoter, 700)
    world.sandbox.advance(DAY)
    newer = promoter.get(f"/evidence/{later}")
    assert newer["checkpoint"] == public(world, "checkpoint")
    assert newer["log_size"] > proof["log_size"]
    consistency = public(world, f"consistency?from={proof['log_size']}&to={newer['log_size']}")
    code, said = doubter.verdict(newer, older=proof, consistency=consistency)
    assert (code, said.splitlines()[-1]) == (0, "VERIFIED"), said
    assert doubter.verdict(promoter.get(f"/evidence/{journal}"))[0] == 0, "what was sealed stays proved"

    shown[0]["amount_fen"] += 1
    code, said = doubter.verdict(proof)
    assert (code, said) == (1, "NOT VERIFIED: the journal is not in the log at that place\n")


def test_evidence_of_a_journal_is_for_those_whom_it_moves_and_for_staff(world: World) -> None:
    promoter, stranger = world.promoter(), world.person()
    journal = logged_sale(world, promoter, 300)
    for name in (journal, "order~T0~0", "x"):
        assert refusal(stranger.get, f"/evidence/{name}") == (404, "not_found")
    world.sandbox.advance(DAY)
    assert refusal(stranger.get, f"/evidence/{journal}") == (404, "not_found")
    assert refusal(lambda: public(world, journal)) == (401, "unauthenticated")
    assert world.finance.get(f"/evidence/{journal}")["journal"] == promoter.get(f"/evidence/{journal}")["journal"]


def test_day_is_sealed_once(world: World) -> None:
    logged_sale(world, world.promoter(), 200)
    world.sandbox.advance(DAY)
    before = public(world, "checkpoint")
    logged_sale(world, world.promoter(), 200)
    world.sandbox.advance(1)
    assert public(world, "checkpoint") == before


@pytest.mark.parametrize("sizes", ["from=0&to=1", "from=1&to=999999999", "from=2&to=1", "to=1", "from=x&to=1"])
def test_sizes_that_no_sealed_log_has_are_refused(world: World, sizes: str) -> None:
    logged_sale(world, world.promoter(), 200)
    world.sandbox.advance(DAY)
    assert refusal(lambda: public(world, f"consistency?{sizes}")) == (400, "bad_log_size")
