"""Scenarios with the published Python client 0.0.21: driver_0_0_21.py --list | SCENARIO"""

import sys

sys.dont_write_bytecode = True  # these folders are part of the sources

import client_0_0_21
import first_generation  # noqa: F401  each of these fills the table
import losses  # noqa: F401
import payloads  # noqa: F401
import presence  # noqa: F401
import queues  # noqa: F401
import tokens  # noqa: F401
from harness import main

sys.exit(main(client_0_0_21))
