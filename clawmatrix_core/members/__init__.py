"""Who belongs to the mesh: keys, signed records, trust and revocation."""
