"""Streamlit pages over workbench.views and workbench.show: they lay out frames and pictures, and compute nothing."""
