"""A plugin of a third party for each mistake that one can make."""
