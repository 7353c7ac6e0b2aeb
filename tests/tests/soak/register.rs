//! What may be at one key, at which many callers write and read at once.
//!
//! A write takes effect at one moment between its begin and its end. What a read answers must fit some order of these
//! moments. A write that was on its way while its host was disturbed may have taken effect or not if the caller was told that
//! it failed, and twice in any case, for Vault may send it again; its last effect is before its end, or if it failed, before
//! the disturbance's.

use super::clock::Tick;
use super::value::Id;

/// What is at a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    Absent,
    Written(Id),
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ended {
    /// Done, once.
    Done,
    /// Done, once or twice, while the host was disturbed.
    DoneDisturbed,
    /// Nobody knows yet.
    Unknown,
    /// It was certainly not done.
    Refused,
}

/// Why an answer cannot be.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// Something that was acknowledged is not there.
    Lost(String),
    /// Anything else.
    Wrong(String),
}

#[derive(Debug)]
struct Write {
    id: Id,
    content: Content,
    begun: Tick,
    /// By when it had taken effect for the first time.
    seen_by: Tick,
    /// By when it had taken effect for the last time.
    done_by: Tick,
    ended: bool,
    disturbed: bool,
    /// Who begins to read after this cannot find it.
    dead_after: Tick,
}

impl Write {
    /// By when it has taken effect for the last time, if nothing more happens to its host.
    fn last_effect(&self) -> Tick {
        match (self.ended, self.disturbed) {
            (true, _) => self.done_by,
            (false, true) => Tick::MAX,
            (false, false) => self.seen_by,
        }
    }

    fn may_be_found(&self, from: Tick) -> bool {
        self.dead_after >= from || (!self.ended && self.disturbed)
    }
}

/// The writes to one key that may still be found there.
#[derive(Debug)]
pub struct Register(Vec<Write>);

impl Default for Register {
    fn default() -> Self {
        Register(vec![Write {
            id: 0,
            content: Content::Absent,
            begun: 0,
            seen_by: 0,
            done_by: 0,
            ended: true,
            disturbed: false,
            dead_after: Tick::MAX,
        }])
    }
}

impl Register {
    /// Request `id` is about to put this here.
    pub fn begin(&mut self, id: Id, content: Content, now: Tick, disturbed: bool) {
        self.0.push(Write {
            id,
            content,
            begun: now,
            seen_by: Tick::MAX,
            done_by: Tick::MAX,
            ended: false,
            disturbed,
            dead_after: Tick::MAX,
        });
    }

    /// The host is disturbed: what is on its way may take effect later, and twice.
    pub fn disturb(&mut self) {
        for write in self.0.iter_mut().filter(|write| !write.ended) {
            write.disturbed = true;
        }
    }

    /// The disturbance is over, and with it every request whose end is unknown.
    pub fn settle(&mut self, now: Tick) {
        for write in self.0.iter_mut().filter(|write| write.ended) {
            write.done_by = write.done_by.min(now);
        }
        self.bury();
    }

    /// How a write ended. Nobody who looks at an answer now began before `oldest`.
    pub fn end(&mut self, id: Id, how: Ended, now: Tick, oldest: Tick) -> Result<(), Fault> {
        let at = self.0.iter().position(|write| write.id == id).unwrap();
        let write = &mut self.0[at];
        write.ended = true;
        match how {
            Ended::Done => {
                write.seen_by = write.seen_by.min(now);
                write.done_by = write.seen_by;
            }
            Ended::DoneDisturbed => {
                write.seen_by = write.seen_by.min(now);
                (write.done_by, write.dead_after, write.disturbed) = (now, Tick::MAX, true);
            }
            Ended::Unknown => {
                (write.done_by, write.dead_after, write.disturbed) = (Tick::MAX, Tick::MAX, true)
            }
            Ended::Refused => {
                let write = self.0.swap_remove(at);
                if write.seen_by != Tick::MAX {
                    return Err(Fault::Wrong(format!("{id:x} was read and then refused")));
                }
            }
        }
        self.bury();
        self.0.retain(|write| !write.ended || write.dead_after >= oldest);
        Ok(())
    }

    /// Whether there may have been something, and whether there may have been nothing, at some time since `from`, but for
    /// what request `but` did.
    pub fn possible(&self, from: Tick, but: Option<Id>) -> (bool, bool) {
        let others = || self.0.iter().filter(|write| Some(write.id) != but);
        let found = || others().filter(|write| write.may_be_found(from));
        (
            found().any(|write| write.content != Content::Absent),
            found().any(|write| write.content == Content::Absent),
        )
    }

    /// Somebody who read from `begun` to `ended` found this.
    pub fn read(&mut self, content: Content, begun: Tick, ended: Tick) -> Result<(), Fault> {
        let mut alive = Vec::new();
        for (at, write) in self.0.iter().enumerate() {
            if write.content == content && write.may_be_found(begun) {
                alive.push(at);
            }
        }
        if alive.is_empty() {
            return Err(Fault::Lost(format!(
                "{content:?} was found from {begun} to {ended}, at which there could be {:?}",
                self.0
            )));
        }
        if let [only] = alive[..] {
            let write = &mut self.0[only];
            write.seen_by = write.seen_by.min(ended);
            if write.ended && !write.disturbed {
                write.done_by = write.seen_by;
            }
        }
        // What had taken effect before did so before this, which was found after it.
        for write in self.0.iter_mut().filter(|write| write.content != content) {
            if write.last_effect() < begun {
                write.dead_after = write.dead_after.min(ended);
            }
        }
        self.bury();
        Ok(())
    }

    /// What took effect for the last time before another write began is not found once that has taken effect.
    fn bury(&mut self) {
        for at in 0..self.0.len() {
            let last_effect = self.0[at].last_effect();
            let followers = self.0.iter().filter(|other| other.begun > last_effect);
            if let Some(seen_by) = followers.map(|other| other.seen_by).min() {
                let write = &mut self.0[at];
                write.dead_after = write.dead_after.min(seen_by);
            }
        }
    }

    /// What is here, if that is certain.
    pub fn certain(&self) -> Option<Content> {
        let mut found = self.0.iter().filter(|write| write.may_be_found(Tick::MAX));
        let content = found.next()?.content;
        found.all(|write| write.content == content).then_some(content)
    }
}
