"""`python -m services.cabinet`: a worker of the cabinet projection."""

from postavka.projection.live import main
from services.cabinet.projection import Cabinet

if __name__ == "__main__":
    main(Cabinet)
