//! Decides who is served: rate limiter, load shedder, circuit breaker, queue, permits.
