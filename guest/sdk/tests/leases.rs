//! Leases, write-ahead entries and the tick.

use std::time::Duration;

use airlock_sdk::testing::{Fault, GivenLease, Mount, request};
use airlock_sdk::{
    Context, Description, Engine, Error, Lease, LeaseTime, Leased, Operation, Response, Result, Routes,
    Secret, Secrets, Wal, WalKinds, fields, json, route,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Account {
    name: String,
    stubborn: bool,
}

const TOKEN: Secret<Token> = Secret::new("token", revoke)
    .renew(renew)
    .lasting(Duration::from_secs(600));
const NONCE: Secret<()> = Secret::new("nonce", revoke_nonce);
const UNLISTED: Secret<()> = Secret::new("unlisted", revoke_nonce);
const ACCOUNT: Wal<Account> = Wal::new("account", remove).min_age(Duration::from_secs(60));

struct Accounts;

impl Engine for Accounts {
    const DESCRIPTION: Description =
        Description::new("accounts", "1.0.0", "Makes accounts.").storage(&["account/", "token/", "ticks"]);

    const ROUTES: Routes = &[
        &route("token").read(create_token),
        &route("nonce").read(create_nonce),
        &route("unlisted").read(create_unlisted),
        &route("accounts/{name}").update(create_account),
    ];

    const SECRETS: Secrets = &[&TOKEN, &NONCE];
    const WAL: WalKinds = &[&ACCOUNT];

    fn periodic(cx: &Context) -> Result<()> {
        let ticks: u32 = cx.storage.get_json("ticks")?.unwrap_or(0);
        cx.storage.put_json("ticks", &(ticks + 1))
    }
}

fn create_token(cx: &Context, _: ()) -> Result<Response> {
    let id = cx.random.uuid();
    cx.storage.put(&format!("token/{id}"), "")?;
    let lease = TOKEN.lease(&Token { id: id.clone() })?;
    Ok(Response::json(&json!({ "id": id }))?.lease(lease))
}

fn renew(cx: &Context, leased: Leased<Token>) -> Result<Lease> {
    let time = LeaseTime {
        increment: leased.lease.increment,
        max_ttl: Duration::from_secs(3600),
        issue_time: leased.lease.issue_time,
        ..LeaseTime::default()
    };
    let (ttl, warning) = time.calculate(cx)?;
    let lease = TOKEN.lease(&leased.data)?;
    Ok(lease.lasting(ttl, Duration::from_secs(3600)).warnings(warning))
}

fn revoke(cx: &Context, leased: Leased<Token>) -> Result<()> {
    cx.storage.delete(&format!("token/{}", leased.data.id))
}

fn create_nonce(_: &Context, _: ()) -> Result<Response> {
    Ok(Response::default().lease(NONCE.lease(&())?))
}

fn create_unlisted(_: &Context, _: ()) -> Result<Response> {
    Ok(Response::default().lease(UNLISTED.lease(&())?))
}

fn revoke_nonce(_: &Context, _: Leased<()>) -> Result<()> {
    Ok(())
}

fields! {
    struct CreateAccount {
        name: String,
        crash: bool = false,
        /// The other system makes no account, and the handler knows it.
        refused: bool = false,
        /// Something is written before that.
        written: bool = false,
        stubborn: bool = false,
    }
}

/// Makes an account in some other system, which does not exist in this test.
fn create_account(cx: &Context, account: CreateAccount) -> Result<()> {
    let entry = ACCOUNT.begin(
        cx,
        &Account {
            name: account.name.clone(),
            stubborn: account.stubborn,
        },
    )?;
    if account.crash {
        return Err(Error::internal("crashed"));
    }
    if account.written {
        cx.storage.put("account/too-early", "")?;
    }
    if account.refused {
        return Err(entry.abandon(cx, Error::user("no such team")));
    }
    cx.storage.put(&format!("account/{}", account.name), "")?;
    entry.done(cx)
}

fn remove(cx: &Context, account: Account) -> Result<()> {
    if account.stubborn {
        return Err(Error::internal("not yet"));
    }
    cx.log.field("account", account.name).info("removed");
    Ok(())
}

#[test]
fn a_lease_is_given_renewed_and_revoked() {
    let mount = Mount::<Accounts>::new();
    let reply = mount.read("token");
    let lease = reply.lease().clone();
    assert!(lease.renewable);
    assert_eq!(lease.ttl, Duration::from_secs(600));
    assert_eq!(mount.stored().len(), 1);
    let renewed = mount.renew(&lease, Duration::from_secs(7200));
    assert_eq!(renewed.lease().ttl, Duration::from_secs(3600));
    let capped = "TTL of \"2h\" exceeded the effective max_ttl of \"1h\"; TTL value is capped accordingly";
    // The engine says it, and then Vault, which asks no engine whether it did.
    assert_eq!(renewed.warnings(), [capped, capped]);
    assert_eq!(mount.revoke(renewed.lease()).status(), 204);
    assert!(mount.stored().is_empty());
}

#[test]
fn a_renewed_lease_keeps_its_issue_time() {
    let mount = Mount::<Accounts>::new();
    let lease = mount.read("token").lease().clone();
    let mut renewed = lease;
    for _ in 0..3 {
        mount.advance(Duration::from_secs(600));
        renewed = mount.renew(&renewed, Duration::from_secs(3600)).lease().clone();
    }
    // The maximum of an hour counts from the issue.
    assert_eq!(renewed.ttl, Duration::from_secs(1800));
}

#[test]
fn an_expired_or_revoked_lease_is_not_renewed() {
    let mount = Mount::<Accounts>::new();
    let refused = |lease: &GivenLease| mount.renew(lease, Duration::ZERO).error().clone();
    let (one, other) = (mount.read("token"), mount.read("token"));
    mount.advance(Duration::from_secs(600));
    assert_eq!(mount.renew(one.lease(), Duration::ZERO).status(), 200);
    mount.advance(Duration::from_secs(1));
    assert_eq!(refused(other.lease()), Error::user("lease expired"));
    assert_eq!(mount.revoke(one.lease()).status(), 204);
    assert_eq!(refused(one.lease()), Error::user("lease not found"));
    assert_eq!(mount.revoke(one.lease()).status(), 204);
}

#[test]
fn what_cannot_be_renewed_says_so() {
    let mount = Mount::<Accounts>::new();
    let lease = mount.read("nonce").lease().clone();
    assert!(!lease.renewable);
    assert_eq!(
        mount.renew(&lease, Duration::ZERO).error(),
        &Error::user("lease is not renewable")
    );
    assert_eq!(mount.revoke(&lease).status(), 204);
}

#[test]
fn a_lease_that_could_never_be_revoked_is_not_given() {
    let reply = Mount::<Accounts>::new().read("unlisted");
    assert!(reply.error().to_string().contains("\"unlisted\""));
}

#[test]
fn a_lease_of_no_known_type_is_refused() {
    let reply = Mount::<Accounts>::new().send(request(Operation::Revoke, "", None));
    assert_eq!(reply.status(), 500);
}

#[test]
fn an_entry_is_gone_once_its_request_succeeds() {
    let mount = Mount::<Accounts>::new();
    assert_eq!(mount.write("accounts/ann", json!({})).status(), 204);
    assert_eq!(mount.stored().keys().collect::<Vec<_>>(), ["account/ann"]);
    assert_eq!(mount.commits(), 1);
}

#[test]
fn an_entry_outlives_a_crash_and_is_rolled_back_when_it_is_old_enough() {
    let mount = Mount::<Accounts>::new();
    assert_eq!(
        mount.write("accounts/ann", json!({ "crash": true })).status(),
        500
    );
    assert_eq!(mount.stored().len(), 1);
    assert_eq!(mount.tick().status(), 204);
    assert!(mount.logs().is_empty());
    mount.advance(Duration::from_secs(61));
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(
        mount.logs()[0].fields,
        [("account".to_string(), "ann".to_string())]
    );
    assert_eq!(mount.stored_json("ticks"), Some(2));
    assert_eq!(mount.stored().len(), 1);
}

#[test]
fn an_abandoned_entry_is_gone_and_its_request_fails() {
    let mount = Mount::<Accounts>::new();
    let refused = mount.write("accounts/ann", json!({ "refused": true }));
    assert_eq!(refused.error(), &Error::user("no such team"));
    assert!(mount.stored().is_empty());
    assert!(mount.logs().is_empty());
}

#[test]
fn an_entry_stays_if_abandoning_it_would_store_other_writes() {
    let mount = Mount::<Accounts>::new();
    let refused = mount.write("accounts/ann", json!({ "refused": true, "written": true }));
    assert_eq!(refused.error(), &Error::user("no such team"));
    let stored = mount.stored();
    assert_eq!(stored.len(), 1);
    assert!(stored.keys().all(|key| key.starts_with("wal/")));
    assert_eq!(mount.logs().len(), 1);
}

#[test]
fn an_entry_stays_if_storage_fails_while_it_is_abandoned() {
    let mount = Mount::<Accounts>::new();
    mount.fail(Fault::Commits(1)); // the first is that of `begin`
    let refused = mount.write("accounts/ann", json!({ "refused": true }));
    assert_eq!(refused.error(), &Error::user("no such team"));
    assert_eq!(mount.stored().len(), 1);
    assert_eq!(mount.logs().len(), 1);
}

#[test]
fn vault_can_ask_for_an_immediate_rollback() {
    let mount = Mount::<Accounts>::new();
    assert_eq!(
        mount.write("accounts/ann", json!({ "crash": true })).status(),
        500
    );
    assert_eq!(
        mount
            .send(request(
                Operation::Rollback,
                "",
                Some(json!({ "immediate": true }))
            ))
            .status(),
        204
    );
    assert_eq!(mount.logs().len(), 1);
}

#[test]
fn an_entry_that_cannot_be_rolled_back_does_not_hold_up_the_others() {
    let mount = Mount::<Accounts>::new();
    for (name, stubborn) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        assert_eq!(
            mount
                .write(
                    &format!("accounts/{name}"),
                    json!({ "crash": true, "stubborn": stubborn })
                )
                .status(),
            500
        );
    }
    mount.advance(Duration::from_secs(61));
    let error = mount.tick().error().to_string();
    let one = "error rolling back \"account\" entry: not yet";
    assert_eq!(error, format!("{one}; {one}"));
    assert_eq!(mount.logs().len(), 2);
    assert_eq!(mount.stored().len(), 3); // two entries and the count of ticks
}

#[test]
fn an_entry_stays_if_its_removal_cannot_be_stored() {
    let mount = Mount::<Accounts>::new();
    assert_eq!(
        mount.write("accounts/ann", json!({ "crash": true })).status(),
        500
    );
    mount.advance(Duration::from_secs(61));
    mount.fail(Fault::Commits(1)); // the first is the periodic function's
    assert_eq!(mount.tick().status(), 500);
    assert_eq!(mount.stored().len(), 2);
    mount.fail(Fault::None);
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(mount.stored().len(), 1);
}
