//! Room for connections: past their limit, one that waits for a request makes room for another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use super::head_timer::HeadTimer;

/// How long a connection may wait for a request even when others need its place.
const GRACE: Duration = Duration::from_millis(200);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The connections that are open. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    timers: Arc<Mutex<Timers>>,
}

#[derive(Debug, Default)]
struct Timers {
    next_number: u64,
    by_number: HashMap<u64, HeadTimer>,
}

/// The place of one connection, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    number: u64,
    pub timer: HeadTimer,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    pub fn new(connections: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(connections)),
            timers: Arc::default(),
        }
    }

    /// A place for a connection that was accepted; closes the one that has waited for a request
    /// the longest, where there is no place left.
    pub async fn place(&self) -> Place {
        let permit = self.permit().await;
        let timer = HeadTimer::new();
        let mut timers = self.lock();
        let number = timers.next_number;
        timers.next_number += 1;
        timers.by_number.insert(number, timer.clone());
        Place {
            room: self.clone(),
            number,
            timer,
            _permit: permit,
        }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        loop {
            if self.permits.available_permits() == 0 {
                self.close_the_idlest();
            }
            // The semaphore is never closed.
            let permit = timeout(RETRY_INTERVAL, self.permits.clone().acquire_owned());
            if let Ok(Ok(permit)) = permit.await {
                return permit;
            }
        }
    }

    /// Waits until every connection that is open now is closed.
    pub async fn is_renewed(&self) {
        let next = self.lock().next_number;
        while self.lock().by_number.keys().any(|number| *number < next) {
            sleep(RETRY_INTERVAL).await;
        }
    }

    fn close_the_idlest(&self) {
        let timers = self.lock();
        let idle = timers.by_number.values();
        let idle = idle.filter_map(|timer| Some((timer.waiting_for()?, timer)));
        if let Some((waiting_for, timer)) = idle.max_by_key(|(waiting_for, _)| *waiting_for)
            && waiting_for >= GRACE
        {
            timer.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().by_number.remove(&self.number);
    }
}
