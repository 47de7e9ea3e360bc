"""``python -m agent_core`` is the command ``agent``."""

import sys

from agent_core.cli.main import main

sys.exit(main())
