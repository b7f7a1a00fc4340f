"""The keys that two nodes agree on, and how bodies are sealed under them."""
