"""`python -m podlink` is the command `podlink`."""

from podlink.api.cli import main

if __name__ == "__main__":
    main()
