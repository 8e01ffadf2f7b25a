"""`python -m services.renewal`: a worker of the stage."""

from postavka.kernel.stage.service import main
from services.renewal.stage import STAGE

if __name__ == "__main__":
    main(STAGE)
