"""`python -m console.cli` is `slotbeat`."""

from console.cli import main

if __name__ == "__main__":
    main()
