"""The program that a node starts for each command: ``python -I -S guard.py``.

It imports nothing but the standard library and the folder ``guarding`` beside it, which it finds
by its own path: with ``-I`` and ``-S`` neither the environment nor the installation decides what is
imported. The path goes to the end, so that nothing there takes the place of a module of Python's.
"""

import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.dirname(os.path.dirname(here)))

    from clawmatrix_tool_proxy.exec.guarding.main import main

    os._exit(main())  # without tidying up memory
