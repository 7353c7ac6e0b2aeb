//! Tests that the models find the errors that they are there for. A soak whose model accepts everything would show
//! nothing.

use super::history::{Content as Data, Hidden, History};
use super::register::{Content, Ended, Fault, Register};

const OLD: Content = Content::Written(1);
const NEW: Content = Content::Written(2);

/// Returns a register in which request 2 wrote OLD, and NEW is in flight since moment 10.
fn overwritten() -> Register {
    let mut register = Register::default();
    register.begin(1, OLD, 1, false);
    register.end(1, Ended::Done, 2, 0).unwrap();
    register.begin(2, NEW, 10, false);
    register
}

fn is_lost(result: Result<(), Fault>) -> bool {
    matches!(result, Err(Fault::Lost(_)))
}

#[test]
fn a_read_beside_a_write_may_find_either() {
    let mut register = overwritten();
    register.read(OLD, 11, 12).unwrap();
    register.read(NEW, 11, 13).unwrap();
    assert!(is_lost(register.read(Content::Absent, 11, 14)));
}

#[test]
fn what_was_overwritten_is_not_read_again() {
    let mut register = overwritten();
    register.end(2, Ended::Done, 20, 0).unwrap();
    register.read(OLD, 19, 30).unwrap();
    assert!(is_lost(register.read(OLD, 21, 30)));
    assert_eq!(register.possible(21, None), (true, false));
}

#[test]
fn what_was_read_once_is_not_unread_before_its_write_ends() {
    let mut register = overwritten();
    register.read(NEW, 11, 12).unwrap();
    assert!(is_lost(register.read(OLD, 13, 14)));
}

#[test]
fn of_two_writes_at_once_the_one_read_first_is_decided() {
    let mut register = overwritten();
    register.begin(3, Content::Written(3), 11, false);
    register.end(2, Ended::Done, 20, 0).unwrap();
    register.end(3, Ended::Done, 21, 0).unwrap();
    register.read(NEW, 22, 23).unwrap();
    assert!(is_lost(register.read(Content::Written(3), 24, 25)));
    register.read(NEW, 24, 25).unwrap();
}

#[test]
fn a_write_of_unknown_end_may_be_done_while_disturbed() {
    let mut register = overwritten();
    register.disturb();
    register.end(2, Ended::Unknown, 20, 0).unwrap();
    register.read(OLD, 21, 22).unwrap();
    register.read(NEW, 23, 24).unwrap();
    register.settle(30);
    register.read(NEW, 31, 32).unwrap();
    assert!(is_lost(register.read(OLD, 33, 34)));
    assert_eq!(register.certain(), Some(NEW));
}

#[test]
fn a_disturbed_write_may_be_done_twice_and_an_undisturbed_one_not() {
    for disturbed in [true, false] {
        let mut register = overwritten();
        register.begin(3, Content::Written(3), 11, false);
        register.read(NEW, 12, 13).unwrap();
        register.read(Content::Written(3), 14, 15).unwrap();
        if disturbed {
            register.disturb();
        }
        assert_eq!(is_lost(register.read(NEW, 16, 17)), !disturbed);
    }
}

#[test]
fn a_refused_write_that_was_read_is_wrong() {
    let mut register = overwritten();
    register.read(NEW, 11, 12).unwrap();
    assert!(matches!(
        register.end(2, Ended::Refused, 20, 0),
        Err(Fault::Wrong(_))
    ));
}

fn with_two_versions() -> History {
    let mut history = History::default();
    for id in [1, 2] {
        history.begin(id);
        history.made(id, false, id, id - 1, id).unwrap();
        history.made_one();
    }
    history
}

fn data(text: u64) -> Data {
    Data { text, patch: None }
}

#[test]
fn an_older_version_is_not_the_newest_again() {
    let mut history = with_two_versions();
    history.read(2, data(2), None, 2, 10).unwrap();
    assert!(is_lost(history.read(1, data(1), None, 2, 10)));
    history.read(1, data(1), Some(1), 2, 10).unwrap();
}

#[test]
fn two_requests_do_not_make_the_same_version() {
    let mut history = with_two_versions();
    history.begin(3);
    history.begin(4);
    history.made(3, false, 3, 2, 10).unwrap();
    assert!(matches!(history.made(4, false, 3, 2, 10), Err(Fault::Wrong(_))));
}

#[test]
fn a_version_has_the_data_of_who_made_it() {
    let mut history = with_two_versions();
    assert!(matches!(
        history.read(2, data(1), None, 2, 10),
        Err(Fault::Wrong(_))
    ));
    history.begin(3);
    history.made(3, true, 3, 2, 10).unwrap();
    let patched = Data {
        text: 2,
        patch: Some(3),
    };
    history.read(3, patched, None, 3, 11).unwrap();
    let of_an_older = Data {
        text: 1,
        patch: Some(3),
    };
    assert!(matches!(
        history.read(3, of_an_older, None, 3, 11),
        Err(Fault::Wrong(_))
    ));
}

#[test]
fn a_key_is_not_gone_and_no_deletion_forgotten() {
    let mut history = with_two_versions();
    history.hidden.insert(1, Hidden::Deleted);
    assert!(is_lost(history.read_nothing(Some(2), None, 2)));
    assert!(is_lost(history.read_nothing(None, None, 2)));
    let states = [Some(history.hidden.clone())];
    assert!(is_lost(history.adopt(None, &states, 10)));
    let versions = serde_json::json!({"1": {"deletion_time": ""}, "2": {"deletion_time": ""}});
    let metadata = serde_json::json!({"current_version": 2, "versions": versions});
    assert!(is_lost(history.adopt(Some(&metadata), &states, 10)));
}
