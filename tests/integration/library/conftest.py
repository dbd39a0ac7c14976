from collections.abc import AsyncIterator

import pytest
from tests.integration.library.stories import Story
from tests.integration.readmodels import ReadModel, read_model

from library.main import SERVICE
from ops.embedded import Embedded


@pytest.fixture
async def model(servers: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, servers) as model:
        yield model


@pytest.fixture
def story() -> Story:
    return Story()
