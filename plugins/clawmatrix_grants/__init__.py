"""Who may do what on this node: the rules of the configuration, and the approvals of people."""
