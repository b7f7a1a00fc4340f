"""The codec of chat completions."""
