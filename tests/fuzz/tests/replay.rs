//! Replays the kept inputs of every target, and a fixed number of their mutations, which are the same in each run.
//!
//! A failure names the input, stores it below `target/fuzz/`, and says how to repeat it. A target whose decoder refuses
//! everything would no longer violate any property, so `accepted.txt` says what each decoder must accept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use airlock_fuzz::{Rng, TARGETS, Target, mutate, splice, target};

/// The seed that selects the mutations. Another seed gives another few thousand inputs.
const SEED: u64 = 1;

/// One test for each target, so that they run in parallel.
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
    redo_records recoveries keys told_records folder_entries command_lines handshakes broker_messages bundle_trailers
    scenarios durations recordings dev_calls printable signatures trace_headers
}

/// The variable that names a file to run in place of all inputs, for `make fuzz-repeat`.
const ONE_INPUT: &str = "AIRLOCK_FUZZ_INPUT";

fn replay(target: &Target) {
    if let Some(file) = std::env::var_os(ONE_INPUT) {
        let is_accepted = (target.run)(&fs::read(file).unwrap());
        return println!("it is {}", if is_accepted { "accepted" } else { "refused" });
    }
    let begun = Instant::now();
    let corpus = corpus(target);
    let mut kept = Vec::new();
    for (name, input) in &corpus {
        if run(target, input, name) {
            kept.push(name.as_str());
        }
    }
    let inputs: Vec<&Vec<u8>> = corpus.values().collect();
    let mut rng = Rng::with_seed(SEED);
    let mut accepted = 0;
    for number in 0..target.mutations {
        let one = inputs[rng.usize(0..inputs.len())];
        let mut input = match rng.u8(0..8) {
            0 => splice(one, inputs[rng.usize(0..inputs.len())], &mut rng),
            _ => one.clone(),
        };
        mutate(target, &mut input, &mut rng);
        accepted += u64::from(run(target, &input, &format!("mutation {number} of seed {SEED}")));
    }
    let per_mille = accepted * 1000 / target.mutations;
    println!(
        "{} mutations in {:.1?}: {} {per_mille} {}",
        target.mutations,
        begun.elapsed(),
        target.name,
        kept.join(" ")
    );
    let expected = Accepted::of(target);
    assert_eq!(kept, expected.kept, "other kept inputs are accepted");
    assert!(
        !kept.is_empty() && kept.len() < corpus.len(),
        "of the kept inputs none is accepted, or none refused"
    );
    assert!(
        (expected.least..1000).contains(&per_mille),
        "{per_mille} of a thousand mutations are accepted"
    );
}

/// The inputs that a target's decoder must accept, from a line of `accepted.txt`.
struct Accepted {
    /// The least number of accepted mutations in a thousand.
    least: u64,
    /// The kept inputs that are accepted, and no others.
    kept: Vec<String>,
}

impl Accepted {
    fn of(target: &Target) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/accepted.txt");
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines().map(str::split_whitespace);
        let mut words = lines
            .find_map(|mut words| (words.next() == Some(target.name)).then_some(words))
            .unwrap_or_else(|| panic!("accepted.txt has no line for {}", target.name));
        let least = words.next().unwrap().parse().unwrap();
        assert!(least > 0, "{}: nothing would be proved", target.name);
        Self {
            least,
            kept: words.map(str::to_owned).collect(),
        }
    }
}

/// Returns the kept inputs by the names of their files, in order.
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

/// Runs a target on an input. Returns true if the decoder accepted it.
fn run(target: &Target, input: &[u8], what: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).unwrap_or_else(|_| {
        let file = keep(target, input);
        panic!(
            "{}: {what} breaks a property, as said above; it is kept, and repeated by\n    make fuzz-repeat TARGET={} INPUT={}",
            target.name,
            target.name,
            file.display()
        );
    })
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
