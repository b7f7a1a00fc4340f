"""`clawmatrix demo`, and a small upstream for demonstrations and tests."""
