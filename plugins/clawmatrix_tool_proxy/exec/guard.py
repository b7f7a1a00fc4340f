"""The program that a node starts for each command: ``python -I -S guard.py``.

It imports nothing but the standard library and the folder ``guarding`` beside it, which it finds
by its own path: with ``-I`` and ``-S`` neither the environment nor installed packages decide what
is imported. The folder goes to the end of the path, so that no module of it hides one of Python's.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    os._exit(__import__("guarding.main", fromlist=["main"]).main())  # without tidying up memory
