"""The report of a load: tables for a terminal and a page, plots, and the page."""
