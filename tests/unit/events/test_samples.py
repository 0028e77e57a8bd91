"""Every trigger has its sample event, and every sample belongs to a trigger."""

import json
import re
from collections.abc import Iterator

import pytest

from infra.openapi import operations
from tests.support.tables import template
from tests.unit.events.day import EVENTS, event, module_of

NAMES = sorted(path.stem for path in EVENTS.iterdir())
OPERATIONS = operations()


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", "-", name).lower()


def triggers() -> Iterator[str]:
    """The name of each trigger's sample: `<function>.json`, or `<function>-<what>.json` where there are several."""
    for resource in template()["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        function = resource["Properties"]["CodeUri"].removeprefix("functions/").rstrip("/")
        if function in OPERATIONS:
            several = [kebab(one.view.__name__) for one in OPERATIONS[function]]
        elif function in ("payout", "simulation"):
            several = [kebab(action) for action in module_of(function).ACTIONS]
        else:
            several = [kebab(name) for name in resource["Properties"].get("Events", {})]
        if len(several) < 2:
            yield function
        else:
            yield from (function if what == kebab(function) else f"{function}-{what}" for what in several)


def test_every_trigger_has_a_sample_and_every_sample_a_trigger() -> None:
    assert sorted(triggers()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_sample_is_small_and_written_for_people(name: str) -> None:
    text = (EVENTS / f"{name}.json").read_text(encoding="utf-8")
    assert text == json.dumps(event(name), ensure_ascii=False, indent=2) + "\n"
    assert len(text.encode()) < 8 * 1024


@pytest.mark.parametrize("function", sorted(OPERATIONS))
def test_http_sample_asks_for_its_operation(function: str) -> None:
    asked = [event(name) for name in NAMES if name.partition("-")[0] == function]
    routes = [(one["httpMethod"], one["resource"]) for one in asked]
    assert sorted(routes) == sorted((one.method, one.path) for one in OPERATIONS[function])
    for one in asked:
        assert one["path"] == one["resource"].format(**(one["pathParameters"] or {}))
        assert one["requestContext"]["path"] == f"/v1{one['path']}"
