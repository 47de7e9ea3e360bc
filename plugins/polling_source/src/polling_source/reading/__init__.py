"""Reading: how the tags of one group are read from one device."""
