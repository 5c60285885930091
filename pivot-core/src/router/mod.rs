//! Finds the route of a method and a path, in a radix tree of fixed capacity.
