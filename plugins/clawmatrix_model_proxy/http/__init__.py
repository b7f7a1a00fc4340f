"""The HTTP client that asks upstreams."""
