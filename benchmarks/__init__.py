"""What the engine costs, as ratios within one run: python -m benchmarks."""
