//! Pools of fixed capacity: borrow gives a guard, dropping it resets and returns the object.
