"""The live system: one manager, its actors on a loop, and, a folder for each subject, what they need of the world."""
