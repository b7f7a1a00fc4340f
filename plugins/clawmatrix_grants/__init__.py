"""Who may do what: so far, what plugins ask before anything runs."""
