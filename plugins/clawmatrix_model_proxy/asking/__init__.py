"""The node that asks: candidates, attempts, failover, and the answer as its client gets it."""
