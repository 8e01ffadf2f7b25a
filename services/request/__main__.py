"""`python -m services.request`: a worker of the stage."""

from services.request.stage import STAGE

from postavka.stage.service import main

if __name__ == "__main__":
    main(STAGE)
