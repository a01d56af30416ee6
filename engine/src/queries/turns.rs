//! Whose turn it is: as many statements run at once as are allowed; the others wait, and users take turns.
//!
//! Within one user's statements the first come is the first served. A user with a hundred statements delays another's one
//! by one statement, not by a hundred.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// Gives out the right to run.
#[derive(Debug)]
pub struct Turns {
    at_once: usize,
    most_waiting: usize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    running: usize,
    waiting: usize,
    by_user: BTreeMap<String, VecDeque<oneshot::Sender<Turn>>>,
    /// Users with somebody waiting, the next one first.
    users: VecDeque<String>,
}

/// The right to run. Dropping it lets the next one run.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    /// Whether it was handed on.
    is_spent: bool,
}

impl Turns {
    /// `at_once` run, `most_waiting` wait.
    pub fn new(at_once: usize, most_waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            at_once: at_once.max(1),
            most_waiting,
            line: Mutex::default(),
        })
    }

    /// Waits for a turn. Whoever gives up waiting loses their place.
    ///
    /// # Errors
    /// `Unavailable` where too many wait already.
    pub async fn take(self: &Arc<Self>, user: &str) -> Result<Turn> {
        let wait = {
            let mut line = self.line();
            if line.running < self.at_once {
                line.running += 1;
                return Ok(self.turn());
            }
            if line.waiting >= self.most_waiting {
                line.forget_gone();
            }
            if line.waiting >= self.most_waiting {
                return Err(Error::Unavailable(format!(
                    "the server is busy: {} statements run and {} wait; try again in a moment (server.limits.queued_queries says how many may wait)",
                    line.running, line.waiting
                )));
            }
            let (send, wait) = oneshot::channel();
            line.waiting += 1;
            let mine = line.by_user.entry(user.to_string()).or_default();
            mine.push_back(send);
            if mine.len() == 1 {
                line.users.push_back(user.to_string());
            }
            wait
        };
        wait.await
            .map_err(|_| Error::Internal("the line of statements was closed".into()))
    }

    /// How many run and wait.
    pub fn counts(&self) -> (usize, usize) {
        let mut line = self.line();
        line.forget_gone();
        (line.running, line.waiting)
    }

    fn turn(self: &Arc<Self>) -> Turn {
        Turn {
            turns: Arc::clone(self),
            is_spent: false,
        }
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of one who is done goes to the next who still waits.
    fn hand_on(self: &Arc<Self>) {
        loop {
            let next = {
                let mut line = self.line();
                match line.next() {
                    Some(next) => next,
                    None => {
                        line.running -= 1;
                        return;
                    }
                }
            };
            // One who has given up takes nothing: the turn comes back and goes on.
            match next.send(self.turn()) {
                Ok(()) => return,
                Err(mut unclaimed) => unclaimed.is_spent = true,
            }
        }
    }
}

impl Line {
    /// Those who gave up waiting hold no place.
    fn forget_gone(&mut self) {
        self.by_user.retain(|_, mine| {
            mine.retain(|waiting| !waiting.is_closed());
            !mine.is_empty()
        });
        let by_user = &self.by_user;
        self.users.retain(|user| by_user.contains_key(user));
        self.waiting = self.by_user.values().map(VecDeque::len).sum();
    }

    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let user = self.users.pop_front()?;
        let mine = self.by_user.get_mut(&user)?;
        let next = mine.pop_front();
        if mine.is_empty() {
            self.by_user.remove(&user);
        } else {
            self.users.push_back(user);
        }
        self.waiting -= usize::from(next.is_some());
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_spent {
            self.turns.hand_on();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::time::Duration;

    use super::*;

    async fn settle() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    #[tokio::test]
    async fn users_take_turns_however_many_statements_each_sends() {
        let turns = Turns::new(1, 10);
        let first = turns.take("ana").await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for user in ["ana", "ana", "ana", "ben"] {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _turn = turns.take(user).await.unwrap();
                order.lock().unwrap().push(user);
            }));
            settle().await;
        }
        assert_eq!(turns.counts(), (1, 4));
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["ana", "ben", "ana", "ana"]);
        assert_eq!(turns.counts(), (0, 0));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_blocks_nobody() {
        let turns = Turns::new(1, 10);
        let first = turns.take("ana").await.unwrap();
        let given_up = {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take("ana").await })
        };
        settle().await;
        given_up.abort();
        settle().await;
        drop(first);
        turns.take("ben").await.unwrap();
        assert_eq!(turns.counts(), (0, 0));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_makes_room_in_the_line() {
        let turns = Turns::new(1, 1);
        let first = turns.take("ana").await.unwrap();
        for user in ["ana", "ben"] {
            let given_up = {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.take(user).await })
            };
            settle().await;
            assert_eq!(turns.counts(), (1, 1));
            given_up.abort();
            settle().await;
        }
        let waiting = {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take("cat").await })
        };
        settle().await;
        assert_eq!(turns.counts(), (1, 1));
        turns.take("dan").await.unwrap_err();
        drop(first);
        drop(waiting.await.unwrap().unwrap());
        assert_eq!(turns.counts(), (0, 0));
    }

    #[tokio::test]
    async fn one_too_many_is_told_to_try_again() {
        let turns = Turns::new(1, 0);
        let _first = turns.take("ana").await.unwrap();
        let error = turns.take("ben").await.unwrap_err();
        assert!(
            matches!(&error, Error::Unavailable(m) if m.contains("try again")),
            "{error}"
        );
    }
}
