"""The agent of the API's tests, and what ./dev clients has made."""
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "build" / "clients"


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_api = load("vx6_api_conftest", ROOT / "tests" / "api" / "conftest.py")
folder, agent = _api.folder, _api.agent


@pytest.fixture(scope="session")
def clients():
    if not (CLIENTS / "openapi.json").exists():
        pytest.fail("there are no types: ./dev clients")
    return CLIENTS
