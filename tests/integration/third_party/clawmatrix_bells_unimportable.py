"""A plugin that needs what is not there."""

from __future__ import annotations

raise ImportError("libbells.so.3: cannot open shared object file")
