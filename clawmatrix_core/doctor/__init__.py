"""The checks of the core, and how all checks are run."""
