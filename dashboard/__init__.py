"""Streamlit pages over workbench.analyse: they lay out frames and pictures, and compute nothing."""
