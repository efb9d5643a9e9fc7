"""Small tasks on real data for the layers of kernel_variants.modules and their peers (docs/tasks.md)."""
