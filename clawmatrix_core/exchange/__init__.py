"""Reliable requests and streams over a mesh that is not reliable."""
