"""Property-based tests with Hypothesis: strategies for all public values, and state machines."""
