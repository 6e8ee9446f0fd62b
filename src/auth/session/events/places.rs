//! How many event streams are open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use crate::http::{Error, max_event_streams};

/// A browser opens one for all of its tabs, or one for each.
const MAX_PER_SESSION: usize = 8;

/// The open event streams of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_session: HashMap<Uuid, usize>,
}

/// The place of one stream, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    session_id: Uuid,
}

impl Places {
    /// Takes a place for a stream of this session.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`] where the session has as many as it may, and
    /// [`Error::StreamsBusy`] where the process has.
    pub fn take(&self, session_id: Uuid) -> Result<Place, Error> {
        self.take_of(session_id, max_event_streams())
    }

    fn take_of(&self, session_id: Uuid, max_total: usize) -> Result<Place, Error> {
        let mut taken = self.lock();
        let own = taken.by_session.get(&session_id).copied().unwrap_or(0);
        if own >= MAX_PER_SESSION {
            return Err(Error::TooManyStreams);
        }
        if taken.total >= max_total {
            return Err(Error::StreamsBusy);
        }
        taken.total += 1;
        taken.by_session.insert(session_id, own + 1);
        Ok(Place {
            places: self.clone(),
            session_id,
        })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.total -= 1;
        if let Some(own) = taken.by_session.get_mut(&self.session_id) {
            *own -= 1;
            if *own == 0 {
                taken.by_session.remove(&self.session_id);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_eight_and_the_process_its_total() {
        let places = Places::default();
        let [ann, ben] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let mut anns: Vec<_> = (0..8).map(|_| places.take_of(ann, 10).unwrap()).collect();
        assert!(matches!(
            places.take_of(ann, 10),
            Err(Error::TooManyStreams)
        ));
        anns.pop();
        anns.push(places.take_of(ann, 10).unwrap());
        let bens = [ben, ben].map(|ben| places.take_of(ben, 10).unwrap());
        assert!(matches!(places.take_of(ben, 10), Err(Error::StreamsBusy)));
        assert_eq!(places.taken(), 10);
        drop((anns, bens));
        assert_eq!(places.taken(), 0);
        assert!(places.lock().by_session.is_empty());
    }
}
