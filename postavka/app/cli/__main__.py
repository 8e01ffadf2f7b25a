"""`python -m postavka.app.cli`: the command `postavka`, where no script of it is installed (in an image)."""

from postavka.app.cli import main

if __name__ == "__main__":
    main()
