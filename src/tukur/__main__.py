"""``python -m tukur``."""

import sys

from tukur.cli import main

sys.exit(main())
