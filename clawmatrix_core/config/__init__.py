"""The configuration: its tables, their types, and what a file says of them."""
