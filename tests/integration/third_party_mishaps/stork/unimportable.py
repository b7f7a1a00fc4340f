"""A module whose own import fails."""

raise ImportError("libstork.so.2: cannot open shared object file")
