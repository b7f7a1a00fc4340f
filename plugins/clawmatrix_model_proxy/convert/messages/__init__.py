"""The codec of Messages."""
