from collections.abc import Iterator

import pytest

from tests.support.engines import (
    DYNAMODB_LOCAL,
    ENGINES,
    MEMORY,
    MINISTACK,
    MOTO,
    Engine,
    engine_at,
    engine_in_memory,
    engine_on_moto,
)

ENDPOINTS = {MINISTACK: "ministack_endpoint", DYNAMODB_LOCAL: "dynamodb_local_endpoint"}


@pytest.fixture(scope="module", params=ENGINES)
def running_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine in turn; a module's tests run on one before they run on the next, as switching takes time."""
    in_process = {MEMORY: engine_in_memory, MOTO: engine_on_moto}
    if request.param in in_process:
        with in_process[request.param]() as engine:
            yield engine
        return
    with engine_at(request.param, request.getfixturevalue(ENDPOINTS[request.param])) as engine:
        yield engine


@pytest.fixture
def engine(running_engine: Engine) -> Engine:
    """An engine with all tables of the template, empty."""
    running_engine.empty()
    return running_engine
