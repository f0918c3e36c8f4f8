"""Build Bitcoin Core's ``bitcoind`` once, into the cache: ``python -m devnet.build_bitcoind``.

The source is the PyPI source package of py-bitcoinkernel, which carries the whole Bitcoin Core tree; its
SHA-256 is pinned here. Only the standard library is used, because this runs before any environment exists.
A build takes about 10 minutes on two cores. An interrupted build goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import venv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from devnet.bitcoind_binary import CORE_PACKAGE, CORE_PACKAGE_VERSION, cached_bitcoind

SOURCE_SHA256 = "71b91eecac7a8b07248be04471c3bf98016b38bf823aefd28f7b31179940520d"
SOURCE_NAME = f"py_bitcoinkernel-{CORE_PACKAGE_VERSION}"

#: Debian package -> a file or command whose presence shows that it is installed.
DEBIAN_PACKAGES = {
    "build-essential": "c++",
    "cmake": "cmake",
    "ninja-build": "ninja",
    "pkg-config": "pkg-config",
    "libevent-dev": "event2/event.h",
    "libboost-dev": "boost/version.hpp",
    "libzmq3-dev": "zmq.h",
    "libsqlite3-dev": "sqlite3.h",
}
SWITCHED_ON = ("ENABLE_WALLET", "WITH_ZMQ")
SWITCHED_OFF = (
    "BUILD_GUI",
    "ENABLE_IPC",
    "BUILD_TESTS",
    "BUILD_BENCH",
    "BUILD_FUZZ_BINARY",
    "BUILD_TX",
    "BUILD_UTIL",
    "BUILD_WALLET_TOOL",
    "BUILD_UTIL_CHAINSTATE",
    "BUILD_KERNEL_LIB",
    "BUILD_BITCOIN_BIN",
    "BUILD_CLI",
    "INSTALL_MAN",
    "WITH_CCACHE",
)
NINJA_STEP = re.compile(r"^\[(\d+)/(\d+)\]")


class BuildError(Exception):
    """The build cannot go on; the message is one line for the person who ran it."""


def main() -> int:
    """Build unless the binary is already in the cache; returns the exit status."""
    target = cached_bitcoind()
    if os.access(target, os.X_OK):
        print(f"bitcoind: already built, {target}")
        return 0
    try:
        with_lock(target)
    except BuildError as error:
        print(f"bitcoind: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbitcoind: stopped; run again to go on", file=sys.stderr)
        return 130
    return 0


def with_lock(target: Path) -> None:
    """Build under a file lock, so that a second build waits for the first and then finds its result."""
    work = target.parent.parent / f"build-{CORE_PACKAGE_VERSION}"
    work.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(target, os.X_OK):
            build(target, work)


def build(target: Path, work: Path) -> None:
    """Download, verify, compile, strip, and move the binary to ``target`` in one step."""
    started_at = time.monotonic()
    provide_tools()
    source = unpack(download(work), work)
    configure(source, work)
    compile_bitcoind(work)
    stripped = target.with_name(f"bitcoind.{os.getpid()}")
    run(["strip", "-o", str(stripped), str(work / "out" / "bin" / "bitcoind")], work)
    run([str(stripped), "--version"], work)
    stripped.replace(target)
    shutil.rmtree(work)
    print(f"bitcoind: built in {time.monotonic() - started_at:.0f} s, {target}")


def missing_packages() -> list[str]:
    """The Debian packages whose command or header is not on this machine."""
    include_directories = [
        Path("/usr/include"),
        Path("/usr/local/include"),
        *Path("/usr/include").glob("*-linux-gnu"),
    ]

    def present(witness: str) -> bool:
        if witness.endswith((".h", ".hpp")):
            return any((directory / witness).exists() for directory in include_directories)
        return shutil.which(witness) is not None

    return [package for package, witness in DEBIAN_PACKAGES.items() if not present(witness)]


def provide_tools() -> None:
    """Install what is missing where that is possible, otherwise say in one line how to get it."""
    missing = missing_packages()
    if not missing:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BuildError(f"missing {', '.join(missing)}; on Debian or Ubuntu: sudo {' '.join(install)}")
    print(f"bitcoind: installing {', '.join(missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], install):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            raise BuildError(f"`{' '.join(command)}` failed")


def download(work: Path) -> Path:
    """The verified source package. Raises BuildError when its SHA-256 is not the pinned one."""
    archive = work / f"{SOURCE_NAME}.tar.gz"
    if not archive.exists():
        print(f"bitcoind: downloading {CORE_PACKAGE} {CORE_PACKAGE_VERSION} (source)")
        requirement = f"{CORE_PACKAGE}=={CORE_PACKAGE_VERSION}"
        options = ["--quiet", "--no-deps", "--no-binary", CORE_PACKAGE, "--dest", str(work)]
        run([*pip_command(work), "download", *options, requirement], work)
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != SOURCE_SHA256:
        archive.unlink()
        raise BuildError(f"the source package has SHA-256 {digest}, not {SOURCE_SHA256}; removed it")
    return archive


def pip_command(work: Path) -> list[str]:
    """A working pip: this interpreter's own, else one in an environment made for the purpose."""
    own_pip = [sys.executable, "-m", "pip", "--version"]
    if subprocess.run(own_pip, capture_output=True, check=False).returncode == 0:
        return [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    venv.create(work / "venv", with_pip=True)
    return [str(work / "venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def unpack(archive: Path, work: Path) -> Path:
    """The Bitcoin Core tree inside the source package."""
    source = work / SOURCE_NAME / "depend" / "bitcoin"
    complete = work / SOURCE_NAME / ".unpacked"
    if not complete.exists():
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(work, filter="data")
            else:
                tar.extractall(work)
        complete.touch()
    return source


def configure(source: Path, work: Path) -> None:
    """Run cmake; only the daemon, with its wallet and ZeroMQ, is built."""
    switches = [f"-D{name}=ON" for name in SWITCHED_ON] + [f"-D{name}=OFF" for name in SWITCHED_OFF]
    # -O1 halves the compile time against the default and is plenty for regtest.
    optimisation = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"]
    run(["cmake", "-G", "Ninja", "-S", str(source), "-B", str(work / "out"), *optimisation, *switches], work)


def compile_bitcoind(work: Path) -> None:
    """Run ninja at low priority, showing its step counter as a percentage."""
    jobs = str(os.cpu_count() or 1)
    command = ["nice", "cmake", "--build", str(work / "out"), "--parallel", jobs, "--target", "bitcoind"]
    log_path = work / "build.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        assert process.stdout is not None
        show_progress(process.stdout, log)
    if process.returncode:
        raise BuildError(f"compiling failed, see {log_path}")


def show_progress(lines: Iterable[str], log: TextIO) -> None:
    """Copy ninja's output to the log; show its percentage in place on a terminal, else a line every 10 %."""
    shown = -10
    for line in lines:
        log.write(line)
        step = NINJA_STEP.match(line)
        if step is None:
            continue
        percent = 100 * int(step[1]) // int(step[2])
        if sys.stdout.isatty():
            print(f"\rbitcoind: compiling {percent:3d} % ({step[1]}/{step[2]})", end="", flush=True)
        elif percent >= shown + 10 or (percent == 100 and shown < 100):
            shown = percent
            print(f"bitcoind: compiling {percent} % ({step[1]}/{step[2]})", flush=True)
    if sys.stdout.isatty():
        print()


def run(command: Sequence[str], work: Path) -> None:
    """Run a command with its output in a log file; raises BuildError that names the log."""
    log_path = work / "steps.log"
    with log_path.open("a") as log:
        print(f"$ {' '.join(command)}", file=log, flush=True)
        try:
            completed = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        except FileNotFoundError:
            raise BuildError(f"{command[0]} is not installed") from None
    if completed.returncode:
        raise BuildError(f"`{' '.join(command[:3])} …` failed, see {log_path}")


if __name__ == "__main__":
    sys.exit(main())
