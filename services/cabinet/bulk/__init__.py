"""Many requests at once, from a file or in one call: judged row by row by the rules of the form, kept, then sent."""
