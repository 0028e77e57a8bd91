"""The template's resources, typed as far as the tests ask."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.tables import template

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the template; `folder` is its name below `functions`."""

    logical_id: str
    folder: str
    properties: dict[str, Any]

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """Return its triggers by logical name."""
        events: dict[str, dict[str, Any]] = self.properties.get("Events", {})
        return events

    @property
    def statements(self) -> list[dict[str, Any]]:
        """Return the statements of its role's policies."""
        return [one for policy in self.properties.get("Policies", []) for one in policy["Statement"]]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of its own, without the global ones."""
        variables: dict[str, str] = self.properties.get("Environment", {}).get("Variables", {})
        return variables

    @property
    def granted_tables(self) -> set[str]:
        """Return the tables that it may touch."""
        return {
            resource.removesuffix(".Arn")
            for statement in self.statements
            for resource in listed(statement["Resource"])
            if resource.endswith("Table.Arn")
        }


@cache
def data() -> dict[str, Any]:
    """Return the template; short tags are reduced to their values."""
    return template()


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in data()["Resources"].items()
        if resource["Type"] == kind
    }


def functions() -> list[Function]:
    """Return all functions."""
    return [
        Function(name, properties["CodeUri"].removeprefix("functions/").rstrip("/"), properties)
        for name, properties in of_type("AWS::Serverless::Function").items()
    ]


def api_events(function: Function) -> list[dict[str, Any]]:
    """Return the properties of a function's API events."""
    return [event["Properties"] for event in function.events.values() if event["Type"] == "Api"]


def stream_consumers() -> list[Function]:
    """Return the functions that consume a table's stream."""
    return [one for one in functions() if any(event["Type"] == "DynamoDB" for event in one.events.values())]


def listed(value: str | list[str]) -> list[str]:
    """Return what may be one value or a list as a list."""
    return [value] if isinstance(value, str) else value
