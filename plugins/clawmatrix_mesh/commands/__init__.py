"""Commands of the mesh."""
