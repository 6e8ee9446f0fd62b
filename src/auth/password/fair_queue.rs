//! A bounded number of permits, handed out fairly between the addresses that wait for them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ipnet::IpNet;
use tokio::{sync::oneshot, time::timeout};

use crate::http::Error;

/// A request that would wait longer gets 503.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(3);
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// The network of a client; all whose address is not known share one.
pub(crate) type Origin = Option<IpNet>;

/// Permits for long work. A semaphore serves its waiters in order of arrival, so a client with 200
/// connections has 200 places in its queue; this one serves one waiter of each address, then the
/// next of each.
#[derive(Clone, Debug)]
pub(crate) struct FairQueue(Arc<Shared>);

/// Permission to do the work, until dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    max_waiting: usize,
}

#[derive(Debug)]
struct State {
    /// Free permits; none while somebody waits.
    free: usize,
    /// The waiters, by address; no queue is empty.
    waiting: HashMap<Origin, VecDeque<oneshot::Sender<Permit>>>,
    /// The addresses with waiters, the next one first.
    order: VecDeque<Origin>,
}

impl FairQueue {
    /// A queue for `permits`, with at most `max_waiting` waiters of each address.
    pub fn new(permits: usize, max_waiting: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                free: permits,
                waiting: HashMap::new(),
                order: VecDeque::new(),
            }),
            max_waiting,
        }))
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`Error::Busy`] when none is free soon, or too many of this address wait already.
    pub async fn acquire(&self, origin: Origin) -> Result<Permit, Error> {
        match timeout(MAX_WAIT, self.enter(origin)?).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(busy()),
        }
    }

    /// How many wait for a permit.
    pub fn waiting(&self) -> usize {
        let state = self.0.lock();
        let waiters = state.waiting.values().flatten();
        waiters.filter(|waiter| !waiter.is_closed()).count()
    }

    fn enter(&self, origin: Origin) -> Result<oneshot::Receiver<Permit>, Error> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.0.lock();
        if state.free > 0 {
            state.free -= 1;
            drop(state);
            let _ = sender.send(Permit(self.0.clone()));
            return Ok(receiver);
        }
        let State { waiting, order, .. } = &mut *state;
        let queue = waiting.entry(origin).or_insert_with(|| {
            order.push_back(origin);
            VecDeque::new()
        });
        if queue.len() >= self.0.max_waiting {
            queue.retain(|waiter| !waiter.is_closed());
        }
        // Even so, one of each address may wait: no queue is left empty.
        if queue.len() >= self.0.max_waiting.max(1) {
            return Err(busy());
        }
        queue.push_back(sender);
        Ok(receiver)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next waiter; its address moves to the back.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        while let Some(origin) = self.order.pop_front() {
            let Some(queue) = self.waiting.get_mut(&origin) else {
                continue;
            };
            // Some have given up meanwhile.
            while queue.front().is_some_and(oneshot::Sender::is_closed) {
                queue.pop_front();
            }
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&origin);
            } else {
                self.order.push_back(origin);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.lock();
            let next = state.next();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // Dropped by a waiter who gives up just now, and so passed on.
            let _ = next.send(Permit(self.0.clone()));
        }
    }
}

/// The error for a request that cannot be served now.
pub(crate) fn busy() -> Error {
    Error::Busy {
        retry_after: RETRY_AFTER,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        Some(address.parse().unwrap())
    }

    /// Serves all who wait, one after the other; where each came from.
    fn served(first: Permit, waiting: Vec<(&str, oneshot::Receiver<Permit>)>) -> Vec<&str> {
        let mut waiting = waiting;
        let mut served = Vec::new();
        let mut current = Some(first);
        while current.take().is_some() {
            let next = waiting
                .iter_mut()
                .enumerate()
                .find_map(|(at, (_, receiver))| receiver.try_recv().ok().map(|got| (at, got)));
            if let Some((at, permit)) = next {
                served.push(waiting.remove(at).0);
                current = Some(permit);
            }
        }
        served
    }

    #[tokio::test]
    async fn addresses_are_served_in_turn() {
        let queue = FairQueue::new(1, 10);
        let first = queue.acquire(None).await.unwrap();
        let waiting = ["10.0.0.1/32", "10.0.0.1/32", "10.0.0.1/32", "10.0.0.2/32"];
        let waiting = waiting.map(|from| (from, queue.enter(origin(from)).unwrap()));
        assert_eq!(
            served(first, waiting.into()),
            ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.1/32", "10.0.0.1/32"]
        );
        let state = queue.0.lock();
        assert_eq!(
            (state.free, state.waiting.len(), state.order.len()),
            (1, 0, 0)
        );
    }

    #[tokio::test]
    async fn so_many_of_an_address_wait_and_no_more() {
        let queue = FairQueue::new(2, 2);
        let permits = [None, None].map(|from| queue.enter(from).unwrap());
        let first = queue.enter(origin("10.0.0.1/32")).unwrap();
        let _second = queue.enter(origin("10.0.0.1/32")).unwrap();
        let third = queue.enter(origin("10.0.0.1/32"));
        assert!(matches!(third, Err(Error::Busy { .. })), "{third:?}");
        let _other = queue.enter(origin("10.0.0.2/32")).unwrap();
        // Who has given up leaves room.
        drop(first);
        assert!(queue.enter(origin("10.0.0.1/32")).is_ok());
        drop(permits);
    }

    #[tokio::test]
    async fn permits_of_those_who_give_up_are_passed_on() {
        let queue = FairQueue::new(1, 10_000);
        let permit = queue.acquire(None).await.unwrap();
        for number in 0..10_000_u32 {
            let address = std::net::Ipv4Addr::from(number % 100);
            drop(queue.enter(Some(IpNet::from(std::net::IpAddr::from(address)))));
        }
        let mut last = queue.enter(None).unwrap();
        assert!(last.try_recv().is_err());
        drop(permit);
        let permit = last.try_recv().unwrap();
        // Sent, but never received.
        let unread = queue.enter(None).unwrap();
        drop(permit);
        drop(unread);
        assert_eq!(queue.0.lock().free, 1);
    }
}
