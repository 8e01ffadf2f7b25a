"""Documents that wait for a signature, many at once: out as one archive, their signatures back as another (L16)."""
