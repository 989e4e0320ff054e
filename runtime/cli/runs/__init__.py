"""The subcommands that look after runs which outlive their process, and where `playbill run` keeps its own."""
