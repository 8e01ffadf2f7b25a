#!/bin/sh
# Prints the Python to install with: the system's own if it will do, otherwise the one that is called python3.
# Distributions build theirs with profile-guided optimisation; version managers by default do not, and such a build takes
# a fifth to two fifths more CPU time for everything here (docs/history/performance.md).
for python in /usr/bin/python3 python3; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$python"
        exit 0
    fi
done
echo python3
