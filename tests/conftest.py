"""Property tests are bounded by their number of examples, never by time: machines are noisy."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
