//! How many sockets are open, in all and by address. What is one address, [`network`] says, as for the rates.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::chat::Limits;
use crate::http::limit::network;

/// Counts open sockets; each holds a [`Place`] for as long as it lives.
#[derive(Clone)]
pub struct Places {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    per_address_max: usize,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place, given back when dropped.
pub(in crate::http) struct Place {
    address: IpAddr,
    places: Places,
}

impl Places {
    /// With `limits.connections_max` and `limits.connections_per_address_max`.
    pub fn new(limits: &Limits) -> Self {
        Self { taken: Arc::default(), max: limits.connections_max, per_address_max: limits.connections_per_address_max }
    }

    /// Takes a place, or says which limit is reached.
    pub(super) fn take(&self, address: IpAddr) -> Result<Place, &'static str> {
        let address = network(address);
        let mut taken = self.taken.lock();
        if taken.all >= self.max {
            return Err("limits.connections_max");
        }
        let of_address = taken.by_address.entry(address).or_default();
        if *of_address >= self.per_address_max {
            return Err("limits.connections_per_address_max");
        }
        *of_address += 1;
        taken.all += 1;
        drop(taken);
        Ok(Place { address, places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(of_address) = taken.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_its_socket_ends() {
        let places = Places::new(&Limits { connections_max: 3, connections_per_address_max: 2, ..Limits::default() });
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = places.take(here).unwrap();
        let _second = places.take(here).unwrap();
        assert_eq!(places.take(here).err(), Some("limits.connections_per_address_max"));
        let _third = places.take(there).unwrap();
        assert_eq!(places.take(there).err(), Some("limits.connections_max"));
        drop(first);
        assert!(places.take(here).is_ok());
    }

    #[test]
    fn who_has_a_whole_ipv6_network_has_the_places_of_one_address() {
        let places = Places::new(&Limits { connections_per_address_max: 2, ..Limits::default() });
        let take = |address: &str| places.take(address.parse().unwrap());
        let first = take("2001:db8::1").unwrap();
        let _second = take("2001:db8::2").unwrap();
        assert_eq!(take("2001:db8::3").err(), Some("limits.connections_per_address_max"));
        let _neighbour = take("2001:db8:0:1::1").unwrap();
        drop(first);
        assert!(take("2001:db8::4").is_ok(), "a place is given back to the network that had it");
    }
}
