"""What `clawmatrix doctor` looks at in the mesh."""
