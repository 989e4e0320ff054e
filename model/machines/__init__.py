"""The machines of supervisor, node and breaker: each noun's file has rules, table and happy path, the bases the rest."""
