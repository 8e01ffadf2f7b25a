"""Ways on which news reach those whom they are for."""
