//! The calls of one session that have a place, by their number. Numbers only grow, and the eldest calls leave
//! first, so a sorted queue serves better than a map.

use std::collections::VecDeque;

pub(super) struct Calls<C>(VecDeque<(u64, C)>);

impl<C> Default for Calls<C> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<C> Calls<C> {
    /// Adds a call whose number is higher than all before it.
    pub(super) fn push(&mut self, number: u64, call: C) {
        self.0.push_back((number, call));
    }

    pub(super) fn get(&self, number: u64) -> Option<&C> {
        self.position(number).map(|at| &self.0[at].1)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut C> {
        self.position(number).map(|at| &mut self.0[at].1)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<C> {
        let at = self.position(number)?;
        self.0.remove(at).map(|(_, call)| call)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &C)> {
        self.0.iter().map(|(number, call)| (*number, call))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut C)> {
        self.0.iter_mut().map(|(number, call)| (*number, call))
    }

    pub(super) fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, number: u64) -> Option<usize> {
        // Numbers follow each other, unless calls left from between.
        let first = self.0.front()?.0;
        if let Some(at) = number.checked_sub(first).and_then(|at| usize::try_from(at).ok())
            && self.0.get(at).is_some_and(|(found, _)| *found == number)
        {
            return Some(at);
        }
        self.0.binary_search_by_key(&number, |(number, _)| *number).ok()
    }
}
