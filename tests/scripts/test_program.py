"""The program as it is shipped: small, hardened, and free of what only some commands need."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VX6 = pathlib.Path(os.environ.get("VX6_BIN") or ROOT / "build" / "vx6")


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args, VX6], capture_output=True, text=True, check=True).stdout


def test_stripped__is_at_most_4_mb(tmp_path):
    subprocess.run(["strip", "-o", tmp_path / "vx6", VX6], check=True)
    assert (tmp_path / "vx6").stat().st_size <= 4 * 1000 * 1000


def test_hardening__is_on():
    assert re.search(r"Type:\s+DYN", readelf("-h")), "position-independent"
    flags = readelf("-d")
    assert "BIND_NOW" in flags and re.search(r"FLAGS_1.*\bPIE\b", flags)
    segments = readelf("-l")
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK.* RW ", segments), "the stack is not executable"
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols and "__snprintf_chk" in symbols


@pytest.mark.parametrize("library", ["curl", "gnutls", "microhttpd", "wolfssl", "ngtcp2", "ssl", "crypto"])
def test_library__is_not_loaded_at_start(library):
    assert f"lib{library}." not in readelf("-d")


def test_version__is_that_of_the_project():
    version = re.search(r"project\(vx6 VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    shown = subprocess.run([VX6, "version", "--client"], capture_output=True, text=True, timeout=10)
    assert shown.returncode == 0 and version in shown.stdout
