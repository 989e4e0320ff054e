"""playbill runs pipelines as actors."""
