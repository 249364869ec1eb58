//! Lines that have been put together and are to be written out.

/// Bytes, appended to. As a vector of bytes, but appending costs a copy and nothing else: this is
/// done three times a line, and a vector asks for room each time, by a call.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// All of it, also what is not in use.
    room: Vec<u8>,
    used: usize,
}

/// The least there is room for.
const LEAST: usize = 1024;

impl Page {
    /// What has been appended.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.room.get(..self.used).unwrap_or_default()
    }

    /// How much that is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Forgets what comes after the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.used = self.used.min(length);
    }

    /// Forgets the first `length` bytes.
    pub fn drop_front(&mut self, length: usize) {
        let length = length.min(self.used);
        self.room.copy_within(length..self.used, 0);
        self.used = self.used.saturating_sub(length);
    }

    /// Forgets it. The room stays.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Appends `part`.
    #[inline(always)]
    pub fn push(&mut self, part: &[u8]) {
        let end = self.used.saturating_add(part.len());
        if self.room.len() < end {
            self.grow(end);
        }
        if let Some(place) = self.room.get_mut(self.used..end) {
            place.copy_from_slice(part);
            self.used = end;
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: usize) {
        self.room.resize(end.next_power_of_two().max(LEAST), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_there_until_it_is_forgotten() {
        let mut page = Page::default();
        assert!(page.is_empty());
        page.push(b"");
        let long = [b'x'; 3 * LEAST];
        page.push(b"one ");
        page.push(&long);
        assert_eq!(page.as_slice(), [&b"one "[..], &long].concat());
        assert_eq!(page.len(), 4 + long.len());
        page.truncate(3);
        assert_eq!(page.as_slice(), b"one");
        page.truncate(4);
        assert_eq!(page.len(), 3);
        page.drop_front(2);
        assert_eq!(page.as_slice(), b"e");
        page.drop_front(2);
        assert!(page.is_empty());
        page.push(b"three");
        page.clear();
        page.push(b"two");
        assert_eq!(page.as_slice(), b"two");
    }
}
