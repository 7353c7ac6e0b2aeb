//! Tests that the log has what an engine prints, and not what a test prints.

#[macro_use(dbg, eprint, eprintln, print, println)]
extern crate airlock_sdk;

use airlock_sdk::testing::Mount;
use airlock_sdk::{Context, Description, Engine, Level, Result, Routes, route};

struct Talker;

impl Engine for Talker {
    const DESCRIPTION: Description = Description::new("talker", "1.0.0", "Prints.");
    const ROUTES: Routes = &[&route("talk").update(inner::talk)];
}

mod inner {
    use super::*;

    pub fn talk(cx: &Context, _: ()) -> Result<()> {
        println!();
        println!("{}, {}", 1, cx.request.path);
        print!("no end");
        eprint!("an end\n");
        eprintln!("two");
        assert_eq!(dbg!(1 + 1, "x"), (2, "x"));
        dbg!();
        Ok(())
    }
}

#[test]
fn what_an_engine_prints_is_logged_at_debug() {
    let mount = Mount::<Talker>::new();
    println!("the test's own");
    assert_eq!(mount.write("talk", airlock_sdk::json!({})).status(), 204);
    println!("the test's own");
    let logs = mount.logs();
    assert!(logs.iter().all(|line| line.level == Level::Debug));
    let lines: Vec<&str> = logs.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines[..5], ["", "1, talk", "no end", "an end", "two"]);
    assert!(lines[5].ends_with("] 1 + 1 = 2") && lines[5].contains("print.rs:"));
    assert!(lines[6].ends_with(r#"] "x" = "x""#) && lines[7].ends_with(']'));
    assert_eq!(lines.len(), 8);
}
