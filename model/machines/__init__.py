"""The machines of supervisor, node, breaker: the noun's file has rules, table and happy path, the bases the rest."""
