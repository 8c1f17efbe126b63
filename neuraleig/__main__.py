"""``python -m neuraleig``."""

import sys

from neuraleig.cli import main

if __name__ == "__main__":
    sys.exit(main())
