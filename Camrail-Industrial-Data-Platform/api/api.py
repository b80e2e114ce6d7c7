"""Launcher of the scoring API; `from api.api import app` gives the Flask application."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cidp.server import create_app, main

if __name__ == "__main__":
    sys.exit(main())
elif __name__ != "__mp_main__":  # how the server's own worker process names this file
    app = create_app()
