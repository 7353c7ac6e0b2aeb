//! A random script: many requests to few keys, so that requests meet the effects of earlier ones.

use serde_json::{Value, json};

use super::Step;
use crate::Dice;

/// Returns the seed in `AIRLOCK_SEED`, or 1 if it is not set. The seed is printed, so that a failed test shows it.
#[expect(clippy::print_stdout, reason = "shown for a failed test only")]
pub fn seed() -> u64 {
    let seed =
        std::env::var("AIRLOCK_SEED").map_or(1, |seed| seed.parse().expect("AIRLOCK_SEED is a number"));
    println!("drawn with AIRLOCK_SEED={seed}");
    seed
}

/// Draws `length` requests to version 2. The same seed draws the same requests.
pub fn version_2(length: usize, seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    (0..length).map(|_| dice.step()).collect()
}

impl Dice {
    fn step(&mut self) -> Step {
        let key = self.pick(&["a", "a/b", "team/db", "team/%C3%BC", "z"]);
        let on = |folder: &str| format!("{folder}/{key}");
        let folder = self.pick(&[
            "metadata",
            "metadata/",
            "metadata/team",
            "metadata/team/",
            "metadata/a",
        ]);
        match self.below(32) {
            0..8 => Step::new("POST", &on("data")).body(self.write()),
            8..11 => Step::new("PATCH", &on("data")).body(self.write()),
            11..13 => Step::new("GET", &on("data")),
            13..15 => Step::new("GET", &format!("{}?version={}", on("data"), self.below(14))),
            15..19 => Step::new("GET", &on("metadata")),
            19 => Step::new("DELETE", &on("data")),
            20 => Step::new("POST", &on("delete")).body(self.versions()),
            21..23 => Step::new("POST", &on("undelete")).body(self.versions()),
            23 => Step::new("POST", &on("destroy")).body(self.versions()),
            24 => Step::new("GET", &format!("{}?depth={}", on("subkeys"), self.below(4))),
            25 => Step::new("LIST", folder),
            26 => Step::new("LIST", &format!("{folder}?exclude_deleted=true")),
            27 => Step::new("POST", &on("metadata")).body(self.settings(true)),
            28 => Step::new("PATCH", &on("metadata")).body(self.settings(true)),
            29 => Step::new("POST", "config").body(self.settings(false)),
            30 => Step::new("GET", "config"),
            _ if self.below(3) == 0 => Step::new("DELETE", &on("metadata")),
            _ => Step::new("GET", &on("data")),
        }
    }

    fn write(&mut self) -> Value {
        let mut body = json!({"data": self.value(3)});
        if self.below(3) == 0 {
            body["options"] = json!({"cas": self.below(6)});
        }
        body
    }

    /// Draws an object, nested at most `depth` levels.
    fn value(&mut self, depth: usize) -> Value {
        let mut object = json!({});
        for _ in 0..self.below(4) {
            let name = self.pick(&["a", "b", "c", "ü"]);
            object[name] = match self.below(6) {
                0 => Value::Null,
                1 => json!(self.word() >> 20),
                2 => json!([1, "two", {"three": 3}]),
                3 if depth > 0 => self.value(depth - 1),
                _ => json!(format!("{:x}", self.word())),
            };
        }
        object
    }

    fn versions(&mut self) -> Value {
        let versions: Vec<usize> = (0..=self.below(3)).map(|_| self.below(14)).collect();
        json!({ "versions": versions })
    }

    fn settings(&mut self, of_key: bool) -> Value {
        let mut settings = json!({});
        for _ in 0..=self.below(2) {
            match self.below(4) {
                0 => settings["max_versions"] = json!(self.below(6)),
                1 => settings["cas_required"] = json!(self.below(4) == 0),
                // Only hours and minutes, so that no version expires while the script runs.
                2 => settings["delete_version_after"] = json!(self.pick(&["0s", "1h", "90m"])),
                _ if of_key => settings["custom_metadata"] = json!({"owner": self.pick(&["ann", "bea"])}),
                _ => settings["delete_version_after"] = json!("-1s"),
            }
        }
        settings
    }
}
