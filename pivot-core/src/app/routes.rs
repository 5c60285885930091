//! What an application is made of, seen as a numbered list of routes.

use core::future::Ready;

use super::future;
use super::request::Request;
use super::response::Response;
use crate::http::Method;

/// Something with routes in it: a [`Route`](super::Route), a tuple of up to 16 of these, a [`Group`](super::Group), a
/// [`Layered`](super::Layered), a [`Controller`](super::Controller).
///
/// `C` is what the handlers hang on: `()`, or the value of the controller around them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of routes",
    label = "not routes",
    note = "routes are `get(pattern, handler)` and the like, `group(prefix, routes)`, `controller(value, routes)`, and tuples of up to 16 of these; nest tuples for more"
)]
pub trait Routes<C = ()> {
    /// How many routes there are.
    const COUNT: usize;

    /// Calls `add` for each route, in order; `prefix` is that of the groups around them.
    fn visit(&self, prefix: &Prefix<'_>, add: &mut dyn FnMut(&RouteSpec<'_>));

    /// Runs the handler with number `index`; answers 404 or 405 for a number that is none.
    fn call<'r>(
        &'r self,
        context: &'r C,
        index: usize,
        req: Request<'r>,
        res: Response<'r>,
    ) -> impl Future<Output = ()>;
}

/// The prefixes of nested groups, from the inside out.
#[derive(Clone, Copy, Debug)]
pub struct Prefix<'p> {
    text: &'static str,
    outer: Option<&'p Prefix<'p>>,
}

impl<'p> Prefix<'p> {
    /// No group at all.
    pub const ROOT: Self = Self { text: "", outer: None };

    /// A group inside of this one.
    pub const fn nest(&'p self, text: &'static str) -> Prefix<'p> {
        Prefix { text, outer: Some(self) }
    }

    /// Calls `each` for every prefix, from the outside in.
    pub fn for_each(&self, each: &mut dyn FnMut(&'static str)) {
        if let Some(outer) = self.outer {
            outer.for_each(each);
        }
        if !self.text.is_empty() {
            each(self.text);
        }
    }
}

/// One route, as it was written.
#[derive(Clone, Copy, Debug)]
pub struct RouteSpec<'p> {
    /// The method.
    pub method: Method,
    /// The groups around it.
    pub prefix: &'p Prefix<'p>,
    /// Its own pattern.
    pub pattern: &'static str,
    /// What a request costs its client's quota.
    pub cost: u16,
    /// Whether it runs on a thread for handlers that block, where there is one.
    pub is_blocking: bool,
}

/// The routes of no application, and the ending of every list.
impl<C> Routes<C> for () {
    const COUNT: usize = 0;

    fn visit(&self, _: &Prefix<'_>, _: &mut dyn FnMut(&RouteSpec<'_>)) {}

    fn call<'r>(&'r self, _: &'r C, _: usize, req: Request<'r>, _: Response<'r>) -> impl Future<Output = ()> {
        let answer: future::OneOf1<'r, Ready<()>> = future::OneOf1::NoRoute { req };
        answer
    }
}

macro_rules! tuples {
    ($($one_of:ident ($($name:ident $field:tt)+))+) => { $(
        impl<C, $($name: Routes<C>),+> Routes<C> for ($($name,)+) {
            const COUNT: usize = 0 $(+ $name::COUNT)+;

            fn visit(&self, prefix: &Prefix<'_>, add: &mut dyn FnMut(&RouteSpec<'_>)) {
                $(self.$field.visit(prefix, add);)+
            }

            fn call<'r>(
                &'r self,
                context: &'r C,
                index: usize,
                req: Request<'r>,
                res: Response<'r>,
            ) -> impl Future<Output = ()> {
                let mut index = index;
                $(
                    if index < $name::COUNT {
                        return future::$one_of::$name { future: self.$field.call(context, index, req, res) };
                    }
                    index -= $name::COUNT;
                )+
                let _ = index;
                future::$one_of::NoRoute { req }
            }
        }
    )+ };
}

tuples! {
    OneOf1 (A 0)
    OneOf2 (A 0 B 1)
    OneOf3 (A 0 B 1 D 2)
    OneOf4 (A 0 B 1 D 2 E 3)
    OneOf5 (A 0 B 1 D 2 E 3 F 4)
    OneOf6 (A 0 B 1 D 2 E 3 F 4 G 5)
    OneOf7 (A 0 B 1 D 2 E 3 F 4 G 5 H 6)
    OneOf8 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7)
    OneOf9 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8)
    OneOf10 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8 K 9)
    OneOf11 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10)
    OneOf12 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11)
    OneOf13 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12)
    OneOf14 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13)
    OneOf15 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13 P 14)
    OneOf16 (A 0 B 1 D 2 E 3 F 4 G 5 H 6 I 7 J 8 K 9 L 10 M 11 N 12 O 13 P 14 Q 15)
}
