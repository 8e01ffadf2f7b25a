"""What an installation as a whole has agreed on, in the schema `installation`."""
