"""`python -m services.approval`: a worker of the stage."""

from postavka.kernel.stage.service import main
from services.approval.stage import STAGE

if __name__ == "__main__":
    main(STAGE)
