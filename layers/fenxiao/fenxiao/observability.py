"""One logger and one metrics sink for the process; structured, with the correlation id, without personal data."""

import os

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

_NAMESPACE = "Fenxiao"

logger = Logger(service=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "fenxiao"))


def count(metric: str, value: int = 1, **dimensions: str) -> None:
    """Emit a counter in CloudWatch's embedded metric format, at once and without an API call."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=value, namespace=_NAMESPACE) as single:
        for name, text in dimensions.items():
            single.add_dimension(name=name, value=text)
