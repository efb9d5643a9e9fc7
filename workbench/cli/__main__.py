"""`python -m workbench.cli`: the command where nothing was installed."""

from workbench.cli import main

if __name__ == "__main__":
    main()
