"""``clawmatrix mcp`` and the commands below it."""
