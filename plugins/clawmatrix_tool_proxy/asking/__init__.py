"""The node that calls tools of others: ``calling`` has one call, from its request to its end."""
