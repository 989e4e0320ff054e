"""How programs use playbill without a server: blocking, one call, one node, one breaker."""
