"""Measures this machine: `make bench`. Figures are for comparing within one run; the machine is shared and noisy."""
