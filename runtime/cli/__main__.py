"""Makes `python -m playbill.runtime.cli` the command."""

from playbill.runtime.cli import main

main()
