"""``python -m agent_core`` is the command ``tagferry``."""

import sys

from agent_core.cli.main import main

sys.exit(main())
