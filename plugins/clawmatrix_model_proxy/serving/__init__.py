"""The node that serves: upstreams, and an answer on its way back."""
