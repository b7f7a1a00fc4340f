"""Server-sent events of model APIs: split, judged and passed on."""
