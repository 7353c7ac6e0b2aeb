//! Replays the kept inputs of every target, and a fixed number of mutations of them: the same in each run.
//!
//! A failure says which input it was, keeps it below `target/fuzz/`, and how to repeat it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use airlock_fuzz::{Rng, TARGETS, Target, mutate, splice, target};

/// Which mutations are run. Another one is another few thousand inputs.
const SEED: u64 = 1;

/// One test for each target, so that they run beside each other.
macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(target(stringify!($name)).expect("TARGETS has no target of that name"));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

replays! {
    vault_requests server_answers guest_answers guest_refusals guest_descriptions special_paths components json_objects
    redo_records recoveries keys told_records folder_entries command_lines handshakes broker_messages scenarios durations
    dev_calls printable
}

/// Names a file that is run in place of all inputs: `make fuzz-repeat`.
const ONE_INPUT: &str = "AIRLOCK_FUZZ_INPUT";

fn replay(target: &Target) {
    if let Some(file) = std::env::var_os(ONE_INPUT) {
        return (target.run)(&fs::read(file).unwrap());
    }
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{} has no kept inputs", target.name);
    for (name, input) in &corpus {
        run(target, input, name);
    }
    let inputs: Vec<&Vec<u8>> = corpus.values().collect();
    let mut rng = Rng::with_seed(SEED);
    for number in 0..target.mutations {
        let one = inputs[rng.usize(0..inputs.len())];
        let mut input = match rng.u8(0..8) {
            0 => splice(one, inputs[rng.usize(0..inputs.len())], &mut rng),
            _ => one.clone(),
        };
        mutate(target, &mut input, &mut rng);
        run(target, &input, &format!("mutation {number} of seed {SEED}"));
    }
}

/// The kept inputs by their files' names, in order.
fn corpus(target: &Target) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|file| file.unwrap())
        .map(|file| {
            (
                file.file_name().into_string().unwrap(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect()
}

fn run(target: &Target, input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let file = keep(target, input);
        panic!(
            "{}: {what} breaks a property, as said above; it is kept, and repeated by\n    make fuzz-repeat TARGET={} INPUT={}",
            target.name,
            target.name,
            file.display()
        );
    }
}

fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/fuzz")
        .join(target.name)
        .join("crashes");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.canonicalize().unwrap().join("from-replay");
    fs::write(&file, input).unwrap();
    file
}
