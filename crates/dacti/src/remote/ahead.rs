//! Reading ahead: this module decides which reads wait, which are in progress, and which starts
//! next.
//!
//! The caller decides how a read is made. `Read` is the type of a started read. When a value of
//! this type is dropped, the read ends.

use daicon_core::Span;
use std::collections::{BTreeMap, HashMap};

/// Reads that were announced, and that the caller has not taken yet.
#[derive(Debug)]
pub(super) struct Ahead<Read> {
    /// The maximum number of started reads that the caller has not taken yet. It limits the memory
    /// for their bytes.
    begun_max: usize,
    begun: HashMap<Span, Read>,
    /// The waiting reads, in the order in which they were announced. `numbers` has the number of
    /// each read in this queue.
    queue: BTreeMap<u64, Span>,
    numbers: HashMap<Span, u64>,
    told: u64,
}

impl<Read> Ahead<Read> {
    /// Creates a queue without reads. At most `begun_max` reads are started ahead.
    pub(super) fn new(begun_max: usize) -> Self {
        let (begun, queue, numbers) = (HashMap::new(), BTreeMap::new(), HashMap::new());
        Self { begun_max, begun, queue, numbers, told: 0 }
    }

    /// Adds a read at the end of the queue. If it is announced twice, it is read ahead only once.
    pub(super) fn tell(&mut self, span: Span) {
        if self.begun.contains_key(&span) || self.numbers.contains_key(&span) {
            return;
        }
        self.queue.insert(self.told, span);
        self.numbers.insert(span, self.told);
        self.told = self.told.saturating_add(1);
    }

    /// Starts the next read with `begin`, unless `begun_max` started reads wait for the caller.
    /// Returns whether it started a read.
    pub(super) fn begin_next(&mut self, begin: impl FnOnce(Span) -> Option<Read>) -> bool {
        if self.begun.len() >= self.begun_max {
            return false;
        }
        let Some((_, span)) = self.queue.pop_first() else { return false };
        self.numbers.remove(&span);
        let Some(read) = begin(span) else { return false };
        self.begun.insert(span, read);
        true
    }

    /// Removes and returns a started read; `None` if it was not started. In both cases, the read no
    /// longer waits.
    pub(super) fn take(&mut self, span: Span) -> Option<Read> {
        let begun = self.begun.remove(&span);
        if begun.is_none()
            && let Some(number) = self.numbers.remove(&span)
        {
            self.queue.remove(&number);
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::Ahead;
    use daicon_core::Span;

    fn span(n: u64) -> Span {
        Span::new(n.saturating_mul(10), 5).expect("it is small")
    }

    /// Starts as many reads as possible, and returns them.
    fn begin(ahead: &mut Ahead<u64>) -> Vec<u64> {
        let mut begun = Vec::new();
        while ahead.begin_next(|span| {
            begun.push(span.start / 10);
            Some(span.start)
        }) {}
        begun
    }

    #[test]
    fn reads_begin_in_the_order_in_which_they_were_told_and_no_more_than_allowed() {
        let mut ahead = Ahead::new(2);
        for n in [5, 1, 3, 1, 4] {
            ahead.tell(span(n));
        }
        assert_eq!(begin(&mut ahead), [5, 1]);
        // Two reads were started. The caller must take one of them before a third read starts.
        assert!(begin(&mut ahead).is_empty());
        assert_eq!(ahead.take(span(1)), Some(10));
        assert_eq!(begin(&mut ahead), [3]);
        assert_eq!(ahead.take(span(1)), None, "it was taken");
        assert_eq!((ahead.take(span(5)), ahead.take(span(3))), (Some(50), Some(30)));
        assert_eq!(begin(&mut ahead), [4]);
    }

    #[test]
    fn what_is_read_before_its_turn_or_taken_back_does_not_wait_any_more() {
        let mut ahead = Ahead::new(1);
        for n in [1, 2, 3] {
            ahead.tell(span(n));
        }
        assert_eq!(begin(&mut ahead), [1]);
        assert_eq!(ahead.take(span(2)), None, "whoever wants it reads it now");
        // The read of span 2 was removed above, so announcing it again adds it at the end. The read
        // of span 1 was started, so announcing it again changes nothing.
        for n in [2, 1] {
            ahead.tell(span(n));
        }
        assert_eq!(ahead.take(span(1)), Some(10));
        assert_eq!(begin(&mut ahead), [3]);
        assert_eq!(ahead.take(span(3)), Some(30));
        assert_eq!(begin(&mut ahead), [2]);
    }

    #[test]
    fn what_cannot_begin_is_left_to_whoever_wants_it() {
        let mut ahead = Ahead::<u64>::new(1);
        ahead.tell(span(1));
        assert!(!ahead.begin_next(|_| None));
        assert_eq!(ahead.take(span(1)), None);
        assert!(begin(&mut ahead).is_empty());
    }
}
