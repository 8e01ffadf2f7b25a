"""`python -m services.approval`: a worker of the stage."""

from services.approval.stage import STAGE

from postavka.stage.service import main

if __name__ == "__main__":
    main(STAGE)
