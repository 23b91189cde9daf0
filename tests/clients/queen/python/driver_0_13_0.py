"""Scenarios with the published Python client 0.13.0: driver_0_13_0.py --list | SCENARIO"""

import sys

sys.dont_write_bytecode = True  # these folders are part of the sources

import lab
import acks  # noqa: F401  each of these fills the table
import configuring  # noqa: F401
import consuming  # noqa: F401
import dead  # noqa: F401
import groups  # noqa: F401
import mixed_rooms  # noqa: F401
import popping  # noqa: F401
import pushing  # noqa: F401
import traces  # noqa: F401
import transactions  # noqa: F401
import windows  # noqa: F401
from harness import main

sys.exit(main(lab))
