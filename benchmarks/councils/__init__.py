"""The council and its command beside those of conclave."""
