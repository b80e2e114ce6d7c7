"""Every command of the users' documentation runs, in the order in which a reader meets it.

`.ci/run` runs what takes a fresh environment (the README's two commands) and CONTRIBUTING's checks.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fenced import fenced_blocks
from loopback import free_port

ROOT = Path(__file__).parents[2]
PLATFORM = "Camrail-Industrial-Data-Platform"
DOCUMENTS = [
    "README.md",
    "DEMARRAGE_RAPIDE.md",
    "Data-Pipeline-Automation/README.md",
    "Predictive-Maintenance-Dashboard/README.md",
    f"{PLATFORM}/README.md",
    "exemples_excel_access/README.md",
]
SERVERS = {"api/api.py": "API_PORT", "streamlit run": "STREAMLIT_SERVER_PORT"}
START_S, STOP_S, COMMAND_S = 240, 120, 900


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that a clone would hold: runs leave nothing in the work tree."""
    target = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose `python` is this one, with free ports, where pip only checks."""
    for name in ("python", "python3"):
        shim = tmp_path / name
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
    scripts = Path(sys.executable).parent
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE_"))}
    return kept | {
        "PATH": os.pathsep.join([str(tmp_path), str(scripts), os.environ["PATH"]]),
        "API_PORT": str(free_port()),
        "STREAMLIT_SERVER_PORT": str(free_port()),
        "STREAMLIT_SERVER_HEADLESS": "true",
        "PIP_DRY_RUN": "1",
        "PYTEST_ADDOPTS": "--collect-only --quiet -p no:cacheprovider",
    }


class Terminal:
    """Runs blocks as a reader does: commands to their end, servers left running."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.started: list[subprocess.Popen[str]] = []
        self.servers: list[subprocess.Popen[str]] = []

    def run(self, block: str) -> None:
        text = block.replace("127.0.0.1:5000", f"127.0.0.1:{self.environ['API_PORT']}")
        server = next((name for name in SERVERS if name in block), None)
        if server:
            self.serve(text, int(self.environ[SERVERS[server]]))
        else:
            done = self.bash(text)
            output, _ = done.communicate(timeout=COMMAND_S)
            assert done.returncode == 0, f"{block}\n{output[-4000:]}"

    def bash(self, text: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def serve(self, text: str, port: int) -> None:
        server = self.bash(text)
        self.servers.append(server)
        deadline = time.monotonic() + START_S
        while not answers(f"http://127.0.0.1:{port}/"):
            assert server.poll() is None, server.communicate()[0][-4000:]
            assert time.monotonic() < deadline, f"nothing answers on {port}: {text}"
            time.sleep(0.2)

    def close(self) -> list[int]:
        """Interrupt what still runs, as Ctrl-C would, and return the exit codes."""
        for server in reversed(self.servers):
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGINT)
            server.communicate(timeout=STOP_S)
        return [server.returncode for server in self.servers]


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):  # noqa: S310 (a loopback http URL)
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture
def terminal(
    copy: Path, environ: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[Terminal]:
    opened = Terminal((copy / request.param).parent, environ)
    yield opened
    for process in opened.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def runnable_blocks(name: str) -> list[str]:
    """Return the bash blocks that a test can run; those that make a venv are run by .ci/run."""
    return [block for block in fenced_blocks(ROOT / name, "bash") if "-m venv" not in block]


@pytest.mark.skipif(os.name == "nt", reason="the bash blocks need a POSIX shell")
@pytest.mark.parametrize(
    ("terminal", "name"), [(name, name) for name in DOCUMENTS], ids=DOCUMENTS, indirect=["terminal"]
)
def test_the_commands_of_a_document_run_in_order(terminal: Terminal, name: str) -> None:
    for block in runnable_blocks(name):
        terminal.run(block)
    assert set(terminal.close()) <= {0}


def invocations(blocks: list[str]) -> set[str]:
    """Return the scripts, modules and long flags that commands name, whatever the shell."""
    found = re.findall(r"[\w/\\.-]+\.py\b|-m \w+|(?<=\s)--[a-z][\w-]*", "\n".join(blocks))
    return {word.replace("\\", "/").removeprefix("./") for word in found}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_bash_command_has_its_powershell_twin(name: str) -> None:
    bash = invocations(fenced_blocks(ROOT / name, "bash"))
    assert bash - invocations(fenced_blocks(ROOT / name, "powershell")) == set()


def test_readme_opens_with_the_two_commands_that_ci_runs() -> None:
    run, check = fenced_blocks(ROOT / "README.md", "bash")[:2]
    assert run.count("\n") == check.count("\n") == 1, "each is one line"
    assert run.rstrip().endswith("run_platform.py")
    assert check.rstrip().endswith("-m pytest")
