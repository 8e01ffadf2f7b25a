"""Stage `activation`: the only place where the registration number and the 1C:ITS contract count (L2, L19)."""
