"""Stage `request`: what partners ask for and take back (L4, L11)."""
