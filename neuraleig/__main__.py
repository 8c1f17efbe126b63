"""``python -m neuraleig``."""

from neuraleig.cli import script

if __name__ == "__main__":
    script()
