"""What tests of a stage are written with: it ships with the kernel, since whoever writes a stage needs it."""
