"""`python -m services.cabinet.web`, as it was called before the web application moved."""

import runpy

runpy.run_module("postavka.app.web", run_name="__main__", alter_sys=True)
