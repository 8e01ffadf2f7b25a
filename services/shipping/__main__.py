"""`python -m services.shipping`: a worker of the stage."""

from postavka.kernel.stage.service import main
from services.shipping.stage import STAGE

if __name__ == "__main__":
    main(STAGE)
