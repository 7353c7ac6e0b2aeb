use super::*;

#[test]
fn a_code_is_valid_once() {
    let mount = mount_with(json!({}));
    let code = code(&mount);
    assert_eq!(is_valid(&mount, &code), Ok(true));
    assert_eq!(is_valid(&mount, &code), used());
    assert_eq!(is_valid(&mount, &format!(" {code}\n")), used());
}

#[test]
fn a_code_is_remembered_through_a_restart() {
    let mount = mount_with(json!({}));
    let code = code(&mount);
    assert_eq!(is_valid(&mount, &code), Ok(true));
    mount.initialize().unwrap();
    assert_eq!(is_valid(&mount, &code), used());
}

#[test]
fn a_code_is_remembered_though_its_key_is_deleted_and_written_again() {
    let mount = mount_with(json!({}));
    let code = code(&mount);
    assert_eq!(is_valid(&mount, &code), Ok(true));
    assert_eq!(mount.delete("keys/ann@example.com").status(), 204);
    assert_eq!(
        mount
            .write("keys/ann@example.com", json!({ "key": SECRET }))
            .status(),
        204
    );
    assert_eq!(is_valid(&mount, &code), used());
    mount.advance(Duration::from_secs(91));
    assert_eq!(mount.delete("keys/ann@example.com").status(), 204);
    assert_eq!(mount.stored().len(), 0);
}

#[test]
fn a_code_that_meets_a_conflict_is_valid_once() {
    let mount = mount_with(json!({}));
    mount.conflict(true);
    let code = code(&mount);
    assert_eq!(is_valid(&mount, &code), Ok(true));
    assert_eq!(is_valid(&mount, &code), used());
}

#[test]
fn a_code_that_cannot_be_remembered_is_not_accepted() {
    let mount = mount_with(json!({}));
    let code = code(&mount);
    mount.fail(Fault::Commits(0));
    assert_eq!(
        mount
            .write("code/ann@example.com", json!({ "code": code }))
            .status(),
        500
    );
    mount.fail(Fault::None);
    assert_eq!(is_valid(&mount, &code), Ok(true));
}

#[test]
fn a_refused_code_is_used_too_and_costs_no_write() {
    let mount = mount_with(json!({}));
    let before = mount.stored();
    for wrong in ["000000", "1", "one", &"9".repeat(40_000)] {
        assert_eq!(is_valid(&mount, wrong), Ok(false));
        assert_eq!(is_valid(&mount, wrong), used());
    }
    assert_eq!(mount.stored(), before);
    mount.advance(Duration::from_secs(91));
    assert_eq!(is_valid(&mount, "one"), Ok(false));
}

#[test]
fn many_refused_codes_keep_no_right_code_from_being_accepted() {
    let mount = mount_with(json!({}));
    for wrong in 0..2_000 {
        assert_eq!(is_valid(&mount, &format!("wrong {wrong}")), Ok(false));
    }
    assert_eq!(is_valid(&mount, &code(&mount)), Ok(true));
}

#[test]
fn the_skew_is_the_number_of_periods_around_the_present_one() {
    for (skew, later, valid) in [(0, 29, true), (0, 30, false), (1, 59, true), (1, 60, false)] {
        let mount = mount_with(json!({ "skew": skew }));
        let early = code(&mount);
        mount.advance(Duration::from_secs(later));
        assert_eq!(is_valid(&mount, &early), Ok(valid), "{skew} {later}");
    }
    let ahead = mount_with(json!({}));
    let next = mount_with(json!({}));
    next.advance(Duration::from_secs(30));
    assert_eq!(is_valid(&ahead, &code(&next)), Ok(true));
}

#[test]
fn accepted_codes_that_have_expired_leave_the_entry() {
    let mount = mount_with(json!({}));
    for _ in 0..20 {
        assert_eq!(is_valid(&mount, &code(&mount)), Ok(true));
        mount.advance(Duration::from_secs(30));
    }
    let kept: Vec<Value> = mount.stored_json("used/ann@example.com").unwrap();
    assert!(kept.len() <= 4, "{kept:?}");
}
