"""What a node keeps between two runs: JSON files in a folder that one process uses at a time.

Start with ``folder``. ``files`` has the version of each file and how older ones are brought up
to date; ``epoch`` counts the starts of the node.
"""
