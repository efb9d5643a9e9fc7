"""One page a file, in the order in which one thinks: a function `page(context)` that lays it out."""
