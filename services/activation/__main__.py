"""`python -m services.activation`: a worker of the stage."""

from postavka.kernel.stage.service import main
from services.activation.stage import STAGE

if __name__ == "__main__":
    main(STAGE)
