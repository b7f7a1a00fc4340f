"""``python -m clawmatrix_core.cli``."""

from __future__ import annotations

from clawmatrix_core.cli.shell import main

if __name__ == "__main__":
    main()
