"""What is assumed of the noise of counts where no history was measured (docs/explanation/judging.md, "Noise")."""

ASSUMED_PHI = 3.0
"""Variance over that of independent requests."""
ASSUMED_KAPPA = 0.5
"""Growth of that ratio with the information of a snapshot."""
