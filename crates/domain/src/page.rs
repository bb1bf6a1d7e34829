//! Reading long lists a page at a time, by key and not by offset: a page costs the same wherever it
//! is, and rows that are added meanwhile shift nothing.

/// The largest number of items on a page.
pub const PAGE_LIMIT_MAX: u16 = 200;

/// How many items a page holds: 1 to 200, 50 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u16);

impl PageLimit {
    /// `None` when out of range: a caller is told, never cut short in silence.
    #[must_use]
    pub const fn new(limit: u16) -> Option<Self> {
        if limit == 0 || limit > PAGE_LIMIT_MAX { None } else { Some(Self(limit)) }
    }

    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}

/// Asks for the items that follow the one with the key `after`, or for the first ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<Key> {
    pub limit: PageLimit,
    pub after: Option<Key>,
}

impl<Key> Default for PageRequest<Key> {
    fn default() -> Self {
        Self { limit: PageLimit::default(), after: None }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<Item, Key> {
    pub items: Vec<Item>,
    /// The key to ask the next page with; `None` on the last page.
    pub next: Option<Key>,
}

impl<Item, Key> Page<Item, Key> {
    /// Makes a page of rows that were read with a limit of one more than wanted: the surplus row
    /// only says that there is a next page.
    #[must_use]
    pub fn from_surplus(mut rows: Vec<Item>, limit: PageLimit, key: impl Fn(&Item) -> Key) -> Self {
        let wanted = usize::from(limit.get());
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = if more { rows.last().map(key) } else { None };
        Self { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_refused_not_cut() {
        assert_eq!(PageLimit::new(0), None);
        assert_eq!(PageLimit::new(201), None);
        assert_eq!(PageLimit::new(200).map(PageLimit::get), Some(200));
        assert_eq!(PageLimit::default().get(), 50);
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        let limit = PageLimit::new(2).unwrap();
        let last = Page::from_surplus(vec![1, 2], limit, |n| *n);
        assert_eq!((last.items, last.next), (vec![1, 2], None));
        let first = Page::from_surplus(vec![1, 2, 3], limit, |n| *n);
        assert_eq!((first.items, first.next), (vec![1, 2], Some(2)));
    }
}
