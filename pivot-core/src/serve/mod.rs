//! The one place that joins the others: the way of a request.
