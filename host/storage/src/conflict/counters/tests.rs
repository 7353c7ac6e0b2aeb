use super::*;

const SIZE: Size = Size {
    seed: 7,
    mask: u64::MAX,
    recent: 2,
};

fn places() -> Places {
    Places::new(SIZE)
}

fn key(key: &str) -> Place {
    places().of(Thing::Key(key))
}

#[test]
fn one_pass_finds_the_folders_of_a_key_where_lists_look_for_them() {
    for key in ["a", "a/b", "a/b/c", "ü/ö/ä"] {
        let mut found = Vec::new();
        places().of_key(key, |folder| found.push(folder));
        let folders = std::iter::once("").chain(key.match_indices('/').map(|(at, _)| &key[..=at]));
        let listed: Vec<_> = folders.map(|folder| places().of(Thing::Folder(folder))).collect();
        assert_eq!(found, listed, "{key}");
    }
}

#[test]
fn keys_folders_and_scratch_do_not_share_places() {
    let all = [
        Thing::Key("a/"),
        Thing::Folder("a/"),
        Thing::Scratch("a/"),
        Thing::Folder(""),
        Thing::Scratch(""),
        Thing::ScratchNames,
        Thing::Guest,
    ];
    for (n, thing) in all.iter().enumerate() {
        for other in &all[..n] {
            assert_ne!(places().of(*thing), places().of(*other));
        }
    }
}

#[test]
fn the_deepest_folders_of_a_key_share_one_place() {
    let deep = "a/".repeat(2_000);
    let mut found = Vec::new();
    places().of_key(&format!("{deep}k"), |folder| found.push(folder));
    assert_eq!(found.len(), FOLDERS);
    for levels in [FOLDERS - 1, FOLDERS, 2_000] {
        let folder = "a/".repeat(levels);
        assert_eq!(
            found.last(),
            Some(&places().of(Thing::Folder(&folder))),
            "{levels}"
        );
    }
    let above = places().of(Thing::Folder(&"a/".repeat(FOLDERS - 2)));
    assert_ne!(found.last(), Some(&above));
}

#[test]
fn a_sample_stands_until_its_place_is_written_or_two_generations_are() {
    let mut counters = Counters::new(SIZE);
    let of = |counters: &Counters, name| counters.sample(key(name)).unwrap();
    let (a, b) = (of(&counters, "a"), of(&counters, "b"));
    counters.bump([key("a")]);
    assert!(!counters.stands(a) && counters.stands(b));
    assert!(a.is_outdated_by(of(&counters, "a")) && !b.is_outdated_by(of(&counters, "b")));
    for (written, stands) in [("c", true), ("d", true), ("e", true), ("f", false)] {
        counters.bump([key(written)]);
        assert_eq!(counters.stands(b), stands, "{written}");
        assert!(counters.stands(of(&counters, "b")) && !counters.stands(a));
    }
    assert!(counters.recent.len() + counters.older.len() <= 2 * SIZE.recent);
}

#[test]
fn a_large_commit_outdates_only_what_it_writes() {
    let mut counters = Counters::new(SIZE);
    let other = counters.sample(key("other")).unwrap();
    counters.bump((0..1_000).map(|n| key(&n.to_string())));
    assert!(counters.stands(other));
}

#[test]
fn marks_go_when_their_writes_have_ended() {
    let mut counters = Counters::new(SIZE);
    let footprint = Footprint {
        keys: (0..5_000).map(|n| key(&n.to_string())).collect(),
        folders: vec![places().of(Thing::Folder(""))],
    };
    counters.mark(&footprint);
    counters.fence(&footprint);
    assert!(counters.sample(key("1")).is_none() && counters.sample(key("other")).is_some());
    assert!(!counters.are_free(&footprint));
    counters.unmark(&footprint);
    let sample = counters.sample(key("1")).unwrap();
    assert!(counters.stands(sample) && !counters.may_cache(sample));
    counters.unfence(&footprint);
    assert!(counters.may_cache(sample) && counters.marks.capacity() == 0);
}
