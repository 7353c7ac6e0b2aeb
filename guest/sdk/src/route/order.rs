//! Refuses a route that no request can reach, because a route before it matches all its paths.
//!
//! The check compares two patterns part by part. It finds every route that a single other one hides, and refuses none
//! that can be reached: a route that only several others together hide is not found.

use super::pattern::{captured, is_rest, same, segment_end};
use super::{AnyRoute, Routes};
use crate::field::Field;
use crate::refuse::refuse;
use crate::verb::Verb;

/// Returns a table of routes, and stops the compiler if no request can reach one of them: if another route has the same
/// pattern, or if a route before it matches the same paths, as `keys/{name}` does before `keys/config`.
///
/// [`export!`](crate::export) checks [`Engine::ROUTES`](crate::Engine::ROUTES) with it. Use it for the tables among which
/// [`Engine::routes`](crate::Engine::routes) chooses.
#[track_caller]
pub const fn checked(routes: Routes) -> Routes {
    let mut later = 0;
    while later < routes.len() {
        let mut earlier = 0;
        while earlier < later {
            check_pair(routes[earlier], routes[later]);
            earlier += 1;
        }
        later += 1;
    }
    routes
}

#[track_caller]
const fn check_pair(earlier: &AnyRoute, later: &AnyRoute) {
    let (before, after) = (earlier.head.pattern, later.head.pattern);
    let (left, right) = (before.as_bytes(), after.as_bytes());
    if same(left, 0, left.len(), right, 0, right.len()) {
        refuse(&[
            "the route `",
            after,
            "` is declared twice: put its operations into one `route`",
        ]);
    }
    let lists = later.head.has(Verb::List) || later.head.has(Verb::Scan);
    let operates = later.head.verbs & !(Verb::List.bit() | Verb::Scan.bit()) != 0;
    if operates && hides_operations(earlier, later) {
        refuse(&[
            "the route `",
            after,
            "` is never reached: `",
            before,
            "` before it matches the same paths; put the special one first",
        ]);
    }
    if lists && hides_list(earlier, later) {
        refuse(&[
            "the list of the route `",
            after,
            "` is never reached: `",
            before,
            "` before it matches the same paths; put the special one first",
        ]);
    }
}

/// Returns true if the earlier route matches all paths of the later one, apart from its lists.
const fn hides_operations(earlier: &AnyRoute, later: &AnyRoute) -> bool {
    let folder = View::bare(earlier).covers(&View::bare(later)) && View::is_folder(earlier);
    folder
        || View::whole(earlier).covers(&View::whole(later)) && View::whole(earlier).covers(&View::bare(later))
}

/// Returns true if the earlier route matches all lists of the later one.
const fn hides_list(earlier: &AnyRoute, later: &AnyRoute) -> bool {
    let lists = (earlier.head.has(Verb::List) || !later.head.has(Verb::List))
        && (earlier.head.has(Verb::Scan) || !later.head.has(Verb::Scan));
    let folder = View::bare(earlier).covers(&View::bare(later)) && (lists || View::is_folder(earlier));
    folder || View::whole(earlier).covers(&View::folder(later))
}

/// A pattern with or without its trailing slash.
struct View {
    bytes: &'static [u8],
    end: usize,
    /// True for one more part, which is empty.
    slash: bool,
    fields: &'static [Field],
}

/// The range of a part.
type Part = (usize, usize);

impl View {
    const fn of(route: &AnyRoute, end: usize, slash: bool) -> View {
        View {
            bytes: route.head.pattern.as_bytes(),
            end,
            slash,
            fields: route.head.captured,
        }
    }

    const fn is_folder(route: &AnyRoute) -> bool {
        matches!(route.head.pattern.as_bytes(), [.., b'/'])
    }

    const fn whole(route: &AnyRoute) -> View {
        View::of(route, route.head.pattern.len(), false)
    }

    const fn bare(route: &AnyRoute) -> View {
        let slash = View::is_folder(route) as usize;
        View::of(route, route.head.pattern.len() - slash, false)
    }

    /// The pattern of its lists, whose paths end in a slash. A rest ends in anything.
    const fn folder(route: &AnyRoute) -> View {
        let bare = View::bare(route);
        let rest = matches!(route.head.pattern.as_bytes(), [.., b'.', b'}']);
        View::of(route, bare.end, !rest)
    }

    /// Returns the part that begins here.
    const fn part(&self, at: usize) -> Option<Part> {
        if at <= self.end {
            let end = segment_end(self.bytes, at);
            Some((at, if end < self.end { end } else { self.end }))
        } else if self.slash && at == self.end + 1 {
            Some((self.end, self.end))
        } else {
            None
        }
    }

    const fn is_captured(&self, (from, to): Part) -> bool {
        from < to && self.bytes[from] == b'{'
    }

    const fn field(&self, (from, to): Part) -> Option<&'static Field> {
        captured(self.bytes, from, to, self.fields)
    }

    /// Returns true if this pattern matches every path that the other one matches.
    const fn covers(&self, other: &View) -> bool {
        let (mut here, mut there) = (0, 0);
        loop {
            let (mine, others) = match (self.part(here), other.part(there)) {
                (Some(mine), Some(others)) => (mine, others),
                (None, None) => return true,
                _ => return false,
            };
            if !self.covers_part(mine, other, others) {
                return false;
            }
            if is_rest(self.bytes, mine.0, mine.1) {
                return true;
            }
            here = if mine.1 > here { mine.1 } else { here } + 1;
            there = if others.1 > there { others.1 } else { there } + 1;
        }
    }

    const fn covers_part(&self, mine: Part, other: &View, others: Part) -> bool {
        if !self.is_captured(mine) {
            return same(self.bytes, mine.0, mine.1, other.bytes, others.0, others.1);
        }
        let limit = match self.field(mine) {
            Some(field) if field.fits_path.is_some() => Some(field),
            _ => None,
        };
        if is_rest(self.bytes, mine.0, mine.1) {
            return limit.is_none();
        }
        if is_rest(other.bytes, others.0, others.1) {
            return false;
        }
        match (limit, other.is_captured(others)) {
            (None, true) => true,
            (None, false) => others.0 < others.1,
            (Some(limit), true) => match other.field(others) {
                Some(field) => limit.fits_all_paths_of(field),
                None => false,
            },
            (Some(limit), false) => limit.fits_literal(other.bytes.split_at(others.1).0.split_at(others.0).1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Name, NameWithAt, Response, Result, Routes, fields, route};

    fields! {
        struct Any { name: String }
        struct Other { other: NameWithAt }
        struct Named { name: Name }
        struct Mailed { name: NameWithAt }
    }

    fn any(_: &Context, at: Any) -> Result<Response> {
        Ok(Response::list([at.name]))
    }

    fn named(_: &Context, at: Named) -> Result<Response> {
        Ok(Response::list([String::from(at.name)]))
    }

    fn mailed(_: &Context, at: Mailed) -> Result<Response> {
        Ok(Response::list([String::from(at.name)]))
    }

    fn other(_: &Context, at: Other) -> Result<Response> {
        Ok(Response::list([String::from(at.other)]))
    }

    fn plain(_: &Context, _: ()) -> Result<Response> {
        Ok(Response::default())
    }

    const HIDDEN: &[Routes] = &[
        &[&route("a/{name}").read(any), &route("a/b").read(plain)],
        &[&route("a/{name}").read(any), &route("a/{name}").delete(any)],
        &[&route("a/{name...}").read(any), &route("a/b/c").read(plain)],
        &[&route("{name...}").read(any), &route("a/").read(plain)],
        &[&route("{name...}").read(any), &route("").read(plain)],
        &[&route("a/").read(plain), &route("a").read(plain)],
        &[&route("a/{name}").read(named), &route("a/b-c").read(plain)],
        &[&route("a/{name}").read(mailed), &route("a/{name}").read(named)],
        &[&route("{name}/").read(any), &route("a/").read(plain)],
        // Their lists.
        &[&route("{name}").list(any), &route("a").list(plain)],
        &[&route("{name}/").read(any), &route("a").list(plain)],
        &[&route("{name...}").read(any), &route("a/").list(plain)],
        &[&route("a/{name...}").list(any), &route("a/b/{name}").list(any)],
    ];

    const REACHED: &[Routes] = &[
        &[&route("a/b").read(plain), &route("a/{name}").read(any)],
        &[&route("a/{name}").read(any), &route("a/{name}/b").read(any)],
        &[&route("a/{name}").read(any), &route("a/").list(plain)],
        &[&route("a/{name...}").read(any), &route("a").read(plain)],
        &[&route("a/{name}").read(any), &route("a/{name...}").read(any)],
        // A read has no slash at its end, a list has one.
        &[&route("{name}").read(any), &route("a").list(plain)],
        &[&route("a").read(plain), &route("a/").list(plain)],
        // A path that is not a name goes to the second route.
        &[&route("a/{name}").read(named), &route("a/@").read(plain)],
        &[&route("a/{name}").read(named), &route("a/{other}").read(other)],
        &[&route("{name}/b").read(named), &route("{name...}").read(any)],
    ];

    const WORDS: &[Routes] = &[
        &[&route("a/{name}").read(any), &route("a/b").read(plain)],
        &[&route("a").read(plain), &route("a").delete(plain)],
    ];

    /// Returns the reason why a table is refused.
    fn refused(routes: Routes) -> Option<String> {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| checked(routes).len())).err()?;
        panic.downcast_ref::<String>().cloned()
    }

    #[test]
    fn a_route_that_another_hides_is_refused() {
        for routes in HIDDEN {
            assert!(refused(routes).is_some(), "{}", routes[1].head.pattern);
        }
    }

    #[test]
    fn a_route_that_can_be_reached_is_accepted() {
        for routes in REACHED {
            assert_eq!(refused(routes), None);
        }
    }

    #[test]
    fn the_refusal_names_both_routes() {
        let hidden = "the route `a/b` is never reached: `a/{name}` before it matches the same paths; put the special one first";
        assert_eq!(refused(WORDS[0]).as_deref(), Some(hidden));
        let twice = "the route `a` is declared twice: put its operations into one `route`";
        assert_eq!(refused(WORDS[1]).as_deref(), Some(twice));
    }
}
