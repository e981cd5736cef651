//! Who is in a room.

use std::collections::HashMap;

use super::Name;

/// One presence claim: one subscription of one session. Unique within a node's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub u64);

/// The leases of a room, by person. The number of people is derived from it: somebody with two tabs holds two
/// leases and is one person. There is no counter that could drift or go negative.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    people: HashMap<Name, Vec<LeaseId>>,
}

impl Roster {
    /// Adds a lease. True when the person was not in the room before. The same lease twice is one lease.
    pub fn enter(&mut self, name: &Name, lease: LeaseId) -> bool {
        match self.people.get_mut(name) {
            Some(leases) => {
                if !leases.contains(&lease) {
                    leases.push(lease);
                }
                false
            }
            None => {
                self.people.insert(name.clone(), vec![lease]);
                true
            }
        }
    }

    /// Takes a lease away. True when it was there and was the person's last one.
    pub fn leave(&mut self, name: &Name, lease: LeaseId) -> bool {
        let Some(leases) = self.people.get_mut(name) else { return false };
        leases.retain(|held| *held != lease);
        let gone = leases.is_empty();
        if gone {
            self.people.remove(name);
        }
        gone
    }

    /// Whether the person is there by this lease.
    pub fn has(&self, name: &Name, lease: LeaseId) -> bool {
        self.people.get(name).is_some_and(|leases| leases.contains(&lease))
    }

    /// How many people are in the room.
    pub fn count(&self) -> u32 {
        u32::try_from(self.people.len()).unwrap_or(u32::MAX)
    }

    /// Whether nobody is in the room.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_tabs_are_one_person_who_leaves_with_the_last() {
        let (mut roster, name) = (Roster::default(), "a".parse().unwrap());
        assert!(roster.enter(&name, LeaseId(1)));
        assert!(!roster.enter(&name, LeaseId(2)));
        assert_eq!(roster.count(), 1);
        assert!(!roster.leave(&name, LeaseId(1)));
        assert!(roster.leave(&name, LeaseId(2)));
        assert!(!roster.leave(&name, LeaseId(2)));
        assert_eq!(roster.count(), 0);
    }

    proptest! {
        #[test]
        fn after_any_order_of_events_the_count_is_the_number_of_people_with_a_lease(
            events in proptest::collection::vec((any::<bool>(), 0..4_usize, 0..3_u64), 0..200)
        ) {
            let names: Vec<Name> = ["a", "b", "c", "d"].iter().map(|n| n.parse().unwrap()).collect();
            let mut roster = Roster::default();
            let mut model = std::collections::BTreeSet::new();
            for (enters, who, lease) in events {
                let had = model.iter().any(|(w, _)| *w == who);
                if enters {
                    prop_assert_eq!(roster.enter(&names[who], LeaseId(lease)), !had);
                    model.insert((who, lease));
                } else {
                    let held = model.remove(&(who, lease));
                    let has = model.iter().any(|(w, _)| *w == who);
                    prop_assert_eq!(roster.leave(&names[who], LeaseId(lease)), held && !has);
                }
                let people: std::collections::BTreeSet<_> = model.iter().map(|(w, _)| *w).collect();
                prop_assert_eq!(roster.count() as usize, people.len());
            }
        }
    }
}
