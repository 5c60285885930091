//! Pivot on an operating system: sockets, a clock, threads and signals for `pivot-core`.
