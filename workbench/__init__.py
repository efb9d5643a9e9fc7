"""The workbench: how kernel variants are built, checked, measured, recorded and explained."""
