"""The actors that carry the machines: mailboxes, shells, and the ports the runtime implements."""
