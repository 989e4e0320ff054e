"""Hypothesis strategies for pipelines, their policies, behaviours and fault plans: extra `sim`."""

from playbill.runtime.simulation.strategies.faults import behaviours, fault_plans
from playbill.runtime.simulation.strategies.pipelines import breaker_policies, definitions, retry_policies

__all__ = ["behaviours", "breaker_policies", "definitions", "fault_plans", "retry_policies"]
