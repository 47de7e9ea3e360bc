"""DDL: statements that change what there is. Each commits, as Oracle's does."""
