import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def vx6():
    path = pathlib.Path(os.environ.get("VX6_BIN", ROOT / "build" / "vx6"))
    assert path.exists(), f"{path} is missing: ./dev build"
    return path
