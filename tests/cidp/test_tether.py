import subprocess
import sys
from pathlib import Path

import psutil

from cidp import tether
from cidp.settings import SERVICE_FOLDER

PROGRAM = """
import os, subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), inner.pid, sys.argv[1:], flush=True)
time.sleep(600)
"""


def tethered(parent_pid: int, script: Path) -> list[str]:
    return [sys.executable, "-m", "cidp.tether", str(parent_pid), str(script), "--un", "deux"]


def test_a_program_and_what_it_started_end_with_the_process_that_started_it(
    tmp_path: Path,
) -> None:
    script = tmp_path / "programme.py"
    script.write_text(PROGRAM, encoding="utf-8")
    starter = (
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([str(os.getpid()) if a == 'PID' else a for a in sys.argv[1:]])\n"
        "time.sleep(600)"
    )
    command = [part if part != "0" else "PID" for part in tethered(0, script)]
    with subprocess.Popen(
        [sys.executable, "-c", starter, *command],
        cwd=SERVICE_FOLDER,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        program, inner, arguments = parent.stdout.readline().split(maxsplit=2)
        family = [psutil.Process(int(program)), psutil.Process(int(inner))]
        parent.kill()
        _, alive = psutil.wait_procs(family, timeout=240)
    assert arguments.strip() == "['--un', 'deux']"
    assert not alive


def test_a_program_whose_starter_is_already_gone_ends_too(tmp_path: Path) -> None:
    script = tmp_path / "programme.py"
    script.write_text("import time; time.sleep(600)", encoding="utf-8")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert subprocess.run(tethered(gone.pid, script), cwd=SERVICE_FOLDER, timeout=240).returncode


def test_a_younger_process_with_the_id_of_the_starter_is_not_taken_for_it() -> None:
    younger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        tether._wait_for_end(younger.pid, psutil.Process())
        assert younger.poll() is None
    finally:
        younger.kill()
        younger.wait()
