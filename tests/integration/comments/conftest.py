from collections.abc import AsyncIterator

import pytest
from tests.integration.comments.stories import EPOCH, Story
from tests.integration.comments.threads import SERVICE
from tests.integration.readmodels import ReadModel, read_model

from ops.embedded import Embedded


@pytest.fixture
async def model(servers: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, servers) as model:
        await model.writer.execute("insert into checkpoint (source, epoch, sequence) values ('log', $1, 0)", EPOCH)
        yield model


@pytest.fixture
def story() -> Story:
    return Story()
