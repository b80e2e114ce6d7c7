"""The dashboard, whose fleet renews itself every 0.2 s: for docs/bench/dashboard.py."""

from cidp.views import fleet, navigation

fleet.REFRESH_S = 0.2
navigation.main()
