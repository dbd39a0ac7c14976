from collections.abc import AsyncIterator

import pytest
from tests.integration.parties.stories import EPOCH, new_story
from tests.integration.readmodels import ReadModel, read_model
from tests.integration.recording import Recording

from ops.embedded import Embedded
from parties.main import SERVICE


@pytest.fixture
async def model(servers: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, servers) as model:
        await model.writer.execute("insert into checkpoint (source, epoch, sequence) values ('log', $1, 0)", EPOCH)
        yield model


@pytest.fixture
def story() -> Recording:
    return new_story()
