//! The cache itself.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use molecule_protocol::{PeerUrl, WorkspaceId};

/// How long an address is kept.
pub const DEFAULT_TTL: Duration = Duration::from_secs(300);
/// How many addresses are kept.
pub const DEFAULT_CAPACITY: usize = 1024;

/// Where peers are, for a while. Times are those since a moment of the caller's choice.
#[derive(Debug, Clone)]
pub struct PeerCache {
    ttl: Duration,
    capacity: usize,
    entries: HashMap<WorkspaceId, Entry>,
    /// The same, by the time at which they are forgotten.
    by_expiry: BTreeSet<(Duration, WorkspaceId)>,
}

#[derive(Debug, Clone)]
struct Entry {
    url: PeerUrl,
    expires: Duration,
}

impl Default for PeerCache {
    fn default() -> Self {
        Self::new()
    }
}

impl PeerCache {
    /// An empty cache with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ttl: DEFAULT_TTL,
            capacity: DEFAULT_CAPACITY,
            entries: HashMap::new(),
            by_expiry: BTreeSet::new(),
        }
    }

    /// Sets how long an address is kept; zero keeps none. Default: [`DEFAULT_TTL`].
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how many addresses are kept. Default: [`DEFAULT_CAPACITY`].
    #[must_use]
    pub const fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Where `peer` is, if that is known and not too old.
    pub fn get(&mut self, peer: &WorkspaceId, now: Duration) -> Option<&PeerUrl> {
        if self.entries.get(peer)?.expires <= now {
            self.invalidate(peer);
        }
        self.entries.get(peer).map(|entry| &entry.url)
    }

    /// Keeps where `peer` is, in place of what was known. In a full cache the address that expires first makes room.
    pub fn insert(&mut self, peer: WorkspaceId, url: PeerUrl, now: Duration) {
        self.invalidate(&peer);
        if self.capacity == 0 || self.ttl.is_zero() {
            return;
        }
        while self.entries.len() >= self.capacity {
            self.forget_next();
        }
        let expires = now.saturating_add(self.ttl);
        self.by_expiry.insert((expires, peer));
        self.entries.insert(peer, Entry { url, expires });
    }

    /// Keeps those of the listed addresses that are http(s) addresses.
    pub fn seed<'a>(
        &mut self,
        listed: impl IntoIterator<Item = (WorkspaceId, &'a str)>,
        now: Duration,
    ) {
        for (peer, url) in listed {
            if let Ok(url) = url.parse() {
                self.insert(peer, url, now);
            }
        }
    }

    /// Forgets where `peer` is; says whether that was known.
    pub fn invalidate(&mut self, peer: &WorkspaceId) -> bool {
        let Some(entry) = self.entries.remove(peer) else {
            return false;
        };
        self.by_expiry.remove(&(entry.expires, *peer))
    }

    /// How many addresses are kept, some of which may be too old.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn forget_next(&mut self) {
        if let Some((_, peer)) = self.by_expiry.pop_first() {
            self.entries.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn peer(number: u8) -> WorkspaceId {
        format!("00000000-0000-0000-0000-0000000000{number:02x}")
            .parse()
            .unwrap()
    }

    fn url(number: u8) -> PeerUrl {
        format!("http://peer-{number}.example").parse().unwrap()
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_address_is_forgotten_after_five_minutes() {
        let mut cache = PeerCache::new();
        cache.insert(peer(1), url(1), at(10));
        assert_eq!(cache.get(&peer(1), at(309)), Some(&url(1)));
        assert_eq!(cache.get(&peer(1), at(310)), None);
        assert!(cache.is_empty());
    }

    #[test]
    fn looking_does_not_make_an_address_younger() {
        let mut cache = PeerCache::new().with_ttl(at(10));
        cache.insert(peer(1), url(1), at(0));
        for second in 0..10 {
            assert!(cache.get(&peer(1), at(second)).is_some());
        }
        assert_eq!(cache.get(&peer(1), at(10)), None);
    }

    #[test]
    fn a_new_address_replaces_the_old_one_and_its_age() {
        let mut cache = PeerCache::new().with_ttl(at(10));
        cache.insert(peer(1), url(1), at(0));
        cache.insert(peer(1), url(2), at(5));
        assert_eq!(cache.get(&peer(1), at(14)), Some(&url(2)));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn the_address_that_expires_first_makes_room() {
        let mut cache = PeerCache::new().with_capacity(2);
        cache.insert(peer(3), url(3), at(1));
        cache.insert(peer(1), url(1), at(2));
        cache.insert(peer(3), url(3), at(3));
        cache.insert(peer(2), url(2), at(4));
        assert_eq!(cache.get(&peer(1), at(5)), None);
        assert!(cache.get(&peer(2), at(5)).is_some() && cache.get(&peer(3), at(5)).is_some());
    }

    #[test]
    fn an_invalidated_address_is_gone() {
        let mut cache = PeerCache::new();
        cache.insert(peer(1), url(1), at(0));
        assert!(cache.invalidate(&peer(1)));
        assert!(!cache.invalidate(&peer(1)));
        assert_eq!(cache.get(&peer(1), at(0)), None);
    }

    #[test]
    fn only_http_addresses_are_kept() {
        let mut cache = PeerCache::new();
        let listed = [
            (peer(1), "http://localhost:39219"),
            (peer(2), "remote://no-inbound"),
            (peer(3), ""),
            (peer(4), "https://user:password@peer.example"),
            (peer(5), "http://ws-08eea8db-eed:8000"),
        ];
        cache.seed(listed, at(0));
        assert_eq!(cache.len(), 2);
        assert!(cache.get(&peer(5), at(0)).unwrap().is_container_only());
    }

    #[test]
    fn a_cache_may_be_none() {
        for mut cache in [
            PeerCache::new().with_capacity(0),
            PeerCache::new().with_ttl(Duration::ZERO),
        ] {
            cache.insert(peer(1), url(1), at(0));
            assert!(cache.is_empty());
        }
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut cache = PeerCache::new();
        cache.insert(peer(1), url(1), Duration::MAX);
        assert_eq!(cache.get(&peer(1), Duration::MAX), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8),
        Invalidate(u8),
        Get(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
        let step = prop_oneof![
            (0..8u8).prop_map(Step::Insert),
            (0..8u8).prop_map(Step::Invalidate),
            (0..8u8).prop_map(Step::Get),
        ];
        prop::collection::vec((step, 0..4u64), 0..60)
    }

    proptest! {
        /// The model keeps everything, and forgets by looking at all of it.
        #[test]
        fn it_keeps_what_a_simple_model_keeps(steps in steps(), capacity in 1..6usize) {
            let mut cache = PeerCache::new().with_ttl(at(5)).with_capacity(capacity);
            let mut model = BTreeMap::<u8, u64>::new();
            let mut now = 0;
            for (step, wait) in steps {
                now += wait;
                match step {
                    Step::Insert(number) => {
                        cache.insert(peer(number), url(number), at(now));
                        model.remove(&number);
                        while model.len() >= capacity {
                            let (&first, _) = model.iter().min_by_key(|&(&n, &t)| (t, n)).unwrap();
                            model.remove(&first);
                        }
                        model.insert(number, now + 5);
                    }
                    Step::Invalidate(number) => {
                        prop_assert_eq!(cache.invalidate(&peer(number)), model.remove(&number).is_some());
                    }
                    Step::Get(number) => {
                        let known = model.get(&number).is_some_and(|&expires| expires > now);
                        if !known {
                            model.remove(&number);
                        }
                        prop_assert_eq!(cache.get(&peer(number), at(now)).is_some(), known);
                    }
                }
                prop_assert_eq!(cache.len(), model.len());
                prop_assert_eq!(cache.by_expiry.len(), model.len());
                prop_assert!(cache.len() <= capacity);
            }
        }
    }
}
