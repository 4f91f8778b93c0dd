"""What every test stands on: one thread, no network, no telemetry; set before torch or gradio is imported."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture(scope="session")
def filtered_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small job that was run to its end; nobody writes in it."""
    from tests.dataset_builder import filtered_job as jobs

    return jobs.filtered_job(tmp_path_factory.mktemp("jobs"))
