"""A program in a group of its own: started by a spawner or by ourselves, its pipes read and written, ended."""
