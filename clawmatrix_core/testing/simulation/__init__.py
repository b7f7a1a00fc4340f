"""A simulated network on a virtual clock: whole meshes in one process, from one seed.

Start reading with ``scenario``: what a simulation is given, and how it is run. ``loop`` is the
virtual clock, ``network`` the hosts and what happens to their messages, ``flow`` a connection
between two of them.
"""

from __future__ import annotations

from clawmatrix_core.testing.simulation.network import Quality, SimNetwork
from clawmatrix_core.testing.simulation.scenario import EPOCH, Simulation, run_simulation

__all__ = ["EPOCH", "Quality", "SimNetwork", "Simulation", "run_simulation"]
