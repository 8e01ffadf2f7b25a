"""`python -m services.billing`: a worker of the stage."""

from postavka.kernel.stage.service import main
from services.billing.stage import STAGE

if __name__ == "__main__":
    main(STAGE)
