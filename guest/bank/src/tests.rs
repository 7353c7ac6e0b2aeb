use airlock_sdk::testing::Mount;

use super::*;

#[test]
fn a_write_counts_one_more() {
    let mount = Mount::<Bank>::new();
    assert_eq!(mount.read("count").status(), 404);
    for count in 1..=2 {
        assert_eq!(mount.write("count", json!({})).data(), &json!({ "count": count }));
    }
    assert_eq!(mount.read("count").data(), &json!({ "count": 2 }));
}

#[test]
fn money_moves_and_none_is_lost() {
    let mount = Mount::<Bank>::new();
    assert_eq!(mount.write("accounts/a", json!({ "balance": 2 })).status(), 204);
    let move_one = || {
        mount
            .write("transfer", json!({ "from": "a", "to": "b" }))
            .status()
    };
    assert_eq!(
        (move_one(), mount.read("total").data()["accounts"].clone()),
        (204, json!(2))
    );
    assert_eq!(move_one(), 204);
    assert_eq!(mount.read("total").data(), &json!({ "accounts": 1, "total": 2 }));
    assert_eq!(move_one(), 400);
}

#[test]
fn no_more_than_the_limit_is_moved() {
    let mount = Mount::<Bank>::new();
    assert_eq!(mount.write("accounts/a", json!({ "balance": 9 })).status(), 204);
    assert_eq!(mount.write("limit", json!({ "amount": 1 })).status(), 204);
    let moved = mount.write("transfer", json!({ "from": "a", "to": "b", "amount": 2 }));
    assert_eq!(moved.status(), 400);
    assert_eq!(mount.write("accounts/c", json!({ "balance": 2 })).status(), 400);
}

#[test]
fn a_transfer_with_an_id_is_noted_each_time_that_it_is_done() {
    let mount = Mount::<Bank>::new();
    assert_eq!(mount.write("accounts/a", json!({ "balance": 3 })).status(), 204);
    for _ in 0..2 {
        let body = json!({ "from": "a", "to": "b", "id": "t1" });
        assert_eq!(mount.write("transfer", body).status(), 204);
    }
    assert_eq!(mount.stored_json("done/t1"), Some(2));
}
