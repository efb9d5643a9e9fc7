"""What the records say: intervals, floors, ladders, comparisons; frames and figures for whoever shows them.

Reads runs, never writes them. The command line and the dashboard show what is returned here.
"""
