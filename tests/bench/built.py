"""The bundles as they deploy: what `sam build` made, with the layers that the template gives each function."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.local import deployment
from infra.local.stack import DIRECTORY, TEMPLATE, logs_of
from tests.support.tables import template

_BUILD: Final = DIRECTORY / "bench-build"


@dataclass(frozen=True)
class Bundle:
    """One function's folders, in the order in which Lambda searches them: layers first."""

    name: str
    is_http: bool
    layers: tuple[Path, ...]
    code: Path


@cache
def bundles() -> list[Bundle]:
    """Build the product and return every function's bundle."""
    built = deployment.build(TEMPLATE, _BUILD, logs_of(DIRECTORY), print).parent
    data = template()
    shared = data["Globals"]["Function"]["Layers"]
    return [
        _bundle(name, resource["Properties"], shared, built)
        for name, resource in data["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    ]


def _bundle(name: str, properties: dict[str, Any], shared: list[str], built: Path) -> Bundle:
    layers = [*shared, *properties.get("Layers", [])]
    events = properties.get("Events", {}).values()
    return Bundle(
        name, any(event["Type"] == "Api" for event in events), tuple(built / layer for layer in layers), built / name
    )
