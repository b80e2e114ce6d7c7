"""Launcher of the dashboard: streamlit run dashboard/app.py."""

import sys
from pathlib import Path

if (service := str(Path(__file__).resolve().parents[1])) not in sys.path:  # runs at each move
    sys.path.insert(0, service)
from cidp.views.navigation import main

main()
