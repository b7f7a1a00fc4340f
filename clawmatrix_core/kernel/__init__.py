"""The minimal core: the node, its plugins, and the dispatch of frames and events to them."""
