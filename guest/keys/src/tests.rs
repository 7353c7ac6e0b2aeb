use airlock_sdk::testing::Mount;
use uuid::{Variant, Version};

use super::*;

fn id(data: &airlock_sdk::Value, name: &str) -> Uuid {
    data[name].as_str().unwrap().parse().unwrap()
}

#[test]
fn ids_are_of_their_versions_and_no_two_are_the_same() {
    let mount = Mount::<Keys>::new();
    let (first, second) = (mount.read("ids"), mount.read("ids"));
    for (name, version) in [("v4", Version::Random), ("v7", Version::SortRand)] {
        let (one, other) = (id(first.data(), name), id(second.data(), name));
        assert_ne!(one, other);
        assert_eq!(
            (one.get_version(), one.get_variant()),
            (Some(version), Variant::RFC4122)
        );
    }
}

#[test]
fn numbers_are_drawn_from_the_randomness_of_the_request() {
    let numbers = |mount: &Mount<Keys>| mount.read("numbers").data().clone();
    let (mount, same) = (Mount::<Keys>::new(), Mount::<Keys>::new());
    let first = numbers(&mount);
    assert_eq!(first, numbers(&same), "a native test is reproducible");
    assert_ne!(first, numbers(&mount));
    let mut cards: Vec<u64> = first["cards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|card| card.as_u64().unwrap())
        .collect();
    assert!(!cards.is_sorted());
    cards.sort_unstable();
    assert_eq!(cards, (0..52).collect::<Vec<_>>());
}

#[test]
fn signatures_of_new_keys_verify() {
    let mount = Mount::<Keys>::new();
    for kind in ["ed25519", "rsa"] {
        let sign = || {
            let answer = mount.write(kind, json!({ "message": "signed" }));
            assert_eq!(answer.status(), 200, "{kind}: {:?}", answer.data());
            answer.data()["signature"].clone()
        };
        assert_ne!(sign(), sign(), "{kind}");
    }
}
