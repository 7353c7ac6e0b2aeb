//! An engine for the tests of `docs/crates.md`: it has ids, numbers, keys and signatures made by the crates `uuid`, `rand`,
//! `ed25519-dalek` and `rsa`, with the host's randomness and clock. The tests check with other code that each of them is what it
//! should be.

use airlock_sdk::{Context, Description, Engine, Error, Response, Result, Routes, fields, json, route};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, PrivateKey};
use uuid::{NoContext, Timestamp, Uuid};

airlock_sdk::export!(Keys);

/// The bits of an RSA key: the fewest that `rsa` makes, because a longer one takes a second of CPU time or more.
const BITS: usize = 1024;

fields! {
    /// The message to sign.
    struct Message {
        /// The text.
        message: String,
    }
}

struct Keys;

impl Engine for Keys {
    const DESCRIPTION: Description = Description::new(
        "keys",
        env!("CARGO_PKG_VERSION"),
        "Makes ids, numbers and signatures with other crates.",
    );

    const ROUTES: Routes = &[
        &route("ids").synopsis("Two ids by `uuid`.").read(ids),
        &route("numbers")
            .synopsis("Numbers in an order of chance by `rand`.")
            .read(numbers),
        &route("ed25519")
            .synopsis("A signature by a new key of `ed25519-dalek`.")
            .update(ed25519),
        &route("rsa")
            .synopsis("A signature by a new key of `rsa`.")
            .update(rsa),
    ];
}

/// `uuid` draws from `getrandom`, and is told the time.
fn ids(cx: &Context, _: ()) -> Result<Response> {
    let now = cx.clock.now();
    let seconds = u64::try_from(now.seconds).map_err(|_| Error::internal("the time is before 1970"))?;
    let time = Timestamp::from_unix(NoContext, seconds, now.nanoseconds);
    Response::json(&json!({ "v4": Uuid::new_v4().to_string(), "v7": Uuid::new_v7(time).to_string() }))
}

fn numbers(cx: &Context, _: ()) -> Result<Response> {
    let mut rng = cx.random.rng();
    let mut cards: Vec<u8> = (0..52).collect();
    cards.shuffle(&mut rng);
    let dice: Vec<u8> = (0..100).map(|_| rng.random_range(1..=6)).collect();
    Response::json(&json!({ "cards": cards, "dice": dice }))
}

fn ed25519(cx: &Context, given: Message) -> Result<Response> {
    let key = SigningKey::generate(&mut cx.random.rng());
    let signature = key.sign(given.message.as_bytes());
    key.verifying_key()
        .verify_strict(given.message.as_bytes(), &signature)
        .map_err(|error| Error::internal(format!("ed25519-dalek: {error}")))?;
    Response::json(&json!({
        "public": STANDARD.encode(key.verifying_key().as_bytes()),
        "signature": STANDARD.encode(signature.to_bytes()),
    }))
}

fn rsa(cx: &Context, given: Message) -> Result<Response> {
    let failed = |error: rsa::Error| Error::internal(format!("rsa: {error}"));
    let mut rng = cx.random.rng();
    let key = PrivateKey::new(&mut rng, BITS).map_err(failed)?;
    let digest = Sha256::digest(given.message.as_bytes());
    let scheme = Pkcs1v15Sign::new::<Sha256>;
    let signature = key.sign_with_rng(&mut rng, scheme(), &digest).map_err(failed)?;
    key.as_public_key()
        .verify(scheme(), &digest, &signature)
        .map_err(failed)?;
    Response::json(&json!({
        "modulus": STANDARD.encode(key.n_bytes()),
        "exponent": STANDARD.encode(key.e_bytes()),
        "signature": STANDARD.encode(&signature),
    }))
}

#[cfg(test)]
mod tests;
