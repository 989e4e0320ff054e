"""What options of the command line mean."""
