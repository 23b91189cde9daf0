"""Scenarios with the published Python client 0.56.0: driver_0_56_0.py --list | SCENARIO"""

import sys

sys.dont_write_bytecode = True  # these folders are part of the sources

import client_0_56_0
import grants  # noqa: F401  each of these fills the table
import losses  # noqa: F401
import mixed  # noqa: F401
import payloads  # noqa: F401
import presence  # noqa: F401
import queues  # noqa: F401
import reconnect  # noqa: F401
import tokens  # noqa: F401
import unsupported  # noqa: F401
from harness import main

sys.exit(main(client_0_56_0))
