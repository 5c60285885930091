//! Pivot on smoltcp: the core's server on any `smoltcp::phy::Device` and any clock.
#![no_std]
