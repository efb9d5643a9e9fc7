"""What people look at: names and units of figures, prose, pictures, tables and the report, over `views`."""
