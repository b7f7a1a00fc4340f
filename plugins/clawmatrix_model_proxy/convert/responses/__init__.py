"""The codec of Responses."""
