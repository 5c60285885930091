//! The application: routes, groups, middleware, handlers.
