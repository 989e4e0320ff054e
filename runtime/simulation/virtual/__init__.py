"""Virtual time: the loop, the clock and the dispatcher that replace the real ones, and what guards them."""
