"""Run every example in order, from any folder."""

import os
import subprocess
import sys

import atelier


def main() -> int:
    """Run each example as its own process; stop at the first that fails."""
    for example in sorted(atelier.HERE.glob("0*.py")):
        atelier.say(f"--- {example.name}")
        done = subprocess.run(  # noqa: S603 (our own scripts, no shell)
            [sys.executable, example], env=os.environ | {"PYTHONUTF8": "1"}
        )
        if done.returncode:
            sys.stderr.write(f"{example.name} a échoué (code {done.returncode}).\n")
            return done.returncode
    atelier.say(f"Tout est dans {atelier.shown(atelier.OUTPUT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
