"""The tables of `template.yaml`, made on any engine: tests run against the very keys and indexes that deploy."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from moto import mock_aws

from fenxiao.aws import clients

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags (`!Ref`, `!GetAtt`, …) as plain values."""


def _tag(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _tag)


@cache
def template() -> dict[str, Any]:
    """Return the template as plain data; short tags are reduced to their values."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader underneath
    return loaded


def create_tables(client: Any) -> None:
    """Create every table under the name by which code knows it outside a deployment (`MEMBER_TABLE`, …)."""
    data = template()
    variables = data["Globals"]["Function"]["Environment"]["Variables"]
    names = {logical: variable for variable, logical in variables.items() if variable.endswith("_TABLE")}
    for logical, resource in data["Resources"].items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            properties = resource["Properties"]
            wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
            client.create_table(
                TableName=names[logical], **{key: properties[key] for key in wanted if key in properties}
            )


@contextmanager
def moto_tables() -> Iterator[None]:
    """Run with all tables on moto."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
    with mock_aws():
        clients.client.cache_clear()
        create_tables(clients.client("dynamodb"))
        yield
    clients.client.cache_clear()
