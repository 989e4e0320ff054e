"""Process groups that can be killed, for workers and commands: a spawner holds them, a client orders them."""
