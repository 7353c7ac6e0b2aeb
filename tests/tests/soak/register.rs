//! The values that one key may have while many callers write and read it at once.
//!
//! A write takes effect at one moment between its begin and its end. The answer to a read must fit some order of these
//! moments. If the host was disturbed during a write, the write may have taken effect twice, because Vault may send it
//! again; and it may have had no effect if its caller was told that it failed. Its last effect is before its end, or,
//! if it failed, before the end of the disturbance.

use super::clock::Tick;
use super::value::Id;

/// The content of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    Absent,
    Written(Id),
}

/// The end of a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ended {
    /// The write took effect once.
    Done,
    /// The write took effect once or twice, while the host was disturbed.
    DoneDisturbed,
    /// It is still unknown whether the write took effect.
    Unknown,
    /// The write certainly had no effect.
    Refused,
}

/// The reason why an answer is impossible.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// Something that was acknowledged is missing.
    Lost(String),
    /// Any other fault.
    Wrong(String),
}

#[derive(Debug)]
struct Write {
    id: Id,
    content: Content,
    begun: Tick,
    /// The moment by which the write had taken effect for the first time.
    seen_by: Tick,
    /// The moment by which the write had taken effect for the last time.
    done_by: Tick,
    ended: bool,
    disturbed: bool,
    /// A read that begins after this moment cannot find the write.
    dead_after: Tick,
}

impl Write {
    /// Returns the moment by which the write has taken effect for the last time, if its host is not disturbed again.
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

/// The writes to one key that a read may still find there.
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
    /// Notes that request `id` is about to write this content.
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

    /// Notes that the host is disturbed: writes in flight may take effect later, and twice.
    pub fn disturb(&mut self) {
        for write in self.0.iter_mut().filter(|write| !write.ended) {
            write.disturbed = true;
        }
    }

    /// Notes that the disturbance is over. No write with an unknown outcome takes effect after this.
    pub fn settle(&mut self, now: Tick) {
        for write in self.0.iter_mut().filter(|write| write.ended) {
            write.done_by = write.done_by.min(now);
        }
        self.bury();
    }

    /// Notes the end of a write. Every read whose answer is processed from now on began at or after `oldest`.
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

    /// Returns whether the key may have had a value, and whether it may have had none, at some time since `from`,
    /// without the effects of request `but`.
    pub fn possible(&self, from: Tick, but: Option<Id>) -> (bool, bool) {
        let others = || self.0.iter().filter(|write| Some(write.id) != but);
        let found = || others().filter(|write| write.may_be_found(from));
        (
            found().any(|write| write.content != Content::Absent),
            found().any(|write| write.content == Content::Absent),
        )
    }

    /// Checks the content that a read from `begun` to `ended` found.
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
        // Writes that took effect before this read began did so before the write that it found.
        for write in self.0.iter_mut().filter(|write| write.content != content) {
            if write.last_effect() < begun {
                write.dead_after = write.dead_after.min(ended);
            }
        }
        self.bury();
        Ok(())
    }

    /// A write that took effect for the last time before another write began is not found once the other has taken
    /// effect.
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

    /// Returns the content of the key, if it is certain.
    pub fn certain(&self) -> Option<Content> {
        let mut found = self.0.iter().filter(|write| write.may_be_found(Tick::MAX));
        let content = found.next()?.content;
        found.all(|write| write.content == content).then_some(content)
    }
}
