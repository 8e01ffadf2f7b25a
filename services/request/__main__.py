"""`python -m services.request`: a worker of the stage."""

from postavka.kernel.stage.service import main
from services.request.stage import STAGE

if __name__ == "__main__":
    main(STAGE)
