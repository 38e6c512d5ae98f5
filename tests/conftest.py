"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A busy machine is no failure: times are measured by the benches, never asserted.
settings.register_profile("lbtui", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lbtui")
