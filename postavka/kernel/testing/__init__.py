"""The forms in which tests of a stage and of a read model are written: it ships with the kernel, since whoever writes a
stage needs it."""
