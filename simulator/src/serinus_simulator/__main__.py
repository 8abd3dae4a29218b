"""`python -m serinus_simulator SCENARIO.yaml`."""

import sys

from serinus_simulator.app import main

sys.exit(main())
