"""The HTTP functions, the template's events and the published documentation say the same."""

import json

import pytest

from fenxiao.http.api import Auth
from fenxiao.ledger.export import XLSX
from infra import openapi
from tests.unit.template.resources import api_events, data, functions

OPERATIONS = {(name, one.method, one.path): one.auth for name, many in openapi.operations().items() for one in many}


def routed() -> dict[tuple[str, str, str], str | None]:
    """What the template routes: (folder, method, path) → the authorizer that is named, `None` for the default one."""
    return {
        (function.folder, event["Method"].upper(), event["Path"]): event.get("Auth", {}).get("Authorizer")
        for function in functions()
        for event in api_events(function)
    }


def test_every_operation_is_routed_to_its_function_and_nothing_else_is() -> None:
    assert sorted(routed()) == sorted(OPERATIONS)


def test_no_two_events_route_the_same() -> None:
    routes = [(event["Method"], event["Path"]) for function in functions() for event in api_events(function)]
    assert len(set(routes)) == len(routes)


def test_public_operations_and_only_those_do_without_the_authorizer() -> None:
    for route, authorizer in routed().items():
        assert authorizer == ("NONE" if OPERATIONS[route] is Auth.PUBLIC else None), route


def test_gateway_gives_out_the_media_type_of_the_export_as_bytes() -> None:
    """In the template `~1` stands for a slash."""
    types = data()["Resources"]["Api"]["Properties"]["BinaryMediaTypes"]
    assert [one.replace("~1", "/") for one in types] == [XLSX]


@pytest.mark.parametrize("name", ["openapi.json", "index.html"])
def test_documentation_is_current(name: str) -> None:
    document = openapi.document(openapi.operations())
    texts = {
        "openapi.json": json.dumps(document, ensure_ascii=False, indent=2) + "\n",
        "index.html": openapi.page(document),
    }
    assert (openapi.TARGET / name).read_text(encoding="utf-8") == texts[name], "run make openapi"
