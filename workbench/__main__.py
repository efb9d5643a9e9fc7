"""`python -m workbench`: the command where nothing was installed, or where its script is not on the path."""

from workbench.cli import main

if __name__ == "__main__":
    main()
