"""Hostile files: mutations of valid files, for every reader of this package."""
