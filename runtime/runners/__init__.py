"""How an attempt runs and is ended: as a coroutine, in a thread, in a worker."""
