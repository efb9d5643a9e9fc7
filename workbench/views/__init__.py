"""Frames over runs: read by DuckDB, joined, derived. Reads runs, never writes them; no words, no pictures."""
