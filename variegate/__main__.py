"""`python -m variegate`."""

import sys

from variegate.cli import main

sys.exit(main())
