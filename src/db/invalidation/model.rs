//! A model of two nodes on one PostgreSQL: one node ends two sessions that the other has cached.
//! The checker visits every order of events: transactions that commit in another order than they
//! began; readings of the log that are slow, late or interrupted; trimming of the log; pauses.
//! Times are ages in ticks, capped where a greater age makes no difference, so that the number of
//! states is finite.

use std::thread::available_parallelism;

use stateright::{Checker, Model, Property};

use self::{
    Broken::{
        AnyGap, CountedFromItsEnd, InOrderOfBeginning, NoStaleness, NoStamp, Nothing,
        TrustedAcrossConnections,
    },
    Transaction::{Committed, NotBegun, Running},
};
use super::MAX_STALENESS;

const INVARIANT: &str = "no session is used a second after its end";
const TICK: u128 = 400;
/// A session that ended so many ticks ago is not used, says the contract: more than a second.
const BOUND: u8 = 3;
const STALENESS: u8 = (MAX_STALENESS.as_millis() / TICK) as u8;
/// As in production, longer than the cache is used without a reading; rows are kept for longer.
const MAX_GAP: u8 = 3;
const KEEP: u8 = 4;

/// A rule of the protocol that is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// A reading returns only transactions that began after those already read.
    InOrderOfBeginning,
    /// A reading counts from its end, not from before its snapshot.
    CountedFromItsEnd,
    /// What was cached before a new connection is used.
    TrustedAcrossConnections,
    /// Two readings may be any time apart, while rows are trimmed.
    AnyGap,
    /// The cache is used without recent readings.
    NoStaleness,
    /// A row that was read before a revocation is cached after it.
    NoStamp,
}

/// The transaction that ends the session of its number; the first has begun before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Transaction {
    NotBegun,
    Running,
    Committed { age: u8, is_trimmed: bool },
}

/// Which transactions had committed when it was taken.
type Snapshot = [bool; 2];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Reader {
    Disconnected,
    Idle,
    /// The query was sent.
    Sent {
        age: u8,
    },
    /// The query has run; its result is on the way.
    Ran {
        age: u8,
        snapshot: Snapshot,
        revoked: [bool; 2],
    },
}

/// A request that reads the row of the first session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LookUp {
    None,
    Stamped,
    Read { was_there: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    transactions: [Transaction; 2],
    reader: Reader,
    /// The last reading; none on a new connection.
    read: Option<(u8, Snapshot)>,
    in_sync_for: u8,
    /// Cached, and not revoked since.
    cached: [bool; 2],
    look_up: LookUp,
    /// Nothing was revoked since the look-up's stamp.
    is_stamp_good: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Tick,
    Begin,
    Commit(usize),
    Trim(usize),
    Connect,
    Send,
    Run,
    Receive,
    Cut,
    Stamp,
    ReadRow,
    Cache,
}

impl State {
    fn tick(&mut self) {
        for transaction in &mut self.transactions {
            if let Committed { age, .. } = transaction {
                *age = (*age + 1).min(KEEP);
            }
        }
        if let Reader::Sent { age } | Reader::Ran { age, .. } = &mut self.reader {
            *age = (*age + 1).min(MAX_GAP + 1);
        }
        if let Some((age, _)) = &mut self.read {
            *age = (*age + 1).min(MAX_GAP + 1);
        }
        self.in_sync_for = self.in_sync_for.saturating_sub(1);
    }

    fn revoke(&mut self, session: usize, broken: Broken) {
        self.cached[session] = false;
        if session == 0 && broken != NoStamp {
            self.is_stamp_good = false;
        }
    }

    fn disconnect(&mut self) {
        self.reader = Reader::Disconnected;
        self.read = None;
        self.in_sync_for = 0;
    }

    fn is_committed(&self, session: usize) -> bool {
        matches!(self.transactions[session], Committed { .. })
    }

    fn is_used(&self, session: usize, broken: Broken) -> bool {
        let is_in_sync = self.in_sync_for > 0 || broken == NoStaleness;
        self.cached[session] && is_in_sync
    }
}

struct Protocol(Broken);

impl Protocol {
    /// The rows that a reading now returns.
    fn new_rows(&self, state: &State) -> [bool; 2] {
        let Some((_, last)) = state.read else {
            return [false; 2];
        };
        [0, 1].map(|row| {
            let is_there = matches!(
                state.transactions[row],
                Committed {
                    is_trimmed: false,
                    ..
                }
            );
            let is_new = match self.0 {
                InOrderOfBeginning => !last[row..].contains(&true),
                _ => !last[row],
            };
            is_there && is_new
        })
    }

    fn receive(&self, state: &mut State) -> Option<()> {
        let Reader::Ran {
            age,
            snapshot,
            revoked,
        } = state.reader
        else {
            return None;
        };
        state.reader = Reader::Idle;
        match state.read {
            None => {
                if self.0 != TrustedAcrossConnections {
                    state.revoke(0, self.0);
                    state.revoke(1, self.0);
                }
            }
            Some((gap, _)) if gap > MAX_GAP && self.0 != AnyGap => {
                state.disconnect();
                return Some(());
            }
            Some(_) => {
                for session in [0, 1] {
                    if revoked[session] {
                        state.revoke(session, self.0);
                    }
                }
                let since = if self.0 == CountedFromItsEnd { 0 } else { age };
                state.in_sync_for = STALENESS.saturating_sub(since);
            }
        }
        state.read = Some((age, snapshot));
        Some(())
    }

    fn act(&self, state: &mut State, action: Action) -> Option<()> {
        match (action, &state.reader) {
            (Action::Tick, _) => state.tick(),
            (Action::Begin, _) if state.transactions[1] == NotBegun => {
                state.transactions[1] = Running;
            }
            (Action::Commit(it), _) if state.transactions[it] == Running => {
                state.transactions[it] = Committed {
                    age: 0,
                    is_trimmed: false,
                };
            }
            (Action::Trim(it), _) => match &mut state.transactions[it] {
                Committed {
                    age: KEEP..,
                    is_trimmed,
                } if !*is_trimmed => *is_trimmed = true,
                _ => return None,
            },
            (Action::Connect, Reader::Disconnected) => state.reader = Reader::Idle,
            (Action::Send, Reader::Idle) => state.reader = Reader::Sent { age: 0 },
            (Action::Run, &Reader::Sent { age }) => {
                let snapshot = [0, 1].map(|it| state.is_committed(it));
                let revoked = self.new_rows(state);
                state.reader = Reader::Ran {
                    age,
                    snapshot,
                    revoked,
                };
            }
            (Action::Receive, _) => self.receive(state)?,
            (Action::Cut, Reader::Idle | Reader::Sent { .. } | Reader::Ran { .. }) => {
                state.disconnect();
            }
            (Action::Stamp, _) if state.look_up == LookUp::None && !state.cached[0] => {
                state.look_up = LookUp::Stamped;
                state.is_stamp_good = true;
            }
            (Action::ReadRow, _) if state.look_up == LookUp::Stamped => {
                let was_there = !state.is_committed(0);
                state.look_up = LookUp::Read { was_there };
            }
            (Action::Cache, _) => {
                let LookUp::Read { was_there } = state.look_up else {
                    return None;
                };
                state.cached[0] = was_there && state.is_stamp_good;
                state.look_up = LookUp::None;
                state.is_stamp_good = false;
            }
            _ => return None,
        }
        Some(())
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            transactions: [Running, NotBegun],
            reader: Reader::Idle,
            read: Some((0, [false; 2])),
            in_sync_for: STALENESS,
            cached: [true; 2],
            look_up: LookUp::None,
            is_stamp_good: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        use Action::{
            Begin, Cache, Commit, Connect, Cut, ReadRow, Receive, Run, Send, Stamp, Tick, Trim,
        };
        actions.extend([
            Tick,
            Begin,
            Commit(0),
            Commit(1),
            Trim(0),
            Trim(1),
            Connect,
            Send,
            Run,
            Receive,
            Cut,
            Stamp,
            ReadRow,
            Cache,
        ]);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.act(&mut state, action)?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(INVARIANT, |model: &Self, state: &State| {
                [0, 1].iter().all(|&session| {
                    let has_ended =
                        matches!(state.transactions[session], Committed { age: BOUND.., .. });
                    !(has_ended && state.is_used(session, model.0))
                })
            }),
            // That the model reaches the states it is meant for.
            Property::sometimes(
                "an ended session is used in time",
                |model: &Self, state: &State| state.is_committed(0) && state.is_used(0, model.0),
            ),
            Property::sometimes(
                "a session outlives another",
                |model: &Self, state: &State| {
                    let [first, second] = state.cached;
                    state.is_committed(1) && first && !second && state.is_used(0, model.0)
                },
            ),
            Property::sometimes("a row is trimmed unread", |_, state: &State| {
                let is_unread = state.read.is_some_and(|(_, snapshot)| !snapshot[1]);
                is_unread
                    && matches!(
                        state.transactions[1],
                        Committed {
                            is_trimmed: true,
                            ..
                        }
                    )
            }),
        ]
    }
}

/// The first property, as checked in every state.
fn is_bound_kept(broken: Broken) -> bool {
    let threads = available_parallelism().map_or(1, usize::from);
    let checked = Protocol(broken)
        .checker()
        .threads(threads)
        .spawn_bfs()
        .join();
    if broken == Nothing {
        checked.assert_properties();
        assert!(checked.is_done());
    }
    checked.discovery(INVARIANT).is_none()
}

#[test]
fn no_node_uses_an_ended_session_later_than_the_bound() {
    assert!(is_bound_kept(Nothing));
}

#[test]
fn every_rule_of_the_protocol_is_needed() {
    for (number, broken) in [
        InOrderOfBeginning,
        CountedFromItsEnd,
        TrustedAcrossConnections,
        AnyGap,
        NoStaleness,
        NoStamp,
    ]
    .into_iter()
    .enumerate()
    {
        assert!(!is_bound_kept(broken), "rule {number} is not needed");
    }
}
