"""`python -m services.activation`: a worker of the stage."""

from services.activation.stage import STAGE

from postavka.stage.service import main

if __name__ == "__main__":
    main(STAGE)
