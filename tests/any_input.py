"""How Hypothesis runs: with no limit to the time of one example, since any may take long on a busy machine."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

PROFILE: Final = "any machine"

settings.register_profile(PROFILE, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(PROFILE)
