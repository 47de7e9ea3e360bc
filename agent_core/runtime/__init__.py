"""Everything that moves: the agent, the way of a batch from source to sink, and what is counted on that way."""
