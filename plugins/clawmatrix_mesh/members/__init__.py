"""Records that spread, and keys that are trusted or put out."""
