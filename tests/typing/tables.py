"""Never run: a row whose action takes another message is an error (an ignore that nothing needs is one, too)."""

from playbill.model.machines.machine import row
from playbill.model.machines.node_joining import NodeJoining
from playbill.model.messages import Input, Skip

row(Input, NodeJoining.join)
row(Skip, NodeJoining.join)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
