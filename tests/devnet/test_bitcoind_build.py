"""Finding bitcoind, and the guards of its build; the build itself takes ten minutes and is run by make bitcoind."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from devnet import build_bitcoind
from devnet.bitcoind import BitcoindProcess, find_bitcoind
from devnet.bitcoind_binary import CORE_PACKAGE_VERSION, cached_bitcoind

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which no bitcoind is to be found."""
    monkeypatch.setenv("ALATAU_PAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("BITCOIND", raising=False)
    return tmp_path


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_named_one_comes_before_path_and_path_before_the_cache(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_bitcoind() is None
    cached = executable(elsewhere / "cache" / "bitcoind" / CORE_PACKAGE_VERSION / "bitcoind")
    assert find_bitcoind() == cached == cached_bitcoind()
    on_path = executable(elsewhere / "path" / "bitcoind")
    assert find_bitcoind() == on_path
    named = executable(elsewhere / "named" / "my-bitcoind")
    monkeypatch.setenv("BITCOIND", str(named))
    assert find_bitcoind() == named


def test_a_wrong_name_is_an_error_and_not_another_node(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(elsewhere / "path" / "bitcoind")
    monkeypatch.setenv("BITCOIND", str(elsewhere / "nosuch"))
    with pytest.raises(FileNotFoundError, match="BITCOIND="):
        find_bitcoind()


def test_without_one_the_way_to_get_it_is_said(elsewhere: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run make bitcoind"):
        BitcoindProcess(elsewhere / "data")


def test_a_built_one_is_not_built_again(elsewhere: Path) -> None:
    executable(cached_bitcoind())
    command = [sys.executable, "-m", "devnet.build_bitcoind"]
    environment = os.environ | {"PATH": os.defpath}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"bitcoind: already built, {cached_bitcoind()}\n"


def test_a_source_package_that_was_tampered_with_is_refused_and_removed(tmp_path: Path) -> None:
    archive = tmp_path / f"{build_bitcoind.SOURCE_NAME}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(__file__, arcname=f"{build_bitcoind.SOURCE_NAME}/depend/bitcoin/CMakeLists.txt")
    with pytest.raises(build_bitcoind.BuildError, match="SHA-256"):
        build_bitcoind.download(tmp_path)
    assert not archive.exists()


def test_missing_tools_are_named_with_the_way_to_get_them(elsewhere: Path) -> None:
    with pytest.raises(build_bitcoind.BuildError) as caught:
        build_bitcoind.provide_tools()
    message = str(caught.value)
    assert "\n" not in message
    assert "cmake" in message
    assert "apt-get install -y --no-install-recommends" in message


def test_progress_is_a_line_every_tenth(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    steps = [f"[{number}/200] Building CXX object {number}\n" for number in range(1, 201)]
    with (tmp_path / "log").open("w") as log:
        build_bitcoind.show_progress(iter(steps), log)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bitcoind: compiling 0 % (1/200)"
    assert lines[1] == "bitcoind: compiling 10 % (20/200)"
    assert lines[-1] == "bitcoind: compiling 100 % (200/200)"
    assert len(lines) == 11
    assert (tmp_path / "log").read_text() == "".join(steps)
