from pathlib import Path

import pytest

from tests.trainer import toy


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with toy data, a trained toy autoencoder and a trained toy base."""
    return toy.chain(tmp_path_factory.mktemp("chain"))
