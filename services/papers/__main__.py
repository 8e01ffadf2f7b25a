"""`python -m services.papers`, as it was called before the folder moved to `services.documents`."""

import runpy

runpy.run_module("services.documents", run_name="__main__", alter_sys=True)
