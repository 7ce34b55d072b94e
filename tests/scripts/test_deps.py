"""cmake/deps/build.sh: where the prefix is, and that no tarball is taken whose SHA-256 is another."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "cmake" / "deps" / "build.sh"


def run(tmp_path, *args, **env):
    return subprocess.run([BUILD, *args], env={**os.environ, "VX6_CACHE_DIR": str(tmp_path / "cache"), **env},
                          capture_output=True, text=True, timeout=60)


def first_tarball():
    row = re.search(r'^\t"(\w+)\|([^|]+)\|([0-9a-f]{64})\|', (ROOT / "cmake/deps/versions.sh").read_text(), re.MULTILINE)
    return row[2], row[3]


def test_prefix__is_told_without_building(tmp_path):
    asked = run(tmp_path, "--prefix")
    assert asked.returncode == 0
    assert re.fullmatch(re.escape(str(tmp_path / "cache" / "deps")) + r"/[0-9a-f]{16}\n", asked.stdout)
    assert not (tmp_path / "cache").exists()
    assert run(tmp_path, "--prefix").stdout == asked.stdout


def test_another_compiler__is_another_prefix(tmp_path):
    other = tmp_path / "cc"
    other.write_text("#!/bin/sh\necho 99.1\n")
    other.chmod(0o755)
    assert run(tmp_path, "--prefix", VX6_DEPS_CC=str(other)).stdout != run(tmp_path, "--prefix").stdout


def test_nobody_serves__says_what_to_do(tmp_path):
    name, sha = first_tarball()
    tried = run(tmp_path, VX6_DEPS_OFFLINE="1", VX6_DEPS_DIR="")
    assert tried.returncode == 1 and tried.stdout == ""
    assert name in tried.stderr and sha in tried.stderr and "VX6_DEPS_DIR" in tried.stderr


def test_tampered_tarball__is_not_taken(tmp_path):
    name, _ = first_tarball()
    (tmp_path / name).write_bytes(b"not what was pinned")
    tried = run(tmp_path, VX6_DEPS_OFFLINE="1", VX6_DEPS_DIR=str(tmp_path))
    assert tried.returncode == 1 and tried.stdout == ""
    assert f"{name} has another SHA-256" in tried.stderr
    assert not list((tmp_path / "cache").glob("tarballs/*.gz")) and not list((tmp_path / "cache").glob("deps/*/built"))
