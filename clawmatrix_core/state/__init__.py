"""What a node keeps between two runs, in files with versions."""
