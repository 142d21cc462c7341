"""The cost of the engine, as ratios within one run: python -m benchmarks."""
