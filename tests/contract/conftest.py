from collections.abc import Iterator

import pytest

from tests.support.engines import DYNAMODB_LOCAL, ENGINES, MINISTACK, MOTO, Engine, engine_at, engine_on_moto

ENDPOINTS = {MINISTACK: "ministack_endpoint", DYNAMODB_LOCAL: "dynamodb_local_endpoint"}


@pytest.fixture(scope="module", params=ENGINES)
def running_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine in turn; a module's tests run on one before they run on the next, as switching takes time."""
    if request.param == MOTO:
        with engine_on_moto() as engine:
            yield engine
        return
    with engine_at(request.param, request.getfixturevalue(ENDPOINTS[request.param])) as engine:
        yield engine


@pytest.fixture
def engine(running_engine: Engine) -> Engine:
    """An engine with all tables of the template, empty."""
    running_engine.empty()
    return running_engine
