"""Crashes: processes that are killed, and disks that are full or read-only, while files are written."""
