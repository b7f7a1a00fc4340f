"""``clawmatrix grants``: its commands as they are typed, and how a grant gets into the file."""
