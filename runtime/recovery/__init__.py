"""Runs that outlive their process: pinned as they begin, read back once they have ended, else taken up."""
